#include "tenants/key_secret.h"

#include <array>

#include "schema/ids.h"
#include "tenants/crypto.h"

namespace firesteel {
namespace {

constexpr size_t kSecretBytes = 32;
constexpr size_t kSecretChars = 52;
constexpr size_t kChecksumBytes = 4;
constexpr size_t kChecksumChars = 7;

std::string checksum(std::string_view text) {
  const std::string hash = plain_hash(text);
  std::array<uint8_t, kChecksumBytes> bytes{};
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(hash[i]);
  return base32_encode(bytes);
}

}  // namespace

std::string random_secret(std::string_view prefix) {
  std::array<uint8_t, kSecretBytes> bytes{};
  random_bytes(bytes);
  const std::string body = std::string(prefix) + base32_encode(bytes);
  return body + checksum(body);
}

bool is_well_formed_secret(std::string_view text, std::string_view prefix) {
  if (text.size() != prefix.size() + kSecretChars + kChecksumChars || !text.starts_with(prefix)) return false;
  const std::string_view body = text.substr(0, prefix.size() + kSecretChars);
  return equal_in_constant_time(checksum(body), text.substr(body.size()));
}

std::string secret_hint(std::string_view secret) { return std::string(secret.substr(0, 7)) + "..."; }

}  // namespace firesteel
