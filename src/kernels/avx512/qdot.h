// Quantised tile products for one kind of tile; each dot_*.cc instantiates one kind, to keep compile times low.
//
// w integer and w float accumulators live in registers (24 of 32 at w = 12). Peak is one vpdpbusd a cycle; per block of 32 and
// column there are 8 of them, and conversion, scale and fma besides (10 slots in all: at most 80 % of peak; 11 with minima).
#pragma once

#include <immintrin.h>
#include <string.h>

#include "kernels/table.h"

namespace firesteel {
namespace {

[[gnu::always_inline]] inline __m512i broadcast_i32(const unsigned char* p) {
  int32_t value;
  memcpy(&value, p, sizeof value);
  return _mm512_set1_epi32(value);
}
[[gnu::always_inline]] inline __m512 broadcast_f32(const unsigned char* p) {
  float value;
  memcpy(&value, p, sizeof value);
  return _mm512_set1_ps(value);
}

template <bool sub16, bool with_min, int w>
void qdot(float* acc, const QTile* tiles, int64_t n_blocks, const unsigned char* block) {
  constexpr int kSubs = sub16 ? 2 : 1, kGroups = 8 / kSubs;
  __m512 sum[size_t{w}];
#pragma GCC unroll 12
  for (int n = 0; n < w; ++n) sum[n] = _mm512_loadu_ps(acc + n * kPanelRows);
  for (int64_t b = 0; b < n_blocks; ++b, block += kActBlockColBytes * w) {
    const QTile& tile = tiles[b / 8];
    const uint8_t* q = tile.q[b % 8][0][0];
    const unsigned char* a = block + 28 * w;
#pragma GCC unroll 2
    for (int s = 0; s < kSubs; ++s) {
      __m512i isum[size_t{w}];
#pragma GCC unroll 12
      for (int n = 0; n < w; ++n) isum[n] = with_min ? _mm512_setzero_si512() : broadcast_i32(block + 4 * ((sub16 ? 4 + s : 6) * w + n));
#pragma GCC unroll 8
      for (int g = s * kGroups; g < (s + 1) * kGroups; ++g) {
        const __m512i weights = _mm512_load_si512(q + 64 * g);
#pragma GCC unroll 12
        for (int n = 0; n < w; ++n) isum[n] = _mm512_dpbusd_epi32(isum[n], weights, broadcast_i32(a + 4 * (g * w + n)));
      }
      const __m512 d = _mm512_load_ps(tile.d[b % 8 * kSubs + s]);
#pragma GCC unroll 12
      for (int n = 0; n < w; ++n) sum[n] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(isum[n]), _mm512_mul_ps(d, broadcast_f32(block + 4 * n)), sum[n]);
      if (with_min) {
        const __m512 m = _mm512_load_ps(tile.m[b % 8 * kSubs + s]);
#pragma GCC unroll 12
        for (int n = 0; n < w; ++n) sum[n] = _mm512_fnmadd_ps(m, broadcast_f32(block + 4 * ((sub16 ? 1 + s : 3) * w + n)), sum[n]);
      }
    }
  }
#pragma GCC unroll 12
  for (int n = 0; n < w; ++n) _mm512_storeu_ps(acc + n * kPanelRows, sum[n]);
}

template <bool sub16, bool with_min>
void qdot_any(float* acc, int w, const QTile* tiles, int64_t n_blocks, const void* acts) {
  const unsigned char* a = static_cast<const unsigned char*>(acts);
  switch (w) {
    case 1: return qdot<sub16, with_min, 1>(acc, tiles, n_blocks, a);
    case 2: return qdot<sub16, with_min, 2>(acc, tiles, n_blocks, a);
    case 3: return qdot<sub16, with_min, 3>(acc, tiles, n_blocks, a);
    case 4: return qdot<sub16, with_min, 4>(acc, tiles, n_blocks, a);
    case 5: return qdot<sub16, with_min, 5>(acc, tiles, n_blocks, a);
    case 6: return qdot<sub16, with_min, 6>(acc, tiles, n_blocks, a);
    case 7: return qdot<sub16, with_min, 7>(acc, tiles, n_blocks, a);
    case 8: return qdot<sub16, with_min, 8>(acc, tiles, n_blocks, a);
    case 9: return qdot<sub16, with_min, 9>(acc, tiles, n_blocks, a);
    case 10: return qdot<sub16, with_min, 10>(acc, tiles, n_blocks, a);
    case 11: return qdot<sub16, with_min, 11>(acc, tiles, n_blocks, a);
    default: return qdot<sub16, with_min, 12>(acc, tiles, n_blocks, a);
  }
}

}  // namespace
}  // namespace firesteel
