#include "tenants/crypto.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/mapped_file.h"
#include "schema/ids.h"
#include "tenants/private_file.h"

namespace firesteel {
namespace {

const unsigned char* data_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string hash(std::string_view text, const uint8_t* key, size_t n_key_bytes) {
  std::string out(32, '\0');
  CHECK(crypto_generichash(reinterpret_cast<unsigned char*>(out.data()), out.size(), data_of(text), text.size(), key, n_key_bytes) == 0);
  return out;
}

// Pages with guards around them, locked in memory and left out of core dumps. Read-only once filled.
Result<std::shared_ptr<uint8_t>> guarded_bytes() {
  CHECK(sodium_init() >= 0);
  auto* const bytes = static_cast<uint8_t*>(sodium_malloc(ServerSecret::kBytes));
  if (bytes == nullptr) return Error{ErrorCode::kUnavailable, "the server secret's memory cannot be had"};
  return std::shared_ptr<uint8_t>(bytes, [](uint8_t* pointer) { sodium_free(pointer); });
}

}  // namespace

std::string keyed_hash(const ServerSecret::DerivedKey& key, std::string_view text) { return hash(text, key.data(), key.size()); }
std::string plain_hash(std::string_view text) { return hash(text, nullptr, 0); }

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string seal_text(const ServerSecret::DerivedKey& key, std::string_view context, std::string_view text) {
  constexpr size_t kNonce = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
  std::string out(kNonce + text.size() + crypto_aead_xchacha20poly1305_ietf_ABYTES, '\0');
  auto* const bytes = reinterpret_cast<unsigned char*>(out.data());
  random_bytes({bytes, kNonce});
  CHECK(crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + kNonce, nullptr, data_of(text), text.size(), data_of(context), context.size(), nullptr, bytes, key.data()) == 0);
  return out;
}

std::optional<std::string> open_sealed(const ServerSecret::DerivedKey& key, std::string_view context, std::string_view sealed) {
  constexpr size_t kNonce = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, kTag = crypto_aead_xchacha20poly1305_ietf_ABYTES;
  if (sealed.size() < kNonce + kTag) return std::nullopt;
  std::string out(sealed.size() - kNonce - kTag, '\0');
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(reinterpret_cast<unsigned char*>(out.data()), nullptr, nullptr, data_of(sealed) + kNonce, sealed.size() - kNonce,
                                                 data_of(context), context.size(), data_of(sealed), key.data()) != 0) {
    return std::nullopt;
  }
  return out;
}

SigningKey signing_key(const ServerSecret::DerivedKey& seed) {
  SigningKey key;
  CHECK(crypto_sign_seed_keypair(key.public_key.data(), key.secret.data(), seed.data()) == 0);
  return key;
}

std::string sign(const SigningKey& key, std::string_view text) {
  std::string signature(crypto_sign_BYTES, '\0');
  CHECK(crypto_sign_detached(reinterpret_cast<unsigned char*>(signature.data()), nullptr, data_of(text), text.size(), key.secret.data()) == 0);
  return signature;
}

bool verify_signature(const std::array<uint8_t, 32>& public_key, std::string_view text, std::string_view signature) {
  return signature.size() == crypto_sign_BYTES && crypto_sign_verify_detached(data_of(signature), data_of(text), text.size(), public_key.data()) == 0;
}

std::string hex(std::string_view bytes) {
  std::string text(bytes.size() * 2 + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), data_of(bytes), bytes.size());
  text.pop_back();
  return text;
}

std::string from_hex(std::string_view text) {
  if (text.size() % 2 != 0 || text.find_first_not_of("0123456789abcdef") != std::string_view::npos) return {};
  std::string bytes(text.size() / 2, '\0');
  size_t n_bytes = 0;
  if (sodium_hex2bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), text.data(), text.size(), nullptr, &n_bytes, nullptr) != 0) return {};
  return bytes;
}

ServerSecret ServerSecret::fresh() {
  Result<std::shared_ptr<uint8_t>> bytes = guarded_bytes();
  CHECK(bytes.ok());
  random_bytes({bytes->get(), kBytes});
  sodium_mprotect_readonly(bytes->get());
  return ServerSecret(*bytes);
}

Result<ServerSecret> ServerSecret::load(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    return Error{errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable, path + ": " + std::strerror(errno)};
  }
  if ((status.st_mode & 077) != 0) return Error{ErrorCode::kFailedPrecondition, path + ": others may read this file; chmod 600 it (and think about who has)"};
  FS_TRY(std::string text, read_file(path, 4096));
  std::string decoded = from_hex(std::string_view(text).substr(0, text.find('\n')));
  sodium_memzero(text.data(), text.size());
  if (decoded.size() != kBytes) return Error{ErrorCode::kDataLoss, path + ": expected one line of 64 hex digits"};
  FS_TRY(const std::shared_ptr<uint8_t> bytes, guarded_bytes());
  std::memcpy(bytes.get(), decoded.data(), kBytes);
  sodium_memzero(decoded.data(), decoded.size());
  sodium_mprotect_readonly(bytes.get());
  return ServerSecret(bytes);
}

Status ServerSecret::save(const std::string& path) const {
  FS_TRY_VOID(write_private_file(path, hex({reinterpret_cast<const char*>(bytes_.get()), kBytes}) + "\n"));
  return {};
}

ServerSecret::DerivedKey ServerSecret::derive(Purpose purpose) const {
  DerivedKey key{};
  static constexpr char kContext[crypto_kdf_CONTEXTBYTES + 1] = "fsteel01";
  CHECK(crypto_kdf_derive_from_key(key.data(), key.size(), static_cast<uint64_t>(purpose), kContext, bytes_.get()) == 0);
  return key;
}

}  // namespace firesteel
