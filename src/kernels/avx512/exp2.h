// 2^x and e^x of 16 floats: the steps of generic/exp2.h, with the same bytes (a test compares). Constants are explained there.
#pragma once

#include <immintrin.h>

namespace firesteel {
namespace {

inline __m512 exp2_poly4(__m512 f) {
  __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0x1.3a02f0p-7f), f, _mm512_set1_ps(0x1.c9fc5cp-5f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.ec0378p-3f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.62e12cp-1f));
  return _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
}

inline __m512 exp2_poly6(__m512 f) {
  __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0x1.41fb8ep-13f), f, _mm512_set1_ps(0x1.5f3e58p-10f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.3b2d4ep-7f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.c6aee8p-5f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.ebfbdcp-3f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.62e430p-1f));
  return _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
}

// For x <= 0 and NaN (+inf gives NaN): 0 for x <= -126 (-inf included), NaN for NaN, which vrndscale and vscalef pass on.
template <int kDegree>
inline __m512 exp2_of_difference(__m512 x) {
  const __mmask16 alive = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-126.0f), _CMP_NLE_UQ);
  const __m512 r = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 f = _mm512_sub_ps(x, r);
  return _mm512_maskz_scalef_ps(alive, kDegree == 4 ? exp2_poly4(f) : exp2_poly6(f), r);
}

// For any x: inf from 129 on. vminps passes its second operand on when one is NaN.
template <int kDegree>
inline __m512 exp2_approx(__m512 x) {
  return exp2_of_difference<kDegree>(_mm512_min_ps(_mm512_set1_ps(129.0f), x));
}

inline __m512 exp_approx(__m512 x) {
  const __mmask16 alive = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.33f), _CMP_NLE_UQ);
  x = _mm512_min_ps(_mm512_set1_ps(89.5f), x);
  const __m512 r = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(0x1.715476p+0f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 f = _mm512_fmadd_ps(x, _mm512_set1_ps(0x1.4ae0c0p-26f), _mm512_fmsub_ps(x, _mm512_set1_ps(0x1.715476p+0f), r));
  return _mm512_maskz_scalef_ps(alive, exp2_poly6(f), r);
}

}  // namespace
}  // namespace firesteel
