// Classes of characters, as the patterns of pre-tokenizers name them ("\p{L}", "\s"): one bit each, so that a set is a mask.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/utf8.h"

namespace firesteel {

using CharClass = uint16_t;
inline constexpr CharClass kLetter = 1;      // L
inline constexpr CharClass kUpperSet = 2;    // Lu Lt Lm Lo M: may start a word of the tekken and gpt-4o patterns
inline constexpr CharClass kLowerSet = 4;    // Ll Lm Lo M: may end one
inline constexpr CharClass kMark = 8;        // M
inline constexpr CharClass kNumber = 16;     // N
inline constexpr CharClass kPunct = 32;      // P
inline constexpr CharClass kSymbol = 64;     // S
inline constexpr CharClass kSpace = 128;     // White_Space
inline constexpr CharClass kNewline = 256;   // CR, LF

// Unicode general category by utf8proc.
CharClass class_of(uint32_t code_point);

namespace char_class_detail {
constexpr std::array<CharClass, 128> ascii_classes() {
  std::array<CharClass, 128> table{};
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = kLetter | kLowerSet;
  for (unsigned c = 'A'; c <= 'Z'; ++c) table[c] = kLetter | kUpperSet;
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = kNumber;
  for (const char c : std::string_view("!\"#%&'()*,-./:;?@[\\]_{}")) table[static_cast<unsigned char>(c)] = kPunct;
  for (const char c : std::string_view("$+<=>^`|~")) table[static_cast<unsigned char>(c)] = kSymbol;
  for (const char c : std::string_view("\t\v\f ")) table[static_cast<unsigned char>(c)] = kSpace;
  for (const char c : std::string_view("\r\n")) table[static_cast<unsigned char>(c)] = kSpace | kNewline;
  return table;
}
}  // namespace char_class_detail

inline constexpr std::array<CharClass, 128> kAsciiClass = char_class_detail::ascii_classes();

struct ClassedChar {
  CharClass cls;
  uint32_t n_bytes;
  uint32_t code_point;
};

// The character at p (p < end). A byte that is not UTF-8 is a character of its own and classed as U+FFFD, a symbol.
inline ClassedChar read_char(const char* p, const char* end) {
  const auto byte = static_cast<unsigned char>(*p);
  if (byte < 0x80) return {kAsciiClass[byte], 1, byte};
  const Utf8Char c = decode_utf8(std::string_view(p, static_cast<size_t>(end - p)), 0);
  return {class_of(c.code_point), c.n_bytes, c.code_point};
}

}  // namespace firesteel
