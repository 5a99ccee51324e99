#include "base/base64.h"

#include <cstdint>

namespace firesteel {
namespace {

int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, "base64: " + std::move(message)}; }

}  // namespace

Result<std::string> decode_base64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  int n_bits = 0;
  size_t n_symbols = 0;
  size_t n_padding = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      ++n_padding;
      continue;
    }
    const int value = value_of(c);
    if (value < 0 || n_padding > 0) return invalid("byte " + std::to_string(i) + " is not a symbol of it, or stands behind the padding");
    bits = (bits << 6 | static_cast<uint32_t>(value)) & 0xFFFF;
    n_bits += 6;
    ++n_symbols;
    if (n_bits < 8) continue;
    n_bits -= 8;
    out.push_back(static_cast<char>(bits >> n_bits & 0xFF));
  }
  if (n_symbols % 4 == 1 || (bits & ((uint32_t{1} << n_bits) - 1)) != 0) return invalid("it ends in the middle of a byte");
  if (n_padding != 0 && n_padding != (4 - n_symbols % 4) % 4) {
    return invalid("expected " + std::to_string((4 - n_symbols % 4) % 4) + " '=' at the end, found " + std::to_string(n_padding));
  }
  return out;
}

std::string encode_base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k) word = (word << 8) | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out += i + k > bytes.size() ? '=' : kAlphabet[(word >> (18 - 6 * k)) & 63];
  }
  return out;
}

}  // namespace firesteel
