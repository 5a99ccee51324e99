// Decoders of the types with blocks of 32: four blocks (a whole number of dwords) of 16 rows at a time.
//
// A decoder gives each block to a sink (sink.h): sink.scale(b, d[, m]), then sink.block<raw>(b, code), where code(g) is the register
// of k group g (0..7): tile codes, but for `raw`. Codes are made where they are used, so that nothing is stored when they are
// multiplied at once.
#pragma once

#include <immintrin.h>

#include "kernels/avx512/columns.h"
#include "kernels/avx512/sink.h"

namespace firesteel {
namespace {

// The dword columns of four blocks; block b begins at byte b * kBytes of a row. Loaded as far as needed, to keep few live.
template <int kBytes>
struct FourBlocks {
  const uint8_t* p;
  size_t ld;
  __m512i t[size_t{(kBytes + 3) / 4 * 4}];

  static constexpr int chunks_for(int n_blocks) { return (n_blocks * kBytes + 15) / 16; }

  // Loads what block b needs beyond what the blocks before it needed.
  template <int b>
  [[gnu::always_inline]] void load() {
    load_chunks<chunks_for(b), chunks_for(b + 1)>();
  }

  // Four bytes from byte kOffset on, of every row.
  template <int kOffset>
  [[gnu::always_inline]] __m512i at() const {
    if constexpr (kOffset % 4 == 0) {
      return t[kOffset / 4];
    } else {
      return _mm512_shrdi_epi32(t[kOffset / 4], t[kOffset / 4 + 1], kOffset % 4 * 8);
    }
  }

  template <int c, int end>
  [[gnu::always_inline]] void load_chunks() {
    if constexpr (c < end) {
      if constexpr (c < kBytes / 4) {
        load_columns(p + 16 * c, ld, t + 4 * c);
      } else {  // the last columns by a load that ends with the last block
        __m512i last[4];
        load_columns(p + 4 * kBytes - 16, ld, last);
#pragma GCC unroll 4
        for (int i = kBytes / 4 * 4; i < kBytes; ++i) t[i] = last[i - kBytes + 4];
      }
      load_chunks<c + 1, end>();
    }
  }

  // The f16 at byte kOffset (even).
  template <int kOffset>
  [[gnu::always_inline]] __m512 half_at() const {
    return kOffset % 4 == 0 ? low_half(t[kOffset / 4]) : high_half(t[kOffset / 4]);
  }
};

// Gives the sink 16 bytes of nibbles at byte kOffset: low nibbles are groups 0..3. code(v, g) makes raw bytes of nibbles.
template <Raw raw, int kOffset, int kBytes, typename Sink, typename Code>
[[gnu::always_inline]] inline void nibble_block(const FourBlocks<kBytes>& in, int b, Sink* sink, Code code) {
  const __m512i v[4] = {in.template at<kOffset>(), in.template at<kOffset + 4>(), in.template at<kOffset + 8>(), in.template at<kOffset + 12>()};
  sink->template block<raw>(b, [&](int g) __attribute__((always_inline)) {
    const __m512i x = g < 4 ? v[g] : _mm512_srli_epi16(v[g - 4], 4);
    return code(_mm512_and_si512(x, _mm512_set1_epi8(15)), g);
  });
}

// Bit 4*g + i of the dword of a row as bit 4 of byte i: each byte takes the 8 bits that begin 4 below.
[[gnu::always_inline]] inline __m512i fifth_bits(__m512i high, int g) {
  int64_t shifts = 0;
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) shifts |= static_cast<int64_t>((4 * g - 4 + i % 4 + i / 4 * 32) & 63) << (8 * i);
  return _mm512_and_si512(_mm512_multishift_epi64_epi8(_mm512_set1_epi64(shifts), high), _mm512_set1_epi8(16));
}

[[gnu::always_inline]] inline __m512i lookup(const uint8_t codes[16], __m512i nibbles) {
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes))), nibbles);
}

// Each type: kBytes of a block of 32, and block<i>(in, b, sink) for block i of the four, which is block b of the tile.

struct Q8_0 {
  static constexpr int kBytes = 34, kKind = kBiased32;
  template <int i, typename Sink>
  [[gnu::always_inline]] static void block(const FourBlocks<kBytes>& in, int b, Sink* sink) {
    sink->scale(b, in.template half_at<i * kBytes>());
    const __m512i v[8] = {in.template at<i * kBytes + 2>(),  in.template at<i * kBytes + 6>(),  in.template at<i * kBytes + 10>(),
                          in.template at<i * kBytes + 14>(), in.template at<i * kBytes + 18>(), in.template at<i * kBytes + 22>(),
                          in.template at<i * kBytes + 26>(), in.template at<i * kBytes + 30>()};
    sink->template block<Raw{0, 0}>(b, [&](int g) __attribute__((always_inline)) {
      return _mm512_xor_si512(v[g], _mm512_set1_epi8(-128));
    });
  }
};

