// 2^x and e^x in single precision, the way every column computes them (bit for bit: the same fused steps).
//
// x = r + f with r = round-half-even(x), |f| <= 1/2; 2^f is a polynomial with constant term 1 (so 2^0 = 1), fitted for the least
// relative error: 2.9e-6 for degree 4 (good enough beside bf16 and int8 operands), 1.6e-8 for degree 6 (below a rounding error).
// In an unnamed namespace: this header is compiled with different instruction sets.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

namespace firesteel {
namespace {

inline float as_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint32_t as_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

// Adding 1.5 * 2^23 leaves the integer nearest to x (ties to even) in the low bits, for |x| < 2^22. No conversion that could be
// undefined for NaN.
constexpr float kRoundMagic = 0x1.8p23f;

inline int32_t round_to_int(float x) {
  return static_cast<int32_t>(as_bits(x + kRoundMagic) - as_bits(kRoundMagic));
}

// p * 2^r for -252 <= r <= 254, rounded once; two factors because 2^r alone may not be a normal number.
inline float scale_by_power(float p, int32_t r) {
  const int32_t half = r >> 1;
  const float first = as_float(static_cast<uint32_t>(half + 127) << 23);
  const float second = as_float(static_cast<uint32_t>(r - half + 127) << 23);
  return p * first * second;
}

constexpr float kExp2Poly4[4] = {0x1.62e12cp-1f, 0x1.ec0378p-3f, 0x1.c9fc5cp-5f, 0x1.3a02f0p-7f};
constexpr float kExp2Poly6[6] = {0x1.62e430p-1f, 0x1.ebfbdcp-3f, 0x1.c6aee8p-5f, 0x1.3b2d4ep-7f, 0x1.5f3e58p-10f, 0x1.41fb8ep-13f};

inline float exp2_poly4(float f) {
  float p = fmaf(kExp2Poly4[3], f, kExp2Poly4[2]);
  p = fmaf(p, f, kExp2Poly4[1]);
  p = fmaf(p, f, kExp2Poly4[0]);
  return fmaf(p, f, 1.0f);
}

inline float exp2_poly6(float f) {
  float p = fmaf(kExp2Poly6[5], f, kExp2Poly6[4]);
  p = fmaf(p, f, kExp2Poly6[3]);
  p = fmaf(p, f, kExp2Poly6[2]);
  p = fmaf(p, f, kExp2Poly6[1]);
  p = fmaf(p, f, kExp2Poly6[0]);
  return fmaf(p, f, 1.0f);
}

// 2^x: 0 for x <= -126 (no subnormal results), inf for x >= 129, NaN for NaN.
template <int kDegree>
inline float exp2_approx(float x) {
  x = x > 129.0f ? 129.0f : x;
  const float clamped = x < -126.0f ? -126.0f : x;
  const float r = clamped + kRoundMagic - kRoundMagic;
  const float f = clamped - r;
  const float p = kDegree == 4 ? exp2_poly4(f) : exp2_poly6(f);
  const float y = scale_by_power(p, round_to_int(clamped));
  return x <= -126.0f ? 0.0f : y;
}

// e^x = 2^r * 2^f with f = x*log2(e) - r, log2(e) in two parts so that a large x does not cost digits of f. 0 for x <= -87.33 (the
// end of normal numbers), inf for x >= 89.5, NaN for NaN.
constexpr float kLog2E = 0x1.715476p+0f;
constexpr float kLog2ELow = 0x1.4ae0c0p-26f;  // log2(e) - kLog2E
constexpr float kExpZero = -87.33f;

inline float exp_approx(float x) {
  x = x > 89.5f ? 89.5f : x;
  const float clamped = x < kExpZero ? kExpZero : x;
  const float y = clamped * kLog2E;
  const float r = y + kRoundMagic - kRoundMagic;
  const float f = fmaf(clamped, kLog2ELow, fmaf(clamped, kLog2E, -r));
  const float e = scale_by_power(exp2_poly6(f), round_to_int(y));
  return x <= kExpZero ? 0.0f : e;
}

}  // namespace
}  // namespace firesteel
