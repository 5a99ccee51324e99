#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "base/check.h"

namespace firesteel {
namespace {

// The (fractional) pair that makes `rotations` full turns over the original context.
double pair_of_rotations(const RopeConfig& config, double base, double rotations) {
  const double n_dims = config.n_dims;
  return n_dims * std::log(static_cast<double>(config.original_context) / (rotations * 2 * std::numbers::pi)) / (2 * std::log(base));
}

}  // namespace

RopeTable::RopeTable(const RopeConfig& config, std::span<const float> factors, bool in_window) {
  const bool own = in_window && config.window_has_own_base;
  const double base = own ? config.theta_window : config.theta;
  const RopeScaling scaling = own ? RopeScaling::kNone : config.scaling;
  const size_t n_pairs = static_cast<size_t>(config.n_dims) / 2;
  CHECK(factors.empty() || factors.size() == n_pairs);

  double low = 0;
  double high = 0;
  if (scaling == RopeScaling::kYarn) {
    const double last = config.n_dims - 1;
    low = std::clamp(std::floor(pair_of_rotations(config, base, config.yarn_beta_fast)), 0.0, last);
    high = std::clamp(std::ceil(pair_of_rotations(config, base, config.yarn_beta_slow)), 0.0, last);
    if (config.yarn_ext_factor != 0) magnitude_ = 1 + 0.1 * std::log(config.factor);
  }
  if (scaling == RopeScaling::kYarn || scaling == RopeScaling::kLongRope) magnitude_ *= config.attn_factor;

  frequencies_.resize(n_pairs);
  for (size_t i = 0; i < n_pairs; ++i) {
    double frequency = std::pow(base, -2 * static_cast<double>(i) / config.n_dims);
    if (!own && !factors.empty()) frequency /= static_cast<double>(factors[i]);
    if (scaling == RopeScaling::kLinear) {
      frequency /= config.factor;
    } else if (scaling == RopeScaling::kYarn) {
      // Fast pairs keep their speed, slow pairs are interpolated, a ramp lies between.
      const double ramp = 1 - std::clamp((static_cast<double>(i) - low) / std::max(0.001, high - low), 0.0, 1.0);
      const double mix = ramp * config.yarn_ext_factor;
      frequency = frequency / config.factor * (1 - mix) + frequency * mix;
    }
    frequencies_[i] = frequency;
  }
}

void RopeTable::fill(int32_t position, float* cs) const {
  for (size_t i = 0; i < frequencies_.size(); ++i) {
    const double angle = position * frequencies_[i];
    cs[2 * i] = static_cast<float>(std::cos(angle) * magnitude_);
    cs[2 * i + 1] = static_cast<float>(std::sin(angle) * magnitude_);
  }
}

}  // namespace firesteel
