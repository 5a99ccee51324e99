// POST /v1/responses, GET and DELETE /v1/responses/{id}.
#include <algorithm>
#include <string>
#include <utility>

#include "server/dialects/dialects.h"
#include "server/dialects/generation.h"
#include "server/dialects/json_writer.h"
#include "server/dialects/openai_common.h"
#include "server/dialects/openai_messages.h"
#include "server/dialects/openai_responses_encoder.h"

namespace firesteel {
namespace {

constexpr Parameter kResponses[] = {
    {"model", Support::kSupported, "absent: the served model"},
    {"input", Support::kSupported, "a string, or items: messages (of users also with input_image, a data URI), function_call, function_call_output, reasoning"},
    {"instructions"},
    {"previous_response_id", Support::kSupported, "of a stored response of the same tenant"},
    {"store", Support::kSupported, "default true: kept for 30 days, of a tenant the newest 10,000"},
    {"stream"},
    {"stream_options", Support::kSupported, "include_obfuscation is ignored"},
    {"max_output_tokens", Support::kSupported, "absent: until the context is full"},
    {"temperature", Support::kSupported, "0 to 2; default: the model's, or 1"},
    {"top_p", Support::kSupported, "0 to 1; default: the model's, or 1"},
    {"text", Support::kSupported, "format text, json_object, json_schema (with tools: one call or that form; tool_choice required: reported as ignored); verbosity is ignored"},
    {"tools", Support::kSupported, "of type function, at most 128"},
    {"tool_choice", Support::kSupported, "none, auto, required, or one function"},
    {"parallel_tool_calls"},
    {"reasoning", Support::kSupported, "effort; summary is ignored"},
    {"truncation", Support::kSupported, "disabled; auto is reported as ignored: what is too long is refused"},
    {"metadata"},
    {"user"},
    {"firesteel", Support::kSupported, "the extension object"},
    {"background", Support::kSupported, "false only"},
    {"include", Support::kIgnored},
    {"top_logprobs", Support::kIgnored},
    {"max_tool_calls", Support::kIgnored, "tools are called by the client"},
    {"service_tier", Support::kIgnored},
    {"safety_identifier", Support::kIgnored},
    {"prompt_cache_key", Support::kIgnored, "equal prefixes are shared without it"},
    {"prompt_cache_retention", Support::kIgnored},
    {"prompt_cache_options", Support::kIgnored},
    {"conversation", Support::kRefused, "use previous_response_id"},
    {"prompt", Support::kRefused, "there are no stored prompts"},
    {"context_management", Support::kRefused, "nothing is cut from what you send"},
    {"moderation", Support::kRefused, "there is no moderation"},
};
constexpr Parameter kItem[] = {{"type"}, {"role"}, {"content"}, {"id"}, {"status"}, {"phase", Support::kIgnored}};
constexpr Parameter kCallItem[] = {{"type"}, {"call_id"}, {"name"}, {"arguments"}, {"id"}, {"status"},
                                   {"parsed_arguments", Support::kIgnored}};
constexpr Parameter kOutputItem[] = {{"type"}, {"call_id"}, {"output"}, {"id"}, {"status"}};
constexpr Parameter kReasoningItem[] = {{"type"}, {"content"}, {"summary", Support::kIgnored}, {"encrypted_content", Support::kIgnored},
                                        {"id"}, {"status"}};
constexpr Parameter kText[] = {{"format"}, {"verbosity", Support::kIgnored}};
constexpr Parameter kReasoning[] = {{"effort"}, {"summary", Support::kIgnored}, {"generate_summary", Support::kIgnored}};

// Items become messages: the calls and the thinking of one turn of the assistant are parts of one message.
class ItemReader {
 public:
  ItemReader(Json::Array* out, RequestImages* images) : out_(out), images_(images) {}

  void read(const BodyReader& item) {
    const std::string type = item.string("type").value_or("message");
    if (!item.ok()) return;
    if (type == "message") {
      read_message(item);
    } else if (type == "function_call") {
      read_call(item);
    } else if (type == "function_call_output") {
      read_output(item);
    } else if (type == "reasoning") {
      item.check({"reasoning item", kReasoningItem});
      const Json* content = item.get("content");
      if (content == nullptr) return;
      const Json text = read_message_content(item, {"reasoning_text", "summary_text"}, true);
      if (text.is_string()) thinking_ += text.as_string();
    } else {
      item.fail("type", "expected message, function_call, function_call_output or reasoning, found " + describe(Json(type)), "unsupported_parameter");
    }
  }

