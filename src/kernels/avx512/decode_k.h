// Decoders of the types with super-blocks of 256: one super-block of 16 rows at a time. Byte layouts: docs/formats/gguf.md.
//
// A decoder gives all scales to a sink (sink.h), then sub-blocks in the order of table.h: sink.block<raw>(b, code) of 32, or
// sink.sub16<raw>(s, code) of 16 values, where code(g) is the register of the sub-block's k group g: tile codes, but for `raw`.
#pragma once

#include <immintrin.h>

#include "kernels/avx512/columns.h"
#include "kernels/avx512/sink.h"

namespace firesteel {
namespace {

[[gnu::always_inline]] inline __m512i mask_bytes(__m512i v, int bits) { return _mm512_and_si512(v, _mm512_set1_epi8(static_cast<char>(bits))); }
// Low kBits of a, above them the bits of b.
[[gnu::always_inline]] inline __m512i join(int low_bits, __m512i a, __m512i b) {
  return select_bits(_mm512_set1_epi8(static_cast<char>(low_bits)), a, b);
}
// Left for positive n, right for negative.
[[gnu::always_inline]] inline __m512i shift(__m512i v, int n) {
  return n >= 0 ? _mm512_slli_epi32(v, static_cast<unsigned>(n)) : _mm512_srli_epi32(v, static_cast<unsigned>(-n));
}

// Byte i of each dword, unsigned, as f32.
[[gnu::always_inline]] inline __m512 byte_ps(__m512i v, int i) {
  return _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_srli_epi32(v, static_cast<unsigned>(8 * i)), _mm512_set1_epi32(255)));
}
// The same, signed.
[[gnu::always_inline]] inline __m512 signed_byte_ps(__m512i v, int i) {
  return _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, static_cast<unsigned>(24 - 8 * i)), 24));
}

// fn(0) .. fn(n - 1): one after the other for products of at most w_unrolled columns (fewer instructions), else a loop (less code).
template <int n, int w_unrolled, typename Sink, typename Fn>
[[gnu::always_inline]] inline void for_parts(Sink*, Fn fn) {
  if constexpr (Sink::kColumns > 0 && Sink::kColumns <= w_unrolled) {
#pragma GCC unroll 8
    for (int i = 0; i < n; ++i) fn(i);
  } else {
#pragma GCC unroll 1
    for (int i = 0; i < n; ++i) fn(i);
  }
}

// Scales and minima of the 8 sub-blocks of Q4_K and Q5_K, from the 16 bytes at p.
template <typename Sink>
[[gnu::always_inline]] inline void scales_k4(const uint8_t* p, size_t ld, Sink* sink) {
  __m512i h[4];  // d | dmin << 16; then the 12 bytes
  load_columns(p, ld, h);
  const __m512 d = low_half(h[0]), dmin = high_half(h[0]);
  const __m512i scale[2] = {mask_bytes(h[1], 63), _mm512_or_si512(mask_bytes(h[3], 15), mask_bytes(shift(h[1], -2), 0x30))};
  const __m512i min[2] = {mask_bytes(h[2], 63), _mm512_or_si512(mask_bytes(shift(h[3], -4), 15), mask_bytes(shift(h[2], -2), 0x30))};
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j) {
    sink->scale(j, _mm512_mul_ps(d, byte_ps(scale[j / 4], j % 4)), _mm512_mul_ps(dmin, byte_ps(min[j / 4], j % 4)));
  }
}

struct Q4_K {
  static constexpr int kBytes = 144, kKind = kMin32;
  template <typename Sink>
  [[gnu::always_inline]] static void tile(const uint8_t* p, size_t ld, Sink* sink) {
    scales_k4(p, ld, sink);
    for_parts<4, 12>(sink, [&](int g64) __attribute__((always_inline)) {  // 64 elements: the nibbles of 32 bytes, low ones first
      __m512i v[8];
      load_columns(p + 16 + 32 * g64, ld, v);
      load_columns(p + 32 + 32 * g64, ld, v + 4);
      sink->template block<Raw{0, 0}>(2 * g64, [&](int g) __attribute__((always_inline)) { return mask_bytes(v[g], 15); });
      sink->template block<Raw{0, 4}>(2 * g64 + 1, [&](int g) __attribute__((always_inline)) { return mask_bytes(v[g], 0xF0); });
    });
  }
};

