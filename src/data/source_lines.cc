#include "data/source_lines.h"

#include <fmt/format.h>

#include <algorithm>

namespace firesteel {

std::string SourceLine::place() const { return fmt::format("{}:{}", file, number); }

Error SourceLine::expected(std::string_view what) const {
  return error(fmt::format("expected {}, found '{}'", what, text.substr(0, 80)));
}

Error SourceLine::error(std::string_view message) const {
  return Error{ErrorCode::kInvalidArgument, fmt::format("{}: {}", place(), message)};
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

std::vector<SourceLine> source_lines(std::string_view file, std::string_view text) {
  std::vector<SourceLine> lines;
  size_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view whole = text.substr(begin, end - begin);
    const std::string_view line = trimmed(whole);
    begin = end + 1;
    ++number;
    if (line.empty() || line[0] == '#') continue;
    const size_t blank = std::min(line.find(' '), line.size());
    lines.push_back({file, number, line, line.substr(0, blank), trimmed(line.substr(blank)), whole[0] == ' '});
  }
  return lines;
}

bool is_identifier(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (text.empty() || !is_letter(text[0])) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

namespace {

// Calls visit(position) for each character that stands outside; stops when it returns true.
template <typename Visit>
void outside(std::string_view text, const Visit& visit) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      ++i;
      continue;
    }
    if (c == '"') quoted = !quoted && text.find('"', i + 1) != std::string_view::npos;
    if (c == ']' || c == '}' || c == ')') --depth;
    if (depth <= 0 && !quoted && visit(i)) return;
    if (c == '[' || c == '{' || c == '(') ++depth;
  }
}

}  // namespace

std::vector<std::string_view> split_outside(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  outside(text, [&](size_t i) {
    if (text[i] == separator) {
      parts.push_back(trimmed(text.substr(begin, i - begin)));
      begin = i + 1;
    }
    return false;
  });
  parts.push_back(trimmed(text.substr(begin)));
  return parts;
}

std::optional<size_t> find_outside(std::string_view text, std::string_view what) {
  std::optional<size_t> found;
  outside(text, [&](size_t i) {
    if (text.substr(i, what.size()) == what) found = i;
    return found.has_value();
  });
  return found;
}

}  // namespace firesteel
