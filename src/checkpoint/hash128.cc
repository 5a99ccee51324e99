#include "checkpoint/hash128.h"

#include <algorithm>
#include <cstring>

namespace firesteel {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr uint64_t kOdd[4] = {0x9E3779B97F4A7C15u, 0xC2B2AE3D27D4EB4Fu, 0x165667B19E3779F9u, 0xD6E8FEB86659FD93u};

// Both halves of the product: every input bit reaches every output bit.
uint64_t fold(uint64_t a, uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t load(const std::byte* bytes) {
  uint64_t value = 0;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

}  // namespace

// Four independent chains keep the multiplier busy: about 10 GB/s. The rotation and addition keep the state moving when a product
// is zero.
void Hash128::block(const std::byte* bytes) {
  for (size_t lane = 0; lane < kLanes; ++lane) {
    const uint64_t a = load(bytes + 16 * lane), b = load(bytes + 16 * lane + 8);
    const uint64_t s = state_[lane];
    state_[lane] = fold(a ^ kOdd[lane], b ^ s) + ((s << 23) | (s >> 41)) + a;
  }
}

void Hash128::update(std::span<const std::byte> bytes) {
  n_bytes_ += bytes.size();
  const std::byte* p = bytes.data();
  size_t n = bytes.size();
  if (n == 0) return;
  if (n_pending_ > 0) {
    const size_t take = std::min(n, kBlockBytes - n_pending_);
    std::memcpy(pending_ + n_pending_, p, take);
    n_pending_ += take;
    p += take;
    n -= take;
    if (n_pending_ < kBlockBytes) return;
    block(pending_);
    n_pending_ = 0;
  }
  for (; n >= kBlockBytes; p += kBlockBytes, n -= kBlockBytes) block(p);
  if (n > 0) std::memcpy(pending_, p, n);
  n_pending_ = n;
}

void Hash128::update_u64(uint64_t value) { update(std::as_bytes(std::span(&value, 1))); }

std::string Hash128::finish_hex() {
  std::memset(pending_ + n_pending_, 0, kBlockBytes - n_pending_);
  block(pending_);
  uint64_t low = n_bytes_ ^ kOdd[0], high = ~n_bytes_ ^ kOdd[1];
  for (size_t lane = 0; lane < kLanes; ++lane) {
    low = fold(low ^ state_[lane], kOdd[lane]) + high;
    high = fold(high + state_[lane], kOdd[3 - lane] ^ low);
  }
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const uint64_t word : {high, low}) {
    for (int shift = 60; shift >= 0; shift -= 4) hex.push_back(kDigits[(word >> shift) & 15]);
  }
  return hex;
}

}  // namespace firesteel
