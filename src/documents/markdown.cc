#include "documents/markdown.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "documents/entities.h"
#include "documents/text_builder.h"

namespace firesteel {
namespace {

// Searches for the end of a mark are short and shallow, so that time is linear in the text: beyond these it is text.
constexpr size_t kLinkTextMax = 2000;
constexpr size_t kLinkTargetMax = 4000;
constexpr size_t kSpanMax = 4000;  // of `code` and <tags>
constexpr int kNestingMax = 8;

bool is_space(char c) { return c == ' ' || c == '\t'; }
bool is_punctuation(char c) { return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~'); }
bool is_word(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80; }

std::string_view trimmed(std::string_view line) {
  while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
  while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
  return line;
}

// "[text](target)" or "[text][name]" at text[at] == '[': where the text ends and where all of it ends, or nothing.
bool link_at(std::string_view text, size_t at, size_t* text_end, size_t* end) {
  int depth = 0;
  const size_t limit = std::min(text.size(), at + kLinkTextMax);
  size_t i = at;
  for (; i < limit; ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '[') {
      if (++depth > kNestingMax) return false;
    } else if (text[i] == ']' && --depth == 0) {
      break;
    }
  }
  if (i >= limit || i + 1 >= text.size()) return false;
  const char open = text[i + 1];
  if (open != '(' && open != '[') return false;
  const char shut = open == '(' ? ')' : ']';
  int level = 0;
  const size_t target_limit = std::min(text.size(), i + 1 + kLinkTargetMax);
  for (size_t k = i + 1; k < target_limit; ++k) {
    if (text[k] == open && ++level > kNestingMax) return false;
    if (text[k] == shut && --level == 0) {
      *text_end = i;
      *end = k + 1;
      return true;
    }
  }
  return false;
}

// Without marks; `depth` bounds links inside of links.
std::string inline_text(std::string_view text, int depth = 0) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    size_t n = 0, text_end = 0, end = 0;
    if (c == '\\' && i + 1 < text.size() && is_punctuation(text[i + 1])) {
      out += text[i + 1];
      i += 2;
    } else if (c == '`') {
      size_t run = 1;
      while (i + run < text.size() && text[i + run] == '`') ++run;
      const size_t close = text.substr(0, i + run + kSpanMax).find(std::string(std::min(run, kSpanMax), '`'), i + run);
      if (close == std::string_view::npos) {
        out.append(run, '`');
        i += run;
      } else {
        out += trimmed(text.substr(i + run, close - i - run));
        i = close + run;
      }
    } else if ((c == '[' || (c == '!' && i + 1 < text.size() && text[i + 1] == '[')) && depth < 4 && link_at(text, i + (c == '!' ? 1 : 0), &text_end, &end)) {
      const size_t begin = i + (c == '!' ? 2 : 1);
      out += inline_text(text.substr(begin, text_end - begin), depth + 1);
      i = end;
    } else if (c == '*' || (c == '~' && i + 1 < text.size() && text[i + 1] == '~')) {
      const bool alone = (i == 0 || is_space(text[i - 1])) && (i + 1 >= text.size() || is_space(text[i + 1]));  // "3 * 4"
      size_t run = 1;
      while (i + run < text.size() && text[i + run] == c) ++run;
      if (alone) out.append(run, c);
      i += run;
    } else if (c == '_') {
      const bool inside = i > 0 && is_word(text[i - 1]) && i + 1 < text.size() && (is_word(text[i + 1]) || text[i + 1] == '_');  // snake_case
      if (inside) out += c;
      ++i;
    } else if (c == '<' && i + 1 < text.size() && (is_word(text[i + 1]) || text[i + 1] == '/' || text[i + 1] == '!')) {
      const size_t close = text.substr(0, i + kSpanMax).find('>', i);
      const std::string_view inside = close == std::string_view::npos ? std::string_view() : text.substr(i + 1, close - i - 1);
      if (close == std::string_view::npos) {
        out += c;
        ++i;
      } else {
        if (inside.find("://") != std::string_view::npos && inside.find(' ') == std::string_view::npos) out += inside;  // <https://...>
        i = close + 1;
      }
    } else if (const uint32_t code = c == '&' ? decode_entity(text.substr(i), &n) : 0; code != 0) {
      append_utf8(&out, code);
      i += n;
    } else {
      out += c;
      ++i;
    }
  }
  return out;
}

bool is_fence(std::string_view line, char* mark, size_t* run) {
  const std::string_view text = trimmed(line);
  if (text.size() < 3 || (text[0] != '`' && text[0] != '~')) return false;
  *mark = text[0];
  *run = 0;
  while (*run < text.size() && text[*run] == *mark) ++*run;
  return *run >= 3 && (*mark == '~' || text.find('`', *run) == std::string_view::npos);
}

bool is_rule(std::string_view line) {  // ***, ---, ___
  size_t n = 0;
  for (const char c : line) {
    if (is_space(c)) continue;
    if ((c != '-' && c != '*' && c != '_') || c != trimmed(line)[0]) return false;
    ++n;
  }
  return n >= 3;
}

bool is_underline(std::string_view line, char mark) {
  const std::string_view text = trimmed(line);
  return !text.empty() && text.find_first_not_of(mark) == std::string_view::npos;
}

bool is_table_line(std::string_view line) {  // |---|:--:|
  return line.find('-') != std::string_view::npos && line.find('|') != std::string_view::npos &&
         line.find_first_not_of("|-: \t") == std::string_view::npos;
}

