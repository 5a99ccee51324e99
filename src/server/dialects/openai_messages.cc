#include "server/dialects/openai_messages.h"

#include <algorithm>
#include <string>
#include <utility>

namespace firesteel {
namespace {

constexpr Parameter kMessage[] = {
    {"role", Support::kSupported, "developer, system, user, assistant, tool"},
    {"content", Support::kSupported, "a string or parts: text, of users also image_url (a data URI; detail is ignored)"},
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

// The address of a picture's part; empty after a failure.
std::string image_address(const BodyReader& part, const std::string& type) {
  static constexpr Parameter kImagePart[] = {{"type"}, {"image_url"}, {"detail", Support::kIgnored}, {"cache_control", Support::kIgnored},
                                             {"prompt_cache_breakpoint", Support::kIgnored}, {"file_id", Support::kRefused, "there are no files: send a data URI"}};
  static constexpr Parameter kImageUrl[] = {{"url"}, {"detail", Support::kIgnored}};
  part.check({"part", kImagePart});
  std::optional<std::string> url;
  if (type == "image_url" && part.get("image_url") != nullptr && part.get("image_url")->is_object()) {
    const auto holder = part.object("image_url");
    holder->check({"image_url", kImageUrl});
    url = holder->string("url");
    if (!url) holder->fail("url", "missing");
  } else {
    url = part.string("image_url");
    if (!url) part.fail("image_url", "missing");
  }
  return url.value_or("");
}

Json read_message_content(const BodyReader& message, std::initializer_list<std::string_view> text_types, bool optional, RequestImages* images) {
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
      const bool is_image = *type == "image_url" || *type == "input_image";
      if (is_image && images != nullptr) {
        const std::string url = image_address(part, *type);
        if (part.ok()) add_image_uri(part, "image_url", url, images);
        if (!part.ok()) return {};
        Json image = Json::Object{{"type", "image"}};
        if (images->keeps_sources) image.set("data_uri", url);
        out.push_back(std::move(image));
        continue;
      }
      if (is_image) {
        part.fail("type", "only messages of the user may have images", "unsupported_parameter");
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
  if (out.size() == 1 && out.front().find("text") != nullptr) return *out.front().find("text");
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
    converted.set("content", assistant ? read_message_content(message, {"text", "refusal"}, calls != nullptr)
                                       : read_message_content(message, {"text"}, false, *role == "user" ? &out->images : nullptr));
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
