// POST /api/chat and /api/generate: one JSON object per line.
#include <string>
#include <utility>

#include "server/dialects/answer_encoder.h"
#include "server/dialects/dialects.h"
#include "server/dialects/generation.h"
#include "server/dialects/json_writer.h"
#include "server/dialects/ollama_common.h"
#include "server/dialects/openai_messages.h"

namespace firesteel {
namespace {

constexpr Parameter kChat[] = {
    {"model"},
    {"messages", Support::kSupported, "role, content, thinking, tool_calls, tool_name; images (base64)"},
    {"tools", Support::kSupported, "of type function, at most 128"},
    {"format", Support::kSupported, "\"json\" or a schema; with tools the answer is one call or has that form"},
    {"options", Support::kSupported, "see below"},
    {"stream", Support::kSupported, "default true"},
    {"think", Support::kSupported, "true, false, low, medium, high; reported as ignored if the model does not think"},
    {"firesteel", Support::kSupported, "the extension object"},
    {"keep_alive", Support::kIgnored, "the model stays loaded"},
    {"truncate", Support::kIgnored, "what is too long is refused"},
    {"shift", Support::kIgnored, "what is too long is refused"},
    {"logprobs", Support::kRefused, "use /v1/chat/completions"},
    {"top_logprobs", Support::kRefused, "use /v1/chat/completions"},
};
constexpr Parameter kGenerate[] = {
    {"model"},
    {"prompt", Support::kSupported, "absent or empty: only says that the model is loaded"},
    {"system"},
    {"raw", Support::kSupported, "true: without the template"},
    {"format", Support::kSupported, "\"json\" or a schema"},
    {"options", Support::kSupported, "see below"},
    {"stream", Support::kSupported, "default true"},
    {"think", Support::kSupported, "as in /api/chat"},
    {"firesteel", Support::kSupported, "the extension object"},
    {"keep_alive", Support::kIgnored, "the model stays loaded"},
    {"truncate", Support::kIgnored, "what is too long is refused"},
    {"shift", Support::kIgnored, "what is too long is refused"},
    {"suffix", Support::kRefused, "there is no filling in"},
    {"images", Support::kSupported, "base64; not with raw"},
    {"template", Support::kRefused, "the model's own template is used"},
    {"context", Support::kRefused, "send the conversation: equal prefixes are not computed again"},
    {"logprobs", Support::kRefused, "use /v1/completions"},
    {"top_logprobs", Support::kRefused, "use /v1/completions"},
};
constexpr Parameter kOptions[] = {
    {"num_predict", Support::kSupported, "tokens; -1 or -2: until the context is full (default)"},
    {"temperature", Support::kSupported, "0 to 2; default: the model's, or 0.8"},
    {"top_k", Support::kSupported, "default 40"},
    {"top_p", Support::kSupported, "default: the model's, or 0.9"},
    {"min_p", Support::kSupported, "default 0"},
    {"seed", Support::kSupported, "absent: random, and reported in firesteel.seed"},
    {"stop", Support::kSupported, "a string or at most 16"},
    {"repeat_penalty", Support::kSupported, "default 1 (none); over the whole context"},
    {"presence_penalty"},
    {"frequency_penalty"},
    {"num_ctx", Support::kIgnored, "the context has the length that the server was started with"},
    {"num_keep", Support::kIgnored},
    {"num_batch", Support::kIgnored},
    {"num_gpu", Support::kIgnored},
    {"main_gpu", Support::kIgnored},
    {"num_thread", Support::kIgnored},
    {"use_mmap", Support::kIgnored},
    {"use_mlock", Support::kIgnored},
    {"low_vram", Support::kIgnored},
    {"numa", Support::kIgnored},
    {"repeat_last_n", Support::kIgnored},
    {"penalize_newline", Support::kIgnored},
    {"draft_num_predict", Support::kIgnored},
    {"typical_p", Support::kRefused, "not built"},
    {"tfs_z", Support::kRefused, "not built"},
    {"mirostat", Support::kRefused, "not built"},
    {"mirostat_tau", Support::kRefused, "not built"},
    {"mirostat_eta", Support::kRefused, "not built"},
};
constexpr Parameter kMessage[] = {{"role"}, {"content"}, {"thinking"}, {"tool_calls"}, {"tool_name"}, {"tool_call_id"},
                                  {"images"}};
constexpr Parameter kCall[] = {{"id"}, {"type", Support::kIgnored}, {"function"}};
constexpr Parameter kFunction[] = {{"name"}, {"arguments"}, {"index", Support::kIgnored}};

class OllamaEncoder final : public AnswerEncoder {
 public:
  // is_chat: "message": {...}, else "response": "...". loaded: nothing was asked, only whether the model is there.
  OllamaEncoder(const Generation& generation, bool stream, bool is_chat, bool raw, bool loaded, std::string model, const ExchangeContext& context, std::string report)
      : AnswerEncoder(loaded ? 0 : 1, generation.format, stream, raw, context.request_id),
        is_chat_(is_chat),
        report_(std::move(report)) {
    JsonWriter json(&head_);
    json.begin_object().member("model", model).member("created_at", rfc3339(context.now_unix_s));
  }

