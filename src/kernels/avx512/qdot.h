// Quantised tile products for one kind of tile; each dot_*.cc instantiates one kind, to keep compile times low.
//
// w integer and w float accumulators live in registers (24 of 32 at w = 12). Peak is one vpdpbusd a cycle; per block of 32 and
// column there are 8 of them, and conversion, scale and fma besides (10 slots in all: at most 80 % of peak; 11 with minima).
#pragma once

#include <immintrin.h>

#include "kernels/avx512/sink.h"

namespace firesteel {
namespace {

template <bool sub16, bool with_min, int w>
void qdot(float* acc, const QTile* tiles, int64_t n_blocks, const unsigned char* acts) {
  __m512 sum[size_t{w}];
#pragma GCC unroll 12
  for (int n = 0; n < w; ++n) sum[n] = _mm512_loadu_ps(acc + n * kPanelRows);

  // One sub-block: its codes [n_groups][16][4], its scales, and its words among the activations.
  const auto sub_block = [&sum](const uint8_t* q, const float* d, const float* m, const unsigned char* block, const unsigned char* a,
                                const unsigned char* sums, const unsigned char* corr) __attribute__((always_inline)) {
    __m512i isum[size_t{w}];
#pragma GCC unroll 12
    for (int n = 0; n < w; ++n) isum[n] = with_min ? _mm512_setzero_si512() : broadcast_i32(corr + 4 * n);
#pragma GCC unroll 8
    for (int g = 0; g < (sub16 ? 4 : 8); ++g) {
      const __m512i weights = _mm512_load_si512(q + 64 * g);
#pragma GCC unroll 12
      for (int n = 0; n < w; ++n) isum[n] = _mm512_dpbusd_epi32(isum[n], weights, broadcast_i32(a + 4 * (g * w + n)));
    }
    const __m512 dv = _mm512_load_ps(d);
#pragma GCC unroll 12
    for (int n = 0; n < w; ++n) sum[n] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(isum[n]), _mm512_mul_ps(dv, broadcast_f32(block + 4 * n)), sum[n]);
    if (with_min) {
      const __m512 mv = _mm512_load_ps(m);
#pragma GCC unroll 12
      for (int n = 0; n < w; ++n) sum[n] = _mm512_fnmadd_ps(mv, broadcast_f32(sums + 4 * n), sum[n]);
    }
  };

  const unsigned char* block = acts;
  if constexpr (sub16) {
    for (int64_t b = 0; b < n_blocks; b += 4, block += 4 * kActBlockColBytes * w) {
      const QTile& tile = tiles[b / 8];
      for (int odd = 0; odd < 2; ++odd) {
        for (int i = 0; i < 4; ++i) {
          const unsigned char* at = block + i * kActBlockColBytes * w;
          const int64_t in_tile = b % 8 + i;
          sub_block(tile.q[in_tile][4 * odd][0], tile.d[2 * in_tile + odd], tile.m[2 * in_tile + odd], at, at + 28 * w + 16 * w * odd,
                    at + (1 + odd) * 4 * w, at + (4 + odd) * 4 * w);
        }
      }
    }
  } else {
    for (int64_t b = 0; b < n_blocks; ++b, block += kActBlockColBytes * w) {
      const QTile& tile = tiles[b / 8];
      sub_block(tile.q[b % 8][0][0], tile.d[b % 8], tile.m[b % 8], block, block + 28 * w, block + 3 * 4 * w, block + 6 * 4 * w);
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
