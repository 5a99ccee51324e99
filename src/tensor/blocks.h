// Block structs of the quantised types, byte for byte as in a file. Formulas: docs/formats/gguf.md (facts: GGUF specification).
// Packed: blocks in a file may begin at any address. f16 fields are raw bits (half.h).
#pragma once

#include <cstdint>
#include <cstring>

#include "tensor/dtype.h"

namespace firesteel {

// 32 elements. Element j < 16 is the low nibble of qs[j], element j + 16 the high one; fifth bit of element j: bit j of qh (LE).
struct [[gnu::packed]] BlockQ4_0 { uint16_t d; uint8_t qs[16]; };                           // d * (q - 8)
struct [[gnu::packed]] BlockQ4_1 { uint16_t d; uint16_t m; uint8_t qs[16]; };               // d * q + m
struct [[gnu::packed]] BlockQ5_0 { uint16_t d; uint8_t qh[4]; uint8_t qs[16]; };            // d * (q - 16)
struct [[gnu::packed]] BlockQ5_1 { uint16_t d; uint16_t m; uint8_t qh[4]; uint8_t qs[16]; };  // d * q + m
struct [[gnu::packed]] BlockQ8_0 { uint16_t d; int8_t qs[32]; };                            // d * q
struct [[gnu::packed]] BlockIQ4_NL { uint16_t d; uint8_t qs[16]; };                         // d * kIq4Values[q]
struct [[gnu::packed]] BlockMXFP4 { uint8_t e; uint8_t qs[16]; };                           // 2^(e-128) * kMxfp4Values[q]

// 256 elements.
struct [[gnu::packed]] BlockQ2_K { uint8_t scales[16]; uint8_t qs[64]; uint16_t d; uint16_t dmin; };
struct [[gnu::packed]] BlockQ3_K { uint8_t hmask[32]; uint8_t qs[64]; uint8_t scales[12]; uint16_t d; };
struct [[gnu::packed]] BlockQ4_K { uint16_t d; uint16_t dmin; uint8_t scales[12]; uint8_t qs[128]; };
struct [[gnu::packed]] BlockQ5_K { uint16_t d; uint16_t dmin; uint8_t scales[12]; uint8_t qh[32]; uint8_t qs[128]; };
struct [[gnu::packed]] BlockQ6_K { uint8_t ql[128]; uint8_t qh[64]; int8_t scales[16]; uint16_t d; };
struct [[gnu::packed]] BlockIQ4_XS { uint16_t d; uint16_t scales_h; uint8_t scales_l[4]; uint8_t qs[128]; };

static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20 && sizeof(BlockQ5_0) == 22 && sizeof(BlockQ5_1) == 24);
static_assert(sizeof(BlockQ8_0) == 34 && sizeof(BlockIQ4_NL) == 18 && sizeof(BlockMXFP4) == 17);
static_assert(sizeof(BlockQ2_K) == 84 && sizeof(BlockQ3_K) == 110 && sizeof(BlockQ4_K) == 144 && sizeof(BlockQ5_K) == 176);
static_assert(sizeof(BlockQ6_K) == 210 && sizeof(BlockIQ4_XS) == 136);

inline constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// Twice the E2M1 values, so that they are integers.
inline constexpr int8_t kMxfp4Values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// 2^(e - 128): the MXFP4 scale that goes with kMxfp4Values. Subnormal for e < 2.
inline float mxfp4_scale(uint8_t e) {
  const uint32_t bits = e < 2 ? 0x00200000u << e : static_cast<uint32_t>(e - 1) << 23;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

struct ScaleMin {
  uint8_t scale, min;  // 6 bits each
};
// Scale and minimum of sub-block j (0..7) from the 12 packed bytes of Q4_K and Q5_K.
inline ScaleMin q4k_scale_min(const uint8_t* s, int j) {
  if (j < 4) return {static_cast<uint8_t>(s[j] & 63), static_cast<uint8_t>(s[j + 4] & 63)};
  return {static_cast<uint8_t>((s[j + 4] & 15) | ((s[j - 4] >> 6) << 4)), static_cast<uint8_t>((s[j + 4] >> 4) | ((s[j] >> 6) << 4))};
}

// Scale of sub-block i (0..15) of Q3_K, -32..31, from its 12 packed bytes.
inline int q3k_scale(const uint8_t* s, int i) {
  const int low = i < 8 ? s[i] & 15 : s[i - 8] >> 4;
  const int high = (s[8 + i % 4] >> (2 * (i / 4))) & 3;
  return (low | high << 4) - 32;
}

// Scale of sub-block ib (0..7) of IQ4_XS, -32..31.
inline int iq4xs_scale(const BlockIQ4_XS& b, int ib) {
  const int low = (b.scales_l[ib / 2] >> (4 * (ib % 2))) & 15;
  const int high = (b.scales_h >> (2 * ib)) & 3;
  return (low | high << 4) - 32;
}

}  // namespace firesteel