  void begin(std::string*) override {}
  void end(std::string* out) override {
    *out += head_;
    if (choices_.empty()) {
      write_content({}, {}, {}, out);
      *out += ",\"done\":true,\"done_reason\":\"load\"}";
    } else {
      const Choice& choice = choices_.front();
      if (stream_) write_content({}, {}, {}, out);
      else write_content(choice.text, choice.reasoning, choice.calls, out);
      *out += ",\"done\":true,\"done_reason\":\"" + std::string(choice.is_cut() ? "length" : "stop") + "\"";
      const Usage& usage = choice.usage;
      const auto ns = [](int64_t us) { return std::to_string(us > 0 ? us * 1000 : 0); };
      *out += ",\"total_duration\":" + ns(usage.total_us) + ",\"load_duration\":0,\"prompt_eval_count\":" + std::to_string(usage.prompt_tokens) +
              ",\"prompt_eval_duration\":" + ns(usage.first_token_us - usage.queued_us) + ",\"eval_count\":" + std::to_string(usage.generated_tokens) +
              ",\"eval_duration\":" + ns(usage.total_us - usage.first_token_us) + ",\"firesteel\":" + with_agents(report_) + "}";
    }
    if (stream_) out->push_back('\n');
  }
  void fail(const ApiError& error, std::string* out) override {
    if (stream_) *out += error_body(error, Dialect::kOllama, request_id_) + "\n";
  }
  void heartbeat(std::string*) override {}  // a line that is no object would end the client

 private:
  void write_question(const std::string& extension, std::string* out) override {
    *out += head_;
    write_content({}, {}, {}, out);
    *out += ",\"done\":false,\"firesteel\":" + extension + "}\n";
  }

  void write_deltas(size_t, const std::vector<AnswerDelta>& deltas, std::string* out) override {
    const Choice& choice = choices_.front();
    for (const AnswerDelta& delta : deltas) {
      if (delta.kind == AnswerDelta::Kind::kCallBegin) continue;  // told when its arguments are there: they are always whole here
      *out += head_;
      if (delta.kind == AnswerDelta::Kind::kText) write_content(delta.text, {}, {}, out);
      else if (delta.kind == AnswerDelta::Kind::kReasoning) write_content({}, delta.text, {}, out);
      else write_content({}, {}, {choice.calls[delta.call_idx]}, out);
      *out += ",\"done\":false}\n";
    }
  }
  void write_done(size_t, std::string*) override {}

  void write_content(std::string_view text, std::string_view thinking, const std::vector<Call>& calls, std::string* out) const {
    out->push_back(',');
    std::string content;
    JsonWriter json(&content);
    json.begin_object();
    if (is_chat_) json.key("message").begin_object().member("role", "assistant").member("content", text);
    else json.member("response", text);
    if (!thinking.empty()) json.member("thinking", thinking);
    if (!calls.empty()) {
      json.key("tool_calls").begin_array();
      for (const Call& call : calls) {
        json.begin_object().member("id", call.id).key("function").begin_object().member("name", call.name);
        json.key("arguments").raw(call.arguments).end_object().end_object();
      }
      json.end_array();
    }
    if (is_chat_) json.end_object();
    *out += content.substr(1);
  }

