// firesteel ask: one question, one streamed answer.
#include <unistd.h>

#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "answering.h"
#include "ask_agents.h"
#include "base/clock.h"
#include "base/json.h"
#include "commands.h"
#include "generation.h"
#include "input.h"
#include "interrupt.h"
#include "lanes_view.h"
#include "load_model.h"
#include "machine.h"
#include "terminal.h"
#include "vision.h"

namespace firesteel {
namespace {

struct AskOptions {
  ModelOptions model;
  GenerationOptions generation;
  ConstraintOptions constraint;
  std::vector<std::string> prompt;
  std::vector<std::string> images;
  std::string system;
  ToolOptions tools;
  AgentOptions agents;
  bool raw = false, stats = false, json = false;
  int64_t start_us = 0;
};

Result<Prompt> make_prompt(const AskOptions& options, const std::string& text, const LoadedModel& loaded) {
  if (options.raw) return Prompt{RawPrompt{text}};
  if (loaded.chat_template == nullptr) {
    return Error{ErrorCode::kFailedPrecondition,
                 loaded.path + ": this model has no chat template. Use --raw to continue the text as it is, or --chat-template FILE"};
  }
  Json::Array messages;
  const auto add = [&messages](const char* role, Json content) {
    messages.push_back(Json::Object{{"role", role}, {"content", std::move(content)}});
  };
  if (!options.system.empty()) add("system", options.system);
  add("user", content_with_images(text, options.images.size()));
  ChatPrompt prompt;
  prompt.messages = std::move(messages);
  std::string note;
  prompt.template_variables = template_variables(options.generation, loaded, &note);
  if (!note.empty()) fmt::print(stderr, "firesteel: {}\n", note);
  return Prompt{std::move(prompt)};
}

void print_json(const AskOptions& options, const ConversationAnswer& given, const LoadedModel& loaded, uint64_t seed, int64_t load_us) {
  const Answer& answer = given.answer;
  const Usage& usage = answer.done.usage;
  Json counts;
  counts.set("prompt_tokens", usage.prompt_tokens);
  counts.set("cached_tokens", usage.cached_tokens);
  counts.set("generated_tokens", usage.generated_tokens);
  Json timing;
  timing.set("load_ms", static_cast<double>(load_us) * 1e-3);
  timing.set("first_token_ms", static_cast<double>(load_us + usage.first_token_us) * 1e-3);
  timing.set("total_ms", static_cast<double>(load_us + usage.total_us) * 1e-3);
  timing.set("decode_tokens_per_second", decode_tokens_per_second(usage));
  Json out;
  out.set("text", answer.text);
  if (!answer.thinking.empty()) out.set("thinking", answer.thinking);
  if (!given.calls.empty()) out.set("calls", calls_json(given.calls));
  out.set("finish_reason", finish_reason_name(answer.done.reason));
  if (!answer.done.stop_string.empty()) out.set("stop_string", answer.done.stop_string);
  out.set("model", loaded.path);
  if (!options.model.adapter.empty()) out.set("adapter", options.model.adapter);
  out.set("seed", static_cast<int64_t>(seed));
  out.set("temperature", temperature_to_use(options.generation, loaded));
  out.set("usage", std::move(counts));
  out.set("timing", std::move(timing));
  if (answer.done.report != nullptr) out.set("ledger", *answer.done.report);
  out.set("peak_memory_bytes", static_cast<int64_t>(peak_rss_bytes()));
  std::printf("%s\n", out.dump().c_str());
}

Status ask(const AskOptions& options) {
  InterruptWatcher interrupt;  // before every other thread
  std::string text;
  for (const std::string& word : options.prompt) text += (text.empty() ? "" : " ") + word;
  if (text == "-") {
    FS_TRY(text, read_stdin());
  }
  FS_TRY(std::optional<Constraint> constraint, read_constraint(options.constraint));
  std::vector<ImagePtr> images;
  for (const std::string& path : options.images) {
    FS_TRY(images.emplace_back(), read_image(path));
  }
  FS_TRY(const std::optional<AgentParams> agents, agent_params(options.agents, options.generation.mode));
  FS_TRY(const LoadedModel loaded, load_model(options.model, !options.raw));
  if (!images.empty() && loaded.vision == nullptr) return cannot_see(loaded.path);
  if (loaded.tokenizer == nullptr) return Error{ErrorCode::kNotFound, loaded.path + ": has no tokenizer"};
  FS_TRY(Prompt prompt, make_prompt(options, text, loaded));
  Engine::Options engine_options;
  engine_options.max_sequences = agents ? kFanOutMax : 1;
  FS_TRY(const std::unique_ptr<Engine> engine, create_engine(loaded, options.model, engine_options));

  const uint64_t seed = seed_to_use(options.generation);
  GenerateRequest request;
  FS_TRY(request.adapter, use_adapter(engine.get(), options.model));
  request.prompt = std::move(prompt);
  request.images = std::move(images);
  request.sampling = sampling_params(options.generation, loaded, seed);
  request.stop = stop_params(options.generation);
  request.constraint = std::move(constraint);
  request.use_prefix_cache = false;
  const int64_t load_us = system_clock().now_us() - options.start_us;
  ConversationAnswer given;
  if (options.raw) {
    FS_TRY(const std::unique_ptr<TokenStream> stream, engine->submit(std::move(request)));
    given.answer = read_answer(stream.get(), [&](std::string_view piece, bool) {
      if (options.json) return;
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      std::fflush(stdout);
    });
  } else {
    // A form that the whole answer must have leaves no room for calls.
    const bool has_form = request.constraint.has_value() && options.tools.tools == "auto";
    AgentTools tools;
    if (!has_form) {
      FS_TRY(tools, tools_to_offer(options.tools, options.generation, loaded));
    }
    request.use_prefix_cache = agents || !tools.empty();  // without calls there will be no second request
    request.agents = agents;
    if (agents) {
      FS_TRY(given.answer, answer_by_agents(engine.get(), std::move(request), tools, options.json, &interrupt));
    } else {
      FS_TRY(given, answer_conversation(engine.get(), std::move(request), tools, options.json,
                                        [&interrupt](TokenStream* stream) { stream != nullptr ? interrupt.arm(stream) : interrupt.disarm(); }));
    }
  }
  const Answer& answer = given.answer;

  if (answer.done.reason == FinishReason::kError) {
    if (!options.json && !answer.text.empty()) std::fputc('\n', stdout);
    return answer.done.error;
  }
  // Stopped by a person: what there was has been shown, its ledger follows, and the exit code says that it is not whole.
  const bool was_stopped = answer.done.reason == FinishReason::kCancelled;
  if (options.json) {
    print_json(options, given, loaded, seed, load_us);
  } else {
    std::fputc('\n', stdout);
    std::fflush(stdout);
    if (answer.done.report != nullptr) fmt::print(stderr, "{}\n", describe_run(*answer.done.report));
  }
  if (options.stats) {
    fmt::print(stderr, "{}, finish {}, seed {}\n", describe_usage(answer.done.usage, load_us), finish_reason_name(answer.done.reason), seed);
  }
  if (was_stopped && !options.json) return Error{ErrorCode::kCancelled, "stopped; what was written until then is not the whole answer"};
  return {};
}

}  // namespace

void add_ask(Command root) {
  const auto options = std::make_shared<AskOptions>();
  options->start_us = system_clock().now_us();  // main has only just begun
  Command command = root.subcommand("ask", "Ask one question; the answer streams to stdout");
  command.texts("prompt", &options->prompt, "The question; - reads it from stdin");
  command.required("prompt");
  add_model_option(&command, &options->model);
  command.text("-s,--system", &options->system, "System message: who the assistant is and how it answers");
  command.flag("--raw", &options->raw, "No chat template: continue the text as it is");
  command.text("--chat-template", &options->model.chat_template_file, "Use this Jinja file instead of the model's own template");
  command.texts("--image", &options->images, "A picture to look at (JPEG, PNG, WebP, BMP, PPM); may be repeated");
  add_vision_option(&command, &options->model);
  add_adapter_option(&command, &options->model);
  add_generation_options(&command, &options->generation);
  add_constraint_options(&command, &options->constraint);
  add_tool_options(&command, &options->tools);
  add_agent_options(&command, &options->agents);
  add_engine_options(&command, &options->model);
  command.flag("--stats", &options->stats, "Prompt tokens, time to first token since start, tok/s and peak memory, on stderr");
  command.flag("--json", &options->json, "Print one JSON object at the end instead of streaming");
  command.examples(
      "  firesteel ask --model MODEL.gguf \"Why is the sky blue?\"\n"
      "  firesteel ask --model MODEL.gguf --system \"Answer in one line.\" --temperature 0 --stats \"What is DNS?\"\n"
      "  firesteel ask --model MODEL.gguf --raw --max-tokens 100 \"Once upon a time\"\n"
      "  firesteel ask --model MODEL.gguf --json-schema '{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"people\":{\"type\":\"integer\"}},"
      "\"required\":[\"city\",\"people\"]}' \"The largest city of France?\"\n"
      "  firesteel ask --model MODEL.gguf --regex \"(yes|no), because [^.]{1,200}\\.\" \"Is 91 prime?\"\n"
      "  firesteel ask --model MODEL.gguf --image chart.png \"Which month was highest?\"\n"
      "  firesteel ask --agents auto \"How far does a train go in 3 h at 80 km/h, and what is 20 % of that?\"\n"
      "  firesteel ask --agents 8 --strategy vote --json \"A shop sells 3 pens for 2.40. What do 7 pens cost?\"\n"
      "  git diff | firesteel ask --model MODEL.gguf -");
  command.run([options, command] {
    for (const auto& [flag, value] : {std::pair("--json-schema", &options->constraint.json_schema), std::pair("--regex", &options->constraint.regex),
                                      std::pair("--grammar", &options->constraint.grammar)}) {
      if (command.was_given(flag) && value->empty()) return fail_usage(std::string(flag) + " is empty: only an empty answer would do");
    }
    if (options->images.size() > kImagesMax) return fail_usage(fmt::format("--image: at most {} pictures, found {}", kImagesMax, options->images.size()));
    if (options->raw && !options->images.empty()) return fail_usage("--image has no place in a --raw prompt: leave one of them out");
    if (options->raw && !options->system.empty()) return fail_usage("--system has no place in a --raw prompt: leave one of them out");
    const Result<std::optional<AgentParams>> agents = agent_params(options->agents, options->generation.mode);
    if (!agents.ok()) return fail_usage(agents.error().message);
    if (options->raw && *agents) return fail_usage("agents need a conversation: leave out --raw, or --agents, --strategy and --mode");
    if (options->raw && options->tools.tools != "auto" && options->tools.tools != "none") return fail_usage("--tools has no place in a --raw prompt: leave one of them out");
    const Status status = ask(*options);
    return status.ok() ? kExitOk : fail(status.error(), options->json);
  });
}

}  // namespace firesteel
