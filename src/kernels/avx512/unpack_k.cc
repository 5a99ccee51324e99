// Unpackers of the types with super-blocks of 256. Byte layouts: docs/formats/gguf.md.
#include <immintrin.h>
#include <string.h>

#include "kernels/avx512/columns.h"
#include "kernels/avx512/parts.h"

namespace firesteel {
namespace {

[[gnu::always_inline]] inline __m512i bytes(int value) { return _mm512_set1_epi8(static_cast<char>(value)); }
[[gnu::always_inline]] inline __m512i mask(__m512i v, int bits) { return _mm512_and_si512(v, bytes(bits)); }

// Byte i of each dword, unsigned, as f32.
[[gnu::always_inline]] inline __m512 byte_ps(__m512i v, int i) {
  return _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_srli_epi32(v, static_cast<unsigned>(8 * i)), _mm512_set1_epi32(255)));
}
// The same, signed.
[[gnu::always_inline]] inline __m512 signed_byte_ps(__m512i v, int i) {
  return _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, static_cast<unsigned>(24 - 8 * i)), 24));
}

// d and m of the 8 sub-blocks of Q4_K and Q5_K, from the 16 bytes at p.
[[gnu::always_inline]] inline void scales_k4(const uint8_t* p, size_t ld, QTile* out) {
  __m512i h[4];  // d | dmin << 16; then the 12 bytes
  load_columns(p, ld, h);
  const __m512 d = low_half(h[0]), dmin = high_half(h[0]);
  const __m512i scale[2] = {mask(h[1], 63), _mm512_or_si512(mask(h[3], 15), mask(_mm512_srli_epi32(h[1], 2), 0x30))};
  const __m512i min[2] = {mask(h[2], 63), _mm512_or_si512(mask(_mm512_srli_epi32(h[3], 4), 15), mask(_mm512_srli_epi32(h[2], 2), 0x30))};
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j) {
    _mm512_store_ps(out->d[j], _mm512_mul_ps(d, byte_ps(scale[j / 4], j % 4)));
    _mm512_store_ps(out->m[j], _mm512_mul_ps(dmin, byte_ps(min[j / 4], j % 4)));
  }
}

struct Q4_K {
  static constexpr int kBytes = 144;
  [[gnu::always_inline]] static void block(const uint8_t* p, size_t ld, QTile* out) {
    scales_k4(p, ld, out);
#pragma GCC unroll 1
    for (int g = 0; g < 4; ++g) {  // 64 elements: low nibbles, then high nibbles, of 32 bytes
      __m512i v[8];
      load_columns(p + 16 + 32 * g, ld, v);
      load_columns(p + 32 + 32 * g, ld, v + 4);
#pragma GCC unroll 8
      for (int c = 0; c < 8; ++c) {
        store(out->q[2 * g][c], mask(v[c], 15));
        store(out->q[2 * g + 1][c], mask(_mm512_srli_epi16(v[c], 4), 15));
      }
    }
  }
};

struct Q5_K {
  static constexpr int kBytes = 176;
  [[gnu::always_inline]] static void block(const uint8_t* p, size_t ld, QTile* out) {
    scales_k4(p, ld, out);
    __m512i h[8];  // bit j of byte l: fifth bit of element l of sub-block j
    load_columns(p + 16, ld, h);
    load_columns(p + 32, ld, h + 4);
#pragma GCC unroll 4
    for (int g = 0; g < 4; ++g) {
      __m512i v[8];
      load_columns(p + 48 + 32 * g, ld, v);
      load_columns(p + 64 + 32 * g, ld, v + 4);
#pragma GCC unroll 8
      for (int c = 0; c < 8; ++c) {
        // The bit in place 4: sub-blocks 0..7 are bits 0..7.
        const __m512i first = g < 2 ? _mm512_slli_epi32(h[c], static_cast<unsigned>(4 - 2 * g)) : _mm512_srli_epi32(h[c], static_cast<unsigned>(2 * g - 4));
        const __m512i second = g < 2 ? _mm512_slli_epi32(h[c], static_cast<unsigned>(3 - 2 * g)) : _mm512_srli_epi32(h[c], static_cast<unsigned>(2 * g - 3));
        store(out->q[2 * g][c], mask(select_bits(bytes(15), v[c], first), 31));
        store(out->q[2 * g + 1][c], mask(select_bits(bytes(15), _mm512_srli_epi16(v[c], 4), second), 31));
      }
    }
  }
};

