// The few primitives that this folder needs, so that libsodium stays in one file.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tenants/server_secret.h"

namespace firesteel {

// Keyed BLAKE2b-256 of `text`, as 32 bytes.
std::string keyed_hash(const ServerSecret::DerivedKey& key, std::string_view text);
// BLAKE2b-256 without a key: for checksums.
std::string plain_hash(std::string_view text);
bool equal_in_constant_time(std::string_view a, std::string_view b);

// Ed25519.
struct SigningKey {
  std::array<uint8_t, 64> secret{};
  std::array<uint8_t, 32> public_key{};
};
SigningKey signing_key(const ServerSecret::DerivedKey& seed);
std::string sign(const SigningKey& key, std::string_view text);  // 64 bytes
bool verify_signature(const std::array<uint8_t, 32>& public_key, std::string_view text, std::string_view signature);

// XChaCha20-Poly1305 with a random nonce, which stands before the ciphertext. `context` is authenticated, not stored: opening needs the same.
std::string seal_text(const ServerSecret::DerivedKey& key, std::string_view context, std::string_view text);
// nullopt: another key, another context, or bytes that were touched.
std::optional<std::string> open_sealed(const ServerSecret::DerivedKey& key, std::string_view context, std::string_view sealed);

std::string hex(std::string_view bytes);
// Empty when `text` is not an even number of lower-case hex digits.
std::string from_hex(std::string_view text);

}  // namespace firesteel
