// Messages come in the shapes of the API; templates take what their model's authors used. What a template can take is found out by
// rendering probes once, and messages are converted where both shapes mean the same. Without this, some templates drop text silently
// (a list where they expect a string prints nothing) or print Python literals into the prompt.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "tokenizer/jinja_ast.h"

namespace firesteel {

// When neither shape comes through a probe, messages are left as they are.
struct TemplateTraits {
  bool string_content = true;
  bool part_content = false;      // lists of {"type": "text", "text": ...}
  bool string_arguments = true;   // tool_calls[].function.arguments as JSON text
  bool object_arguments = true;   // ... as an object
};

TemplateTraits probe_template(const jinja::Program& program);

// Whether fit_context would change anything. `context` is any JSON.
bool needs_fitting(const TemplateTraits& traits, const Json& context);

// The context with messages in shapes that the template takes: text parts become one string (joined by newlines) or a string becomes
// one text part; arguments are parsed or printed. kUnsupported when a part is not text and the template takes no parts.
Result<Json> fit_context(const TemplateTraits& traits, const Json& context);

}  // namespace firesteel
