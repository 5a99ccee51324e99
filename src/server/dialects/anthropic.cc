// POST /v1/messages and /v1/messages/count_tokens, in the versions 2023-06-01 and 2026-10-21.
#include <string>
#include <utility>

#include "server/dialects/anthropic_messages.h"
#include "server/dialects/answer_encoder.h"
#include "server/dialects/dialects.h"
#include "server/dialects/generation.h"
#include "server/dialects/json_writer.h"

namespace firesteel {
namespace {

constexpr Parameter kMessages[] = {
    {"model", Support::kSupported, "absent: the served model"},
    {"messages", Support::kSupported, "text, thinking, tool_use, tool_result, documents of plain text; the last one is the user's"},
    {"system", Support::kSupported, "a string or text blocks"},
    {"max_tokens", Support::kSupported, "required"},
    {"stop_sequences", Support::kSupported, "at most 16"},
    {"stream"},
    {"temperature", Support::kSupported, "0 to 1; default: the model's, or 1; refused in version 2026-10-21"},
    {"top_p", Support::kSupported, "0 to 1; refused in version 2026-10-21"},
    {"top_k", Support::kSupported, "refused in version 2026-10-21"},
    {"tools", Support::kSupported, "custom ones, at most 128"},
    {"tool_choice", Support::kSupported, "auto, any, tool, none; any and tool give exactly one call"},
    {"thinking", Support::kSupported, "enabled with budget_tokens, adaptive, disabled; absent: disabled. Reported as ignored if the model does not think"},
    {"output_config", Support::kSupported, "format json_schema (with tools: one call or that form; tool_choice any or tool: reported as ignored); effort with adaptive thinking"},
    {"firesteel", Support::kSupported, "the extension object"},
    {"cache_control", Support::kIgnored, "equal prefixes are shared without it"},
    {"metadata", Support::kIgnored},
    {"service_tier", Support::kIgnored},
    {"diagnostics", Support::kIgnored},
    {"inference_geo", Support::kIgnored, "it runs here"},
    {"speed", Support::kIgnored},
    {"user_profile_id", Support::kIgnored},
    {"workspace_id", Support::kIgnored},
    {"container", Support::kRefused, "there are no containers"},
    {"mcp_servers", Support::kRefused, "not built yet"},
    {"context_management", Support::kRefused, "nothing is cut from what you send"},
};
constexpr Parameter kThinkingObject[] = {{"type"}, {"budget_tokens"}, {"display"}};
constexpr Parameter kOutputConfig[] = {{"effort"}, {"format"}};
constexpr Parameter kFormat[] = {{"type"}, {"schema"}};

class MessageEncoder final : public AnswerEncoder {
 public:
  MessageEncoder(const Generation& generation, bool stream, bool shows_thinking, int64_t n_prompt, std::string model, const ExchangeContext& context,
                 std::string report)
      : AnswerEncoder(1, generation.format, stream, false, context.request_id),
        shows_thinking_(shows_thinking),
        n_prompt_(n_prompt),
        max_tokens_(generation.stop.max_tokens),
        model_(std::move(model)),
        report_(std::move(report)) {}

  void begin(std::string* out) override {
    if (!stream_) return;
    *out += "event: message_start\ndata: {\"type\":\"message_start\",\"message\":";
    JsonWriter json(out);
    json.begin_object();
    write_head(&json);
    json.key("content").begin_array().end_array().member("stop_reason", nullptr).member("stop_sequence", nullptr);
    json.key("usage").begin_object().member("input_tokens", n_prompt_).member("cache_creation_input_tokens", 0);
    json.member("cache_read_input_tokens", 0).member("output_tokens", 0).end_object().end_object();
    *out += "}\n\n";
  }

