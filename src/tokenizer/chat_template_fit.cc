#include "tokenizer/chat_template_fit.h"

#include <string>
#include <utility>

#include "tokenizer/jinja_interpreter.h"

namespace firesteel {
namespace {

constexpr const char* kMark = "probe-7c1f";

TemplateBudget probe_budget() {
  TemplateBudget budget;
  budget.steps = 5'000;  // published templates take about 400
  budget.output_bytes = 64u << 10;
  budget.time_us = 100'000;
  return budget;
}

// Rendered text, empty on error.
std::string render_probe(const jinja::Program& program, Json::Array messages) {
  const Json context = Json::Object{{"messages", std::move(messages)}, {"bos_token", "<s>"}, {"eos_token", "</s>"}, {"add_generation_prompt", false}};
  const auto spans = jinja::Interpreter(program, context, probe_budget(), 0).run();
  std::string text;
  if (spans.ok()) {
    for (const PromptSpan& span : *spans) text += span.text;
  }
  return text;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Json::Array text_part(const std::string& text) { return Json::Array{Json::Object{{"type", "text"}, {"text", text}}}; }

bool takes_content(const jinja::Program& program, Json content) {
  const std::string text = render_probe(program, {Json::Object{{"role", "user"}, {"content", std::move(content)}}});
  // A printed list or dict has the key "text" near the text.
  return has(text, kMark) && !has(text, "'text'") && !has(text, "\"text\"");
}

bool takes_arguments(const jinja::Program& program, const TemplateTraits& traits, Json arguments) {
  const auto content = [&](const std::string& text) { return traits.part_content && !traits.string_content ? Json(text_part(text)) : Json(text); };
  const Json call = Json::Object{{"id", "abcdefghi"}, {"type", "function"}, {"function", Json::Object{{"name", "f"}, {"arguments", std::move(arguments)}}}};
  const std::string text = render_probe(
      program, {Json::Object{{"role", "user"}, {"content", content("q")}},
                Json::Object{{"role", "assistant"}, {"content", content("")}, {"tool_calls", Json::Array{call}}},
                Json::Object{{"role", "tool"}, {"tool_call_id", "abcdefghi"}, {"name", "f"}, {"content", content("r")}}});
  // Neither a Python literal nor JSON in JSON; some templates print one argument after another.
  return has(text, kMark) && !has(text, "'k'") && !has(text, "\\\"k");
}

// f(message) for each message that is an object, until f returns true.
template <typename F>
bool any_message(const Json& context, F&& f) {
  const Json* messages = context.find("messages");
  if (messages == nullptr || !messages->is_array()) return false;
  for (const Json& message : messages->as_array()) {
    if (message.is_object() && f(message)) return true;
  }
  return false;
}

bool content_needs_fitting(const TemplateTraits& traits, const Json& message) {
  const Json* content = message.find("content");
  if (content == nullptr) return false;
  return (content->is_array() && !traits.part_content && traits.string_content) || (content->is_string() && !traits.string_content && traits.part_content);
}

bool arguments_need_fitting(const TemplateTraits& traits, const Json& arguments) {
  return (arguments.is_string() && !traits.string_arguments && traits.object_arguments) ||
         (arguments.is_object() && !traits.object_arguments && traits.string_arguments);
}

Json* find_mutable(Json* object, std::string_view key) {
  if (!object->is_object()) return nullptr;
  for (auto& [name, value] : object->as_object()) {
    if (name == key) return &value;
  }
  return nullptr;
}

Status fit_content(Json* content) {
  if (content->is_string()) {
    *content = text_part(content->as_string());
    return {};
  }
  std::string joined;
  bool first = true;
  for (const Json& part : content->as_array()) {
    const Json* type = part.find("type");
    const Json* text = part.find("text");
    if (type == nullptr || !type->is_string() || type->as_string() != "text" || text == nullptr || !text->is_string()) {
      const std::string found = type != nullptr && type->is_string() ? "'" + type->as_string().substr(0, 64) + "'" : "something else";
      return Error{ErrorCode::kUnsupported, "chat template: this model's template takes text only; expected parts of type 'text', found " + found};
    }
    if (!first) joined += '\n';
    first = false;
    joined += text->as_string();
  }
  *content = std::move(joined);
  return {};
}

void fit_arguments(Json* arguments) {
  if (!arguments->is_string()) {
    *arguments = arguments->dump();
    return;
  }
  auto parsed = Json::parse(arguments->as_string());
  if (parsed.ok() && parsed->is_object()) *arguments = std::move(*parsed);  // else the model wrote nonsense; show it as it was
}

}  // namespace

TemplateTraits probe_template(const jinja::Program& program) {
  TemplateTraits traits;
  traits.part_content = takes_content(program, text_part(kMark));
  traits.string_content = takes_content(program, kMark);
  const Json object = Json::Object{{"k", kMark}};
  traits.object_arguments = takes_arguments(program, traits, object);
  traits.string_arguments = takes_arguments(program, traits, object.dump());
  return traits;
}

bool needs_fitting(const TemplateTraits& traits, const Json& context) {
  return any_message(context, [&](const Json& message) {
    if (content_needs_fitting(traits, message)) return true;
    const Json* calls = message.find("tool_calls");
    if (calls == nullptr || !calls->is_array()) return false;
    for (const Json& call : calls->as_array()) {
      const Json* function = call.find("function");
      const Json* arguments = function != nullptr ? function->find("arguments") : nullptr;
      if (arguments != nullptr && arguments_need_fitting(traits, *arguments)) return true;
    }
    return false;
  });
}

Result<Json> fit_context(const TemplateTraits& traits, const Json& context) {
  Json fitted = context;
  Json* messages = find_mutable(&fitted, "messages");
  if (messages == nullptr || !messages->is_array()) return fitted;
  for (Json& message : messages->as_array()) {
    if (!message.is_object()) continue;
    if (content_needs_fitting(traits, message)) FS_TRY_VOID(fit_content(find_mutable(&message, "content")));
    Json* calls = find_mutable(&message, "tool_calls");
    if (calls == nullptr || !calls->is_array()) continue;
    for (Json& call : calls->as_array()) {
      Json* function = find_mutable(&call, "function");
      Json* arguments = function != nullptr ? find_mutable(function, "arguments") : nullptr;
      if (arguments != nullptr && arguments_need_fitting(traits, *arguments)) fit_arguments(arguments);
    }
  }
  return fitted;
}

}  // namespace firesteel
