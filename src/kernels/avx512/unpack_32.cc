// Unpackers of the types with blocks of 32, four blocks (a whole number of dwords) at a time.
#include <immintrin.h>
#include <string.h>

#include "kernels/avx512/columns.h"
#include "kernels/avx512/parts.h"

namespace firesteel {
namespace {

// The dword columns of four blocks of 16 rows; block b begins at byte b * kBytes of a row.
template <int kBytes>
struct FourBlocks {
  __m512i t[size_t{(kBytes + 3) / 4 * 4}];

  [[gnu::always_inline]] FourBlocks(const uint8_t* p, size_t ld) {
#pragma GCC unroll 16
    for (int c = 0; c < kBytes / 4; ++c) load_columns(p + 16 * c, ld, t + 4 * c);
    if constexpr (kBytes % 4 != 0) {  // the last columns by a load that ends with the last block
      __m512i last[4];
      load_columns(p + 4 * kBytes - 16, ld, last);
#pragma GCC unroll 4
      for (int i = kBytes / 4 * 4; i < kBytes; ++i) t[i] = last[i - kBytes + 4];
    }
  }

  // Four bytes from byte kOffset of the four blocks on, of every row.
  template <int kOffset>
  [[gnu::always_inline]] __m512i at() const {
    if constexpr (kOffset % 4 == 0) {
      return t[kOffset / 4];
    } else {
      return _mm512_shrdi_epi32(t[kOffset / 4], t[kOffset / 4 + 1], kOffset % 4 * 8);
    }
  }
};

// The f16 at byte kOffset (even) of the four blocks.
template <int kOffset, int kBytes>
[[gnu::always_inline]] inline __m512 half_at(const FourBlocks<kBytes>& blocks) {
  return kOffset % 4 == 0 ? low_half(blocks.t[kOffset / 4]) : high_half(blocks.t[kOffset / 4]);
}

[[gnu::always_inline]] inline __m512i low_nibbles(__m512i v) { return _mm512_and_si512(v, _mm512_set1_epi8(15)); }
[[gnu::always_inline]] inline __m512i high_nibbles(__m512i v) { return low_nibbles(_mm512_srli_epi16(v, 4)); }

// Each type: kBytes, and block<b>() that writes block b (0..3) of `blocks` to block `at` of the tile.

struct Q8_0 {
  static constexpr int kBytes = 34;
  template <int b>
  [[gnu::always_inline]] static void block(const FourBlocks<kBytes>& blocks, int at, QTile* out) {
    const __m512i bias = _mm512_set1_epi8(-128);
    _mm512_store_ps(out->d[at], half_at<b * kBytes>(blocks));
    store(out->q[at][0], _mm512_xor_si512(blocks.template at<b * kBytes + 2>(), bias));
    store(out->q[at][1], _mm512_xor_si512(blocks.template at<b * kBytes + 6>(), bias));
    store(out->q[at][2], _mm512_xor_si512(blocks.template at<b * kBytes + 10>(), bias));
    store(out->q[at][3], _mm512_xor_si512(blocks.template at<b * kBytes + 14>(), bias));
    store(out->q[at][4], _mm512_xor_si512(blocks.template at<b * kBytes + 18>(), bias));
    store(out->q[at][5], _mm512_xor_si512(blocks.template at<b * kBytes + 22>(), bias));
    store(out->q[at][6], _mm512_xor_si512(blocks.template at<b * kBytes + 26>(), bias));
    store(out->q[at][7], _mm512_xor_si512(blocks.template at<b * kBytes + 30>(), bias));
  }
};

// Writes the 16 bytes of nibbles at byte kOffset; code(v, g, high) makes tile codes of nibbles of group g.
template <int kOffset, int kBytes, typename Code>
[[gnu::always_inline]] inline void nibble_block(const FourBlocks<kBytes>& blocks, int at, QTile* out, Code code) {
  const __m512i v[4] = {blocks.template at<kOffset>(), blocks.template at<kOffset + 4>(), blocks.template at<kOffset + 8>(),
                        blocks.template at<kOffset + 12>()};
#pragma GCC unroll 4
  for (int g = 0; g < 4; ++g) {
    store(out->q[at][g], code(low_nibbles(v[g]), g));
    store(out->q[at][g + 4], code(high_nibbles(v[g]), g + 4));
  }
}

struct Q4_0 {
  static constexpr int kBytes = 18;
  template <int b>
  [[gnu::always_inline]] static void block(const FourBlocks<kBytes>& blocks, int at, QTile* out) {
    _mm512_store_ps(out->d[at], half_at<b * kBytes>(blocks));
    nibble_block<b * kBytes + 2>(blocks, at, out, [](__m512i v, int) { return _mm512_add_epi8(v, _mm512_set1_epi8(120)); });
  }
};

struct Q4_1 {
  static constexpr int kBytes = 20;
  template <int b>
  [[gnu::always_inline]] static void block(const FourBlocks<kBytes>& blocks, int at, QTile* out) {
    const __m512 minus_m = half_at<b * kBytes + 2>(blocks);
    _mm512_store_ps(out->d[at], half_at<b * kBytes>(blocks));
    _mm512_store_ps(out->m[at], _mm512_xor_ps(minus_m, _mm512_set1_ps(-0.0f)));
    nibble_block<b * kBytes + 4>(blocks, at, out, [](__m512i v, int) { return v; });
  }
};

// Bit 4*g + i of the dword of a row as bit 4 of byte i: each byte takes the 8 bits that begin 4 below.
[[gnu::always_inline]] inline __m512i fifth_bits(__m512i high, int g) {
  const int64_t first = 4 * g - 4;
  int64_t shifts = 0;
  for (int i = 0; i < 8; ++i) shifts |= ((first + i % 4 + i / 4 * 32) & 63) << (8 * i);
  return _mm512_and_si512(_mm512_multishift_epi64_epi8(_mm512_set1_epi64(shifts), high), _mm512_set1_epi8(16));
}

struct Q5_0 {
  static constexpr int kBytes = 22;
  template <int b>
  [[gnu::always_inline]] static void block(const FourBlocks<kBytes>& blocks, int at, QTile* out) {
    _mm512_store_ps(out->d[at], half_at<b * kBytes>(blocks));
    const __m512i high = blocks.template at<b * kBytes + 2>();
    nibble_block<b * kBytes + 6>(blocks, at, out, [high](__m512i v, int g) {
      return _mm512_add_epi8(_mm512_or_si512(v, fifth_bits(high, g)), _mm512_set1_epi8(112));
    });
  }
};

struct Q5_1 {
  static constexpr int kBytes = 24;
  template <int b>
  [[gnu::always_inline]] static void block(const FourBlocks<kBytes>& blocks, int at, QTile* out) {
    const __m512 minus_m = half_at<b * kBytes + 2>(blocks);
    _mm512_store_ps(out->d[at], half_at<b * kBytes>(blocks));
    _mm512_store_ps(out->m[at], _mm512_xor_ps(minus_m, _mm512_set1_ps(-0.0f)));
    const __m512i high = blocks.template at<b * kBytes + 4>();
    nibble_block<b * kBytes + 8>(blocks, at, out, [high](__m512i v, int g) { return _mm512_or_si512(v, fifth_bits(high, g)); });
  }
};

[[gnu::always_inline]] inline __m512i lookup(const uint8_t codes[16], __m512i nibbles) {
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes))), nibbles);
}

