#include "server/dialects/openai_messages.h"

#include <algorithm>
#include <string>
#include <utility>

namespace firesteel {
namespace {

constexpr Parameter kMessage[] = {
    {"role", Support::kSupported, "developer, system, user, assistant, tool"},
    {"content", Support::kSupported, "a string or text parts; images need a model with vision, which none is yet"},
    {"name"},
    {"tool_calls"},
    {"tool_call_id"},
    {"reasoning_content", Support::kSupported, "earlier thinking, for templates that show it"},
    {"refusal", Support::kIgnored, "part of answers that clients send back"},
    {"annotations", Support::kIgnored, "part of answers that clients send back"},
    {"audio", Support::kRefused, "there is no audio"},
    {"function_call", Support::kRefused, "use tool_calls"},
};

std::string item(const std::string& path, size_t i) { return path + "[" + std::to_string(i) + "]"; }

Json read_tool_calls(const BodyReader& message) {
  static constexpr Parameter kCall[] = {{"id"}, {"type"}, {"function"}, {"index", Support::kIgnored}};
  static constexpr Parameter kFunction[] = {{"name"}, {"arguments"}};
  const Json::Array* calls = message.array("tool_calls", kToolsMax);
  if (calls == nullptr) return {};
  Json::Array out;
  for (size_t i = 0; i < calls->size() && message.ok(); ++i) {
    const std::string path = item(message.path("tool_calls"), i);
    if (!(*calls)[i].is_object()) {
      message.state()->fail(path, "expected an object, found " + describe((*calls)[i]));
      break;
    }
    const BodyReader call((*calls)[i], path, message.state());
    call.check({"tool call", kCall});
    call.choice("type", {"function"});
    const auto id = call.string("id");
    const auto function = call.object("function");
    if (!id) call.fail("id", "missing");
    if (!function) {
      call.fail("function", "missing");
      break;
    }
    function->check({"function", kFunction});
    const auto name = function->string("name");
    const auto arguments = function->string("arguments");
    if (!name) function->fail("name", "missing");
    if (!arguments) function->fail("arguments", "missing");
    if (!message.ok()) break;
    out.push_back(Json::Object{
        {"id", *id}, {"type", "function"}, {"function", Json::Object{{"name", *name}, {"arguments", arguments->empty() ? "{}" : *arguments}}}});
  }
  return out;
}

}  // namespace

const ParameterTable kMessageTable = {"a message of POST /v1/chat/completions", kMessage};

std::string tool_name_of(const Json::Array& messages, const std::string& call_id) {
  constexpr size_t kLookedAtMax = 512;  // messages: a result comes soon after its call
  const size_t last = messages.size() - std::min(messages.size(), kLookedAtMax);
  for (size_t i = messages.size(); i-- > last;) {
    const Json* calls = messages[i].find("tool_calls");
    if (calls == nullptr || !calls->is_array()) continue;
    for (const Json& call : calls->as_array()) {
      const Json* id = call.find("id");
      const Json* function = call.find("function");
      const Json* name = function == nullptr ? nullptr : function->find("name");
      if (id != nullptr && *id == Json(call_id) && name != nullptr && name->is_string()) return name->as_string();
    }
  }
  return {};
}

Json read_text_content(const BodyReader& message, std::initializer_list<std::string_view> text_types, bool optional) {
  const Json* content = message.get("content");
  if (content == nullptr) {
    if (!optional) message.fail("content", "missing");
    return Json("");
  }
  if (content->is_string()) return *content;
  const Json::Array* parts = message.array("content", kPartsMax);
  if (parts == nullptr) {
    return {};
  }
  Json::Array out;
  for (size_t i = 0; i < parts->size(); ++i) {
    const std::string path = item(message.path("content"), i);
    const Json& json = (*parts)[i];
    if (!json.is_object()) {
      message.state()->fail(path, "expected an object, found " + describe(json));
      return {};
    }
    const BodyReader part(json, path, message.state());
    const auto type = part.string("type");
    if (!part.ok()) return {};
    if (!type) {
      part.fail("type", "missing");
      return {};
    }
    if (std::find(text_types.begin(), text_types.end(), *type) == text_types.end()) {
      if (*type == "image_url" || *type == "input_image" || *type == "image") {
        part.fail(*type == "image_url" ? "image_url" : "type", "this model has no vision: send text only", "unsupported_parameter");
      } else {
        part.fail("type", "expected \"" + std::string(*text_types.begin()) + "\", found " + describe(Json(*type)), "unsupported_parameter");
      }
      return {};
    }
    static constexpr Parameter kPart[] = {{"type"}, {"text"}, {"refusal"}, {"annotations", Support::kIgnored}, {"logprobs", Support::kIgnored},
                                          {"cache_control", Support::kIgnored}, {"prompt_cache_breakpoint", Support::kIgnored}};
    part.check({"part", kPart});
    const std::string_view member = *type == "refusal" ? "refusal" : "text";
    const auto text = part.string(member);
    if (!text) part.fail(member, "missing");
    if (!part.ok()) return {};
    out.push_back(Json::Object{{"type", "text"}, {"text", *text}});
  }
  if (out.empty()) return Json("");
  if (out.size() == 1) return *out.front().find("text");
  return out;
}

void read_openai_messages(const BodyReader& body, Generation* out) {
  const Json::Array* messages = body.array("messages", kMessagesMax);
  if (!body.ok()) return;
  if (messages == nullptr) return body.fail("messages", "missing");
  if (messages->empty()) return body.fail("messages", "expected at least one message");
  Json::Array& read = out->messages.as_array();
  for (size_t i = 0; i < messages->size(); ++i) {
    const std::string path = item(body.path("messages"), i);
    if (!(*messages)[i].is_object()) return body.state()->fail(path, "expected an object, found " + describe((*messages)[i]));
    const BodyReader message((*messages)[i], path, body.state());
    message.check(kMessageTable);
    const auto role = message.choice("role", {"developer", "system", "user", "assistant", "tool"});
    if (!message.ok()) return;
    if (!role) return message.fail("role", "missing");
    const bool assistant = *role == "assistant";
    const Json* calls = message.get("tool_calls");
    if (calls != nullptr && !assistant) return message.fail("tool_calls", "only messages of the assistant have it");
    Json converted = Json::Object{{"role", *role == "developer" ? "system" : *role}};
    converted.set("content", assistant ? read_text_content(message, {"text", "refusal"}, calls != nullptr) : read_text_content(message, {"text"}, false));
    if (const auto thinking = message.string("reasoning_content")) converted.set("reasoning_content", *thinking);
    if (calls != nullptr) {
      Json list = read_tool_calls(message);
      if (list.is_array() && !list.as_array().empty()) converted.set("tool_calls", std::move(list));
    }
    const auto call_id = message.string("tool_call_id");
    auto name = message.string("name");
    if (!message.ok()) return;
    if (*role == "tool") {
      if (!call_id) return message.fail("tool_call_id", "missing");
      converted.set("tool_call_id", *call_id);
      if (!name) name = tool_name_of(read, *call_id);
    }
    if (name && !name->empty()) converted.set("name", *name);
    read.push_back(std::move(converted));
  }
}

}  // namespace firesteel
