// Where a decoder's codes go: into a tile, or straight into the products of one column tile.
#pragma once

#include <immintrin.h>
#include <string.h>

#include "kernels/table.h"

namespace firesteel {
namespace {

struct TileSink {
  QTile* tile;

  [[gnu::always_inline]] void scale(int s, __m512 d) { _mm512_store_ps(tile->d[s], d); }
  [[gnu::always_inline]] void scale(int s, __m512 d, __m512 m) {
    _mm512_store_ps(tile->d[s], d);
    _mm512_store_ps(tile->m[s], m);
  }
  template <typename Code>
  [[gnu::always_inline]] void block(int b, Code code) {
#pragma GCC unroll 8
    for (int g = 0; g < 8; ++g) _mm512_store_si512(tile->q[b][g], code(g));
  }
  template <typename Code>
  [[gnu::always_inline]] void sub16(int s, Code code) {
#pragma GCC unroll 4
    for (int g = 0; g < 4; ++g) _mm512_store_si512(tile->q[s / 2][s % 2 * 4 + g], code(g));
  }
};

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

// Products of w columns, with the operations of table.h in its order. `acts` is the column tile at the first block of the weights
// that are being decoded. Scales pass through the first cache, to leave the registers to accumulators: w of f32 and, for at most
// 8 columns at a time (more are done in two halves), integers. Each sub-block asks for kLines cache lines of the weights to come,
// into the second cache: a panel ahead they would push each other out of the first (10 instead of 23-26 GB/s on one thread).
template <int w, bool with_min, int kLines>
struct DotSink {
  __m512 sum[size_t{w}];
  const unsigned char* acts;
  const uint8_t* next;  // null: nothing to ask for
  alignas(64) float d[16][kPanelRows];
  alignas(64) float m[16][kPanelRows];

  [[gnu::always_inline]] void scale(int s, __m512 value) { _mm512_store_ps(d[s], value); }
  [[gnu::always_inline]] void scale(int s, __m512 value, __m512 min) {
    _mm512_store_ps(d[s], value);
    _mm512_store_ps(m[s], min);
  }
  template <typename Code>
  [[gnu::always_inline]] void block(int b, Code code) {
    const unsigned char* block = acts + b * kActBlockColBytes * w;
    products<8>({block, block + 12 * w, block + 24 * w, block + 28 * w}, d[b], m[b], code);
  }
  template <typename Code>
  [[gnu::always_inline]] void sub16(int s, Code code) {
    const unsigned char* block = acts + s / 2 * kActBlockColBytes * w;
    products<4>({block, block + (1 + s % 2) * 4 * w, block + (4 + s % 2) * 4 * w, block + (28 + s % 2 * 16) * w}, d[s], m[s], code);
  }

  [[gnu::always_inline]] void load(const float* acc) {
#pragma GCC unroll 12
    for (int n = 0; n < w; ++n) sum[n] = _mm512_loadu_ps(acc + n * kPanelRows);
  }
  [[gnu::always_inline]] void store(float* acc) const {
#pragma GCC unroll 12
    for (int n = 0; n < w; ++n) _mm512_storeu_ps(acc + n * kPanelRows, sum[n]);
  }

 private:
  // Words of a block's columns: scale, sum and correction of the (sub-)block, and the codes [group][w][4].
  struct Columns {
    const unsigned char *scale, *sum, *corr, *q;
  };

  template <int n_groups, typename Code>
  [[gnu::always_inline]] void products(const Columns& a, const float* ds, const float* ms, Code code) {
    if (next != nullptr) {
#pragma GCC unroll 16
      for (int i = 0; i < kLines; ++i) _mm_prefetch(next + 64 * i, _MM_HINT_T1);
      next += 64 * kLines;
    }
    constexpr int kFirst = w <= 8 ? w : (w + 1) / 2;
    products_of<n_groups, 0, kFirst>(a, ds, ms, code);
    if constexpr (kFirst < w) products_of<n_groups, kFirst, w - kFirst>(a, ds, ms, code);
  }

  // Columns n0 .. n0 + count.
  template <int n_groups, int n0, int count, typename Code>
  [[gnu::always_inline]] void products_of(const Columns& a, const float* ds, const float* ms, Code code) {
    __m512i isum[size_t{count}];
#pragma GCC unroll 12
    for (int n = 0; n < count; ++n) isum[n] = with_min ? _mm512_setzero_si512() : broadcast_i32(a.corr + 4 * (n0 + n));
#pragma GCC unroll 8
    for (int g = 0; g < n_groups; ++g) {
      const __m512i weights = code(g);
#pragma GCC unroll 12
      for (int n = 0; n < count; ++n) isum[n] = _mm512_dpbusd_epi32(isum[n], weights, broadcast_i32(a.q + 4 * (g * w + n0 + n)));
    }
    const __m512 dv = _mm512_load_ps(ds);
#pragma GCC unroll 12
    for (int n = 0; n < count; ++n) {
      sum[n0 + n] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(isum[n]), _mm512_mul_ps(dv, broadcast_f32(a.scale + 4 * (n0 + n))), sum[n0 + n]);
    }
    if constexpr (with_min) {
      const __m512 mv = _mm512_load_ps(ms);
#pragma GCC unroll 12
      for (int n = 0; n < count; ++n) sum[n0 + n] = _mm512_fnmadd_ps(mv, broadcast_f32(a.sum + 4 * (n0 + n)), sum[n0 + n]);
    }
  }
};

}  // namespace
}  // namespace firesteel
