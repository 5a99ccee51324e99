// Rotary position embedding: the angle of every pair of dimensions at a position, with the scalings of longer contexts.
// Sources: Su et al. 2021 (arXiv:2104.09864); Peng et al. 2023, YaRN (arXiv:2309.00071); docs/formats/architectures.md.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/config.h"

namespace firesteel {

// Angles of one class of layers. Immutable.
class RopeTable {
 public:
  RopeTable() = default;
  // factors: [n_dims/2] divisors of the frequencies (rope_freqs.weight ...), or empty. in_window: of sliding-window layers.
  RopeTable(const RopeConfig& config, std::span<const float> factors, bool in_window);

  int64_t n_pairs() const { return static_cast<int64_t>(frequencies_.size()); }
  // cs: [n_pairs][2] = cos, sin (times the YaRN magnitude). Angles in f64: at position 100,000 an f32 angle is off by 0.004.
  void fill(int32_t position, float* cs) const;

 private:
  std::vector<double> frequencies_;  // radians per position
  double magnitude_ = 1;
};

}  // namespace firesteel
