#include "base/toml_text.h"

#include <string>

namespace firesteel {
namespace {

// Whether a quote behind `before` (the last character that is no blank; 0 at the start of a line) begins a text.
bool may_open_text(char before, bool in_value) {
  return before == 0 || before == '=' || before == '[' || before == ',' || before == '{' || (before == '.' && !in_value);
}

// What ends a bare word of a value. toml++ reads such a word on over all else: what looks quoted in it to us is not to it.
bool ends_word(char c) { return c == ' ' || c == '\t' || c == '\r' || c == ',' || c == ']' || c == '}'; }

}  // namespace

size_t foreign_toml_character(std::string_view text) {
  size_t line = 1;
  char quote = 0;  // of the string we are in
  bool triple = false, comment = false;
  char before = 0;
  bool in_value = false;  // behind a '='
  bool in_word = false;   // bare, of a value
  bool is_key = false;    // that word, in an inline table: '=' ends it
  std::string open;       // brackets
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      ++line;
      comment = false;
      if (!triple) quote = 0;
      if (quote == 0) {
        before = 0;
        in_word = is_key = false;
        in_value = in_value && !open.empty();  // lists go on
      }
    } else if (comment) {
      continue;
    } else if (quote != 0) {
      if (c == '\\' && quote == '"') {
        // Behind a backslash toml++ looks for blanks, too, to leave them out up to the next character.
        const size_t next = text.find_first_not_of(" \t\r\n", i + 1);
        if (next != std::string_view::npos && (static_cast<unsigned char>(text[next]) & 0x80) != 0) return line;
        if (i + 1 < text.size() && text[i + 1] != '\n') ++i;
      } else if (c == quote && (!triple || text.substr(i, 3) == std::string(3, quote))) {
        if (triple) i += 2;
        quote = 0;
        before = c;
      }
    } else if (c == '#') {
      comment = true;
    } else if ((c == '"' || c == '\'') && !in_word && may_open_text(before, in_value)) {
      quote = c;
      triple = text.substr(i, 3) == std::string(3, c);
      if (triple) i += 2;
    } else if ((static_cast<unsigned char>(c) & 0x80) != 0) {
      return line;
    } else if (ends_word(c) || (c == '=' && is_key)) {
      in_word = is_key = false;
      if (c == ' ' || c == '\t' || c == '\r') continue;
      before = c;
      if ((c == ']' || c == '}') && !open.empty()) open.pop_back();
    } else if (!in_word) {
      is_key = !open.empty() && open.back() == '{' && (before == '{' || before == ',');
      in_word = in_value && c != '[' && c != '{' && c != '=';
      if (c == '[' || c == '{') open += c;
      before = in_word ? 'w' : c;
      in_value = in_value || c == '=';
    }
  }
  return 0;
}

}  // namespace firesteel