struct Q6_K {
  static constexpr int kBytes = 210;
  [[gnu::always_inline]] static void block(const uint8_t* p, size_t ld, QTile* out) {
    __m512i sc[4], last[4];
    load_columns(p + 192, ld, sc);
    load_columns(p + 194, ld, last);  // ends with d
    const __m512 d = high_half(last[3]);
#pragma GCC unroll 16
    for (int s = 0; s < 16; ++s) _mm512_store_ps(out->d[s], _mm512_mul_ps(d, signed_byte_ps(sc[s / 4], s % 4)));
#pragma GCC unroll 1
    for (int half = 0; half < 2; ++half) {
#pragma GCC unroll 2
      for (int c = 0; c < 8; c += 4) {
        __m512i low[4], high[4], top[4];
        load_columns(p + 64 * half + 4 * c, ld, low);
        load_columns(p + 64 * half + 32 + 4 * c, ld, high);
        load_columns(p + 128 + 32 * half + 4 * c, ld, top);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
          const auto put = [&](int quarter, __m512i low4, __m512i high2) {
            const __m512i q = mask(select_bits(bytes(15), low4, high2), 63);
            store(out->q[4 * half + quarter][c + i], _mm512_add_epi8(q, bytes(96)));
          };
          put(0, low[i], _mm512_slli_epi32(top[i], 4));
          put(1, high[i], _mm512_slli_epi32(top[i], 2));
          put(2, _mm512_srli_epi16(low[i], 4), top[i]);
          put(3, _mm512_srli_epi16(high[i], 4), _mm512_srli_epi32(top[i], 2));
        }
      }
    }
  }
};

struct Q3_K {
  static constexpr int kBytes = 110;
  [[gnu::always_inline]] static void block(const uint8_t* p, size_t ld, QTile* out) {
    __m512i tail[4];  // two bytes of qs, 12 of scales, d
    load_columns(p + 94, ld, tail);
    const __m512 d = high_half(tail[3]);
    const __m512i s0 = _mm512_shrdi_epi32(tail[0], tail[1], 16), s1 = _mm512_shrdi_epi32(tail[1], tail[2], 16);
    const __m512i s2 = _mm512_shrdi_epi32(tail[2], tail[3], 16);
    const __m512i low = bytes(15);
    const __m512i scale[4] = {mask(select_bits(low, s0, _mm512_slli_epi32(s2, 4)), 63), mask(select_bits(low, s1, _mm512_slli_epi32(s2, 2)), 63),
                              mask(select_bits(low, _mm512_srli_epi32(s0, 4), s2), 63),
                              mask(select_bits(low, _mm512_srli_epi32(s1, 4), _mm512_srli_epi32(s2, 2)), 63)};
#pragma GCC unroll 16
    for (int s = 0; s < 16; ++s) {
      _mm512_store_ps(out->d[s], _mm512_mul_ps(d, _mm512_sub_ps(byte_ps(scale[s / 4], s % 4), _mm512_set1_ps(32.0f))));
    }
#pragma GCC unroll 2
    for (int c = 0; c < 8; c += 4) {
      __m512i h[4];
      load_columns(p + 4 * c, ld, h);
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
        __m512i v[4];
        load_columns(p + 32 + 32 * half + 4 * c, ld, v);
#pragma GCC unroll 4
        for (int step = 0; step < 4; ++step) {
          const int bit = 4 * half + step;  // of hmask; wanted in place 2
#pragma GCC unroll 4
          for (int i = 0; i < 4; ++i) {
            const __m512i top = bit < 2 ? _mm512_slli_epi32(h[i], static_cast<unsigned>(2 - bit)) : _mm512_srli_epi32(h[i], static_cast<unsigned>(bit - 2));
            const __m512i q = mask(select_bits(bytes(3), _mm512_srli_epi32(v[i], static_cast<unsigned>(2 * step)), top), 7);
            store(out->q[bit][c + i], _mm512_add_epi8(q, bytes(124)));
          }
        }
      }
    }
  }
};

