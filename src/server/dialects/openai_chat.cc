// POST /v1/chat/completions.
#include <algorithm>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "server/dialects/answer_encoder.h"
#include "server/dialects/dialects.h"
#include "server/dialects/generation.h"
#include "server/dialects/json_writer.h"
#include "server/dialects/openai_common.h"
#include "server/dialects/openai_messages.h"

namespace firesteel {
namespace {

constexpr Parameter kChat[] = {
    {"model", Support::kSupported, "absent: the served model"},
    {"messages"},
    {"stream"},
    {"stream_options", Support::kSupported, "include_usage; include_obfuscation is ignored"},
    {"max_completion_tokens", Support::kSupported, "absent: until the context is full"},
    {"max_tokens", Support::kSupported, "older name of max_completion_tokens"},
    {"temperature", Support::kSupported, "0 to 2; default: the model's, or 1"},
    {"top_p", Support::kSupported, "0 to 1; default: the model's, or 1"},
    {"n", Support::kSupported, "1 to 16"},
    {"seed", Support::kSupported, "absent: random, and reported in firesteel.seed"},
    {"stop", Support::kSupported, "a string or at most 4"},
    {"presence_penalty", Support::kSupported, "-2 to 2"},
    {"frequency_penalty", Support::kSupported, "-2 to 2"},
    {"logit_bias", Support::kSupported, "token ids to -100..100"},
    {"logprobs"},
    {"top_logprobs", Support::kSupported, "0 to 20, with logprobs"},
    {"response_format", Support::kSupported, "text, json_object, json_schema; with tools the answer is one call or has that form; tool_choice required: reported as ignored"},
    {"tools", Support::kSupported, "of type function, at most 128"},
    {"tool_choice", Support::kSupported, "none, auto, required, or one function; required gives exactly one call"},
    {"parallel_tool_calls"},
    {"reasoning_effort", Support::kSupported, "none, minimal, low, medium, high, xhigh; reported as ignored if the model does not think"},
    {"firesteel", Support::kSupported, "the extension object"},
    {"user", Support::kSupported, "kept with the usage record"},
    {"metadata", Support::kSupported, "at most 16 strings"},
    {"store", Support::kIgnored, "false; true is refused: completions are not stored"},
    {"modalities", Support::kSupported, "[\"text\"] only"},
    {"verbosity", Support::kIgnored},
    {"service_tier", Support::kIgnored},
    {"safety_identifier", Support::kIgnored},
    {"prediction", Support::kIgnored},
    {"prompt_cache_key", Support::kIgnored, "equal prefixes are shared without it"},
    {"prompt_cache_retention", Support::kIgnored},
    {"prompt_cache_options", Support::kIgnored},
    {"audio", Support::kRefused, "there is no audio"},
    {"web_search_options", Support::kRefused, "there is no web search"},
    {"moderation", Support::kRefused, "there is no moderation"},
    {"functions", Support::kRefused, "use tools"},
    {"function_call", Support::kRefused, "use tool_choice"},
};

class ChatEncoder final : public AnswerEncoder {
 public:
  ChatEncoder(const Generation& generation, StreamOptions stream, bool logprobs, OpenAiHead head, std::string report)
      : AnswerEncoder(static_cast<size_t>(generation.n), generation.format, stream.on, false, head.request_id),
        usage_in_stream_(stream.include_usage),
        logprobs_(logprobs),
        head_(std::move(head)),
        report_(std::move(report)) {
    keep_logprobs_ = logprobs;
  }

  void begin(std::string* out) override {
    if (!stream_) return;
    chunk_head_ = head_.text("chat.completion.chunk");
    for (size_t i = 0; i < choices_.size(); ++i) write_chunk(i, R"({"role":"assistant","content":""})", nullptr, {}, out);
  }

  void end(std::string* out) override {
    if (stream_) {
      if (usage_in_stream_) {
        *out += "data: {" + chunk_head_ + R"(,"choices":[],"usage":)";
        write_openai_usage(totals(choices_.size()), out);
        *out += ",\"firesteel\":" + with_agents(report_) + "}\n\n";
      }
      *out += "data: [DONE]\n\n";
      return;
    }
    *out += "{" + head_.text("chat.completion") + ",\"choices\":[";
    for (size_t i = 0; i < choices_.size(); ++i) {
      if (i > 0) out->push_back(',');
      write_choice(i, out);
    }
    *out += "],\"usage\":";
    write_openai_usage(totals(choices_.size()), out);
    *out += ",\"firesteel\":" + with_agents(report_) + "}";
  }

