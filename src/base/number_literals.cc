#include "base/number_literals.h"

#include <utility>

namespace firesteel {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

size_t digits_end(std::string_view text, size_t at) {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

// Looks at four digits at most, so that the whole search stays linear.
bool is_thousands_group(std::string_view text, size_t comma) {
  if (comma + 3 >= text.size() || text[comma] != ',') return false;
  for (size_t i = 1; i <= 3; ++i) {
    if (!is_digit(text[comma + i])) return false;
  }
  return comma + 4 == text.size() || !is_digit(text[comma + 4]);
}

}  // namespace

std::vector<NumberLiteral> find_number_literals(std::string_view text) {
  std::vector<NumberLiteral> literals;
  for (size_t at = 0; at < text.size();) {
    if (!is_digit(text[at])) {
      ++at;
      continue;
    }
    size_t end = digits_end(text, at);
    if (end - at <= 3) {
      while (is_thousands_group(text, end)) end += 4;
    }
    if (end + 1 < text.size() && text[end] == '.' && is_digit(text[end + 1])) end = digits_end(text, end + 1);
    NumberLiteral literal{at, end - at, std::string(text.substr(at, end - at))};
    std::erase(literal.value, ',');
    literals.push_back(std::move(literal));
    at = end;
  }
  return literals;
}

}  // namespace firesteel
