#include "tokenizer/jinja_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace firesteel::jinja {

// --- TextView and Text

size_t TextView::cuts_before(size_t position) const {
  if (n_cuts_ == 0) return 0;
  return static_cast<size_t>(std::upper_bound(cuts_, cuts_ + n_cuts_, position + offset_) - cuts_);
}

TextView TextView::substr(size_t from, size_t to) const {
  DCHECK(from <= to && to <= bytes_.size());
  TextView view = *this;
  view.bytes_ = bytes_.substr(from, to - from);
  view.offset_ += from;
  return view;
}

bool TextView::any_user(size_t from, size_t to) const {
  if (from >= to) return false;
  const size_t first = cuts_before(from);
  const size_t last = cuts_before(to - 1);
  return first != last || (first_user_ != ((first & 1) != 0));
}

bool Text::admit(size_t n, bool user) {
  if (n == 0) return false;
  if (overflowed_ || n > bytes_max_ - bytes_.size()) {
    overflowed_ = true;
    return false;
  }
  if (bytes_.empty()) {
    first_user_ = user;
  } else if ((first_user_ != ((cuts_.size() & 1) != 0)) != user) {
    cuts_.push_back(bytes_.size());
  }
  return true;
}

void Text::append(std::string_view bytes, bool user) {
  if (admit(bytes.size(), user)) bytes_.append(bytes);
}

void Text::append(const TextView& text) {
  text.for_each_run([this](std::string_view bytes, bool user) { append(bytes, user); });
}

void Text::append(size_t n, char c, bool user) {
  if (admit(n, user)) bytes_.append(n, c);
}

void Text::append_code_point(uint32_t code_point, bool user) {
  std::string bytes;
  append_utf8(&bytes, code_point);
  append(bytes, user);
}

void Text::mark_user() {
  cuts_.clear();
  first_user_ = true;
}

// --- Characters

namespace {

utf8proc_category_t category(uint32_t code_point) { return utf8proc_category(static_cast<utf8proc_int32_t>(code_point)); }

}  // namespace

bool is_space(uint32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

bool is_printable(uint32_t c) {
  if (c < 0x7F) return c >= 0x20;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS: return false;
    default: return true;
  }
}

bool is_alphabetic(uint32_t c) {
  const auto cat = category(c);
  return cat >= UTF8PROC_CATEGORY_LU && cat <= UTF8PROC_CATEGORY_LO;
}
bool is_digit(uint32_t c) { return c < 0x80 ? c >= '0' && c <= '9' : category(c) == UTF8PROC_CATEGORY_ND; }
bool is_upper(uint32_t c) { return category(c) == UTF8PROC_CATEGORY_LU; }
bool is_lower(uint32_t c) { return category(c) == UTF8PROC_CATEGORY_LL; }
uint32_t to_upper(uint32_t c) { return static_cast<uint32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))); }
uint32_t to_lower(uint32_t c) { return static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))); }

bool is_ascii(std::string_view text) {
  uint8_t all = 0;
  for (const char c : text) all = static_cast<uint8_t>(all | static_cast<uint8_t>(c));
  return all < 0x80;
}

size_t count_code_points(std::string_view text) {
  if (is_ascii(text)) return text.size();
  size_t n = 0;
  for_each_char(text, [&](const Utf8Char&, size_t) { ++n; });
  return n;
}

size_t byte_offset(std::string_view text, size_t char_idx) {
  size_t offset = 0;
  for (; char_idx > 0 && offset < text.size(); --char_idx) offset += decode_utf8(text, offset).n_bytes;
  return offset;
}

// --- Searching

size_t find_bytes(std::string_view text, std::string_view needle, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (needle.empty()) return from;
  // memmem switches to the two-way algorithm for long needles; string_view::find is quadratic on "aaaa...".
  const void* hit = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  return hit == nullptr ? std::string_view::npos : static_cast<size_t>(static_cast<const char*>(hit) - text.data());
}

size_t rfind_bytes(std::string_view text, std::string_view needle) {
  if (needle.size() > text.size()) return std::string_view::npos;
  const std::string reversed_text(text.rbegin(), text.rend());
  const std::string reversed_needle(needle.rbegin(), needle.rend());
  const size_t hit = find_bytes(reversed_text, reversed_needle, 0);
  return hit == std::string_view::npos ? hit : text.size() - hit - needle.size();
}

