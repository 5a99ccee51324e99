#include "base/rng.h"

#include <cmath>
#include <numbers>

#include "base/check.h"

namespace firesteel {

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, uint64_t key) {
  uint32_t key0 = static_cast<uint32_t>(key);
  uint32_t key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(product0)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

double uniform_at(uint64_t seed, uint32_t choice, uint64_t position) {
  const auto words = philox4x32({static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), choice, 0}, seed);
  const uint64_t bits = (uint64_t{words[0]} << 32) | words[1];
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

uint32_t Rng::next_u32() {
  if (n_left_ == 0) {
    // The last counter word separates this sequence from uniform_at with the same seed.
    words_ = philox4x32({static_cast<uint32_t>(n_drawn_), static_cast<uint32_t>(n_drawn_ >> 32), 0, 1}, seed_);
    ++n_drawn_;
    n_left_ = 4;
  }
  return words_[static_cast<size_t>(--n_left_)];
}

uint64_t Rng::below(uint64_t bound) {
  CHECK(bound > 0);
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  uint64_t value = next_u64();
  while (value >= limit) value = next_u64();
  return value % bound;
}

double Rng::normal() {
  const double u = 1.0 - uniform();
  const double v = uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

}  // namespace firesteel
