// firesteel chat: the terminal assistant.
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "answering.h"
#include "ask_agents.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "commands.h"
#include "generation.h"
#include "interrupt.h"
#include "lanes_view.h"
#include "line_editor.h"
#include "load_model.h"
#include "terminal.h"
#include "vision.h"

namespace firesteel {
namespace {

constexpr std::string_view kHelp =
    "/help           this list\n"
    "/image FILE     show a picture with the next message (again for more)\n"
    "/system TEXT    who the assistant is and how it answers; without TEXT: show it; - removes it\n"
    "/retry          answer the last message again\n"
    "/clear          forget the conversation (the system message stays)\n"
    "/save FILE      write the conversation as JSON\n"
    "/load FILE      go on with a saved conversation\n"
    "/agents N|auto  several subagents answer from now on, their lanes shown live; off: one again; without a word: show it\n"
    "/stats          show counts and speed after every answer, or stop that\n"
    "/exit           leave; so does Ctrl-D\n"
    "More than one line: end a line with \\ , or put the text between two lines of \"\"\".\n"
    "Ctrl-C stops an answer; what was written of it stays in the conversation.\n";

struct ChatOptions {
  ModelOptions model;
  GenerationOptions generation;
  std::string system;
  std::string load_file;
  ToolOptions tools;
  AgentOptions agents;
  bool stats = false;
  int64_t start_us = 0;
};

class Chat {
 public:
  Chat(const ChatOptions& options, const LoadedModel& loaded, Engine* engine, InterruptWatcher* interrupt, std::string adapter, std::optional<AgentParams> agents)
      : options_(options), loaded_(loaded), engine_(engine), adapter_(std::move(adapter)), interrupt_(interrupt), agents_(std::move(agents)), system_(options.system), stats_(options.stats) {}

  // Until the end of input or /exit. False when an answer failed and no person is there to read about it.
  bool run();
  Status load(const std::string& path);

 private:
  struct Picture {
    std::string path;
    ImagePtr image;
  };
  struct Message {
    std::string role, content;
    std::vector<Picture> pictures = {};
  };
  std::optional<std::string> read_message();  // several lines joined; nullopt at the end of input
  bool command(const std::string& line);      // false: leave
  Status save(const std::string& path) const;
  bool answer();
  Json messages_json() const;
  Status show(const std::string& path);
  Status set_agents(const std::string& words);
  void note(const std::string& text) const { fmt::print(stderr, "{}\n", text); }

