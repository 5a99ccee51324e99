// Template source to tokens, with Jinja's whitespace control applied (trim_blocks and lstrip_blocks on, no trailing newline kept).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace firesteel::jinja {

enum class TokenKind : uint8_t {
  kText,         // outside of tags, ready for output
  kOutputBegin,  // {{
  kOutputEnd,    // }}
  kBlockBegin,   // {%
  kBlockEnd,     // %}
  kName,
  kString,  // unescaped
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  uint32_t line = 1;
  std::string text;  // of text, name, string, operator
  int64_t integer = 0;
  double real = 0;
};

// Error of a template's source: "chat template, line N: reason".
Error source_error(ErrorCode code, uint32_t line, const std::string& reason);

// Ends with one kEnd. kInvalidArgument with the line for what is not Jinja.
Result<std::vector<Token>> tokenize(std::string_view source);

}  // namespace firesteel::jinja