 private:
  void read_message(const BodyReader& item) {
    item.check({"message item", kItem});
    const auto role = item.choice("role", {"user", "assistant", "system", "developer"});
    if (!item.ok()) return;
    if (!role) return item.fail("role", "missing");
    const bool assistant = *role == "assistant";
    Json content = assistant ? read_message_content(item, {"output_text", "refusal", "text", "input_text"}, false)
                             : read_message_content(item, {"input_text", "text"}, false, *role == "user" ? images_ : nullptr);
    Json message = Json::Object{{"role", *role == "developer" ? "system" : *role}, {"content", std::move(content)}};
    if (assistant && !thinking_.empty()) message.set("reasoning_content", std::exchange(thinking_, {}));
    out_->push_back(std::move(message));
  }
  void read_call(const BodyReader& item) {
    item.check({"function_call item", kCallItem});
    const auto id = item.string("call_id");
    const auto name = item.string("name");
    const auto arguments = item.string("arguments");
    if (!id) item.fail("call_id", "missing");
    if (!name) item.fail("name", "missing");
    if (!arguments) item.fail("arguments", "missing");
    if (!item.ok()) return;
    Json call = Json::Object{{"id", *id}, {"type", "function"}, {"function", Json::Object{{"name", *name}, {"arguments", arguments->empty() ? "{}" : *arguments}}}};
    const bool joins = !out_->empty() && *out_->back().find("role") == Json("assistant");
    if (!joins) out_->push_back(Json::Object{{"role", "assistant"}, {"content", ""}});
    Json& message = out_->back();
    if (!thinking_.empty()) message.set("reasoning_content", std::exchange(thinking_, {}));
    Json calls = message.find("tool_calls") == nullptr ? Json(Json::Array{}) : *message.find("tool_calls");
    calls.as_array().push_back(std::move(call));
    message.set("tool_calls", std::move(calls));
  }
  void read_output(const BodyReader& item) {
    item.check({"function_call_output item", kOutputItem});
    const auto id = item.string("call_id");
    if (!id) return item.fail("call_id", "missing");
    const Json* output = item.get("output");
    if (output == nullptr) return item.fail("output", "missing");
    // Parts are read as those of a message are.
    const Json holder = Json::Object{{"content", *output}};
    Json content = read_message_content(BodyReader(holder, item.place(), item.state()), {"input_text", "text", "output_text"}, false);
    Json message = Json::Object{{"role", "tool"}, {"tool_call_id", *id}, {"content", std::move(content)}};
    if (const std::string name = tool_name_of(*out_, *id); !name.empty()) message.set("name", name);
    out_->push_back(std::move(message));
  }

