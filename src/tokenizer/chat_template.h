// Chat templates: the Jinja subset that real models' templates use, interpreted within budgets. A template comes with the model, so
// it is hostile: it reads only the variables it is given, writes only text, and stops when its budget is spent.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/json.h"
#include "base/result.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {

struct TemplateBudget {
  uint64_t steps = 2'000'000;
  uint64_t output_bytes = 64u << 20;
  int64_t time_us = 2'000'000;
  uint32_t depth = 200;  // nesting of statements, expressions, macro calls
};

// A piece of the rendered prompt. Text that came from a user (message content, tool results, documents) is tokenised with special
// tokens off; text that the template wrote itself may name control tokens.
struct PromptSpan {
  std::string text;
  bool from_template = false;
};

// Compiled once, immutable, safe to share between threads.
class ChatTemplate {
 public:
  // kInvalidArgument with line and reason; kUnsupported names the construct.
  static Result<std::unique_ptr<const ChatTemplate>> compile(std::string_view source);

  virtual ~ChatTemplate() = default;

  // context: an object with messages, tools, add_generation_prompt, bos_token, eos_token, enable_thinking ... Message contents
  // may be strings or arrays of typed parts, as in the API, and arguments of tool calls JSON text or objects: what the template
  // cannot take is converted first (see fit). raise_exception in the template: kInvalidArgument with its text.
  // now_unix_s: for strftime_now, so that rendering is repeatable.
  // Every string in the context counts as a user's text, but for bos_token, eos_token, unk_token and pad_token, which must therefore
  // come from the model, and for the message roles system, user, assistant, tool, developer, function and ipython.
  virtual Result<std::vector<PromptSpan>> render(const Json& context, int64_t now_unix_s, const TemplateBudget& budget) const = 0;

  // The context as render passes it on: text parts as one string, or a string as one text part; arguments parsed or printed.
  // kUnsupported when a message has an image or the like and the template takes only text.
  virtual Result<Json> fit(const Json& context) const = 0;

  // Convenience: spans joined.
  Result<std::string> render_text(const Json& context, int64_t now_unix_s) const;

  // True when the template reads this variable (e.g. "tools", "enable_thinking").
  virtual bool mentions(std::string_view variable) const = 0;
};

// Encodes spans: user text with special tokens off, template text with them on. BOS is added when the tokenizer asks for it and the
// spans do not start with it already.
Result<std::vector<TokenId>> encode_prompt(const Tokenizer& tokenizer, const std::vector<PromptSpan>& spans);

}  // namespace firesteel
