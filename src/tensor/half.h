// f16 (IEEE 754 binary16) and bf16 (top half of f32) to and from f32. Subnormals, infinities and NaN as in IEEE 754;
// rounding to nearest, ties to even.
//
// Internal linkage and a builtin instead of std::bit_cast: kernels/ compiles this with the flags of each instruction set, and such a copy
// must not become everybody's (kernels/table.h).
#pragma once

#include <stdint.h>

namespace firesteel {

static inline float bf16_to_f32(uint16_t bits) { return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16); }

static inline uint16_t f32_to_bf16(float value) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);  // keep NaN a NaN
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

static inline float f16_to_f32(uint16_t half) {
  const uint32_t sign = (half & 0x8000u) << 16;
  const uint32_t magnitude = half & 0x7FFFu;
  if (magnitude >= 0x7C00u) return __builtin_bit_cast(float, sign | 0x7F800000u | ((magnitude & 0x3FFu) << 13));
  if (magnitude >= 0x0400u) return __builtin_bit_cast(float, sign | ((magnitude << 13) + 0x38000000u));
  const float value = static_cast<float>(magnitude) * 0x1.0p-24f;  // subnormal or zero
  return __builtin_bit_cast(float, sign | __builtin_bit_cast(uint32_t, value));
}

static inline uint16_t f32_to_f16(float value) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return static_cast<uint16_t>(sign | 0x7E00u);
  if (magnitude >= 0x47800000u) return static_cast<uint16_t>(sign | 0x7C00u);  // >= 65536, or rounds there below
  if (magnitude < 0x38800000u) {  // below the smallest normal: 2^-14
    const float scaled = __builtin_bit_cast(float, magnitude) + 0.5f;  // ulp of 0.5 is 2^-24: the addition rounds to nearest even
    return static_cast<uint16_t>(sign | (__builtin_bit_cast(uint32_t, scaled) - 0x3F000000u));
  }
  const uint32_t rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));  // 65520 and above carries into infinity
}

}  // namespace firesteel
