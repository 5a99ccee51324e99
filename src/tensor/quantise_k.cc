// Encoders of the super-block types: fit each sub-block, quantise the scales to their few bits, then round the weights against the
// scales that will be read back.
#include <cstring>

#include "tensor/quantise_blocks.h"
#include "tensor/quantise_fit.h"

namespace firesteel {
namespace {

float mean_square(const float* x, int n) {
  float total = 0;
  for (int i = 0; i < n; ++i) total += x[i] * x[i];
  return total / static_cast<float>(n);
}

// Without importance large weights count more: they meet large activations as often as small ones do, and the error of a sum is
// dominated by them. With it, importance times a floor-limited magnitude.
void affine_weights(const float* x, const float* importance, float sigma2, int n, float* w) {
  const float typical = std::sqrt(mean_square(x, n));
  for (int i = 0; i < n; ++i) w[i] = importance != nullptr ? importance[i] * std::sqrt(sigma2 + x[i] * x[i]) : typical + std::fabs(x[i]);
}
void symmetric_weights(const float* x, const float* importance, float sigma2, int n, float* w) {
  for (int i = 0; i < n; ++i) w[i] = importance != nullptr ? importance[i] * std::sqrt(sigma2 + x[i] * x[i]) : x[i] * x[i];
}

// Q4_K and Q5_K: eight sub-blocks of 32 with 6-bit scales and minima. q receives the levels.
template <typename Block>
void encode_scale_min(const float* x, const float* importance, const AffineSearch& search, Block* b, uint8_t* q) {
  const float sigma2 = 2 * mean_square(x, 256);
  AffineFit fits[8];
  float max_scale = 0, max_min = 0;
  for (int j = 0; j < 8; ++j) {
    float w[32];
    affine_weights(x + 32 * j, importance == nullptr ? nullptr : importance + 32 * j, sigma2, 32, w);
    fits[j] = fit_affine(x + 32 * j, w, 32, search);
    max_scale = std::max(max_scale, fits[j].scale);
    max_min = std::max(max_min, fits[j].min);
  }
  const HalfScale d(max_scale / 63.0f), dmin(max_min / 63.0f);
  const float inverse_d = inverse_or_zero(d.value), inverse_dmin = inverse_or_zero(dmin.value);
  std::memset(b->scales, 0, sizeof b->scales);
  for (int j = 0; j < 8; ++j) {
    const int scale = round_to(inverse_d * fits[j].scale, 0, 63), min = round_to(inverse_dmin * fits[j].min, 0, 63);
    if (j < 4) {
      b->scales[j] = static_cast<uint8_t>(b->scales[j] | scale);
      b->scales[j + 4] = static_cast<uint8_t>(b->scales[j + 4] | min);
    } else {
      b->scales[j + 4] = static_cast<uint8_t>((scale & 15) | (min & 15) << 4);
      b->scales[j - 4] = static_cast<uint8_t>(b->scales[j - 4] | (scale >> 4) << 6);
      b->scales[j] = static_cast<uint8_t>(b->scales[j] | (min >> 4) << 6);
    }
    const float inverse = inverse_or_zero(d.value * static_cast<float>(scale)), offset = dmin.value * static_cast<float>(min);
    for (int l = 0; l < 32; ++l) q[32 * j + l] = static_cast<uint8_t>(round_to((x[32 * j + l] + offset) * inverse, 0, search.max_level));
  }
  b->d = d.bits;
  b->dmin = dmin.bits;
}

}  // namespace

void encode(const float* x, const float* importance, BlockQ4_K* b) {
  uint8_t q[256];
  encode_scale_min(x, importance, AffineSearch{15, -1.0f, 0.1f, 21}, b, q);
  for (int j = 0; j < 8; j += 2) {
    for (int l = 0; l < 32; ++l) b->qs[16 * j + l] = static_cast<uint8_t>(q[32 * j + l] | q[32 * j + 32 + l] << 4);
  }
}

void encode(const float* x, const float* importance, BlockQ5_K* b) {
  uint8_t q[256];
  encode_scale_min(x, importance, AffineSearch{31, -0.5f, 0.1f, 16}, b, q);
  std::memset(b->qh, 0, sizeof b->qh);
  for (int j = 0; j < 8; j += 2) {
    for (int l = 0; l < 32; ++l) {
      const int low = q[32 * j + l], high = q[32 * j + 32 + l];
      b->qs[16 * j + l] = static_cast<uint8_t>((low & 15) | (high & 15) << 4);
      b->qh[l] = static_cast<uint8_t>(b->qh[l] | (low >> 4) << j | (high >> 4) << (j + 1));
    }
  }
}

void encode(const float* x, const float* importance, BlockQ2_K* b) {
  const float sigma2 = mean_square(x, 256);
  AffineFit fits[16];
  float max_scale = 0, max_min = 0;
  for (int j = 0; j < 16; ++j) {
    float w[16];
    const float* group = x + 16 * j;
    if (importance != nullptr) {
      affine_weights(group, importance + 16 * j, sigma2, 16, w);
    } else {
      for (int i = 0; i < 16; ++i) w[i] = std::fabs(group[i]) + 0.25f * std::sqrt(sigma2);
    }
    fits[j] = fit_affine(group, w, 16, AffineSearch{3, -0.5f, 0.1f, 16});
    max_scale = std::max(max_scale, fits[j].scale);
    max_min = std::max(max_min, fits[j].min);
  }
  const HalfScale d(max_scale / 15.0f), dmin(max_min / 15.0f);
  const float inverse_d = inverse_or_zero(d.value), inverse_dmin = inverse_or_zero(dmin.value);
  std::memset(b->qs, 0, sizeof b->qs);
  for (int j = 0; j < 16; ++j) {
    const int scale = round_to(inverse_d * fits[j].scale, 0, 15), min = round_to(inverse_dmin * fits[j].min, 0, 15);
    b->scales[j] = static_cast<uint8_t>(scale | min << 4);
    const float inverse = inverse_or_zero(d.value * static_cast<float>(scale)), offset = dmin.value * static_cast<float>(min);
    for (int i = 16 * j; i < 16 * j + 16; ++i) {
      const int q = round_to((x[i] + offset) * inverse, 0, 3);
      uint8_t& byte = b->qs[32 * (i / 128) + i % 32];
      byte = static_cast<uint8_t>(byte | q << (2 * (i / 32 % 4)));
    }
  }
  b->d = d.bits;
  b->dmin = dmin.bits;
}

void encode(const float* x, const float* importance, BlockQ3_K* b) {
  const float sigma2 = 2 * mean_square(x, 256);
  float scales[16], extreme = 0;
  for (int j = 0; j < 16; ++j) {
    float w[16];
    symmetric_weights(x + 16 * j, importance == nullptr ? nullptr : importance + 16 * j, sigma2, 16, w);
    scales[j] = fit_symmetric(x + 16 * j, w, 16, 4, 0.1f, 9);
    if (std::fabs(scales[j]) > std::fabs(extreme)) extreme = scales[j];
  }
  const HalfScale d(extreme / -32.0f);
  const float inverse_d = inverse_or_zero(d.value);
  std::memset(b, 0, sizeof *b);
  for (int j = 0; j < 16; ++j) {
    const int scale = round_to(inverse_d * scales[j], -32, 31), stored = scale + 32;
    uint8_t& low = b->scales[j % 8];
    low = static_cast<uint8_t>(low | (stored & 15) << (j < 8 ? 0 : 4));
    uint8_t& high = b->scales[8 + j % 4];
    high = static_cast<uint8_t>(high | (stored >> 4) << (2 * (j / 4)));
    const float inverse = inverse_or_zero(d.value * static_cast<float>(scale));
    for (int i = 16 * j; i < 16 * j + 16; ++i) {
      const int q = round_to(x[i] * inverse, -4, 3) + 4;
      uint8_t& byte = b->qs[32 * (i / 128) + i % 32];
      byte = static_cast<uint8_t>(byte | (q & 3) << (2 * (i / 32 % 4)));
      b->hmask[i % 32] = static_cast<uint8_t>(b->hmask[i % 32] | (q >> 2) << (i / 32));
    }
  }
  b->d = d.bits;
}

void encode(const float* x, const float* importance, BlockQ6_K* b) {
  float scales[16], extreme = 0;
  for (int j = 0; j < 16; ++j) {
    float w[16];
    for (int i = 0; i < 16; ++i) w[i] = importance != nullptr ? importance[16 * j + i] : x[16 * j + i] * x[16 * j + i];
    scales[j] = fit_symmetric(x + 16 * j, w, 16, 32, 0.1f, 9);
    if (std::fabs(scales[j]) > std::fabs(extreme)) extreme = scales[j];
  }
  const HalfScale d(extreme / -128.0f);
  const float inverse_d = inverse_or_zero(d.value);
  std::memset(b, 0, sizeof *b);
  for (int j = 0; j < 16; ++j) {
    const int scale = round_to(inverse_d * scales[j], -128, 127);
    b->scales[j] = static_cast<int8_t>(scale);
    const float inverse = inverse_or_zero(d.value * static_cast<float>(scale));
    for (int i = 16 * j; i < 16 * j + 16; ++i) {
      const int q = round_to(x[i] * inverse, -32, 31) + 32;
      const int half = i / 128, quarter = i / 32 % 4, l = i % 32;
      uint8_t& low = b->ql[64 * half + 32 * (quarter % 2) + l];
      low = static_cast<uint8_t>(low | (q & 15) << (4 * (quarter / 2)));
      uint8_t& high = b->qh[32 * half + l];
      high = static_cast<uint8_t>(high | (q >> 4) << (2 * quarter));
    }
  }
  b->d = d.bits;
}

void encode(const float* x, const float* importance, BlockIQ4_NL* b) {
  float w[32];
  symmetric_weights(x, importance, 2 * mean_square(x, 32), 32, w);
  const HalfScale d(fit_iq4(x, w, 32));
  const float inverse = inverse_or_zero(d.value);
  for (int j = 0; j < 16; ++j) b->qs[j] = static_cast<uint8_t>(nearest_iq4(x[j] * inverse) | nearest_iq4(x[j + 16] * inverse) << 4);
  b->d = d.bits;
}

void encode(const float* x, const float* importance, BlockIQ4_XS* b) {
  const float sigma2 = 2 * mean_square(x, 256);
  float scales[8], extreme = 0;
  for (int j = 0; j < 8; ++j) {
    float w[32];
    symmetric_weights(x + 32 * j, importance == nullptr ? nullptr : importance + 32 * j, sigma2, 32, w);
    scales[j] = fit_iq4(x + 32 * j, w, 32);
    if (std::fabs(scales[j]) > std::fabs(extreme)) extreme = scales[j];
  }
  const HalfScale d(extreme / -32.0f);
  const float inverse_d = inverse_or_zero(d.value);
  std::memset(b, 0, sizeof *b);
  int high_bits = 0;
  for (int j = 0; j < 8; ++j) {
    const int scale = round_to(inverse_d * scales[j], -32, 31), stored = scale + 32;
    b->scales_l[j / 2] = static_cast<uint8_t>(b->scales_l[j / 2] | (stored & 15) << (4 * (j % 2)));
    high_bits |= (stored >> 4) << (2 * j);
    const float inverse = inverse_or_zero(d.value * static_cast<float>(scale));
    const float* group = x + 32 * j;
    for (int l = 0; l < 16; ++l) {
      b->qs[16 * j + l] = static_cast<uint8_t>(nearest_iq4(group[l] * inverse) | nearest_iq4(group[l + 16] * inverse) << 4);
    }
  }
  b->scales_h = static_cast<uint16_t>(high_bits);
  b->d = d.bits;
}

}  // namespace firesteel