namespace {

class CharSet {
 public:
  explicit CharSet(std::string_view chars) {
    for_each_char(chars, [this](const Utf8Char& c, size_t) { chars_.push_back(c.code_point); });
    std::sort(chars_.begin(), chars_.end());
  }
  bool has(uint32_t c) const { return std::binary_search(chars_.begin(), chars_.end(), c); }

 private:
  std::vector<uint32_t> chars_;
};

// The last character of `text`, which is not empty. Looks back at most four bytes.
Utf8Char last_char(std::string_view text) {
  for (size_t n = 2; n <= 4 && n <= text.size(); ++n) {
    const Utf8Char c = decode_utf8(text, text.size() - n);
    if (c.valid && c.n_bytes == n) return c;
  }
  return decode_utf8(text, text.size() - 1);
}

template <typename F>
TextView strip_if(const TextView& text, const F& drop, bool left, bool right) {
  size_t from = 0;
  size_t to = text.size();
  while (left && from < to) {
    const Utf8Char c = decode_utf8(text.bytes(), from);
    if (!drop(c.code_point)) break;
    from += c.n_bytes;
  }
  while (right && from < to) {
    const Utf8Char c = last_char(text.bytes().substr(from, to - from));
    if (!drop(c.code_point)) break;
    to -= c.n_bytes;
  }
  return text.substr(from, to);
}

}  // namespace

TextView strip(const TextView& text, const std::string_view* chars, bool left, bool right) {
  if (chars == nullptr) return strip_if(text, is_space, left, right);
  const CharSet set(*chars);
  return strip_if(text, [&](uint32_t c) { return set.has(c); }, left, right);
}

void append_case(const TextView& text, CaseRule rule, Text* out) {
  bool at_start = true;  // of the text, or of a word
  const auto put = [&](const Utf8Char& c, size_t offset, bool upper, bool lower) {
    const bool user = text.any_user(offset, offset + c.n_bytes);
    if (!c.valid || (!upper && !lower)) return out->append(text.bytes().substr(offset, c.n_bytes), user);
    // The one common letter whose capital is two letters; other full mappings (ligatures) stay as they are.
    if (upper && c.code_point == 0xDF) {
      return out->append(rule == CaseRule::kUpper || rule == CaseRule::kSwap || rule == CaseRule::kJinjaTitle ? "SS" : "Ss", user);
    }
    out->append_code_point(upper ? to_upper(c.code_point) : to_lower(c.code_point), user);
  };
  for_each_char(text.bytes(), [&](const Utf8Char& c, size_t offset) {
    const uint32_t cp = c.code_point;
    switch (rule) {
      case CaseRule::kUpper: put(c, offset, true, false); break;
      case CaseRule::kLower: put(c, offset, false, true); break;
      case CaseRule::kSwap: put(c, offset, is_lower(cp), is_upper(cp)); break;
      case CaseRule::kCapitalize:
        put(c, offset, at_start, !at_start);
        at_start = false;
        break;
      case CaseRule::kTitle: {  // str.title: after anything that has no case
        put(c, offset, at_start, !at_start);
        at_start = !(is_upper(cp) || is_lower(cp));
        break;
      }
      case CaseRule::kJinjaTitle:  // the filter: after space, '-', and opening brackets
        if (cp == '-' || cp == '(' || cp == '{' || cp == '[' || cp == '<' || is_space(cp)) {
          put(c, offset, false, false);
          at_start = true;
        } else {
          put(c, offset, at_start, !at_start);
          at_start = false;
        }
        break;
    }
  });
}

void append_replaced(const TextView& text, std::string_view old, const TextView& replacement, int64_t count, Text* out) {
  const std::string_view bytes = text.bytes();
  size_t position = 0;
  if (old.empty()) {  // between all characters, as Python does
    while (count != 0 && !out->overflowed()) {
      out->append(replacement);
      if (count > 0) --count;
      if (position >= bytes.size()) return;
      const size_t next = position + decode_utf8(bytes, position).n_bytes;
      out->append(text.substr(position, next));
      position = next;
    }
    return out->append(text.substr(position));
  }
  while (count != 0 && !out->overflowed()) {
    const size_t hit = find_bytes(bytes, old, position);
    if (hit == std::string_view::npos) break;
    out->append(text.substr(position, hit));
    out->append(replacement);
    position = hit + old.size();
    if (count > 0) --count;
  }
  out->append(text.substr(position));
}

