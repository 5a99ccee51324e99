// The printable alphabet in which byte-level BPE stores bytes: 33-126, 161-172 and 174-255 are the code points of the same number,
// the other 68 bytes in ascending order are U+0100, U+0101 ... Source: the GPT-2 release, Radford et al. 2019.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace firesteel {

struct ByteLetter {
  char utf8[2];
  uint8_t n_bytes;  // 1 or 2
};

namespace byte_alphabet_detail {
constexpr bool is_own_letter(unsigned byte) { return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174; }

constexpr std::array<ByteLetter, 256> letters() {
  std::array<ByteLetter, 256> table{};
  unsigned next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const unsigned code = is_own_letter(byte) ? byte : next++;
    if (code < 0x80) {
      table[byte] = {{static_cast<char>(code), 0}, 1};
    } else {
      table[byte] = {{static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))}, 2};
    }
  }
  return table;
}

// Byte of each code point below 0x144, -1 where the alphabet has none.
constexpr std::array<int16_t, 0x144> bytes_of_letters() {
  std::array<int16_t, 0x144> table{};
  for (int16_t& entry : table) entry = -1;
  unsigned next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) table[is_own_letter(byte) ? byte : next++] = static_cast<int16_t>(byte);
  return table;
}
}  // namespace byte_alphabet_detail

inline constexpr std::array<ByteLetter, 256> kByteLetters = byte_alphabet_detail::letters();
inline constexpr std::array<int16_t, 0x144> kLetterBytes = byte_alphabet_detail::bytes_of_letters();

}  // namespace firesteel