  void fail(const ApiError& error, std::string* out) override {
    if (stream_) *out += "data: " + error_body(error, Dialect::kOpenAi, request_id_) + "\n\n";
  }
  void heartbeat(std::string* out) override {
    if (stream_) *out += ": keep-alive\n\n";
  }

 private:
  const char* finish_reason(const Choice& choice) const {
    if (choice.is_cut()) return "length";
    return choice.calls.empty() ? "stop" : "tool_calls";
  }

  void write_deltas(size_t index, const std::vector<AnswerDelta>& deltas, std::string* out) override {
    Choice& choice = choices_[index];
    for (const AnswerDelta& delta : deltas) {
      std::string text;
      JsonWriter json(&text);
      json.begin_object();
      switch (delta.kind) {
        case AnswerDelta::Kind::kText: json.member("content", delta.text); break;
        case AnswerDelta::Kind::kReasoning: json.member("reasoning_content", delta.text); break;
        case AnswerDelta::Kind::kCallBegin:
        case AnswerDelta::Kind::kCallArguments: {
          const bool begins = delta.kind == AnswerDelta::Kind::kCallBegin;
          json.key("tool_calls").begin_array().begin_object().member("index", delta.call_idx);
          if (begins) json.member("id", choice.calls[delta.call_idx].id).member("type", "function");
          json.key("function").begin_object();
          if (begins) json.member("name", delta.text);
          json.member("arguments", begins ? std::string() : delta.text).end_object().end_object().end_array();
          break;
        }
      }
      json.end_object();
      // Log probabilities go with the first piece of text that is told after their tokens.
      const bool is_text = delta.kind == AnswerDelta::Kind::kText;
      write_chunk(index, text, nullptr, logprobs_ && is_text ? take_logprobs(&choice) : std::string(), out);
    }
  }

  void write_done(size_t index, std::string* out) override {
    Choice& choice = choices_[index];
    std::string logprobs;
    if (logprobs_ && choice.n_logprobs_told < choice.logprobs.size()) logprobs = take_logprobs(&choice);
    write_chunk(index, "{}", finish_reason(choice), logprobs, out);
  }

  void write_question(const std::string& extension, std::string* out) override {
    *out += "data: {" + chunk_head_ + ",\"choices\":[],\"firesteel\":" + extension + "}\n\n";
  }

  std::string take_logprobs(Choice* choice) {
    std::string text;
    write_openai_logprobs(choice->logprobs, &choice->n_logprobs_told, head_.generator, &text);
    return text;
  }

  void write_chunk(size_t index, std::string_view delta, const char* reason, const std::string& logprobs, std::string* out) const {
    *out += "data: {";
    *out += chunk_head_;
    *out += R"(,"choices":[{"index":)" + std::to_string(index) + R"(,"delta":)";
    *out += delta;
    *out += R"(,"logprobs":)" + (logprobs.empty() ? std::string("null") : logprobs) + R"(,"finish_reason":)";
    *out += reason == nullptr ? std::string("null") : '"' + std::string(reason) + '"';
    *out += "}]";
    if (usage_in_stream_) *out += ",\"usage\":null";
    else if (reason != nullptr && std::all_of(choices_.begin(), choices_.end(), [](const Choice& c) { return c.done; })) *out += ",\"firesteel\":" + with_agents(report_);
    *out += "}\n\n";
  }

  void write_choice(size_t index, std::string* out) {
    Choice& choice = choices_[index];
    JsonWriter json(out);
    json.begin_object().member("index", index).key("message").begin_object().member("role", "assistant");
    if (choice.text.empty() && !choice.calls.empty()) json.member("content", nullptr);
    else json.member("content", choice.text);
    json.member("refusal", nullptr);
    if (!choice.reasoning.empty()) json.member("reasoning_content", choice.reasoning);
    if (!choice.calls.empty()) {
      json.key("tool_calls").begin_array();
      for (const Call& call : choice.calls) {
        json.begin_object().member("id", call.id).member("type", "function").key("function").begin_object();
        json.member("name", call.name).member("arguments", call.arguments).end_object().end_object();
      }
      json.end_array();
    }
    json.end_object().key("logprobs");
    if (logprobs_) json.raw(take_logprobs(&choice));
    else json.value(nullptr);
    json.member("finish_reason", finish_reason(choice)).end_object();
  }

