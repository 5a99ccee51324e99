// Any bytes as a chat template over a fixed conversation: spans, or an error; within the budget; user text only in user spans.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "tokenizer/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace firesteel;
  if (size > 4096) return 0;  // longer sources only make it slower
  // The users' alphabet is U+0437 (a letter that changes with case) and a marker; a template whose source has neither, and no escape to
  // write one, cannot print them itself.
  static const Json kContext = *Json::parse(R"json({
    "messages": [{"role": "system", "content": "\u0437\u0437"},
                 {"role": "user", "content": [{"type": "text", "text": "\u0437 x"}, {"type": "image"}]},
                 {"role": "assistant", "content": "\u0437", "tool_calls": [{"id": "1", "function": {"name": "f\u0437", "arguments": {"k\u0437": [1, 2.5, null, true, {}]}}}]},
                 {"role": "tool", "content": "{\"\u0437\": 1}"}],
    "tools": [{"type": "function", "function": {"name": "f\u0437", "description": "a\nb\u0437", "parameters": {"type": "object", "properties": {"k": {"type": "string"}}, "required": ["k"]}}}],
    "add_generation_prompt": true, "enable_thinking": false, "bos_token": "<s>", "eos_token": "</s>", "n": 3, "s": "\u0437a b\u0437"})json");
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto compiled = ChatTemplate::compile(source);
  if (!compiled.ok()) {
    CHECK(!compiled.error().message.empty());
    return 0;
  }
  TemplateBudget budget;
  budget.steps = 3000;
  budget.output_bytes = 64u << 10;
  budget.time_us = 1'000'000;
  const auto spans = (*compiled)->render(kContext, 1'700'000'000, budget);
  if (!spans.ok()) {
    CHECK(!spans.error().message.empty());
    return 0;
  }
  size_t n_bytes = 0;
  // Cyrillic letters start with bytes D0 and D1.
  const bool may_print_itself = source.find_first_of("\xD0\xD1\\%") != std::string_view::npos;
  for (const PromptSpan& span : *spans) {
    CHECK(!span.text.empty());
    n_bytes += span.text.size();
    if (span.from_template && !may_print_itself) CHECK(span.text.find("\xD0\xB7") == std::string::npos && span.text.find("\xD0\x97") == std::string::npos);
  }
  CHECK(n_bytes <= budget.output_bytes);
  return 0;
}
