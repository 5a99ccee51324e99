// Where a decoder's codes go: into a tile, or straight into the products of one column tile.
#pragma once

#include <immintrin.h>
#include <string.h>

#include "kernels/table.h"

namespace firesteel {
namespace {

// What a decoder gives: bytes b for tile codes (b >> shift) + bias; shift is 0, or 4 and the low 4 bits are zero.
struct Raw {
  int bias, shift;
};

[[gnu::always_inline]] inline __m512i tile_code(Raw raw, __m512i v) {
  if (raw.shift == 4) v = _mm512_srli_epi16(v, 4);
  return raw.bias > 0 ? _mm512_add_epi8(v, _mm512_set1_epi8(static_cast<char>(raw.bias))) : v;
}

struct TileSink {
  static constexpr int kColumns = 0;
  QTile* tile;

  [[gnu::always_inline]] void scale(int s, __m512 d) { _mm512_store_ps(tile->d[s], d); }
  [[gnu::always_inline]] void scale(int s, __m512 d, __m512 m) {
    _mm512_store_ps(tile->d[s], d);
    _mm512_store_ps(tile->m[s], m);
  }
  template <Raw raw, typename Code>
  [[gnu::always_inline]] void block(int b, Code code) {
#pragma GCC unroll 8
    for (int g = 0; g < 8; ++g) _mm512_store_si512(tile->q[b][g], tile_code(raw, code(g)));
  }
  template <Raw raw, typename Code>
  [[gnu::always_inline]] void sub16(int s, Code code) {
#pragma GCC unroll 4
    for (int g = 0; g < 4; ++g) _mm512_store_si512(tile->q[s / 2][s % 2 * 4 + g], tile_code(raw, code(g)));
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
  static constexpr int kColumns = w;
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
  template <Raw raw, typename Code>
  [[gnu::always_inline]] void block(int b, Code code) {
    const unsigned char* block = acts + b * kActBlockColBytes * w;
    products<8, raw>({block, block + 12 * w, block + 24 * w, block + 28 * w}, d[b], m[b], code);
  }
  template <Raw raw, typename Code>
  [[gnu::always_inline]] void sub16(int s, Code code) {
    const unsigned char* block = acts + s / 2 * kActBlockColBytes * w;
    products<4, raw>({block, block + (1 + s % 2) * 4 * w, block + (4 + s % 2) * 4 * w, block + (28 + s % 2 * 16) * w}, d[s], m[s], code);
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

  template <int n_groups, Raw raw, typename Code>
  [[gnu::always_inline]] void products(const Columns& a, const float* ds, const float* ms, Code code) {
    if (next != nullptr) {
#pragma GCC unroll 16
      for (int i = 0; i < kLines; ++i) _mm_prefetch(next + 64 * i, _MM_HINT_T1);
      next += 64 * kLines;
    }
    constexpr int kFirst = w <= 8 ? w : (w + 1) / 2;
    products_of<n_groups, raw, 0, kFirst>(a, ds, ms, code);
    if constexpr (kFirst < w) products_of<n_groups, raw, kFirst, w - kFirst>(a, ds, ms, code);
  }

  // Columns n0 .. n0 + count. Few of them get the decoder's bytes as they are, and make up for it once per sub-block: with codes
  // (b >> shift) + bias, sum(code * a) - 128 * sum(a) = (sum(b * a) + corr * ((128 - bias) << shift) / 128) >> shift, exactly.
  template <int n_groups, Raw raw, int n0, int count, typename Code>
  [[gnu::always_inline]] void products_of(const Columns& a, const float* ds, const float* ms, Code code) {
    constexpr bool kLate = count < n_groups;
    constexpr int kFraction = (128 - raw.bias) << raw.shift;  // of 128: a power of two
    constexpr int kCorrShift = !kLate ? 0 : kFraction >= 128 ? 0 : __builtin_ctz(128 / kFraction);
    static_assert(with_min || (kFraction <= 128 && (kFraction & (kFraction - 1)) == 0));
    constexpr int kChains = count == 1 && n_groups == 8 ? 2 : 1;  // the latency of a product is 4 cycles
    __m512i isum[size_t{count * kChains}];
#pragma GCC unroll 12
    for (int n = 0; n < count; ++n) {
      isum[n] = with_min ? _mm512_setzero_si512() : broadcast_i32(a.corr + 4 * (n0 + n));
      if constexpr (!with_min && kCorrShift > 0) isum[n] = _mm512_srai_epi32(isum[n], kCorrShift);
    }
    if constexpr (kChains == 2) isum[1] = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int g = 0; g < n_groups; ++g) {
      const __m512i weights = kLate ? code(g) : tile_code(raw, code(g));
#pragma GCC unroll 12
      for (int n = 0; n < count; ++n) {
        __m512i& chain = isum[n + g % kChains];
        chain = _mm512_dpbusd_epi32(chain, weights, broadcast_i32(a.q + 4 * (g * w + n0 + n)));
      }
    }
    if constexpr (kChains == 2) isum[0] = _mm512_add_epi32(isum[0], isum[1]);
    if constexpr (kLate && raw.shift > 0) {
#pragma GCC unroll 12
      for (int n = 0; n < count; ++n) isum[n] = _mm512_srai_epi32(isum[n], raw.shift);
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