  void end(std::string* out) override {
    const Choice& choice = choices_.front();
    if (stream_) {
      close_block(out);
      *out += "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":";
      JsonWriter json(out);
      json.begin_object();
      write_stop(&json);
      json.end_object();
      *out += ",\"usage\":";
      write_usage(out);
      *out += ",\"firesteel\":" + with_agents(report_) + "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
      return;
    }
    JsonWriter json(out);
    json.begin_object();
    write_head(&json);
    json.key("content").begin_array();
    for (size_t i = 0; i < choice.parts.size(); ++i) {
      const AnswerDelta& part = choice.parts[i];
      json.begin_object();
      if (part.kind == AnswerDelta::Kind::kText) {
        json.member("type", "text").member("text", part.text).member("citations", nullptr);
      } else if (part.kind == AnswerDelta::Kind::kReasoning) {
        json.member("type", "thinking").member("thinking", shows_thinking_ ? part.text : std::string()).member("signature", signature(i));
      } else {
        const Call& call = choice.calls[part.call_idx];
        json.member("type", "tool_use").member("id", std::string(kToolUsePrefix) + call.id).member("name", call.name);
        // Cut off, the arguments are no JSON: then they are not told.
        json.key("input").raw(Json::parse(call.arguments).ok() ? call.arguments : std::string("{}"));
      }
      json.end_object();
    }
    json.end_array();
    write_stop(&json);
    json.key("usage");
    std::string usage;
    write_usage(&usage);
    json.raw(usage).key("firesteel").raw(with_agents(report_)).end_object();
  }

  void fail(const ApiError& error, std::string* out) override {
    if (stream_) *out += "event: error\ndata: " + error_body(error, Dialect::kAnthropic, request_id_) + "\n\n";
  }
  void heartbeat(std::string* out) override {
    if (stream_) *out += "event: ping\ndata: {\"type\":\"ping\"}\n\n";
  }

 private:
  void write_head(JsonWriter* json) const {
    json->member("id", make_id("msg_", request_id_)).member("type", "message").member("role", "assistant").member("model", model_);
  }
  std::string signature(size_t block) const { return make_id("sig_", request_id_, static_cast<uint32_t>(block) + 1); }

  void write_stop(JsonWriter* json) const {
    const Choice& choice = choices_.front();
    const bool sequence = choice.reason == FinishReason::kStop && !choice.stop_string.empty();
    const char* reason = "end_turn";
    if (choice.reason == FinishReason::kLength && choice.usage.generated_tokens < max_tokens_) reason = "model_context_window_exceeded";
    else if (choice.is_cut()) reason = "max_tokens";
    else if (!choice.calls.empty()) reason = "tool_use";
    else if (sequence) reason = "stop_sequence";
    json->member("stop_reason", reason).key("stop_sequence");
    if (sequence) json->value(choice.stop_string);
    else json->value(nullptr);
  }

  void write_usage(std::string* out) const {
    const AnswerTotals sum = totals(1);
    JsonWriter json(out);
    json.begin_object().member("input_tokens", sum.prompt - sum.cached).member("cache_creation_input_tokens", 0);
    json.member("cache_read_input_tokens", sum.cached).member("output_tokens", sum.generated);
    json.key("output_tokens_details").begin_object().member("thinking_tokens", sum.thinking).end_object().end_object();
  }

  void write_deltas(size_t, const std::vector<AnswerDelta>& deltas, std::string* out) override {
    const Choice& choice = choices_.front();
    for (const AnswerDelta& delta : deltas) {
      const bool begins_call = delta.kind == AnswerDelta::Kind::kCallBegin;
      const bool continues = is_open_ && !begins_call && (delta.kind == open_ || (delta.kind == AnswerDelta::Kind::kCallArguments && open_ == AnswerDelta::Kind::kCallBegin));
      if (!continues) {
        close_block(out);
        open_ = delta.kind;
        is_open_ = true;
        std::string block;
        JsonWriter json(&block);
        json.begin_object();
        if (begins_call) {
          const Call& call = choice.calls[delta.call_idx];
          json.member("type", "tool_use").member("id", std::string(kToolUsePrefix) + call.id).member("name", call.name).key("input").begin_object().end_object();
        } else if (delta.kind == AnswerDelta::Kind::kReasoning) {
          json.member("type", "thinking").member("thinking", "").member("signature", "");
        } else {
          json.member("type", "text").member("text", "").member("citations", nullptr);
        }
        json.end_object();
        *out += "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":" + std::to_string(block_) + ",\"content_block\":" + block + "}\n\n";
      }
      if (begins_call) continue;
      if (delta.kind == AnswerDelta::Kind::kText) write_delta("text_delta", "text", delta.text, out);
      else if (delta.kind == AnswerDelta::Kind::kCallArguments) write_delta("input_json_delta", "partial_json", delta.text, out);
      else if (shows_thinking_) write_delta("thinking_delta", "thinking", delta.text, out);
    }
  }
  void write_done(size_t, std::string*) override {}
  void write_question(const std::string& extension, std::string* out) override {
    *out += "event: firesteel_confirm\ndata: {\"type\":\"firesteel_confirm\",\"firesteel\":" + extension + "}\n\n";
  }

