#include "server/dialects/anthropic_messages.h"

#include <algorithm>
#include <string>
#include <utility>

#include "server/dialects/openai_messages.h"

namespace firesteel {
namespace {

constexpr Parameter kMessage[] = {{"role"}, {"content"}};
constexpr Parameter kText[] = {{"type"}, {"text"}, {"cache_control", Support::kIgnored}, {"citations", Support::kIgnored}};
constexpr Parameter kThinking[] = {{"type"}, {"thinking"}, {"signature"}};
constexpr Parameter kRedacted[] = {{"type"}, {"data", Support::kIgnored}};
constexpr Parameter kToolUse[] = {{"type"}, {"id"}, {"name"}, {"input"}, {"cache_control", Support::kIgnored}, {"caller", Support::kIgnored}};
constexpr Parameter kToolResult[] = {{"type"}, {"tool_use_id"}, {"content"}, {"is_error", Support::kIgnored}, {"cache_control", Support::kIgnored}};
constexpr Parameter kDocument[] = {{"type"}, {"source"}, {"title"}, {"context"}, {"citations", Support::kRefused, "there are no citations"},
                                   {"cache_control", Support::kIgnored}};
constexpr Parameter kImage[] = {{"type"}, {"source"}, {"cache_control", Support::kIgnored}};
constexpr Parameter kSource[] = {{"type"}, {"media_type"}, {"data"}};
constexpr Parameter kTool[] = {{"name"}, {"description"}, {"input_schema"}, {"type"}, {"strict"}, {"cache_control", Support::kIgnored},
                               {"input_examples", Support::kIgnored}, {"eager_input_streaming", Support::kIgnored},
                               {"allowed_callers", Support::kIgnored}, {"defer_loading", Support::kIgnored}};
constexpr Parameter kChoice[] = {{"type"}, {"name"}, {"disable_parallel_tool_use"}};

std::string item(const std::string& path, size_t i) { return path + "[" + std::to_string(i) + "]"; }

std::string strip_prefix(const std::string& id) {
  return id.substr(0, kToolUsePrefix.size()) == kToolUsePrefix ? id.substr(kToolUsePrefix.size()) : id;
}

Json text_part(std::string text) { return Json::Object{{"type", "text"}, {"text", std::move(text)}}; }

// Text parts as templates take them: one is a string.
Json content_of(Json::Array parts) {
  if (parts.empty()) return Json("");
  if (parts.size() == 1 && parts.front().find("text") != nullptr) return *parts.front().find("text");
  return Json(std::move(parts));
}

// Each block of `name` (a string is one text block) to visit(block, type).
template <typename Visit>
void for_each_block(const BodyReader& holder, std::string_view name, Visit visit) {
  const Json* content = holder.get(name);
  if (content == nullptr) return holder.fail(name, "missing");
  if (content->is_string()) {
    const Json block = text_part(content->as_string());
    visit(BodyReader(block, holder.path(name), holder.state()), std::string("text"));
    return;
  }
  const Json::Array* blocks = holder.array(name, kPartsMax);
  if (blocks == nullptr) return;
  for (size_t i = 0; i < blocks->size() && holder.ok(); ++i) {
    const std::string path = item(holder.path(name), i);
    if (!(*blocks)[i].is_object()) return holder.state()->fail(path, "expected an object, found " + describe((*blocks)[i]));
    const BodyReader block((*blocks)[i], path, holder.state());
    const auto type = block.string("type");
    if (!holder.ok()) return;
    if (!type) return block.fail("type", "missing");
    visit(block, *type);
  }
}

void refuse_block(const BodyReader& block, const std::string& type) {
  if (type == "image") block.fail("type", "images are taken in messages of the user only");
  else block.fail("type", "blocks of type " + describe(Json(type)) + " are not supported here");
}

std::string read_text(const BodyReader& block, bool no_citations) {
  block.check({"text block", kText});
  if (no_citations && block.get("citations") != nullptr) block.fail("citations", "not supported in version 2026-10-21");
  const auto text = block.string("text");
  if (!text) block.fail("text", "missing");
  return text.value_or("");
}

std::string read_document(const BodyReader& block) {
  block.check({"document block", kDocument});
  const auto title = block.string("title");
  const auto about = block.string("context");
  const auto source = block.object("source");
  if (!block.ok()) return {};
  if (!source) {
    block.fail("source", "missing");
    return {};
  }
  source->check({"source", kSource});
  source->choice("type", {"text"});
  source->choice("media_type", {"text/plain"});
  const auto data = source->string("data");
  if (!data) source->fail("data", "missing");
  return (title ? *title + "\n" : "") + (about ? *about + "\n" : "") + data.value_or("");
}

void read_image(const BodyReader& block, RequestImages* images) {
  block.check({"image block", kImage});
  const auto source = block.object("source");
  if (!block.ok()) return;
  if (!source) return block.fail("source", "missing");
  if (source->get("type") != nullptr && *source->get("type") == Json("url")) {
    return source->fail("type", "expected base64, found url: this server opens no connections of its own");
  }
  source->check({"source", kSource});
  const auto type = source->choice("type", {"base64"});
  source->choice("media_type", {"image/jpeg", "image/png", "image/webp", "image/gif"});  // the bytes decide
  const auto data = source->string("data");
  if (!type) source->fail("type", "missing");
  if (!data) source->fail("data", "missing");
  if (block.ok()) add_image_base64(*source, "data", *data, images);
}

void read_user(const BodyReader& message, AnthropicVersion version, RequestImages* images, Json::Array* out) {
  Json::Array parts;
  for_each_block(message, "content", [&](const BodyReader& block, const std::string& type) {
    if (type == "text") {
      parts.push_back(text_part(read_text(block, version == AnthropicVersion::k2026)));
    } else if (type == "image") {
      if (!images->can_see) return block.fail("type", "this model has no vision: send text only");
      read_image(block, images);
      parts.push_back(Json::Object{{"type", "image"}});
    } else if (type == "document") {
      parts.push_back(text_part(read_document(block)));
    } else if (type == "tool_result") {
      block.check({"tool_result block", kToolResult});
      const auto id = block.string("tool_use_id");
      if (!id) return block.fail("tool_use_id", "missing");
      Json::Array result;
      if (block.get("content") != nullptr) {
        for_each_block(block, "content", [&](const BodyReader& inner, const std::string& inner_type) {
          if (inner_type == "text") result.push_back(text_part(read_text(inner, false)));
          else refuse_block(inner, inner_type);
        });
      }
      Json converted = Json::Object{{"role", "tool"}, {"content", content_of(std::move(result))}, {"tool_call_id", strip_prefix(*id)}};
      if (const std::string name = tool_name_of(*out, strip_prefix(*id)); !name.empty()) converted.set("name", name);
      out->push_back(std::move(converted));
    } else {
      refuse_block(block, type);
    }
  });
  if (!parts.empty()) out->push_back(Json::Object{{"role", "user"}, {"content", content_of(std::move(parts))}});
}

void read_assistant(const BodyReader& message, Json::Array* out) {
  Json::Array parts, calls;
  std::string thinking;
  for_each_block(message, "content", [&](const BodyReader& block, const std::string& type) {
    if (type == "text") {
      parts.push_back(text_part(read_text(block, false)));
    } else if (type == "thinking") {
      block.check({"thinking block", kThinking});
      block.string("signature");
      thinking += block.string("thinking").value_or("");
    } else if (type == "redacted_thinking") {
      block.check({"redacted_thinking block", kRedacted});
    } else if (type == "tool_use") {
      block.check({"tool_use block", kToolUse});
      const auto id = block.string("id");
      const auto name = block.string("name");
      const auto input = block.object("input");
      if (!id) block.fail("id", "missing");
      if (!name) block.fail("name", "missing");
      if (!input) block.fail("input", "missing");
      if (!block.ok()) return;
      calls.push_back(Json::Object{{"id", strip_prefix(*id)},
                                   {"type", "function"},
                                   {"function", Json::Object{{"name", *name}, {"arguments", input->json().dump()}}}});
    } else {
      refuse_block(block, type);
    }
  });
  Json converted = Json::Object{{"role", "assistant"}, {"content", content_of(std::move(parts))}};
  if (!thinking.empty()) converted.set("reasoning_content", thinking);
  if (!calls.empty()) converted.set("tool_calls", std::move(calls));
  out->push_back(std::move(converted));
}

}  // namespace

void read_anthropic_messages(const BodyReader& body, AnthropicVersion version, Generation* out) {
  Json::Array& read = out->messages.as_array();
  if (body.get("system") != nullptr) {
    Json::Array parts;
    for_each_block(body, "system", [&](const BodyReader& block, const std::string& type) {
      if (type == "text") parts.push_back(text_part(read_text(block, false)));
      else refuse_block(block, type);
    });
    if (!parts.empty()) read.push_back(Json::Object{{"role", "system"}, {"content", content_of(std::move(parts))}});
  }
  const Json::Array* messages = body.array("messages", kMessagesMax);
  if (!body.ok()) return;
  if (messages == nullptr) return body.fail("messages", "missing");
  if (messages->empty()) return body.fail("messages", "expected at least one message");
  for (size_t i = 0; i < messages->size() && body.ok(); ++i) {
    const std::string path = item(body.path("messages"), i);
    if (!(*messages)[i].is_object()) return body.state()->fail(path, "expected an object, found " + describe((*messages)[i]));
    const BodyReader message((*messages)[i], path, body.state());
    message.check({"message", kMessage});
    const auto role = message.choice("role", {"user", "assistant"});
    if (!message.ok()) return;
    if (!role) return message.fail("role", "missing");
    if (*role == "user") read_user(message, version, &out->images, &read);
    else read_assistant(message, &read);
    if (*role == "assistant" && i + 1 == messages->size()) {
      return message.fail("role", "the last message must be the user's: beginnings of answers are not continued");
    }
  }
}

void read_anthropic_tools(const BodyReader& body, Generation* out) {
  if (const Json::Array* tools = body.array("tools", kToolsMax)) {
    for (size_t i = 0; i < tools->size() && body.ok(); ++i) {
      const std::string path = item(body.path("tools"), i);
      if (!(*tools)[i].is_object()) return body.state()->fail(path, "expected an object, found " + describe((*tools)[i]));
      const BodyReader tool((*tools)[i], path, body.state());
      const auto type = tool.string("type");
      if (type && *type != "custom") return tool.fail("type", "tools that run on the server are not supported, found " + describe(Json(*type)));
      tool.check({"tool", kTool});
      if (tool.get("input_schema") == nullptr) tool.fail("input_schema", "missing");
      add_tool(tool, "input_schema", out);
    }
  }
  out->format.tools = !out->tool_list.empty();
  for (const Tool& tool : out->tool_list) out->format.tool_names.push_back(tool.name);
  const auto choice = body.object("tool_choice");
  if (!choice) return;
  choice->check({"tool_choice", kChoice});
  const auto type = choice->choice("type", {"auto", "any", "tool", "none"});
  const auto name = choice->string("name");
  if (choice->boolean("disable_parallel_tool_use").value_or(false)) out->format.parallel = false;
  if (!body.ok()) return;
  if (!type) return choice->fail("type", "missing");
  if (*type == "none") {
    out->no_own_tools = true;
    out->format.tools = false;
    out->tools = Json();
    out->tool_list.clear();
  } else if (*type == "any") {
    if (out->tool_list.empty()) return choice->fail("type", "\"any\" without tools");
    require_call({}, out);
  } else if (*type == "tool") {
    const bool known = name && std::any_of(out->tool_list.begin(), out->tool_list.end(), [&](const Tool& tool) { return tool.name == *name; });
    if (!known) return choice->fail("name", "expected the name of one of the tools, found " + (name ? describe(Json(*name)) : std::string("nothing")));
    require_call(*name, out);
  }
}

}  // namespace firesteel