namespace {

bool split_at_spaces(std::string_view text, int64_t max_splits, size_t parts_max, std::vector<Range>* parts) {
  size_t i = 0;
  const auto skip = [&](bool spaces) {
    while (i < text.size()) {
      const Utf8Char c = decode_utf8(text, i);
      if (is_space(c.code_point) != spaces) break;
      i += c.n_bytes;
    }
  };
  for (skip(true); i < text.size(); skip(true)) {
    if (parts->size() >= parts_max) return false;
    const size_t from = i;
    if (max_splits == 0) {  // the rest as it is, with the spaces at its end
      parts->emplace_back(from, text.size());
      break;
    }
    skip(false);
    parts->emplace_back(from, i);
    if (max_splits > 0) --max_splits;
  }
  return true;
}

bool rsplit_at_spaces(std::string_view text, int64_t max_splits, size_t parts_max, std::vector<Range>* parts) {
  size_t end = text.size();
  const auto skip = [&](bool spaces) {
    while (end > 0) {
      const Utf8Char c = last_char(text.substr(0, end));
      if (is_space(c.code_point) != spaces) break;
      end -= c.n_bytes;
    }
  };
  for (skip(true); end > 0; skip(true)) {
    if (parts->size() >= parts_max) return false;
    const size_t to = end;
    if (max_splits == 0) {  // the rest as it is, with the spaces at its front
      parts->emplace_back(0, to);
      break;
    }
    skip(false);
    parts->emplace_back(end, to);
    if (max_splits > 0) --max_splits;
  }
  std::reverse(parts->begin(), parts->end());
  return true;
}

bool split_at(std::string_view text, std::string_view separator, int64_t max_splits, size_t parts_max, std::vector<Range>* parts) {
  size_t position = 0;
  while (true) {
    if (parts->size() >= parts_max) return false;
    const size_t hit = max_splits == 0 ? std::string_view::npos : find_bytes(text, separator, position);
    if (hit == std::string_view::npos) {
      parts->emplace_back(position, text.size());
      return true;
    }
    parts->emplace_back(position, hit);
    position = hit + separator.size();
    if (max_splits > 0) --max_splits;
  }
}

}  // namespace

bool split(std::string_view text, const std::string_view* separator, int64_t max_splits, bool from_right, size_t parts_max,
           std::vector<Range>* parts) {
  if (separator == nullptr) {
    return from_right ? rsplit_at_spaces(text, max_splits, parts_max, parts) : split_at_spaces(text, max_splits, parts_max, parts);
  }
  if (!from_right) return split_at(text, *separator, max_splits, parts_max, parts);
  const std::string reversed_text(text.rbegin(), text.rend());
  const std::string reversed_separator(separator->rbegin(), separator->rend());
  if (!split_at(reversed_text, reversed_separator, max_splits, parts_max, parts)) return false;
  for (auto& [from, to] : *parts) {
    const size_t reversed_from = from;
    from = text.size() - to;
    to = text.size() - reversed_from;
  }
  std::reverse(parts->begin(), parts->end());
  return true;
}

bool split_lines(std::string_view text, bool keep_ends, size_t parts_max, std::vector<Range>* parts) {
  size_t start = 0;
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    const uint32_t cp = c.code_point;
    const bool ends = (cp >= 10 && cp <= 13) || (cp >= 0x1C && cp <= 0x1E) || cp == 0x85 || cp == 0x2028 || cp == 0x2029;
    size_t next = i + c.n_bytes;
    if (ends) {
      if (cp == '\r' && next < text.size() && text[next] == '\n') ++next;
      if (parts->size() >= parts_max) return false;
      parts->emplace_back(start, keep_ends ? next : i);
      start = next;
    }
    i = next;
  }
  if (start < text.size()) {
    if (parts->size() >= parts_max) return false;
    parts->emplace_back(start, text.size());
  }
  return true;
}

}  // namespace firesteel::jinja
