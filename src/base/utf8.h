// UTF-8 decoding that accepts any bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace firesteel {

struct Utf8Char {
  uint32_t code_point;  // 0xFFFD when the bytes are not valid UTF-8
  uint32_t n_bytes;     // 1..4; 1 for an invalid byte
  bool valid;
};

// Decodes the character at text[offset] (offset < size). Rejects overlong forms, surrogates and values above U+10FFFF.
Utf8Char decode_utf8(std::string_view text, size_t offset);

void append_utf8(std::string* out, uint32_t code_point);

bool is_valid_utf8(std::string_view text);

// Length of the longest prefix that does not end inside a character: what may be shown now. An invalid byte counts as complete.
size_t complete_utf8_prefix(std::string_view text);

}  // namespace firesteel
