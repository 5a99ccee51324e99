// The lines of curriculum files: what both passes of the parser read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace firesteel {

struct SourceLine {
  std::string_view file;
  size_t number = 0;       // from 1
  std::string_view text;   // without indentation and trailing blanks
  std::string_view word;   // up to the first blank
  std::string_view rest;   // after it
  bool indented = false;
  std::string place() const;
  Error expected(std::string_view what) const;   // "FILE:LINE: expected WHAT, found 'TEXT'"
  Error error(std::string_view message) const;
};

// Without empty lines and comments.
std::vector<SourceLine> source_lines(std::string_view file, std::string_view text);

std::string_view trimmed(std::string_view text);
bool is_identifier(std::string_view text);  // [a-zA-Z_][a-zA-Z0-9_]*
// Splits at `separator` where it stands outside of brackets, braces, quotes and escapes; parts are trimmed.
std::vector<std::string_view> split_outside(std::string_view text, char separator);
// Position of `what` outside of brackets, braces, parentheses and quotes.
std::optional<size_t> find_outside(std::string_view text, std::string_view what);

}  // namespace firesteel