struct Q4_0 {
  static constexpr int kBytes = 18, kKind = kBiased32;
  template <int i, typename Sink>
  [[gnu::always_inline]] static void block(const FourBlocks<kBytes>& in, int b, Sink* sink) {
    sink->scale(b, in.template half_at<i * kBytes>());
    nibble_block<Raw{120, 0}, i * kBytes + 2>(in, b, sink, [](__m512i v, int) __attribute__((always_inline)) { return v; });
  }
};

struct Q4_1 {
  static constexpr int kBytes = 20, kKind = kMin32;
  template <int i, typename Sink>
  [[gnu::always_inline]] static void block(const FourBlocks<kBytes>& in, int b, Sink* sink) {
    sink->scale(b, in.template half_at<i * kBytes>(), _mm512_xor_ps(in.template half_at<i * kBytes + 2>(), _mm512_set1_ps(-0.0f)));
    nibble_block<Raw{0, 0}, i * kBytes + 4>(in, b, sink, [](__m512i v, int) __attribute__((always_inline)) { return v; });
  }
};

struct Q5_0 {
  static constexpr int kBytes = 22, kKind = kBiased32;
  template <int i, typename Sink>
  [[gnu::always_inline]] static void block(const FourBlocks<kBytes>& in, int b, Sink* sink) {
    sink->scale(b, in.template half_at<i * kBytes>());
    const __m512i high = in.template at<i * kBytes + 2>();
    nibble_block<Raw{112, 0}, i * kBytes + 6>(in, b, sink, [&](__m512i v, int g) __attribute__((always_inline)) {
      return _mm512_or_si512(v, fifth_bits(high, g));
    });
  }
};

struct Q5_1 {
  static constexpr int kBytes = 24, kKind = kMin32;
  template <int i, typename Sink>
  [[gnu::always_inline]] static void block(const FourBlocks<kBytes>& in, int b, Sink* sink) {
    sink->scale(b, in.template half_at<i * kBytes>(), _mm512_xor_ps(in.template half_at<i * kBytes + 2>(), _mm512_set1_ps(-0.0f)));
    const __m512i high = in.template at<i * kBytes + 4>();
    nibble_block<Raw{0, 0}, i * kBytes + 8>(in, b, sink, [&](__m512i v, int g) __attribute__((always_inline)) {
      return _mm512_or_si512(v, fifth_bits(high, g));
    });
  }
};

struct IQ4_NL {
  static constexpr int kBytes = 18, kKind = kBiased32;
  template <int i, typename Sink>
  [[gnu::always_inline]] static void block(const FourBlocks<kBytes>& in, int b, Sink* sink) {
    static constexpr uint8_t kCodes[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};  // table + 128
    sink->scale(b, in.template half_at<i * kBytes>());
    nibble_block<Raw{0, 0}, i * kBytes + 2>(in, b, sink, [](__m512i v, int) __attribute__((always_inline)) { return lookup(kCodes, v); });
  }
};

struct MXFP4 {
  static constexpr int kBytes = 17, kKind = kBiased32;
  template <int i, typename Sink>
  [[gnu::always_inline]] static void block(const FourBlocks<kBytes>& in, int b, Sink* sink) {
    static constexpr uint8_t kCodes[16] = {128, 129, 130, 131, 132, 134, 136, 140, 128, 127, 126, 125, 124, 122, 120, 116};
    // 2^(e-128): exponent field e-1; for e < 2 a subnormal, 2^-128 = 0x00200000 or its double.
    const __m512i e = _mm512_and_si512(in.template at<i * kBytes>(), _mm512_set1_epi32(255));
    const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    const __m512i bits = _mm512_mask_sllv_epi32(normal, _mm512_cmplt_epu32_mask(e, _mm512_set1_epi32(2)), _mm512_set1_epi32(0x00200000), e);
    sink->scale(b, _mm512_castsi512_ps(bits));
    nibble_block<Raw{0, 0}, i * kBytes + 1>(in, b, sink, [](__m512i v, int) __attribute__((always_inline)) { return lookup(kCodes, v); });
  }
};

// Blocks b .. b+3 of a tile; p is the first byte of block b of the first row.
template <typename Type, typename Sink>
[[gnu::always_inline]] inline void decode_four_blocks(const uint8_t* p, size_t ld, int b, Sink* sink) {
  FourBlocks<Type::kBytes> in;
  in.p = p;
  in.ld = ld;
  in.template load<0>();
  Type::template block<0>(in, b, sink);
  in.template load<1>();
  Type::template block<1>(in, b + 1, sink);
  in.template load<2>();
  Type::template block<2>(in, b + 2, sink);
  in.template load<3>();
  Type::template block<3>(in, b + 3, sink);
}

}  // namespace
}  // namespace firesteel
