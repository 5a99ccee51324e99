#include "base/toml_text.h"

#include <string>

namespace firesteel {

size_t foreign_toml_character(std::string_view text) {
  size_t line = 1;
  char quote = 0;  // of the string we are in
  bool triple = false, comment = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      ++line;
      comment = false;
      if (!triple) quote = 0;
    } else if (comment) {
      continue;
    } else if (quote != 0) {
      if (c == '\\' && quote == '"') {
        ++i;
      } else if (c == quote && (!triple || text.substr(i, 3) == std::string(3, quote))) {
        if (triple) i += 2;
        quote = 0;
      }
    } else if (c == '#') {
      comment = true;
    } else if (c == '"' || c == '\'') {
      quote = c;
      triple = text.substr(i, 3) == std::string(3, c);
      if (triple) i += 2;
    } else if ((static_cast<unsigned char>(c) & 0x80) != 0) {
      return line;
    }
  }
  return 0;
}

}  // namespace firesteel
