#include "digest/digest.h"

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace firesteel {
namespace {

std::string hex_of(const unsigned char* bytes, size_t n) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < n; ++i) {
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
  }
  return out;
}

}  // namespace

struct Sha256::State {
  crypto_hash_sha256_state sodium;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { crypto_hash_sha256_init(&state_->sodium); }
Sha256::~Sha256() = default;
void Sha256::update(std::string_view bytes) {
  const void* const data = bytes.data();
  crypto_hash_sha256_update(&state_->sodium, static_cast<const unsigned char*>(data), bytes.size());
}
std::string Sha256::finish_hex() {
  unsigned char out[crypto_hash_sha256_BYTES];
  crypto_hash_sha256_final(&state_->sodium, out);
  return hex_of(out, sizeof out);
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish_hex();
}

Result<std::string> sha256_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error{errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, path + ": " + std::strerror(errno)};
  Sha256 hash;
  std::vector<char> buffer(size_t{1} << 18);
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const Error error{ErrorCode::kIo, path + ": " + std::strerror(errno)};
      ::close(fd);
      return error;
    }
    if (n == 0) break;
    hash.update({buffer.data(), static_cast<size_t>(n)});
  }
  ::close(fd);
  return hash.finish_hex();
}

}  // namespace firesteel
