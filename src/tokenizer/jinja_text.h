// Text whose bytes remember who wrote them: the template, or a user. Every string that a template computes is made of these, so that
// at the end of rendering no byte of a user's text can pass for a marker that the template wrote.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/utf8.h"

namespace firesteel::jinja {

// A borrowed piece of text with its origins. Runs of bytes alternate between template and user; `cuts` are the positions where they
// change, counted from `offset` bytes before the first byte of this view (so that a slice shares the cuts of the whole).
class TextView {
 public:
  TextView() = default;
  TextView(std::string_view bytes, bool user) : bytes_(bytes), first_user_(user) {}
  TextView(std::string_view bytes, const std::vector<size_t>& cuts, bool first_user)
      : bytes_(bytes), cuts_(cuts.data()), n_cuts_(cuts.size()), first_user_(first_user) {}

  std::string_view bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

  // Bytes [from, to); requires from <= to <= size().
  TextView substr(size_t from, size_t to) const;
  TextView substr(size_t from) const { return substr(from, size()); }

  // True when any byte of [from, to) came from a user.
  bool any_user(size_t from, size_t to) const;
  bool any_user() const { return any_user(0, size()); }

  // Calls f(std::string_view bytes, bool user) for each maximal run, in order.
  template <typename F>
  void for_each_run(F&& f) const {
    size_t position = 0;
    size_t k = cuts_before(0);
    while (position < bytes_.size()) {
      size_t end = k < n_cuts_ ? cuts_[k] - offset_ : bytes_.size();
      if (end > bytes_.size()) end = bytes_.size();
      f(bytes_.substr(position, end - position), first_user_ != ((k & 1) != 0));
      position = end;
      ++k;
    }
  }

 private:
  size_t cuts_before(size_t position) const;  // number of cuts at or before this byte

  std::string_view bytes_;
  const size_t* cuts_ = nullptr;
  size_t n_cuts_ = 0;
  size_t offset_ = 0;
  bool first_user_ = false;
};

// Owned text that grows up to a limit. What would pass the limit is dropped and `overflowed` becomes true: the caller turns that into
// an error, once, after a whole operation.
class Text {
 public:
  explicit Text(size_t bytes_max = SIZE_MAX) : bytes_max_(bytes_max) {}

  void append(std::string_view bytes, bool user);
  void append(const TextView& text);
  void append(size_t n, char c, bool user);
  void append_code_point(uint32_t code_point, bool user);

  size_t size() const { return bytes_.size(); }
  size_t capacity_bytes() const { return bytes_.capacity() + cuts_.capacity() * sizeof(size_t); }
  bool overflowed() const { return overflowed_; }
  TextView view() const { return TextView(bytes_, cuts_, first_user_); }
  // Makes every byte a user's, for operations that lose track of single bytes.
  void mark_user();

 private:
  bool admit(size_t n, bool user);

  std::string bytes_;
  std::vector<size_t> cuts_;
  size_t bytes_max_;
  bool first_user_ = false;
  bool overflowed_ = false;
};

// --- Unicode as Python sees it. Offsets are bytes unless named otherwise; an invalid byte counts as one character.

bool is_space(uint32_t code_point);      // str.isspace
bool is_printable(uint32_t code_point);  // str.isprintable
bool is_alphabetic(uint32_t code_point);
bool is_digit(uint32_t code_point);
bool is_upper(uint32_t code_point);
bool is_lower(uint32_t code_point);
uint32_t to_upper(uint32_t code_point);
uint32_t to_lower(uint32_t code_point);

bool is_ascii(std::string_view text);
size_t count_code_points(std::string_view text);
// Byte offset of the character with this index; text.size() when there are not that many.
size_t byte_offset(std::string_view text, size_t char_idx);
// Calls f(const Utf8Char&, byte offset) for each character, in order.
template <typename F>
void for_each_char(std::string_view text, F&& f) {
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    f(c, i);
    i += c.n_bytes;
  }
}

// First occurrence of `needle` at or after `from`, or npos. Linear in time, whatever the texts are.
size_t find_bytes(std::string_view text, std::string_view needle, size_t from);
size_t rfind_bytes(std::string_view text, std::string_view needle);

// Python's strip family: `chars` is a set of characters, or nullptr for whitespace.
TextView strip(const TextView& text, const std::string_view* chars, bool left, bool right);

enum class CaseRule { kUpper, kLower, kCapitalize, kTitle, kJinjaTitle, kSwap };
void append_case(const TextView& text, CaseRule rule, Text* out);

// str.replace; count < 0 means all.
void append_replaced(const TextView& text, std::string_view old, const TextView& replacement, int64_t count, Text* out);

using Range = std::pair<size_t, size_t>;  // bytes [first, second)

// str.split / rsplit. A null separator splits at whitespace and drops empty parts; otherwise it must not be empty. max_splits < 0 means
// no limit. False when there would be more than parts_max parts.
bool split(std::string_view text, const std::string_view* separator, int64_t max_splits, bool from_right, size_t parts_max,
           std::vector<Range>* parts);
bool split_lines(std::string_view text, bool keep_ends, size_t parts_max, std::vector<Range>* parts);

}  // namespace firesteel::jinja
