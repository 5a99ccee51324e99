// Encoders of single blocks. Internal: quantise.h is the contract. x: finite, at most kLargest in magnitude (MXFP4: any finite).
// importance: weights of the squared error, one per element, or nullptr.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tensor/blocks.h"
#include "tensor/half.h"

namespace firesteel {

// Larger weights cannot be represented by any of the types with an f16 scale; and their fourth powers still fit f32.
inline constexpr float kLargest = 3e8f;

// A block's scale as it will be read back.
struct HalfScale {
  uint16_t bits = 0;
  float value = 0;
  explicit HalfScale(float scale) : bits(f32_to_f16(std::clamp(scale, -65504.0f, 65504.0f))), value(f16_to_f32(bits)) {}
};

// 1/d, or 0 where that is not finite: then the block is all zeros anyway.
inline float inverse_or_zero(float d) {
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  return std::isfinite(inverse) ? inverse : 0.0f;
}

// Nearest integer within [low, high].
inline int round_to(float v, int low, int high) {
  return static_cast<int>(std::lrintf(std::clamp(v, static_cast<float>(low), static_cast<float>(high))));
}

void encode(const float* x, const float* importance, BlockQ2_K* b);
void encode(const float* x, const float* importance, BlockQ3_K* b);
void encode(const float* x, const float* importance, BlockQ4_K* b);
void encode(const float* x, const float* importance, BlockQ5_K* b);
void encode(const float* x, const float* importance, BlockQ6_K* b);
void encode(const float* x, const float* importance, BlockIQ4_NL* b);
void encode(const float* x, const float* importance, BlockIQ4_XS* b);

}  // namespace firesteel