std::string cells(std::string_view row) {
  std::string out;
  std::string_view text = trimmed(row);
  if (text.starts_with('|')) text.remove_prefix(1);
  if (text.ends_with('|')) text.remove_suffix(1);
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && (text[i] != '|' || (i > 0 && text[i - 1] == '\\'))) continue;
    if (begin > 0) out += " | ";
    out += inline_text(trimmed(text.substr(begin, i - begin)));
    begin = i + 1;
  }
  return out;
}

// Length of a list marker with the blanks behind it: "- ", "12. ", "1) ".
size_t list_marker(std::string_view text) {
  size_t i = 0;
  if (!text.empty() && (text[0] == '-' || text[0] == '*' || text[0] == '+')) {
    i = 1;
  } else {
    while (i < text.size() && i < 9 && text[i] >= '0' && text[i] <= '9') ++i;
    if (i == 0 || i >= text.size() || (text[i] != '.' && text[i] != ')')) return 0;
    ++i;
  }
  if (i >= text.size() || !is_space(text[i])) return i == text.size() ? i : 0;
  while (i < text.size() && is_space(text[i])) ++i;
  return i;
}

class MarkdownReader {
 public:
  MarkdownReader(std::string_view text, const DocumentLimits& limits) : out_(limits) {
    for (size_t i = 0; i < text.size();) {
      size_t end = std::min(text.find('\n', i), text.size());
      std::string_view line = text.substr(i, end - i);
      if (line.ends_with('\r')) line.remove_suffix(1);
      lines_.push_back(line);
      i = end + 1;
    }
  }

  Result<Document> read() {
    size_t i = front_matter();
    while (i < lines_.size() && !out_.overflowed()) i = block(i);
    return out_.finish();
  }

 private:
  size_t front_matter() {
    if (lines_.empty() || lines_[0] != "---") return 0;
    for (size_t i = 1; i < lines_.size() && i < 200; ++i) {
      if (lines_[i] == "---" || lines_[i] == "...") return i + 1;
      if (lines_[i].starts_with("title:")) {
        std::string_view title = trimmed(lines_[i].substr(6));
        if (title.size() > 1 && (title.front() == '"' || title.front() == '\'') && title.back() == title.front()) title = title.substr(1, title.size() - 2);
        out_.set_title(title);
      }
    }
    return 0;
  }

  size_t block(size_t i) {
    std::string_view line = lines_[i];
    char mark = 0;
    size_t run = 0;
    if (trimmed(line).empty()) {
      out_.paragraph_break();
      return i + 1;
    }
    if (is_fence(line, &mark, &run)) return fence(i, mark, run);
    const std::string_view text = trimmed(line);
    const size_t indent = static_cast<size_t>(text.data() - line.data());
    size_t level = 0;
    while (level < text.size() && level < 7 && text[level] == '#') ++level;
    if (level >= 1 && level <= 6 && (level == text.size() || is_space(text[level])) && indent < 4) {
      std::string_view heading = trimmed(text.substr(level));
      while (heading.ends_with('#')) heading.remove_suffix(1);
      put_heading(static_cast<int>(level), trimmed(heading));
      return i + 1;
    }
    if (i + 1 < lines_.size() && (is_underline(lines_[i + 1], '=') || is_underline(lines_[i + 1], '-')) && list_marker(text) == 0 && !text.starts_with('>')) {
      put_heading(is_underline(lines_[i + 1], '=') ? 1 : 2, text);
      return i + 2;
    }
    if (is_rule(line)) {
      out_.paragraph_break();
      return i + 1;
    }
    if (i + 1 < lines_.size() && text.find('|') != std::string_view::npos && is_table_line(lines_[i + 1])) return table(i);
    put_line(text);
    return i + 1;
  }

  void put_heading(int level, std::string_view text) {
    out_.begin_heading(level);
    out_.words(inline_text(text));
    out_.end_heading();
    out_.paragraph_break();
  }

  void put_line(std::string_view text) {
    while (text.starts_with('>')) text = trimmed(text.substr(1));
    const size_t marker = list_marker(text);
    if (marker > 0) {
      out_.line_break();
      out_.words("-");
      out_.words(" ");
      text = text.substr(marker);
    }
    if (text.starts_with("[ ] ") || text.starts_with("[x] ")) text = text.substr(4);
    const bool breaks = text.ends_with('\\');
    if (breaks) text.remove_suffix(1);
    out_.words(inline_text(text));
    out_.words(" ");
    if (breaks) out_.line_break();
  }

  size_t fence(size_t i, char mark, size_t run) {
    out_.paragraph_break();
    for (++i; i < lines_.size(); ++i) {
      char other = 0;
      size_t n = 0;
      if (is_fence(lines_[i], &other, &n) && other == mark && n >= run && trimmed(lines_[i]).size() == n) break;
      out_.verbatim(lines_[i]);
      out_.verbatim("\n");
    }
    out_.paragraph_break();
    return std::min(i + 1, lines_.size());
  }

  size_t table(size_t i) {
    out_.paragraph_break();
    for (bool head = true; i < lines_.size() && lines_[i].find('|') != std::string_view::npos; ++i) {
      if (is_table_line(lines_[i]) && !head) continue;
      out_.words(cells(lines_[i]));
      out_.line_break();
      head = false;
    }
    out_.paragraph_break();
    return i;
  }

  std::vector<std::string_view> lines_;
  TextBuilder out_;
};

}  // namespace

Result<Document> read_markdown(std::string_view utf8, const DocumentLimits& limits) { return MarkdownReader(utf8, limits).read(); }

}  // namespace firesteel
