// The secret that everything of one installation hangs on: 32 random bytes in a file of mode 0600. Keys for single purposes are
// derived from it, so that none is used for two things.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace firesteel {

class ServerSecret {
 public:
  static constexpr size_t kBytes = 32;
  using DerivedKey = std::array<uint8_t, 32>;
  enum class Purpose : uint64_t { kKeyHash = 1, kCacheNamespace = 2, kAuditChain = 3, kAuditSignature = 4, kSession = 5, kCursor = 6, kCanary = 7, kVault = 8, kVaultIds = 9 };

  static ServerSecret fresh();
  // Reads `path`; kNotFound, kDataLoss, and kFailedPrecondition when others may read the file.
  static Result<ServerSecret> load(const std::string& path);
  // Writes `path` with mode 0600; kFailedPrecondition when it exists.
  Status save(const std::string& path) const;

  // Keyed BLAKE2b of the purpose (libsodium's crypto_kdf).
  DerivedKey derive(Purpose purpose) const;

 private:
  explicit ServerSecret(std::shared_ptr<const uint8_t> bytes) : bytes_(std::move(bytes)) {}
  std::shared_ptr<const uint8_t> bytes_;  // guarded pages that are not swapped and not part of core dumps
};

}  // namespace firesteel
