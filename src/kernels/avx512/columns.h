// Sixteen rows to columns: the transposition under every unpacker of this folder.
//
// A file stores rows; a tile wants the same 4 bytes (a dword) of 16 rows in one register. Loading 16 bytes of each row into their
// lanes and interleaving inside the lanes takes 16 loads (8 of them merging into 256 bits, which Zen 4 does as fast as a load),
// 4 merges to 512 bits and 8 shuffles for 4 columns: 12 cycles. Sixteen 64-byte loads and a full transposition need 17 and cross a
// cache line with every load of an unaligned row; merging straight into 512 bits (vinserti32x4 from memory) also needs 17.
#pragma once

#include <immintrin.h>

#include "kernels/table.h"

namespace firesteel {
namespace {

[[gnu::always_inline]] inline __m256i load_two(const uint8_t* low, const uint8_t* high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(low))),
                                 _mm_loadu_si128(reinterpret_cast<const __m128i*>(high)), 1);
}

// Lane L of the result: the 16 bytes at p + (4*L) * ld.
[[gnu::always_inline]] inline __m512i load_lanes(const uint8_t* p, size_t ld) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(load_two(p, p + 4 * ld)), load_two(p + 8 * ld, p + 12 * ld), 1);
}

// y0..y3: lanes of rows 4L, 4L+1, 4L+2, 4L+3.
[[gnu::always_inline]] inline void interleave(__m512i y0, __m512i y1, __m512i y2, __m512i y3, __m512i out[4]) {
  const __m512i t0 = _mm512_unpacklo_epi32(y0, y1), t1 = _mm512_unpackhi_epi32(y0, y1);
  const __m512i t2 = _mm512_unpacklo_epi32(y2, y3), t3 = _mm512_unpackhi_epi32(y2, y3);
  out[0] = _mm512_unpacklo_epi64(t0, t2);
  out[1] = _mm512_unpackhi_epi64(t0, t2);
  out[2] = _mm512_unpacklo_epi64(t1, t3);
  out[3] = _mm512_unpackhi_epi64(t1, t3);
}

// out[i], dword r: bytes 4i .. 4i+3 at p + r * ld. Reads 16 bytes of each of 16 rows.
[[gnu::always_inline]] inline void load_columns(const uint8_t* p, size_t ld, __m512i out[4]) {
  interleave(load_lanes(p, ld), load_lanes(p + ld, ld), load_lanes(p + 2 * ld, ld), load_lanes(p + 3 * ld, ld), out);
}

// The same for 64 bytes of each row, one row's after the other: rows of f32 and bf16 are often a multiple of 4 KiB apart, so that
// 16 of them share 8 lines of the first cache, and a line would be gone before its next 16 bytes are wanted.
[[gnu::always_inline]] inline void load_columns_64(const uint8_t* p, size_t ld, __m512i out[16]) {
  __m512i y[4][4];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
#pragma GCC unroll 4
    for (size_t c = 0; c < 4; ++c) y[i][c] = load_lanes(p + i * ld + 16 * c, ld);
  }
#pragma GCC unroll 4
  for (size_t c = 0; c < 4; ++c) interleave(y[0][c], y[1][c], y[2][c], y[3][c], out + 4 * c);
}

[[gnu::always_inline]] inline void store(void* p, __m512i v) { _mm512_store_si512(p, v); }

// The low (high) 16 bits of each dword as f16.
[[gnu::always_inline]] inline __m512 low_half(__m512i v) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v)); }
[[gnu::always_inline]] inline __m512 high_half(__m512i v) { return low_half(_mm512_srli_epi32(v, 16)); }

// Bits of a where mask is 1, of b elsewhere.
[[gnu::always_inline]] inline __m512i select_bits(__m512i mask, __m512i a, __m512i b) {
  return _mm512_ternarylogic_epi32(mask, a, b, 0xCA);
}

}  // namespace
}  // namespace firesteel