  Json::Array* out_;
  RequestImages* images_;
  std::string thinking_;
};

// Pictures of a stored conversation, decoded again.
void read_stored_images(const BodyReader& body, const Json::Array& conversation, RequestImages* images) {
  for (const Json& message : conversation) {
    const Json* content = message.find("content");
    if (content == nullptr || !content->is_array()) continue;
    for (const Json& part : content->as_array()) {
      const Json* uri = part.find("data_uri");
      if (uri != nullptr && uri->is_string() && body.ok()) add_image_uri(body, "previous_response_id", uri->as_string(), images);
    }
  }
}

// A message as templates take it: without the bytes of its pictures.
Json without_sources(const Json& message) {
  const Json* content = message.find("content");
  if (content == nullptr || !content->is_array()) return message;
  Json::Array parts;
  for (const Json& part : content->as_array()) parts.push_back(part.find("data_uri") == nullptr ? part : Json(Json::Object{{"type", "image"}}));
  Json out = message;
  out.set("content", std::move(parts));
  return out;
}

void read_input(const BodyReader& body, Json::Array* out, RequestImages* images) {
  const Json* input = body.get("input");
  if (!body.ok()) return;
  if (input == nullptr) return body.fail("input", "missing");
  if (input->is_string()) {
    out->push_back(Json::Object{{"role", "user"}, {"content", *input}});
    return;
  }
  const Json::Array* items = body.array("input", kMessagesMax);
  if (items == nullptr) return;
  if (items->empty()) return body.fail("input", "expected at least one item");
  ItemReader reader(out, images);
  for (size_t i = 0; i < items->size() && body.ok(); ++i) {
    const std::string path = body.path("input") + "[" + std::to_string(i) + "]";
    if (!(*items)[i].is_object()) return body.state()->fail(path, "expected an object, found " + describe((*items)[i]));
    reader.read(BodyReader((*items)[i], path, body.state()));
  }
}

void read_tool_choice(const BodyReader& body, Generation* out) {
  out->format.tools = !out->tool_list.empty();
  const Json* choice = body.get("tool_choice");
  if (choice == nullptr) return;
  if (choice->is_object()) {
    static constexpr Parameter kNamed[] = {{"type"}, {"name"}};
    const BodyReader named(*choice, body.path("tool_choice"), body.state());
    const auto type = named.choice("type", {"function"});
    named.check({"tool_choice", kNamed});
    const auto name = named.string("name");
    if (!body.ok()) return;
    if (!type) return named.fail("type", "missing");
    const bool known = name && std::any_of(out->tool_list.begin(), out->tool_list.end(), [&](const Tool& tool) { return tool.name == *name; });
    if (!known) return named.fail("name", "expected the name of one of the tools, found " + (name ? describe(Json(*name)) : std::string("nothing")));
    return require_call(*name, out);
  }
  const auto word = body.choice("tool_choice", {"none", "auto", "required"});
  if (!word) return;
  if (*word == "required") {
    if (out->tool_list.empty()) return body.fail("tool_choice", "required without tools");
    require_call({}, out);
  } else if (*word == "none") {
    out->format.tools = false;
    out->no_own_tools = true;
    out->tools = Json();
    out->tool_list.clear();
  }
}

const Json& member_or(const Json& body, std::string_view name, const Json& otherwise) {
  const Json* found = body.find(name);
  return found == nullptr || found->is_null() ? otherwise : *found;
}

ApiError no_response(const std::string& id) {
  return {.kind = ApiErrorKind::kNotFound, .message = "there is no response " + describe(Json(id)), .param = {}, .code = "response_not_found"};
}

ApiError records_error(const Error& error) {
  if (error.code != ErrorCode::kUnavailable) return to_api_error(error);
  return {.kind = ApiErrorKind::kUnavailable, .message = "the server's storage does not work at the moment; try again", .param = {}, .code = "store_unavailable"};
}

}  // namespace

extern const ParameterTable kOpenAiResponsesTable;
const ParameterTable kOpenAiResponsesTable = {"POST /v1/responses", kResponses};

ExchangeOrError parse_openai_responses(const HttpRequest& request, const ExchangeContext& context) {
  ReadState state;
  const auto json = parse_body(request.body, &state);
  if (!json) return *state.error;
  const BodyReader body(*json, "", &state);
  const ModelInfo info = context.generator->info();
  Generation generation;
  body.check(kOpenAiResponsesTable);
  Exchange exchange;
  exchange.model = read_model(body, context);
  if (body.boolean("background").value_or(false)) body.fail("background", "not built yet: expected false, found true", "unsupported_parameter");
  // Instructions are of this request; what is kept for the next one has none.
  Json::Array conversation;
  const auto previous = body.string("previous_response_id");
  if (previous && state.ok()) {
    const Result<ResponseStore::Stored> stored = context.responses == nullptr ? Error{ErrorCode::kNotFound, ""} : context.responses->find(*previous);
    if (!stored.ok() && stored.error().code != ErrorCode::kNotFound) return records_error(stored.error());
    if (!stored.ok() || !stored->messages.is_array()) {
      body.fail("previous_response_id", "there is no response " + describe(Json(*previous)), "previous_response_not_found");
      state.error->kind = ApiErrorKind::kNotFound;
      return *state.error;
    }
    conversation = stored->messages.as_array();
  }
  generation.images.can_see = info.can_see;
  generation.images.keeps_sources = true;
  read_stored_images(body, conversation, &generation.images);
  read_input(body, &conversation, &generation.images);
  const auto instructions = body.string("instructions");
  if (instructions && !instructions->empty()) generation.messages.as_array().push_back(Json::Object{{"role", "system"}, {"content", *instructions}});
  for (const Json& message : conversation) generation.messages.as_array().push_back(without_sources(message));
  if (conversation.size() > kMessagesMax) body.fail("input", "expected at most " + std::to_string(kMessagesMax) + " messages in the conversation");

  generation.sampling.temperature = body.number("temperature", 0, 2).value_or(info.sampling.temperature.value_or(1.0));
  generation.sampling.top_p = body.number("top_p", 0, 1).value_or(info.sampling.top_p.value_or(1.0));
  use_sampling_defaults(info, &generation.sampling);
  generation.stop.max_tokens = body.integer("max_output_tokens", 1, kTokensMax).value_or(-1);
  read_tools(body, true, &generation);
  if (const auto text = body.object("text")) {
    text->check({"text", kText});
    read_response_format(*text, "format", true, &generation);
  }
  const bool has_format = generation.constraint.has_value();
  for (const Tool& tool : generation.tool_list) generation.format.tool_names.push_back(tool.name);
  if (const auto parallel = body.boolean("parallel_tool_calls")) generation.format.parallel = *parallel;
  read_tool_choice(body, &generation);
  if (has_format && generation.format.only_call) body.note_ignored("text");  // every answer is a call
  else if (has_format && !generation.tool_list.empty()) allow_call_or_format(&generation);
  if (const auto reasoning = body.object("reasoning")) {
    reasoning->check({"reasoning", kReasoning});
    read_effort(*reasoning, "effort", info, &generation);
  }
  if (body.choice("truncation", {"disabled", "auto"}).value_or("disabled") == "auto") body.note_ignored("truncation");
  read_extension(body, info, &generation);
  read_openai_bookkeeping(BodyReader(Json::Object{{"user", member_or(*json, "user", {})}, {"metadata", member_or(*json, "metadata", {})}}, "", &state));
  const bool store = body.boolean("store").value_or(true) && context.responses != nullptr;
  const StreamOptions stream = read_stream_options(body);
  if (!state.ok()) return *state.error;

  const int64_t seed = effective_seed(generation, context);
  exchange.stream = stream.on;
  if (stream.on) exchange.content_type = "text/event-stream";
  exchange.parameter_names = {{"prompt", "input"}, {"constraint", has_format ? "text.format" : "tools"}};
  add_ignored_header(state.ignored, &exchange.headers);

  ResponseEcho echo;
  echo.model = exchange.model;
  echo.request_id = context.request_id;
  echo.created = context.now_unix_s;
  JsonWriter writer(&echo.members);
  writer.begin_object();
  writer.member("background", false).member("error", nullptr).member("instructions", member_or(*json, "instructions", {}));
  writer.member("max_output_tokens", member_or(*json, "max_output_tokens", {})).member("metadata", member_or(*json, "metadata", Json::Object{}));
  writer.member("parallel_tool_calls", generation.format.parallel).member("previous_response_id", member_or(*json, "previous_response_id", {}));
  const bool has_effort = !generation.thinking.effort.empty();
  writer.key("reasoning").begin_object().member("effort", has_effort ? Json(generation.thinking.effort) : Json()).member("summary", nullptr).end_object();
  writer.member("store", store).member("temperature", generation.sampling.temperature);
  writer.member("text", has_format ? Json(Json::Object{{"format", *json->find("text")->find("format")}}) : Json(Json::Object{{"format", Json::Object{{"type", "text"}}}}));
  writer.member("tool_choice", member_or(*json, "tool_choice", "auto")).member("tools", member_or(*json, "tools", Json::Array{}));
  writer.member("top_logprobs", 0).member("top_p", generation.sampling.top_p).member("truncation", "disabled");
  writer.member("service_tier", "default").member("user", member_or(*json, "user", {})).end_object();
  echo.report = extension_report(generation, seed, state.ignored);
  if (store) exchange.records = context.responses;
  exchange.encoder = make_response_encoder(generation, stream.on, std::move(echo), store ? context.responses : nullptr, std::move(conversation));
  exchange.requests = make_requests(std::move(generation), seed, context);
  return exchange;
}

ReplyOrError answer_openai_response_get(const HttpRequest& request, const ExchangeContext& context) {
  const std::string id = request.path_parameters.empty() ? std::string() : request.path_parameters.front();
  const Result<ResponseStore::Stored> stored = context.responses == nullptr ? Error{ErrorCode::kNotFound, ""} : context.responses->find(id);
  if (!stored.ok()) return stored.error().code == ErrorCode::kNotFound ? no_response(id) : records_error(stored.error());
  return json_response(200, stored->response.dump());
}

ReplyOrError answer_openai_response_delete(const HttpRequest& request, const ExchangeContext& context) {
  const std::string id = request.path_parameters.empty() ? std::string() : request.path_parameters.front();
  const Status erased = context.responses == nullptr ? Error{ErrorCode::kNotFound, ""} : context.responses->erase(id);
  if (!erased.ok()) return erased.error().code == ErrorCode::kNotFound ? no_response(id) : records_error(erased.error());
  std::string out;
  JsonWriter(&out).begin_object().member("id", id).member("object", "response").member("deleted", true).end_object();
  return json_response(200, std::move(out));
}

}  // namespace firesteel