struct Q5_K {
  static constexpr int kBytes = 176, kKind = kMin32;
  template <typename Sink>
  [[gnu::always_inline]] static void tile(const uint8_t* p, size_t ld, Sink* sink) {
    scales_k4(p, ld, sink);
    alignas(64) __m512i h[8];  // bit j of byte l: fifth bit of element l of sub-block j; shifted so that the current bit is in place 4
    load_columns(p + 16, ld, h);
    load_columns(p + 32, ld, h + 4);
#pragma GCC unroll 8
    for (int c = 0; c < 8; ++c) h[c] = _mm512_rol_epi32(h[c], 4);
    for_parts<4, 12>(sink, [&](int g64) __attribute__((always_inline)) {
      __m512i v[8];
      load_columns(p + 48 + 32 * g64, ld, v);
      load_columns(p + 64 + 32 * g64, ld, v + 4);
      sink->template block<Raw{0, 0}>(2 * g64, [&](int g) __attribute__((always_inline)) { return mask_bytes(join(15, v[g], h[g]), 31); });
      sink->template block<Raw{0, 0}>(2 * g64 + 1, [&](int g) __attribute__((always_inline)) {
        return mask_bytes(join(15, _mm512_srli_epi16(v[g], 4), _mm512_ror_epi32(h[g], 1)), 31);
      });
#pragma GCC unroll 8
      for (int c = 0; c < 8; ++c) h[c] = _mm512_ror_epi32(h[c], 2);
    });
  }
};

struct Q6_K {
  static constexpr int kBytes = 210, kKind = kBiased16;
  template <typename Sink>
  [[gnu::always_inline]] static void tile(const uint8_t* p, size_t ld, Sink* sink) {
    __m512i sc[4], last[4];
    load_columns(p + 192, ld, sc);
    load_columns(p + 194, ld, last);  // ends with d
    const __m512 d = high_half(last[3]);
#pragma GCC unroll 16
    for (int s = 0; s < 16; ++s) sink->scale(s, _mm512_mul_ps(d, signed_byte_ps(sc[s / 4], s % 4)));
    for_parts<4, 4>(sink, [&](int part) __attribute__((always_inline)) {  // of each half of 128: even sub-blocks, then odd ones
      const int half = part / 2, odd = part % 2;
      __m512i low[4], high[4], top[4];
      load_columns(p + 64 * half + 16 * odd, ld, low);
      load_columns(p + 64 * half + 32 + 16 * odd, ld, high);
      load_columns(p + 128 + 32 * half + 16 * odd, ld, top);
      const auto code = [](__m512i low4, __m512i high2) __attribute__((always_inline)) {
        return mask_bytes(join(15, low4, high2), 63);
      };
      const int s = 8 * half + odd;
      sink->template sub16<Raw{96, 0}>(s, [&](int g) __attribute__((always_inline)) { return code(low[g], shift(top[g], 4)); });
      sink->template sub16<Raw{96, 0}>(s + 2, [&](int g) __attribute__((always_inline)) { return code(high[g], shift(top[g], 2)); });
      sink->template sub16<Raw{96, 0}>(s + 4, [&](int g) __attribute__((always_inline)) { return code(_mm512_srli_epi16(low[g], 4), top[g]); });
      sink->template sub16<Raw{96, 0}>(s + 6, [&](int g) __attribute__((always_inline)) {
        return code(_mm512_srli_epi16(high[g], 4), shift(top[g], -2));
      });
    });
  }
};

