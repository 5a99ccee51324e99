#include "base/utf8.h"

#include <algorithm>

namespace firesteel {
namespace {

// Length announced by a lead byte, 0 when it cannot start a character.
uint32_t announced_length(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  if (lead < 0xF5) return 4;
  return 0;
}

// The second byte has a narrower range after some leads (overlong forms, surrogates, above U+10FFFF).
bool second_byte_ok(uint8_t lead, uint8_t second) {
  switch (lead) {
    case 0xE0: return second >= 0xA0 && second <= 0xBF;
    case 0xED: return second >= 0x80 && second <= 0x9F;
    case 0xF0: return second >= 0x90 && second <= 0xBF;
    case 0xF4: return second >= 0x80 && second <= 0x8F;
    default: return (second & 0xC0) == 0x80;
  }
}

}  // namespace

Utf8Char decode_utf8(std::string_view text, size_t offset) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[offset + i]); };
  const Utf8Char invalid{0xFFFD, 1, false};
  const uint8_t lead = byte(0);
  const uint32_t length = announced_length(lead);
  if (length == 1) return {lead, 1, true};
  if (length == 0 || offset + length > text.size()) return invalid;
  if (!second_byte_ok(lead, byte(1))) return invalid;
  uint32_t code_point = lead & (0xFFu >> (length + 1));
  for (uint32_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return invalid;
    code_point = (code_point << 6) | (byte(i) & 0x3Fu);
  }
  return {code_point, length, true};
}

void append_utf8(std::string* out, uint32_t code_point) {
  const auto put = [&](uint32_t byte) { out->push_back(static_cast<char>(static_cast<uint8_t>(byte))); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | ((code_point >> 18) & 7));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

bool is_valid_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    if (!c.valid) return false;
    i += c.n_bytes;
  }
  return true;
}

size_t complete_utf8_prefix(std::string_view text) {
  // Only the last three bytes can belong to an unfinished character.
  const size_t n = text.size();
  for (size_t back = 1; back <= std::min<size_t>(3, n); ++back) {
    const uint8_t lead = static_cast<uint8_t>(text[n - back]);
    if ((lead & 0xC0) == 0x80) continue;
    const uint32_t length = announced_length(lead);
    if (length <= back) return n;
    for (size_t i = 1; i < back; ++i) {
      const uint8_t next = static_cast<uint8_t>(text[n - back + i]);
      if (i == 1 ? !second_byte_ok(lead, next) : (next & 0xC0) != 0x80) return n;
    }
    return n - back;
  }
  return n;
}

}  // namespace firesteel
