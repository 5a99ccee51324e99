#include "eval/answer_parts.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "base/ascii.h"
#include "eval/answer_text.h"

namespace firesteel {
namespace {

using Pieces = std::vector<std::vector<std::string_view>>;

// The number of the question that a line's label names, from 1, and where its text begins; 0 for none.
size_t label_of(std::string_view line, size_t* text) {
  size_t at = line.find_first_not_of(" \t*");
  if (at == std::string_view::npos) return 0;
  const char open = line[at];
  const bool bracket = open == '(' || open == '[';
  if (bracket) ++at;
  size_t n = 0;
  const auto [end, error] = std::from_chars(line.data() + at, line.data() + line.size(), n);
  size_t next = static_cast<size_t>(end - line.data());
  if (error != std::errc() || next - at > 2) {
    if (at >= line.size() || line[at] < 'a' || line[at] > 'p') return 0;
    n = static_cast<size_t>(line[at] - 'a') + 1;
    next = at + 1;
    if (next >= line.size() || line[next] != (open == '[' ? ']' : ')')) return 0;
  }
  if (next >= line.size()) return 0;
  const char mark = line[next];
  const bool marks = open == '[' ? mark == ']' : open == '(' ? mark == ')' : mark == ')' || mark == ':' || (mark == '.' && (next + 1 >= line.size() || line[next + 1] == ' '));
  if (!marks) return 0;
  *text = next + 1;
  return n;
}

// Without the references at its end: "12 km [1]" says 12 km, and the 1 is no number of the answer.
std::string_view without_references(std::string_view piece) {
  for (;;) {
    piece = trim(piece);
    if (piece.ends_with('.') && piece.size() > 1 && piece[piece.size() - 2] == ']') piece.remove_suffix(1);
    const size_t open = piece.rfind('[');
    if (open == std::string_view::npos || !piece.ends_with(']') || open + 2 >= piece.size()) return piece;
    const std::string_view inside = piece.substr(open + 1, piece.size() - open - 2);
    if (inside.size() > 2 || !std::all_of(inside.begin(), inside.end(), [](char c) { return c >= '0' && c <= '9'; })) return piece;
    piece = piece.substr(0, open);
  }
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (!trim(text.substr(at, end - at)).empty()) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

size_t n_filled(const Pieces& pieces) {
  return static_cast<size_t>(std::count_if(pieces.begin(), pieces.end(), [](const auto& piece) { return !piece.empty(); }));
}

Pieces by_labels(std::string_view text, size_t n_parts) {
  Pieces out(n_parts);
  size_t open = 0;
  const char* begin = nullptr;
  const auto close = [&](const char* end) {
    if (open >= 1 && open <= n_parts) out[open - 1].emplace_back(begin, static_cast<size_t>(end - begin));
  };
  for (const std::string_view line : lines_of(text)) {
    size_t at = 0;
    const size_t n = label_of(line, &at);
    if (n == 0) continue;
    close(line.data());
    open = n;
    begin = line.data() + at;
  }
  close(text.data() + text.size());
  return out;
}

Pieces by_answer_marks(std::string_view text, size_t n_parts) {
  const std::string low = lower_ascii(text);
  std::vector<size_t> marks;
  for (size_t at = low.find("answer:"); at != std::string::npos; at = low.find("answer:", at + 1)) marks.push_back(at);
  Pieces out(n_parts);
  if (marks.size() < n_parts) return out;
  for (size_t i = 0; i < n_parts; ++i) {
    const size_t end = i + 1 < marks.size() ? marks[i + 1] : text.size();
    out[i].push_back(text.substr(marks[i], end - marks[i]));
  }
  return out;
}

Pieces by_references(std::string_view text, size_t n_parts) {
  Pieces out(n_parts);
  size_t begin = 0;
  for (size_t at = text.find('['); at != std::string_view::npos; at = text.find('[', at + 1)) {
    size_t n = 0;
    const auto [end, error] = std::from_chars(text.data() + at + 1, text.data() + text.size(), n);
    if (error != std::errc() || end == text.data() + text.size() || *end != ']') continue;
    if (n >= 1 && n <= n_parts) out[n - 1].push_back(text.substr(begin, at - begin));
    begin = static_cast<size_t>(end - text.data()) + 1;
  }
  return out;
}

std::vector<std::string_view> clauses_of(std::string_view text) {
  std::vector<std::string_view> out;
  size_t begin = 0;
  for (size_t at = 0; at <= text.size(); ++at) {
    const bool last = at == text.size();
    const bool mark = !last && (text[at] == '.' || text[at] == ',' || text[at] == ';') && (at + 1 == text.size() || text[at + 1] == ' ' || text[at + 1] == '\n');
    const bool joint = !last && text.substr(at, 5) == " and ";
    if (!last && !mark && !joint && text[at] != '\n') continue;
    const std::string_view piece = trim(text.substr(begin, at - begin));
    if (!piece.empty()) out.push_back(piece);
    begin = joint ? at + 5 : at + 1;
    if (joint) at += 4;
  }
  return out;
}

}  // namespace

namespace {

Pieces pieces_of(std::string_view text, size_t n_parts) {
  if (Pieces pieces = by_labels(text, n_parts); n_filled(pieces) >= 2) return pieces;
  if (Pieces pieces = by_answer_marks(text, n_parts); n_filled(pieces) >= 2) return pieces;
  if (Pieces pieces = by_references(text, n_parts); n_filled(pieces) >= 2) return pieces;
  const std::vector<std::string_view> lines = lines_of(text);
  if (lines.size() == n_parts && n_parts > 1) {
    Pieces pieces(n_parts);
    for (size_t i = 0; i < n_parts; ++i) pieces[i].push_back(lines[i]);
    return pieces;
  }
  return Pieces(n_parts, clauses_of(text));
}

}  // namespace

AnswerParts answer_parts(std::string_view text, size_t n_parts) {
  AnswerParts out{pieces_of(text, n_parts)};
  for (std::vector<std::string_view>& pieces : out.of_part) {
    for (std::string_view& piece : pieces) piece = without_references(piece);
  }
  return out;
}

}  // namespace firesteel