  void write_delta(const char* type, const char* name, std::string_view text, std::string* out) const {
    *out += "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":" + std::to_string(block_) + ",\"delta\":";
    JsonWriter(out).begin_object().member("type", type).member(name, text).end_object();
    *out += "}\n\n";
  }
  void close_block(std::string* out) {
    if (!is_open_) return;
    if (open_ == AnswerDelta::Kind::kReasoning) write_delta("signature_delta", "signature", signature(block_), out);
    *out += "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":" + std::to_string(block_) + "}\n\n";
    ++block_;
    is_open_ = false;
  }

  const bool shows_thinking_;
  const int64_t n_prompt_;
  const int64_t max_tokens_;
  const std::string model_;
  const std::string report_;
  size_t block_ = 0;
  bool is_open_ = false;
  AnswerDelta::Kind open_ = AnswerDelta::Kind::kText;
};

AnthropicVersion read_version(const HttpRequest& request, ReadState* state) {
  const std::string* version = request.header("anthropic-version");
  if (version == nullptr || *version == "2023-06-01") return AnthropicVersion::k2023;
  if (*version != "2026-10-21") state->fail("anthropic-version", "expected 2023-06-01 or 2026-10-21, found " + describe(Json(*version)));
  return AnthropicVersion::k2026;
}

void read_thinking(const BodyReader& body, const ModelInfo& info, bool* shows, Generation* out) {
  const auto config = body.object("output_config");
  std::optional<std::string> effort;
  if (config) {
    config->check({"output_config", kOutputConfig});
    effort = config->choice("effort", {"low", "medium", "high", "xhigh", "max"});
    if (const auto format = config->object("format")) {
      format->check({"format", kFormat});
      format->choice("type", {"json_schema"});
      const auto schema = format->object("schema");
      if (!schema) return format->fail("schema", "missing");
      if (out->format.only_call) {
        config->note_ignored("format");  // every answer is a call
      } else {
        out->constraint = Constraint{Constraint::Kind::kJsonSchema, schema->json().dump()};
        if (!out->tool_list.empty()) allow_call_or_format(out);
      }
    }
  }
  const auto thinking = body.object("thinking");
  std::string type = "disabled";
  std::optional<int64_t> budget;
  if (thinking) {
    thinking->check({"thinking", kThinkingObject});
    type = thinking->choice("type", {"enabled", "disabled", "adaptive"}).value_or("");
    if (type.empty()) return thinking->fail("type", "missing");
    *shows = thinking->choice("display", {"summarized", "omitted"}).value_or("summarized") == "summarized";
    budget = thinking->integer("budget_tokens", 1024, kTokensMax);
    if (type == "enabled" && !budget) return thinking->fail("budget_tokens", "missing");
    if (type != "enabled" && budget) return thinking->fail("budget_tokens", "only with type \"enabled\"");
    if (budget && out->stop.max_tokens >= 0 && *budget >= out->stop.max_tokens) return thinking->fail("budget_tokens", "expected less than max_tokens");
  }
  if (type != "disabled" && !info.can_think) {
    body.note_ignored("thinking");
    type = "disabled";
  }
  if (effort && type != "adaptive") config->note_ignored("effort");
  out->thinking.enable = type != "disabled";
  out->thinking.budget = type == "disabled" ? 0 : budget.value_or(-1);
  out->thinking.mode = type == "disabled" ? "" : "thinking";
  if (effort && type == "adaptive") {
    out->thinking.effort = *effort == "max" ? "xhigh" : *effort;
    out->thinking.budget = *effort == "low" ? 1024 : *effort == "medium" ? 4096 : *effort == "high" ? 16384 : -1;
  }
}

}  // namespace