  const ChatOptions& options_;
  const LoadedModel& loaded_;
  Engine* engine_;
  const std::string adapter_;  // digest; empty: the base model
  InterruptWatcher* interrupt_;
  std::optional<AgentParams> agents_;  // nullopt: one
  LineEditor editor_;
  std::string system_;
  std::vector<Message> messages_;
  std::vector<Picture> pictures_;  // for the next message
  bool stats_;
  bool failed_ = false;
};

std::optional<std::string> Chat::read_message() {
  std::string text;
  bool quoted = false;   // between lines of """
  bool first = true;
  for (;;) {
    std::optional<LineEditor::Line> line = editor_.read(first ? "> " : ". ");
    if (!line) return text.empty() ? std::nullopt : std::optional(text);
    if (line->interrupted) {
      text.clear();
      quoted = false;
      first = true;
      continue;
    }
    std::string& part = line->text;
    if (part.ends_with('\r')) part.pop_back();  // a file with the other line ends
    const bool is_fence = part == "\"\"\"";
    if (first && part.starts_with("\"\"\"")) {
      quoted = true;
      part.erase(0, 3);
      if (part.size() >= 3 && part.ends_with("\"\"\"")) return part.substr(0, part.size() - 3);
      if (!part.empty()) text = part + "\n";
      first = false;
      continue;
    }
    first = false;
    if (quoted) {
      if (is_fence || part.ends_with("\"\"\"")) return text + part.substr(0, part.size() - 3);
      text += part + "\n";
      continue;
    }
    if (part.ends_with('\\')) {
      part.back() = '\n';
      text += part;
      continue;
    }
    return text + part;
  }
}

bool Chat::run() {
  if (editor_.on_terminal()) {
    fmt::print("{} ({}). /help for commands, Ctrl-D to leave.\n",
               loaded_.model->config().name.empty() ? loaded_.path : loaded_.model->config().name, loaded_.model->config().architecture);
    std::fflush(stdout);
  }
  while (std::optional<std::string> text = read_message()) {
    if (text->find_first_not_of(" \t\n") == std::string::npos) continue;
    editor_.add_history(*text);
    if (text->starts_with('/') && text->find('\n') == std::string::npos) {
      if (!command(*text)) break;
      continue;
    }
    messages_.push_back({"user", std::move(*text), std::exchange(pictures_, {})});
    if (!answer()) {
      pictures_ = std::move(messages_.back().pictures);
      messages_.pop_back();
    }
  }
  return !failed_ || editor_.on_terminal();
}

bool Chat::command(const std::string& line) {
  const size_t space = line.find(' ');
  const std::string name = line.substr(0, space);
  const size_t start = space == std::string::npos ? space : line.find_first_not_of(' ', space);
  const std::string argument = start == std::string::npos ? "" : line.substr(start, line.find_last_not_of(' ') + 1 - start);
  if (name == "/exit" || name == "/quit") return false;
  if (name == "/help") {
    fmt::print(stderr, "{}", kHelp);
  } else if (name == "/clear") {
    messages_.clear();
    pictures_.clear();
    note("The conversation is empty.");
  } else if (name == "/image") {
    const Status status = show(argument);
    failed_ = failed_ || !status.ok();
    note(status.ok() ? fmt::format("Picture for the next message: {} ({} x {})", argument, pictures_.back().image->width, pictures_.back().image->height)
                     : status.error().message);
  } else if (name == "/agents") {
    const Status status = set_agents(argument);
    failed_ = failed_ || !status.ok();
    note(!status.ok() ? status.error().message : !agents_ ? "One agent answers." : agents_->n_agents == 0 ? "A router chooses whether subagents answer, and how many." : fmt::format("Up to {} subagents answer.", agents_->n_agents));
  } else if (name == "/stats") {
    stats_ = !stats_;
    note(stats_ ? "Statistics after every answer." : "No statistics.");
  } else if (name == "/system") {
    if (argument.empty()) {
      note(system_.empty() ? "No system message." : "System message: " + system_);
    } else {
      system_ = argument == "-" ? "" : argument;
      note(system_.empty() ? "No system message." : "System message set.");
    }
  } else if (name == "/save" || name == "/load") {
    if (argument.empty()) {
      note(name + " needs a file name.");
      return true;
    }
    const Status status = name == "/save" ? save(argument) : load(argument);
    failed_ = failed_ || !status.ok();
    note(status.ok() ? fmt::format("{} {} messages: {}", name == "/save" ? "Saved" : "Loaded", messages_.size(), argument) : status.error().message);
  } else if (name == "/retry") {
    if (!messages_.empty() && messages_.back().role == "assistant") messages_.pop_back();
    if (messages_.empty()) {
      note("There is nothing to answer yet.");
    } else {
      answer();
    }
  } else {
    const std::string near = nearest(name, {"/help", "/image", "/system", "/retry", "/clear", "/save", "/load", "/agents", "/stats", "/exit"});
    note("No command " + name + (near.empty() ? "; see /help" : "; did you mean " + near + "?"));
  }
  return true;
}

Status Chat::show(const std::string& path) {
  if (path.empty()) return Error{ErrorCode::kInvalidArgument, "/image needs a file name."};
  if (loaded_.vision == nullptr) return cannot_see(loaded_.path);
  FS_TRY(ImagePtr image, read_image(path));
  pictures_.push_back({path, std::move(image)});
  return {};
}

// The strategy, bounds and mode of the command line hold on.
Status Chat::set_agents(const std::string& words) {
  if (words.empty()) return {};
  if (words == "off" || words == "1") {
    agents_.reset();
    return {};
  }
  AgentOptions options = options_.agents;
  options.agents = words;
  const std::string& mode = options_.generation.mode;
  Result<std::optional<AgentParams>> agents = agent_params(options, mode == "instant" || mode == "thinking" ? "" : mode);
  if (!agents.ok()) return Error{agents.error().code, fmt::format("/agents {}: expected auto, off, or 2 to {}", words, kFanOutMax)};
  agents_ = std::move(*agents);
  return {};
}

Json Chat::messages_json() const {
  Json::Array out;
  if (!system_.empty()) out.push_back(Json::Object{{"role", "system"}, {"content", system_}});
  for (const Message& message : messages_) {
    out.push_back(Json::Object{{"role", message.role}, {"content", content_with_images(message.content, message.pictures.size())}});
  }
  return out;
}

Status Chat::save(const std::string& path) const {
  Json out;
  out.set("firesteel_chat", 1);
  out.set("model", loaded_.path);
  Json::Array messages;  // pictures by their files
  if (!system_.empty()) messages.push_back(Json::Object{{"role", "system"}, {"content", system_}});
  for (const Message& message : messages_) {
    Json::Object item{{"role", message.role}, {"content", message.content}};
    Json::Array paths;
    for (const Picture& picture : message.pictures) paths.emplace_back(picture.path);
    if (!paths.empty()) item.emplace_back("images", std::move(paths));
    messages.push_back(std::move(item));
  }
  out.set("messages", std::move(messages));
  return write_file_atomic(path, out.dump(2) + "\n");
}

Status Chat::load(const std::string& path) {
  FS_TRY(const std::string text, read_file(path, 64u << 20));
  FS_TRY(const Json json, Json::parse(text));
  const Json* list = json.is_array() ? &json : json.find("messages");
  if (list == nullptr || !list->is_array()) return Error{ErrorCode::kInvalidArgument, path + ": expected a list of messages"};
  std::string system;
  std::vector<Message> messages;
  for (const Json& item : list->as_array()) {
    const Json* role = item.find("role");
    const Json* content = item.find("content");
    if (role == nullptr || !role->is_string() || content == nullptr || !content->is_string()) {
      return Error{ErrorCode::kInvalidArgument, path + ": message " + std::to_string(messages.size()) + ": expected role and content as text"};
    }
    const std::string& name = role->as_string();
    if (name == "system" && messages.empty()) {
      system = content->as_string();
    } else if (name == "user" || name == "assistant") {
      messages.push_back({name, content->as_string()});
      const Json* images = item.find("images");
      if (images == nullptr) continue;
      if (!images->is_array()) return Error{ErrorCode::kInvalidArgument, path + ": message " + std::to_string(messages.size() - 1) + ": expected images as a list of files"};
      for (const Json& file : images->as_array()) {
        if (!file.is_string()) return Error{ErrorCode::kInvalidArgument, path + ": message " + std::to_string(messages.size() - 1) + ": expected images as a list of files"};
        if (loaded_.vision == nullptr) return cannot_see(loaded_.path);
        FS_TRY(ImagePtr image, read_image(file.as_string()));
        messages.back().pictures.push_back({file.as_string(), std::move(image)});
      }
    } else {
      return Error{ErrorCode::kInvalidArgument, path + ": message " + std::to_string(messages.size()) + ": unexpected role '" + name + "'"};
    }
  }
  // Nothing changed until all of it was read.
  system_ = std::move(system);
  messages_ = std::move(messages);
  return {};
}

bool Chat::answer() {
  GenerateRequest request;
  request.adapter = adapter_;
  ChatPrompt prompt;
  prompt.messages = messages_json();
  std::string unused_note;
  prompt.template_variables = template_variables(options_.generation, loaded_, &unused_note);
  request.prompt = std::move(prompt);
  for (const Message& message : messages_) {
    for (const Picture& picture : message.pictures) request.images.push_back(picture.image);
  }
  const uint64_t seed = seed_to_use(options_.generation);
  request.sampling = sampling_params(options_.generation, loaded_, seed);
  request.stop = stop_params(options_.generation);
  const bool on_terminal = editor_.on_terminal();
  const auto on_stream = [this](TokenStream* stream) { stream != nullptr ? interrupt_->arm(stream) : interrupt_->disarm(); };
  const Result<AgentTools> tools = tools_to_offer(options_.tools, options_.generation, loaded_);
  Result<ConversationAnswer> given = Error{ErrorCode::kInternal, ""};
  if (!tools.ok()) {
    given = tools.error();
  } else if (agents_) {
    request.agents = agents_;
    Result<Answer> joined = answer_by_agents(engine_, std::move(request), *tools, /*quiet=*/false, interrupt_);
    if (joined.ok()) given = ConversationAnswer{.answer = std::move(*joined), .calls = {}};
    else given = std::move(joined).error();
  } else {
    given = answer_conversation(engine_, std::move(request), *tools, /*quiet=*/false, on_stream);
  }
  if (!given.ok()) {
    note(given.error().message + (given.error().code == ErrorCode::kInvalidArgument ? " (/clear forgets the conversation)" : ""));
    failed_ = true;
    return false;
  }
  const Answer& answer = given->answer;
  std::fputc('\n', stdout);
  std::fflush(stdout);
  if (agents_ && answer.done.report != nullptr) note(describe_run(*answer.done.report));
  switch (answer.done.reason) {
    case FinishReason::kError:
      note(answer.done.error.message);
      failed_ = true;
      return false;
    case FinishReason::kCancelled: note("(stopped)"); break;
    case FinishReason::kLength: note("(cut by --max-tokens or the end of the context)"); break;
    default: break;
  }
  if (stats_) fmt::print(stderr, "{}, seed {}\n", describe_usage(answer.done.usage, 0), seed);
  if (on_terminal) std::fputc('\n', stdout);
  messages_.push_back({"assistant", answer.text});
  return true;
}

int chat(const ChatOptions& options, const std::optional<AgentParams>& agents) {
  InterruptWatcher interrupt;  // before every other thread
  Result<LoadedModel> loaded = load_model(options.model, /*want_template=*/true);
  if (!loaded.ok()) return fail(loaded.error());
  if (loaded->tokenizer == nullptr) return fail(Error{ErrorCode::kNotFound, loaded->path + ": has no tokenizer"});
  if (loaded->chat_template == nullptr) {
    return fail(Error{ErrorCode::kFailedPrecondition, loaded->path + ": this model has no chat template, so it cannot hold a conversation. Try " +
                                                          "'firesteel ask --raw --model " + loaded->path + " \"Once upon a time\"', or give " +
                                                          "--chat-template FILE"});
  }
  Engine::Options engine_options;
  engine_options.max_sequences = kFanOutMax;  // of /agents
  Result<std::unique_ptr<Engine>> engine = create_engine(*loaded, options.model, engine_options);
  if (!engine.ok()) return fail(engine.error());
  std::string note;
  template_variables(options.generation, *loaded, &note);
  if (!note.empty()) fmt::print(stderr, "firesteel: {}\n", note);
  const Result<std::string> adapter = use_adapter(engine->get(), options.model);
  if (!adapter.ok()) return fail(adapter.error());
  Chat chat(options, *loaded, engine->get(), &interrupt, *adapter, agents);
  if (!options.load_file.empty()) {
    if (const Status status = chat.load(options.load_file); !status.ok()) return fail(status.error());
  }
  return chat.run() ? kExitOk : kExitFailed;
}

}  // namespace

void add_chat(Command root) {
  const auto options = std::make_shared<ChatOptions>();
  options->start_us = system_clock().now_us();
  Command command = root.subcommand("chat", "Talk with a model in the terminal");
  add_model_option(&command, &options->model);
  command.text("-s,--system", &options->system, "System message: who the assistant is and how it answers");
  command.text("--load", &options->load_file, "Go on with a conversation that /save wrote");
  command.text("--chat-template", &options->model.chat_template_file, "Use this Jinja file instead of the model's own template");
  add_vision_option(&command, &options->model);
  add_adapter_option(&command, &options->model);
  add_generation_options(&command, &options->generation);
  add_tool_options(&command, &options->tools);
  add_agent_options(&command, &options->agents);
  add_engine_options(&command, &options->model);
  command.flag("--stats", &options->stats, "Counts and speed after every answer");
  command.examples(
      "  firesteel chat --model MODEL.gguf\n"
      "  firesteel chat --model MODEL.gguf --system \"You are a patient teacher.\" --temperature 0.3\n"
      "  firesteel chat --agents auto\n"
      "  printf 'Hello\\nAnd in French?\\n' | firesteel chat --model MODEL.gguf\n"
      "Inside: /help lists the commands.");
  command.run([options] {
    const Result<std::optional<AgentParams>> agents = agent_params(options->agents, options->generation.mode);
    return agents.ok() ? chat(*options, *agents) : fail_usage(agents.error().message);
  });
}

}  // namespace firesteel