  const bool is_chat_;
  const std::string report_;
  std::string head_;   // an object's beginning
};

std::string item(const std::string& path, size_t i) { return path + "[" + std::to_string(i) + "]"; }

// The content of a message: its text, behind a part for each picture of `images`.
Json read_images(const BodyReader& holder, const std::string& text, RequestImages* images) {
  const Json::Array* list = holder.array("images", kPartsMax);
  if (list == nullptr || list->empty()) return Json(text);
  if (!images->can_see) holder.fail("images", "this model has no vision");
  Json::Array parts;
  for (const Json& image : *list) {
    if (!holder.ok()) return Json(text);
    if (!image.is_string()) {
      holder.fail("images", "expected strings of base64, found " + describe(image));
      continue;
    }
    add_image_base64(holder, "images", image.as_string(), images);
    parts.push_back(Json::Object{{"type", "image"}});
  }
  if (!text.empty()) parts.push_back(Json::Object{{"type", "text"}, {"text", text}});
  return parts;
}

void read_messages(const BodyReader& body, Generation* out) {
  const Json::Array* messages = body.array("messages", kMessagesMax);
  Json::Array& read = out->messages.as_array();
  for (size_t i = 0; messages != nullptr && i < messages->size() && body.ok(); ++i) {
    const std::string path = item(body.path("messages"), i);
    if (!(*messages)[i].is_object()) return body.state()->fail(path, "expected an object, found " + describe((*messages)[i]));
    const BodyReader message((*messages)[i], path, body.state());
    message.check({"message", kMessage});
    const auto role = message.choice("role", {"system", "user", "assistant", "tool"});
    const auto content = message.string("content");
    if (!body.ok()) return;
    if (!role) return message.fail("role", "missing");
    if (*role != "user" && message.array("images", kPartsMax) != nullptr && !message.array("images", kPartsMax)->empty()) {
      return message.fail("images", "only messages of the user may have images");
    }
    Json converted = Json::Object{{"role", *role}, {"content", read_images(message, content.value_or(""), &out->images)}};
    if (const auto thinking = message.string("thinking"); thinking && !thinking->empty()) converted.set("reasoning_content", *thinking);
    if (const Json::Array* calls = message.array("tool_calls", kToolsMax); calls != nullptr && !calls->empty()) {
      Json::Array list;
      for (size_t k = 0; k < calls->size(); ++k) {
        const std::string call_path = item(message.path("tool_calls"), k);
        if (!(*calls)[k].is_object()) return body.state()->fail(call_path, "expected an object, found " + describe((*calls)[k]));
        const BodyReader call((*calls)[k], call_path, body.state());
        call.check({"tool call", kCall});
        const auto function = call.object("function");
        if (!function) return call.fail("function", "missing");
        function->check({"function", kFunction});
        const auto name = function->string("name");
        const auto arguments = function->object("arguments");
        const auto id = call.string("id");
        if (!body.ok()) return;
        if (!name) return function->fail("name", "missing");
        // Ids are optional here, but templates may want them.
        list.push_back(Json::Object{{"id", id ? *id : "call" + std::to_string(10000 + k)},
                                    {"type", "function"},
                                    {"function", Json::Object{{"name", *name}, {"arguments", arguments ? arguments->json().dump() : "{}"}}}});
      }
      converted.set("tool_calls", std::move(list));
    }
    const auto tool_name = message.string("tool_name");
    const auto call_id = message.string("tool_call_id");
    if (call_id) converted.set("tool_call_id", *call_id);
    if (tool_name) converted.set("name", *tool_name);
    else if (call_id) converted.set("name", tool_name_of(read, *call_id));
    read.push_back(std::move(converted));
  }
}

void read_format(const BodyReader& body, Generation* out) {
  const Json* format = body.get("format");
  if (format == nullptr || *format == Json("")) return;
  if (*format == Json("json")) out->constraint = Constraint{Constraint::Kind::kJsonObject, {}};
  else if (format->is_object()) out->constraint = Constraint{Constraint::Kind::kJsonSchema, format->dump()};
  else body.fail("format", "expected \"json\" or a schema, found " + describe(*format));
  if (out->constraint && !out->tool_list.empty()) allow_call_or_format(out);
}

void read_think(const BodyReader& body, const ModelInfo& info, Generation* out) {
  const Json* think = body.get("think");
  if (think == nullptr) return;
  if (think->is_string()) {
    body.choice("think", {"low", "medium", "high"});
    if (body.ok()) read_effort(body, "think", info, out);
    return;
  }
  const auto on = body.boolean("think");
  if (!on) return;
  if (*on && !info.can_think) return body.note_ignored("think");
  out->thinking = {.enable = *on, .budget = *on ? -1 : 0, .mode = *on ? "thinking" : "instant"};
}

ExchangeOrError finish(const BodyReader& body, Generation generation, bool is_chat, bool loaded, std::string model, const ModelInfo& info,
                       const ExchangeContext& context) {
  read_format(body, &generation);
  read_think(body, info, &generation);
  read_ollama_options(body, info, &generation);
  read_extension(body, info, &generation);
  Exchange exchange;
  exchange.dialect = Dialect::kOllama;
  exchange.stream = body.boolean("stream").value_or(true);
  if (!body.ok()) return *body.state()->error;
  const ReadState& state = *body.state();
  exchange.content_type = exchange.stream ? "application/x-ndjson" : "application/json";
  exchange.model = model;
  exchange.parameter_names = {{"prompt", is_chat ? "messages" : "prompt"}, {"constraint", "format"}};
  add_ignored_header(state.ignored, &exchange.headers);
  const int64_t seed = effective_seed(generation, context);
  const bool raw = generation.prompt.has_value();
  exchange.encoder = std::make_unique<OllamaEncoder>(generation, exchange.stream, is_chat, raw, loaded, std::move(model), context,
                                                     extension_report(generation, seed, state.ignored));
  if (!loaded) exchange.requests = make_requests(std::move(generation), seed, context);
  return exchange;
}

}  // namespace

extern const ParameterTable kOllamaChatTable, kOllamaGenerateTable, kOllamaOptionsTable;
const ParameterTable kOllamaChatTable = {"POST /api/chat", kChat};
const ParameterTable kOllamaGenerateTable = {"POST /api/generate", kGenerate};
const ParameterTable kOllamaOptionsTable = {"object \"options\" of Ollama's routes", kOptions};

void read_ollama_options(const BodyReader& body, const ModelInfo& info, Generation* out) {
  SamplingParams& sampling = out->sampling;
  sampling.top_k = 40;
  use_sampling_defaults(info, &sampling);
  sampling.temperature = info.sampling.temperature.value_or(0.8);
  sampling.top_p = info.sampling.top_p.value_or(0.9);
  const auto options = body.object("options");
  if (!options) return;
  options->check(kOllamaOptionsTable);
  if (const auto n = options->integer("num_predict", -2, kTokensMax)) {
    if (*n == 0) options->fail("num_predict", "expected at least 1, or -1, found 0");
    out->stop.max_tokens = *n > 0 ? *n : -1;
  }
  sampling.temperature = options->number("temperature", 0, 2).value_or(sampling.temperature);
  sampling.top_k = static_cast<int>(options->integer("top_k", 0, INT32_MAX).value_or(sampling.top_k));
  sampling.top_p = options->number("top_p", 0, 1).value_or(sampling.top_p);
  sampling.min_p = options->number("min_p", 0, 1).value_or(sampling.min_p);
  sampling.repetition_penalty = options->number("repeat_penalty", 0.01, 100).value_or(sampling.repetition_penalty);
  sampling.presence_penalty = options->number("presence_penalty", -2, 2).value_or(0);
  sampling.frequency_penalty = options->number("frequency_penalty", -2, 2).value_or(0);
  out->seed = options->integer("seed", INT64_MIN, INT64_MAX);
  read_stop(*options, "stop", 16, out);
}

ExchangeOrError parse_ollama_chat(const HttpRequest& request, const ExchangeContext& context) {
  ReadState state;
  const auto json = parse_body(request.body, &state);
  if (!json) return *state.error;
  const BodyReader body(*json, "", &state);
  const ModelInfo info = context.generator->info();
  body.check(kOllamaChatTable);
  std::string model = read_ollama_model(body, context);
  Generation generation;
  generation.images.can_see = info.can_see;
  read_messages(body, &generation);
  read_tools(body, false, &generation);
  generation.format.tools = !generation.tool_list.empty();
  for (const Tool& tool : generation.tool_list) generation.format.tool_names.push_back(tool.name);
  const bool loaded = generation.messages.as_array().empty();
  return finish(body, std::move(generation), true, loaded, std::move(model), info, context);
}

ExchangeOrError parse_ollama_generate(const HttpRequest& request, const ExchangeContext& context) {
  ReadState state;
  const auto json = parse_body(request.body, &state);
  if (!json) return *state.error;
  const BodyReader body(*json, "", &state);
  const ModelInfo info = context.generator->info();
  // Clients send these empty.
  Json cleaned = *json;
  auto& members = cleaned.as_object();
  std::erase_if(members, [](const Json::Member& m) {
    const bool empty = m.second == Json("") || (m.second.is_array() && m.second.as_array().empty());
    return empty && (m.first == "suffix" || m.first == "images" || m.first == "template" || m.first == "context");
  });
  BodyReader(cleaned, "", &state).check(kOllamaGenerateTable);
  std::string model = read_ollama_model(body, context);
  Generation generation;
  generation.images.can_see = info.can_see;
  const auto prompt = body.string("prompt");
  const auto system = body.string("system");
  const bool raw = body.boolean("raw").value_or(false);
  if (raw && system && !system->empty()) body.fail("system", "together with raw: put it into the prompt");
  const Json content = read_images(body, prompt.value_or(""), &generation.images);
  const bool loaded = (!prompt || prompt->empty()) && generation.images.images.empty();
  if ((raw || !info.has_chat_template) && !generation.images.images.empty()) body.fail("images", "together with raw, or without a chat template: not supported");
  if (raw || !info.has_chat_template) {
    generation.prompt = RawPrompt{.text = (system && !system->empty() ? *system + "\n\n" : "") + prompt.value_or("")};
  } else {
    if (system && !system->empty()) generation.messages.as_array().push_back(Json::Object{{"role", "system"}, {"content", *system}});
    generation.messages.as_array().push_back(Json::Object{{"role", "user"}, {"content", content}});
  }
  return finish(body, std::move(generation), false, loaded, std::move(model), info, context);
}

}  // namespace firesteel
