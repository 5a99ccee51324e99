#include "schema/ids.h"

#include <sys/random.h>

#include <array>
#include <cerrno>

#include "base/check.h"

namespace firesteel {
namespace {

constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr size_t kIdBytes = 16;
constexpr size_t kIdTail = 26;  // ceil(128 / 5)

int digit_of(char c) {
  const size_t place = kAlphabet.find(c);
  return place == std::string_view::npos ? -1 : static_cast<int>(place);
}

}  // namespace

std::string base32_encode(std::span<const uint8_t> bytes) {
  std::string out;
  out.reserve((bytes.size() * 8 + 4) / 5);
  uint32_t bits = 0;
  int n_bits = 0;
  for (const uint8_t byte : bytes) {
    bits = (bits << 8 | byte) & 0xFFF;
    n_bits += 8;
    while (n_bits >= 5) {
      n_bits -= 5;
      out += kAlphabet[bits >> n_bits & 31];
    }
  }
  if (n_bits > 0) out += kAlphabet[bits << (5 - n_bits) & 31];
  return out;
}

std::optional<std::string> base32_decode(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int n_bits = 0;
  for (const char c : text) {
    const int digit = digit_of(c);
    if (digit < 0) return std::nullopt;
    bits = (bits << 5 | static_cast<uint32_t>(digit)) & 0xFFF;
    n_bits += 5;
    if (n_bits >= 8) {
      n_bits -= 8;
      out += static_cast<char>(bits >> n_bits & 0xFF);
    }
  }
  // What is left must be padding: fewer bits than a character holds, all zero.
  if (n_bits >= 5 || (bits & ((1u << n_bits) - 1)) != 0) return std::nullopt;
  return out;
}

void random_bytes(std::span<uint8_t> bytes) {
  size_t n_done = 0;
  while (n_done < bytes.size()) {
    const ssize_t n = getrandom(bytes.data() + n_done, bytes.size() - n_done, 0);
    CHECK(n > 0 || errno == EINTR);
    if (n > 0) n_done += static_cast<size_t>(n);
  }
}

std::string random_id_tail() {
  std::array<uint8_t, kIdBytes> bytes{};
  random_bytes(bytes);
  return base32_encode(bytes);
}

bool is_record_id(std::string_view text, std::string_view prefix) {
  if (text.size() != prefix.size() + kIdTail || !text.starts_with(prefix)) return false;
  return base32_decode(text.substr(prefix.size())).has_value();
}

}  // namespace firesteel