struct Q2_K {
  static constexpr int kBytes = 84;
  [[gnu::always_inline]] static void block(const uint8_t* p, size_t ld, QTile* out) {
    __m512i sc[4], last[4];
    load_columns(p, ld, sc);
    load_columns(p + 68, ld, last);  // ends with d, dmin
    const __m512 d = low_half(last[3]), dmin = high_half(last[3]);
#pragma GCC unroll 16
    for (int s = 0; s < 16; ++s) {
      _mm512_store_ps(out->d[s], _mm512_mul_ps(d, byte_ps(mask(sc[s / 4], 15), s % 4)));
      _mm512_store_ps(out->m[s], _mm512_mul_ps(dmin, byte_ps(mask(_mm512_srli_epi32(sc[s / 4], 4), 15), s % 4)));
    }
#pragma GCC unroll 1
    for (int half = 0; half < 2; ++half) {
#pragma GCC unroll 2
      for (int c = 0; c < 8; c += 4) {
        __m512i v[4];
        load_columns(p + 16 + 32 * half + 4 * c, ld, v);
#pragma GCC unroll 4
        for (int step = 0; step < 4; ++step) {
#pragma GCC unroll 4
          for (int i = 0; i < 4; ++i) store(out->q[4 * half + step][c + i], mask(_mm512_srli_epi32(v[i], static_cast<unsigned>(2 * step)), 3));
        }
      }
    }
  }
};

struct IQ4_XS {
  static constexpr int kBytes = 136;
  [[gnu::always_inline]] static void block(const uint8_t* p, size_t ld, QTile* out) {
    alignas(16) static constexpr uint8_t kCodes[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
    const __m512i codes = _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(kCodes)));
    __m512i head[4];  // d | scales_h << 16; scales_l
    load_columns(p, ld, head);
    const __m512 d = low_half(head[0]);
#pragma GCC unroll 8
    for (int b = 0; b < 8; ++b) {
      const __m512i low = _mm512_and_si512(_mm512_srli_epi32(head[1], static_cast<unsigned>(4 * b)), _mm512_set1_epi32(15));
      const __m512i high = _mm512_and_si512(_mm512_srli_epi32(head[0], static_cast<unsigned>(16 + 2 * b)), _mm512_set1_epi32(3));
      const __m512i scale = _mm512_sub_epi32(_mm512_or_si512(low, _mm512_slli_epi32(high, 4)), _mm512_set1_epi32(32));
      _mm512_store_ps(out->d[b], _mm512_mul_ps(d, _mm512_cvtepi32_ps(scale)));
    }
#pragma GCC unroll 2
    for (int b = 0; b < 8; ++b) {
      __m512i v[4];
      load_columns(p + 8 + 16 * b, ld, v);
#pragma GCC unroll 4
      for (int g = 0; g < 4; ++g) {
        store(out->q[b][g], _mm512_shuffle_epi8(codes, mask(v[g], 15)));
        store(out->q[b][g + 4], _mm512_shuffle_epi8(codes, mask(_mm512_srli_epi16(v[g], 4), 15)));
      }
    }
  }
};

template <typename Type>
void unpack(const uint8_t* src, size_t row_bytes, int n_rows, int64_t tile, int, QTile* out) {
  src += tile * Type::kBytes;
  if (n_rows == kPanelRows) {
    Type::block(src, row_bytes, out);
    return;
  }
  alignas(64) uint8_t copy[kPanelRows * Type::kBytes];
  for (int r = 0; r < kPanelRows; ++r) {
    memcpy(copy + r * Type::kBytes, src + static_cast<size_t>(r < n_rows ? r : n_rows - 1) * row_bytes, Type::kBytes);
  }
  Type::block(copy, Type::kBytes, out);
}

}  // namespace

void fill_avx512_unpack_k(KernelTable* table) {
  table->unpack_q[kTypeQ2_K] = unpack<Q2_K>;
  table->unpack_q[kTypeQ3_K] = unpack<Q3_K>;
  table->unpack_q[kTypeQ4_K] = unpack<Q4_K>;
  table->unpack_q[kTypeQ5_K] = unpack<Q5_K>;
  table->unpack_q[kTypeQ6_K] = unpack<Q6_K>;
  table->unpack_q[kTypeIQ4_XS] = unpack<IQ4_XS>;
}

}  // namespace firesteel
