#include "base/toml_text.h"

#include <string>

namespace firesteel {
namespace {

// Whether a quote behind `before` (the last character that is no blank; 0 at the start of a line) begins a text. Inside of a bare word it does
// not: toml++ reads such a word to its end, and what looks quoted to us is not to it.
bool may_open_text(char before, bool in_value) {
  return before == 0 || before == '=' || before == '[' || before == ',' || before == '{' || (before == '.' && !in_value);
}

}  // namespace

size_t foreign_toml_character(std::string_view text) {
  size_t line = 1;
  char quote = 0;  // of the string we are in
  bool triple = false, comment = false;
  char before = 0;
  bool in_value = false;  // behind a '=' of this line
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      ++line;
      comment = false;
      if (!triple) quote = 0;
      if (quote == 0) {
        before = 0;
        in_value = false;
      }
    } else if (comment) {
      continue;
    } else if (quote != 0) {
      if (c == '\\' && quote == '"') {
        ++i;
      } else if (c == quote && (!triple || text.substr(i, 3) == std::string(3, quote))) {
        if (triple) i += 2;
        quote = 0;
        before = c;
      }
    } else if (c == '#') {
      comment = true;
    } else if ((c == '"' || c == '\'') && may_open_text(before, in_value)) {
      quote = c;
      triple = text.substr(i, 3) == std::string(3, c);
      if (triple) i += 2;
    } else if ((static_cast<unsigned char>(c) & 0x80) != 0) {
      return line;
    } else if (c != ' ' && c != '\t' && c != '\r') {
      before = c;
      in_value = in_value || c == '=';
    }
  }
  return 0;
}

}  // namespace firesteel
