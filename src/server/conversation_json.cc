#include "server/conversation_json.h"

#include <utility>

#include "base/utf8.h"
#include "server/own_api.h"

namespace firesteel {
namespace {

constexpr size_t kPartsMax = 64;
constexpr size_t kTextBytesMax = 2u << 20;
constexpr size_t kTitleChars = 60;

Json parse_or(const std::string& text, Json otherwise) {
  if (text.empty()) return otherwise;
  Result<Json> parsed = Json::parse(text);
  return parsed.ok() ? std::move(parsed).value() : otherwise;
}

const std::string* string_member(const Json& object, std::string_view name) {
  const Json* found = object.find(name);
  return found != nullptr && found->is_string() ? &found->as_string() : nullptr;
}

}  // namespace

Owner owner_of(const Call& call) { return {.tenant = call.principal->tenant, .user = call.principal->user}; }

std::string system_of(const Conversation& conversation) {
  const Json settings = parse_or(conversation.settings, Json::Object{});
  const std::string* system = string_member(settings, "system");
  return system == nullptr ? std::string() : *system;
}

std::vector<std::string> allowed_tools_of(const Conversation& conversation) {
  const Json settings = parse_or(conversation.settings, Json::Object{});
  const Json* list = settings.find("allowed_tools");
  std::vector<std::string> out;
  if (list == nullptr || !list->is_array()) return out;
  for (const Json& tool : list->as_array()) {
    if (tool.is_string() && out.size() < kAllowedToolsMax) out.push_back(tool.as_string());
  }
  return out;
}

std::string with_allowed_tools(const std::string& settings, const std::vector<std::string>& tools) {
  Json changed = parse_or(settings, Json::Object{});
  if (!changed.is_object()) changed = Json::Object{};
  Json::Array list;
  for (const std::string& tool : tools) list.emplace_back(tool);
  changed.set("allowed_tools", std::move(list));
  return changed.dump();
}

Json conversation_json(const Conversation& conversation) {
  const Json settings = parse_or(conversation.settings, Json::Object{});
  const std::string* model = string_member(settings, "model");
  return Json::Object{{"id", conversation.id.str()},
                      {"title", conversation.title},
                      {"pinned", conversation.pinned},
                      {"created_at", ms_of(conversation.created_us)},
                      {"updated_at", ms_of(conversation.updated_us)},
                      {"model", model == nullptr ? std::string() : *model}};
}

Json feedback_json(const Feedback* feedback) {
  if (feedback == nullptr || (feedback->thumb == 0 && feedback->reason.empty() && feedback->correction.empty())) return nullptr;
  Json out = Json::Object{{"thumb", feedback->thumb > 0 ? Json("up") : feedback->thumb < 0 ? Json("down") : Json()}};
  if (!feedback->reason.empty()) out.set("reason", feedback->reason);
  if (!feedback->correction.empty()) out.set("correction", feedback->correction);
  return out;
}

Json message_json(const Message& message, const Feedback* feedback) {
  Json out = Json::Object{{"id", message.id.str()}, {"parent_id", message.parent.empty() ? Json() : Json(message.parent.str())}, {"role", message.role}};
  Json::Array parts;
  std::string thinking;
  const Json content = parse_or(message.content, Json::Array{});
  if (content.is_string()) {
    parts.push_back(Json::Object{{"type", "text"}, {"text", content.as_string()}});
  } else if (content.is_array()) {
    for (const Json& part : content.as_array()) {
      const std::string* type = string_member(part, "type");
      const std::string* text = string_member(part, "text");
      if (type != nullptr && *type == "thinking") thinking += text == nullptr ? std::string() : *text;
      else parts.push_back(part);
    }
  }
  out.set("content", std::move(parts));
  if (!thinking.empty()) out.set("thinking", thinking);
  if (!message.model.empty()) out.set("model", message.model);
  Json usage = parse_or(message.usage, Json());
  if (usage.is_object()) {
    Json counts = Json::Object{};
    for (const auto& [name, value] : usage.as_object()) {
      if (name == "finish_reason" || name == "mode" || name == "why" || name == "lanes" || name == "tools" || name == "tainted_by") out.set(name, value);
      else counts.set(name, value);
    }
    if (!counts.as_object().empty()) out.set("usage", std::move(counts));
  }
  out.set("feedback", feedback_json(feedback));
  out.set("created_at", ms_of(message.created_us));
  return out;
}

Result<Json> read_content(const Json& content) {
  const auto wrong = [](const std::string& what) { return Error{ErrorCode::kInvalidArgument, "content: " + what}; };
  if (!content.is_array() || content.as_array().empty()) return wrong("expected an array with at least one part");
  if (content.as_array().size() > kPartsMax) return wrong("more than 64 parts");
  Json::Array kept;
  for (const Json& part : content.as_array()) {
    const std::string* type = string_member(part, "type");
    if (type == nullptr) return wrong("a part has no type");
    if (*type == "text") {
      const std::string* text = string_member(part, "text");
      if (text == nullptr) return wrong("a text part has no text");
      if (text->size() > kTextBytesMax) return wrong("a text part is longer than 2 MiB");
      kept.push_back(Json::Object{{"type", "text"}, {"text", *text}});
    } else if (*type == "image") {
      const std::string* uri = string_member(part, "data_uri");
      const std::string* name = string_member(part, "name");
      if (uri == nullptr || uri->substr(0, 11) != "data:image/") return wrong("an image part has no data_uri of an image");
      Json image = Json::Object{{"type", "image"}, {"data_uri", *uri}};
      if (name != nullptr) image.set("name", name->substr(0, complete_utf8_prefix(std::string_view(*name).substr(0, 200))));
      kept.push_back(std::move(image));
    } else {
      return wrong("a part is neither text nor image");
    }
  }
  return Json(std::move(kept));
}

std::string text_of_content(const Json& content) {
  if (content.is_string()) return content.as_string();
  std::string out;
  if (!content.is_array()) return out;
  for (const Json& part : content.as_array()) {
    const std::string* type = string_member(part, "type");
    const std::string* text = string_member(part, "text");
    if (type == nullptr || *type != "text" || text == nullptr) continue;
    if (!out.empty()) out += "\n\n";
    out += *text;
  }
  return out;
}

std::vector<std::string_view> image_uris(const Json& content) {
  std::vector<std::string_view> uris;
  if (!content.is_array()) return uris;
  for (const Json& part : content.as_array()) {
    const std::string* type = string_member(part, "type");
    const std::string* uri = string_member(part, "data_uri");
    if (type != nullptr && *type == "image" && uri != nullptr) uris.push_back(*uri);
  }
  return uris;
}

std::string assistant_content(const std::string& text, const std::string& thinking) {
  Json::Array parts;
  if (!thinking.empty()) parts.push_back(Json::Object{{"type", "thinking"}, {"text", thinking}});
  parts.push_back(Json::Object{{"type", "text"}, {"text", text}});
  return Json(std::move(parts)).dump();
}

std::string title_from(const std::string& question) {
  std::string line;
  size_t n_chars = 0, last_space = 0;
  for (size_t i = 0; i < question.size();) {
    const Utf8Char c = decode_utf8(question, i);
    const bool is_space = c.code_point <= ' ';
    if (is_space && (line.empty() || line.back() == ' ')) {
      i += c.n_bytes;
      continue;
    }
    if (n_chars == kTitleChars) {
      if (last_space > kTitleChars / 2) line.resize(last_space);
      return line + "\u2026";
    }
    if (is_space) {
      last_space = line.size();
      line += ' ';
    } else {
      append_utf8(&line, c.code_point);
    }
    ++n_chars;
    i += c.n_bytes;
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

}  // namespace firesteel
