#include "tensor/quantise_fit.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "tensor/blocks.h"

namespace firesteel {
namespace {

using Lanes [[gnu::vector_size(16)]] = float;

Lanes splat(float v) { return Lanes{v, v, v, v}; }
float sum(Lanes v) { return (v[0] + v[2]) + (v[1] + v[3]); }
Lanes load(const float* p) { return Lanes{p[0], p[1], p[2], p[3]}; }

// To the nearest integer, |v| < 2^22: above 1.5 * 2^23 the spacing of floats is 1.
Lanes round_lanes(Lanes v) {
  const Lanes magic = splat(12582912.0f);
  return (v + magic) - magic;
}
Lanes clamp_lanes(Lanes v, float low, float high) {
  const Lanes l = splat(low), h = splat(high);
  v = v < l ? l : v;
  return v > h ? h : v;
}

// Below this nothing survives in an f16 scale, and squares of squares vanish.
constexpr float kTiny = 1e-12f;

// floor(2 v) + 256 -> index: every midpoint between two values is a multiple of one half.
constexpr std::array<uint8_t, 512> make_iq4_lookup() {
  std::array<uint8_t, 512> table{};
  for (int i = 0; i < 512; ++i) {
    const int twice = 2 * (i - 256) + 1;  // four times the middle of the cell is 2 * twice
    int best = 0;
    for (int k = 1; k < 16; ++k) {
      const int old_distance = twice - 4 * kIq4Values[best], new_distance = twice - 4 * kIq4Values[k];
      if ((new_distance < 0 ? -new_distance : new_distance) < (old_distance < 0 ? -old_distance : old_distance)) best = k;
    }
    table[static_cast<size_t>(i)] = static_cast<uint8_t>(best);
  }
  return table;
}
constexpr std::array<uint8_t, 512> kIq4Lookup = make_iq4_lookup();

}  // namespace

AffineFit fit_affine(const float* x, const float* weights, int n, const AffineSearch& search) {
  float low = 0, high = x[0];  // the minimum is stored as a non-negative number to subtract
  Lanes w_sum{}, wx_sum{}, wxx_sum{};
  for (int i = 0; i < n; i += 4) {
    const Lanes v = load(x + i), w = load(weights + i);
    w_sum += w;
    wx_sum += w * v;
    wxx_sum += w * v * v;
    for (int k = 0; k < 4; ++k) {
      low = std::min(low, x[i + k]);
      high = std::max(high, x[i + k]);
    }
  }
  const float range = high - low;
  if (range <= kTiny) return {0, -low};
  const auto top = static_cast<float>(search.max_level);
  const double w1 = static_cast<double>(sum(w_sum)), wx = static_cast<double>(sum(wx_sum)), wxx = static_cast<double>(sum(wxx_sum));
  AffineFit best{range / top, -low};
  double best_error = -1;
  for (int trial = 0; trial < search.n_trials; ++trial) {
    const float inverse = (top + search.first + search.step * static_cast<float>(trial)) / range;
    Lanes q_sum{}, qq_sum{}, qx_sum{};
    for (int i = 0; i < n; i += 4) {
      const Lanes v = load(x + i), w = load(weights + i);
      const Lanes q = clamp_lanes(round_lanes((v - low) * inverse), 0.0f, top);
      const Lanes wq = w * q;
      q_sum += wq;
      qq_sum += wq * q;
      qx_sum += wq * v;
    }
    const double q1 = static_cast<double>(sum(q_sum)), qq = static_cast<double>(sum(qq_sum)), qx = static_cast<double>(sum(qx_sum));
    const double determinant = w1 * qq - q1 * q1;
    if (!(determinant > 0) || !(qq > 0)) continue;
    double scale = (w1 * qx - wx * q1) / determinant;
    double offset = (qq * wx - q1 * qx) / determinant;
    if (offset > 0) {  // not representable: through the origin then
      offset = 0;
      scale = qx / qq;
    }
    if (!(scale > 0)) continue;
    const double error = wxx + scale * scale * qq + offset * offset * w1 + 2 * (scale * offset * q1 - scale * qx - offset * wx);
    if (best_error < 0 || error < best_error) {
      best_error = std::max(error, 0.0);
      best = {static_cast<float>(scale), static_cast<float>(-offset)};
    }
  }
  return best;
}

float fit_symmetric(const float* x, const float* weights, int n, int half, float trial_step, int n_trials) {
  float extreme = 0;
  for (int i = 0; i < n; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  if (std::fabs(extreme) <= kTiny) return 0;
  const auto levels = static_cast<float>(half);
  float best_scale = -extreme / levels;
  double best_gain = 0;
  for (int trial = -n_trials; trial <= n_trials; ++trial) {
    const float inverse = -(levels + trial_step * static_cast<float>(trial)) / extreme;
    Lanes qq_sum{}, qx_sum{};
    for (int i = 0; i < n; i += 4) {
      const Lanes v = load(x + i), w = load(weights + i);
      const Lanes q = clamp_lanes(round_lanes(v * inverse), -levels, levels - 1);
      const Lanes wq = w * q;
      qq_sum += wq * q;
      qx_sum += wq * v;
    }
    const double qq = static_cast<double>(sum(qq_sum)), qx = static_cast<double>(sum(qx_sum));
    if (qq > 0 && qx * qx / qq > best_gain) {  // the error is sum(w x x) minus this
      best_gain = qx * qx / qq;
      best_scale = static_cast<float>(qx / qq);
    }
  }
  return best_scale;
}

int nearest_iq4(float v) {
  const float cell = std::floor(2.0f * std::clamp(v, -127.5f, 127.0f));
  return kIq4Lookup[static_cast<size_t>(static_cast<int>(cell) + 256)];
}

float fit_iq4(const float* x, const float* weights, int n) {
  float extreme = 0;
  for (int i = 0; i < n; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  if (std::fabs(extreme) <= kTiny) return 0;
  float best_scale = extreme / static_cast<float>(kIq4Values[0]);
  double best_gain = 0;
  for (int trial = -7; trial <= 7; ++trial) {
    const float inverse = static_cast<float>(kIq4Values[0] + trial) / extreme;
    float qq = 0, qx = 0;
    for (int i = 0; i < n; ++i) {
      const auto q = static_cast<float>(kIq4Values[nearest_iq4(inverse * x[i])]);
      qq += weights[i] * q * q;
      qx += weights[i] * q * x[i];
    }
    if (qq > 0 && static_cast<double>(qx) * static_cast<double>(qx) / static_cast<double>(qq) > best_gain) {
      best_gain = static_cast<double>(qx) * static_cast<double>(qx) / static_cast<double>(qq);
      best_scale = qx / qq;
    }
  }
  return best_scale;
}

}  // namespace firesteel