struct IQ4_NL {
  static constexpr int kBytes = 18;
  template <int b>
  [[gnu::always_inline]] static void block(const FourBlocks<kBytes>& blocks, int at, QTile* out) {
    static constexpr uint8_t kCodes[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
    _mm512_store_ps(out->d[at], half_at<b * kBytes>(blocks));
    nibble_block<b * kBytes + 2>(blocks, at, out, [](__m512i v, int) { return lookup(kCodes, v); });
  }
};

struct MXFP4 {
  static constexpr int kBytes = 17;
  template <int b>
  [[gnu::always_inline]] static void block(const FourBlocks<kBytes>& blocks, int at, QTile* out) {
    static constexpr uint8_t kCodes[16] = {128, 129, 130, 131, 132, 134, 136, 140, 128, 127, 126, 125, 124, 122, 120, 116};
    const __m512i e = _mm512_and_si512(blocks.template at<b * kBytes>(), _mm512_set1_epi32(255));
    // 2^(e-128): exponent field e-1; for e < 2 a subnormal, 2^-128 = 0x00200000 and its double.
    const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    const __m512i bits = _mm512_mask_sllv_epi32(normal, _mm512_cmplt_epu32_mask(e, _mm512_set1_epi32(2)), _mm512_set1_epi32(0x00200000), e);
    store(out->d[at], bits);
    nibble_block<b * kBytes + 1>(blocks, at, out, [](__m512i v, int) { return lookup(kCodes, v); });
  }
};

template <typename Type>
[[gnu::always_inline]] inline void four_blocks(const uint8_t* p, size_t ld, int at, QTile* out) {
  const FourBlocks<Type::kBytes> blocks(p, ld);
  Type::template block<0>(blocks, at, out);
  Type::template block<1>(blocks, at + 1, out);
  Type::template block<2>(blocks, at + 2, out);
  Type::template block<3>(blocks, at + 3, out);
}

template <typename Type>
void unpack(const uint8_t* src, size_t row_bytes, int n_rows, int64_t tile, int n_blocks, QTile* out) {
  src += tile * 8 * Type::kBytes;
  alignas(64) uint8_t copy[kPanelRows * 8 * Type::kBytes];
  if (n_rows < kPanelRows || n_blocks % 4 != 0) {  // ragged: whole rows of whole tiles, without reading beyond the last byte
    memset(copy, 0, sizeof copy);
    for (int r = 0; r < kPanelRows; ++r) {
      const int row = r < n_rows ? r : n_rows - 1;
      memcpy(copy + r * 8 * Type::kBytes, src + static_cast<size_t>(row) * row_bytes, static_cast<size_t>(n_blocks * Type::kBytes));
    }
    src = copy;
    row_bytes = 8 * Type::kBytes;
  }
  for (int b = 0; b < n_blocks; b += 4) four_blocks<Type>(src + b * Type::kBytes, row_bytes, b, out);
}

}  // namespace

void fill_avx512_unpack_32(KernelTable* table) {
  table->unpack_q[kTypeQ8_0] = unpack<Q8_0>;
  table->unpack_q[kTypeQ4_0] = unpack<Q4_0>;
  table->unpack_q[kTypeQ4_1] = unpack<Q4_1>;
  table->unpack_q[kTypeQ5_0] = unpack<Q5_0>;
  table->unpack_q[kTypeQ5_1] = unpack<Q5_1>;
  table->unpack_q[kTypeIQ4_NL] = unpack<IQ4_NL>;
  table->unpack_q[kTypeMXFP4] = unpack<MXFP4>;
}

}  // namespace firesteel
