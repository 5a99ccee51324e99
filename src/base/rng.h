// Random numbers. Philox is counter-based: the value at (seed, stream, position) does not depend on what was drawn before,
// so a sampled token never depends on its neighbours in a batch. Source: Salmon et al. 2011, "Parallel random numbers: as easy
// as 1, 2, 3" (Philox4x32-10).
#pragma once

#include <array>
#include <cstdint>

namespace firesteel {

// Four independent 32-bit words for a 128-bit counter and a 64-bit key.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, uint64_t key);

// Uniform in [0, 1) with 53 bits, keyed by (seed, choice, position): one value per sampled token.
double uniform_at(uint64_t seed, uint32_t choice, uint64_t position);

// A sequential generator on top, for tests, simulations and data synthesis: same seed, same sequence, on every platform.
class Rng {
 public:
  explicit Rng(uint64_t seed) : seed_(seed) {}
  uint32_t next_u32();
  uint64_t next_u64() { const uint64_t high = next_u32(); return (high << 32) | next_u32(); }
  // Uniform in [0, bound); bound > 0. Unbiased.
  uint64_t below(uint64_t bound);
  // Uniform in [low, high].
  int64_t between(int64_t low, int64_t high) { return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low) + 1)); }
  // Uniform in [0, 1).
  double uniform() { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }
  // Standard normal (Box-Muller).
  double normal();

 private:
  uint64_t seed_;
  uint64_t n_drawn_ = 0;
  std::array<uint32_t, 4> words_{};
  int n_left_ = 0;
};

}  // namespace firesteel
