// 128-bit hash of a file's bytes: tells versions of a file apart and finds damage. Not for secrets and not against someone who
// builds collisions on purpose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace firesteel {

// Streaming: the result depends on the concatenated bytes only, not on how they were cut into updates.
class Hash128 {
 public:
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text.data(), text.size()))); }
  void update_u64(uint64_t value);
  // 32 lower-case hex digits. May be called once, at the end.
  std::string finish_hex();

 private:
  void block(const std::byte* bytes);  // kBlockBytes of them

  static constexpr size_t kLanes = 4;
  static constexpr size_t kBlockBytes = kLanes * 16;
  uint64_t state_[kLanes] = {0x243F6A8885A308D3u, 0x13198A2E03707344u, 0xA4093822299F31D0u, 0x082EFA98EC4E6C89u};  // digits of pi
  std::byte pending_[kBlockBytes] = {};
  size_t n_pending_ = 0;
  uint64_t n_bytes_ = 0;
};

}  // namespace firesteel
