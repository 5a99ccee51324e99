// Quantised tile products for one kind of tile; each dot_*.cc instantiates one kind, to keep compile times low.
//
// Two panels at a time and up to 6 columns: 12 integer and 12 float accumulators live in registers. Per block of 32 and column there are 8
// products, and a multiplication and a fused multiply-add for the scales besides (10 slots in all: at most 80 % of peak; 11 with minima). Loads
// would be as scarce as products (two a cycle on family 26) if each product loaded its activation; here one load serves both panels.
#pragma once

#include <immintrin.h>

#include "kernels/avx512/sink.h"

namespace firesteel {
namespace {

// The panel `p` panels on, at the same place of its tile.
template <typename T>
[[gnu::always_inline]] inline const T* in_panel(const T* at, int p, int64_t panel_bytes) {
  return reinterpret_cast<const T*>(reinterpret_cast<const char*>(at) + p * panel_bytes);
}

// `count` columns of a column tile of w: `acts` and `acc` at the first of them. Tiles of the second panel are panel_bytes further on.
template <bool sub16, bool with_min, int n_panels, int count>
void qdot(float* acc, const QTile* tiles, int64_t panel_bytes, int64_t n_blocks, const unsigned char* acts, int64_t w) {
  __m512 sum[size_t{n_panels * count}];
#pragma GCC unroll 12
  for (int i = 0; i < n_panels * count; ++i) sum[i] = _mm512_loadu_ps(acc + (i / count * kMaxCols + i % count) * kPanelRows);

  // One sub-block: its codes [n_groups][16][4], its scales, and its words among the activations.
  const auto sub_block = [&sum, panel_bytes, w](const uint8_t* q, const float* d, const float* m, const unsigned char* block, const unsigned char* a,
                                                const unsigned char* sums, const unsigned char* corr) __attribute__((always_inline)) {
    __m512i isum[size_t{n_panels * count}];
#pragma GCC unroll 12
    for (int i = 0; i < n_panels * count; ++i) isum[i] = with_min ? _mm512_setzero_si512() : broadcast_i32(corr + 4 * (i % count));
#pragma GCC unroll 8
    for (int g = 0; g < (sub16 ? 4 : 8); ++g, a += 4 * w) {
      __m512i weights[size_t{n_panels}];
#pragma GCC unroll 2
      for (int p = 0; p < n_panels; ++p) weights[p] = _mm512_load_si512(in_panel(q + 64 * g, p, panel_bytes));
#pragma GCC unroll 6
      for (int n = 0; n < count; ++n) {
        const __m512i act = broadcast_i32(a + 4 * n);
#pragma GCC unroll 2
        for (int p = 0; p < n_panels; ++p) isum[p * count + n] = _mm512_dpbusd_epi32(isum[p * count + n], weights[p], act);
      }
    }
    __m512 dv[size_t{n_panels}];
#pragma GCC unroll 2
    for (int p = 0; p < n_panels; ++p) dv[p] = _mm512_load_ps(in_panel(d, p, panel_bytes));
#pragma GCC unroll 6
    for (int n = 0; n < count; ++n) {
      const __m512 scale = broadcast_f32(block + 4 * n);
#pragma GCC unroll 2
      for (int p = 0; p < n_panels; ++p) {
        __m512& s = sum[p * count + n];
        s = _mm512_fmadd_ps(_mm512_cvtepi32_ps(isum[p * count + n]), _mm512_mul_ps(dv[p], scale), s);
      }
    }
    if (with_min) {
#pragma GCC unroll 2
      for (int p = 0; p < n_panels; ++p) dv[p] = _mm512_load_ps(in_panel(m, p, panel_bytes));
#pragma GCC unroll 6
      for (int n = 0; n < count; ++n) {
        const __m512 act_sum = broadcast_f32(sums + 4 * n);
#pragma GCC unroll 2
        for (int p = 0; p < n_panels; ++p) sum[p * count + n] = _mm512_fnmadd_ps(dv[p], act_sum, sum[p * count + n]);
      }
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
  for (int i = 0; i < n_panels * count; ++i) _mm512_storeu_ps(acc + (i / count * kMaxCols + i % count) * kPanelRows, sum[i]);
}

template <bool sub16, bool with_min, int n_panels>
void qdot_columns(float* acc, int count, const QTile* tiles, int64_t panel_bytes, int64_t n_blocks, const unsigned char* acts, int64_t w) {
  switch (count) {
    case 1: return qdot<sub16, with_min, n_panels, 1>(acc, tiles, panel_bytes, n_blocks, acts, w);
    case 2: return qdot<sub16, with_min, n_panels, 2>(acc, tiles, panel_bytes, n_blocks, acts, w);
    case 3: return qdot<sub16, with_min, n_panels, 3>(acc, tiles, panel_bytes, n_blocks, acts, w);
    case 4: return qdot<sub16, with_min, n_panels, 4>(acc, tiles, panel_bytes, n_blocks, acts, w);
    case 5: return qdot<sub16, with_min, n_panels, 5>(acc, tiles, panel_bytes, n_blocks, acts, w);
    default: return qdot<sub16, with_min, n_panels, 6>(acc, tiles, panel_bytes, n_blocks, acts, w);
  }
}

template <bool sub16, bool with_min>
void qdot_any(float* acc, int w, int n_panels, const QTile* tiles, int64_t n_blocks, const void* acts) {
  const int64_t n_tiles = (n_blocks + 7) / 8;
  const int64_t panel_bytes = n_tiles * static_cast<int64_t>(sizeof(QTile));
  const unsigned char* a = static_cast<const unsigned char*>(acts);
  const int n_parts = (w + 5) / 6;
  for (int p = 0; p < n_panels; p += 2, acc += 2 * kMaxCols * kPanelRows, tiles += 2 * n_tiles) {
    for (int part = 0; part < n_parts; ++part) {
      const int first = w * part / n_parts, count = w * (part + 1) / n_parts - first;
      if (p + 1 < n_panels) {
        qdot_columns<sub16, with_min, 2>(acc + first * kPanelRows, count, tiles, panel_bytes, n_blocks, a + 4 * first, w);
      } else {
        qdot_columns<sub16, with_min, 1>(acc + first * kPanelRows, count, tiles, panel_bytes, n_blocks, a + 4 * first, w);
      }
    }
  }
}

}  // namespace
}  // namespace firesteel