  const bool usage_in_stream_;
  const bool logprobs_;
  const OpenAiHead head_;
  const std::string report_;
  std::string chunk_head_;
};

void read_tool_choice(const BodyReader& body, Generation* out) {
  const bool has_tools = !out->tool_list.empty();
  out->format.tools = has_tools;
  const Json* choice = body.get("tool_choice");
  if (choice != nullptr && choice->is_object()) {
    static constexpr Parameter kNamed[] = {{"type"}, {"function"}, {"allowed_tools", Support::kRefused, "not built yet"}};
    const BodyReader named(*choice, body.path("tool_choice"), body.state());
    named.check({"tool_choice", kNamed});
    named.choice("type", {"function"});
    const auto function = named.object("function");
    if (!named.ok()) return;
    if (!function) return named.fail("function", "missing");
    const auto name = function->string("name");
    if (!body.ok()) return;
    const bool known = name && std::any_of(out->tool_list.begin(), out->tool_list.end(), [&](const Tool& tool) { return tool.name == *name; });
    if (!known) return function->fail("name", "expected the name of one of the tools, found " + (name ? describe(Json(*name)) : std::string("nothing")));
    require_call(*name, out);
  } else if (choice != nullptr) {
    const auto word = body.choice("tool_choice", {"none", "auto", "required"});
    if (!word) return;
    if (*word == "none") {
      // The model does not see them, so it does not call them.
      out->format.tools = false;
      out->no_own_tools = true;
      out->tools = Json();
      out->tool_list.clear();
    } else if (*word == "required") {
      if (!has_tools) return body.fail("tool_choice", "required without tools");
      require_call({}, out);
    }
  }
}

}  // namespace

extern const ParameterTable kOpenAiChatTable;
const ParameterTable kOpenAiChatTable = {"POST /v1/chat/completions", kChat};

ExchangeOrError parse_openai_chat(const HttpRequest& request, const ExchangeContext& context) {
  ReadState state;
  const auto json = parse_body(request.body, &state);
  if (!json) return *state.error;
  const BodyReader body(*json, "", &state);
  const ModelInfo info = context.generator->info();
  Generation generation;
  body.check(kOpenAiChatTable);
  Exchange exchange;
  exchange.model = read_model(body, context);
  generation.images.can_see = info.can_see;
  read_openai_messages(body, &generation);
  read_openai_sampling(body, 4, info, &generation);
  read_openai_max_tokens(body, {"max_completion_tokens", "max_tokens"}, &generation);
  if (const auto n = body.integer("n", 1, kChoicesMax)) generation.n = *n;
  const bool logprobs = body.boolean("logprobs").value_or(false);
  const auto n_top = body.integer("top_logprobs", 0, 20);
  if (n_top && !logprobs) body.fail("top_logprobs", "needs logprobs");
  if (logprobs) generation.sampling.n_top_logprobs = static_cast<int>(n_top.value_or(0));
  read_tools(body, false, &generation);
  read_response_format(body, "response_format", false, &generation);
  const bool has_format = generation.constraint.has_value();
  for (const Tool& tool : generation.tool_list) generation.format.tool_names.push_back(tool.name);
  if (const auto parallel = body.boolean("parallel_tool_calls")) generation.format.parallel = *parallel;
  read_tool_choice(body, &generation);
  if (has_format && generation.format.only_call) body.note_ignored("response_format");  // every answer is a call
  else if (has_format && !generation.tool_list.empty()) allow_call_or_format(&generation);
  read_effort(body, "reasoning_effort", info, &generation);
  read_extension(body, info, &generation);
  read_openai_bookkeeping(body);
  const StreamOptions stream = read_stream_options(body);
  if (!state.ok()) return *state.error;

  const int64_t seed = effective_seed(generation, context);
  exchange.stream = stream.on;
  if (stream.on) exchange.content_type = "text/event-stream";
  exchange.parameter_names = {{"prompt", "messages"}, {"constraint", has_format ? "response_format" : "tools"}};
  add_ignored_header(state.ignored, &exchange.headers);
  exchange.encoder = std::make_unique<ChatEncoder>(generation, stream, logprobs, OpenAiHead::make("chatcmpl-", exchange.model, info, context),
                                                   extension_report(generation, seed, state.ignored));
  exchange.requests = make_requests(std::move(generation), seed, context);
  return exchange;
}

}  // namespace firesteel