struct Q3_K {
  static constexpr int kBytes = 110, kKind = kBiased16;
  template <typename Sink>
  [[gnu::always_inline]] static void tile(const uint8_t* p, size_t ld, Sink* sink) {
    __m512i tail[4];  // two bytes of qs, 12 of scales, d
    load_columns(p + 94, ld, tail);
    const __m512 d = high_half(tail[3]);
    const __m512i s0 = _mm512_shrdi_epi32(tail[0], tail[1], 16), s1 = _mm512_shrdi_epi32(tail[1], tail[2], 16);
    const __m512i s2 = _mm512_shrdi_epi32(tail[2], tail[3], 16);
    const __m512i scale[4] = {mask_bytes(join(15, s0, shift(s2, 4)), 63), mask_bytes(join(15, s1, shift(s2, 2)), 63),
                              mask_bytes(join(15, shift(s0, -4), s2), 63), mask_bytes(join(15, shift(s1, -4), shift(s2, -2)), 63)};
#pragma GCC unroll 16
    for (int s = 0; s < 16; ++s) sink->scale(s, _mm512_mul_ps(d, _mm512_sub_ps(byte_ps(scale[s / 4], s % 4), _mm512_set1_ps(32.0f))));
    for_parts<4, 4>(sink, [&](int part) __attribute__((always_inline)) {
      const int half = part / 2, odd = part % 2;
      __m512i h[4], v[4];
      load_columns(p + 16 * odd, ld, h);  // bit 4*half + step of hmask, wanted in place 2
#pragma GCC unroll 4
      for (int g = 0; g < 4; ++g) h[g] = _mm512_rolv_epi32(h[g], _mm512_set1_epi32(2 - 4 * half));
      load_columns(p + 32 + 32 * half + 16 * odd, ld, v);
#pragma GCC unroll 4
      for (int step = 0; step < 4; ++step) {
        sink->template sub16<Raw{124, 0}>(8 * half + odd + 2 * step, [&](int g) __attribute__((always_inline)) {
          return mask_bytes(join(3, shift(v[g], -2 * step), shift_right_circular(h[g], step)), 7);
        });
      }
    });
  }

 private:
  [[gnu::always_inline]] static __m512i shift_right_circular(__m512i v, int n) { return _mm512_rorv_epi32(v, _mm512_set1_epi32(n)); }
};

struct Q2_K {
  static constexpr int kBytes = 84, kKind = kMin16;
  template <typename Sink>
  [[gnu::always_inline]] static void tile(const uint8_t* p, size_t ld, Sink* sink) {
    __m512i sc[4], last[4];
    load_columns(p, ld, sc);
    load_columns(p + 68, ld, last);  // ends with d, dmin
    const __m512 d = low_half(last[3]), dmin = high_half(last[3]);
#pragma GCC unroll 16
    for (int s = 0; s < 16; ++s) {
      sink->scale(s, _mm512_mul_ps(d, byte_ps(mask_bytes(sc[s / 4], 15), s % 4)),
                  _mm512_mul_ps(dmin, byte_ps(mask_bytes(shift(sc[s / 4], -4), 15), s % 4)));
    }
    for_parts<4, 4>(sink, [&](int part) __attribute__((always_inline)) {
      const int half = part / 2, odd = part % 2;
      __m512i v[4];
      load_columns(p + 16 + 32 * half + 16 * odd, ld, v);
#pragma GCC unroll 4
      for (int step = 0; step < 4; ++step) {
        sink->template sub16<Raw{0, 0}>(8 * half + odd + 2 * step, [&](int g) __attribute__((always_inline)) {
          return mask_bytes(shift(v[g], -2 * step), 3);
        });
      }
    });
  }
};

struct IQ4_XS {
  static constexpr int kBytes = 136, kKind = kBiased32;
  template <typename Sink>
  [[gnu::always_inline]] static void tile(const uint8_t* p, size_t ld, Sink* sink) {
    alignas(16) static constexpr uint8_t kCodes[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
    __m512i head[4];  // d | scales_h << 16; scales_l
    load_columns(p, ld, head);
    const __m512 d = low_half(head[0]);
#pragma GCC unroll 8
    for (int b = 0; b < 8; ++b) {
      const __m512i low = _mm512_and_si512(shift(head[1], -4 * b), _mm512_set1_epi32(15));
      const __m512i high = _mm512_and_si512(shift(head[0], -16 - 2 * b), _mm512_set1_epi32(3));
      const __m512i scale = _mm512_sub_epi32(_mm512_or_si512(low, shift(high, 4)), _mm512_set1_epi32(32));
      sink->scale(b, _mm512_mul_ps(d, _mm512_cvtepi32_ps(scale)));
    }
    for_parts<8, 4>(sink, [&](int b) __attribute__((always_inline)) {
      __m512i v[4];
      load_columns(p + 8 + 16 * b, ld, v);
      const __m512i codes = _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(kCodes)));
      sink->template block<Raw{0, 0}>(b, [&](int g) __attribute__((always_inline)) {
        return _mm512_shuffle_epi8(codes, mask_bytes(g < 4 ? v[g] : _mm512_srli_epi16(v[g - 4], 4), 15));
      });
    });
  }
};

}  // namespace
}  // namespace firesteel