extern const ParameterTable kAnthropicTable;
const ParameterTable kAnthropicTable = {"POST /v1/messages", kMessages};

ExchangeOrError parse_anthropic_messages(const HttpRequest& request, const ExchangeContext& context) {
  ReadState state;
  const auto json = parse_body(request.body, &state);
  if (!json) return *state.error;
  const BodyReader body(*json, "", &state);
  const ModelInfo info = context.generator->info();
  const AnthropicVersion version = read_version(request, &state);
  Generation generation;
  body.check(kAnthropicTable);
  Exchange exchange;
  exchange.dialect = Dialect::kAnthropic;
  exchange.model = read_model(body, context);
  generation.images.can_see = info.can_see;
  read_anthropic_messages(body, version, &generation);
  for (const std::string_view name : {"temperature", "top_p", "top_k"}) {
    if (version == AnthropicVersion::k2026 && body.get(name) != nullptr) body.fail(name, "not supported in version 2026-10-21, even at its default");
  }
  use_sampling_defaults(info, &generation.sampling);
  generation.sampling.temperature = body.number("temperature", 0, 1).value_or(info.sampling.temperature.value_or(1.0));
  generation.sampling.top_p = body.number("top_p", 0, 1).value_or(info.sampling.top_p.value_or(1.0));
  generation.sampling.top_k = static_cast<int>(body.integer("top_k", 0, INT32_MAX).value_or(generation.sampling.top_k));
  const auto max_tokens = body.integer("max_tokens", 1, kTokensMax);
  if (!max_tokens) body.fail("max_tokens", "missing");
  generation.stop.max_tokens = max_tokens.value_or(1);
  read_stop(body, "stop_sequences", 16, &generation);
  if (const Json* stop = body.get("stop_sequences"); stop != nullptr && !stop->is_array()) body.fail("stop_sequences", "expected an array, found " + describe(*stop));
  exchange.stream = body.boolean("stream").value_or(false);
  read_anthropic_tools(body, &generation);
  bool shows_thinking = true;
  read_thinking(body, info, &shows_thinking, &generation);
  read_extension(body, info, &generation);
  if (!state.ok()) return *state.error;

  const int64_t seed = effective_seed(generation, context);
  if (exchange.stream) exchange.content_type = "text/event-stream";
  exchange.parameter_names = {{"prompt", "messages"}, {"constraint", generation.format.only_call ? "tools" : "output_config.format.schema"}};
  add_ignored_header(state.ignored, &exchange.headers);
  const std::string report = extension_report(generation, seed, state.ignored);
  const Generation told = generation;
  exchange.requests = make_requests(std::move(generation), seed, context);
  int64_t n_prompt = 0;
  if (exchange.stream) {  // the first event says how long the prompt is
    const auto count = context.generator->count_tokens(exchange.requests.front().prompt, exchange.requests.front().images);
    if (!count.ok()) return to_api_error(count.error(), exchange);
    n_prompt = *count;
  }
  exchange.encoder = std::make_unique<MessageEncoder>(told, exchange.stream, shows_thinking, n_prompt, exchange.model, context, report);
  return exchange;
}

ReplyOrError answer_anthropic_count_tokens(const HttpRequest& request, const ExchangeContext& context) {
  ReadState state;
  const auto json = parse_body(request.body, &state);
  if (!json) return *state.error;
  const BodyReader body(*json, "", &state);
  const ModelInfo info = context.generator->info();
  const AnthropicVersion version = read_version(request, &state);
  Generation generation;
  body.check(kAnthropicTable);
  read_model(body, context);
  generation.images.can_see = info.can_see;
  read_anthropic_messages(body, version, &generation);
  read_anthropic_tools(body, &generation);
  bool shows = true;
  read_thinking(body, info, &shows, &generation);
  if (!state.ok()) return *state.error;
  const auto requests = make_requests(std::move(generation), 0, context);
  const auto count = context.generator->count_tokens(requests.front().prompt, requests.front().images);
  if (!count.ok()) return to_api_error(count.error());
  HttpResponse response = json_response(200, "{\"input_tokens\":" + std::to_string(*count) + "}");
  add_ignored_header(state.ignored, &response.headers);
  return response;
}

}  // namespace firesteel
