// Unpackers of f32, f16 and bf16, and of quantised types to f32 (the high-precision path).
#include <immintrin.h>
#include <string.h>

#include "kernels/avx512/columns.h"
#include "kernels/avx512/parts.h"

namespace firesteel {
namespace {

// What 16 bytes of each of 16 rows become; kValues of them. write(columns, out) stores kValues k.
struct F32ToF32 {
  using Out = float;
  static constexpr int kValues = 4;
  [[gnu::always_inline]] static void write(const __m512i v[4], float* out) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) _mm512_storeu_si512(out + i * kPanelRows, v[i]);
  }
};

struct F16ToF32 {
  using Out = float;
  static constexpr int kValues = 8;
  [[gnu::always_inline]] static void write(const __m512i v[4], float* out) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      _mm512_storeu_ps(out + 2 * i * kPanelRows, low_half(v[i]));
      _mm512_storeu_ps(out + (2 * i + 1) * kPanelRows, high_half(v[i]));
    }
  }
};

struct Bf16ToF32 {
  using Out = float;
  static constexpr int kValues = 8;
  [[gnu::always_inline]] static void write(const __m512i v[4], float* out) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      _mm512_storeu_si512(out + 2 * i * kPanelRows, _mm512_slli_epi32(v[i], 16));
      _mm512_storeu_si512(out + (2 * i + 1) * kPanelRows, _mm512_and_si512(v[i], _mm512_set1_epi32(-65536)));
    }
  }
};

struct Bf16Pairs {
  using Out = uint16_t;
  static constexpr int kValues = 8;
  [[gnu::always_inline]] static void write(const __m512i v[4], uint16_t* out) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) _mm512_storeu_si512(out + 2 * i * kPanelRows, v[i]);
  }
};

template <typename Type>
void unpack(const uint8_t* src, size_t row_bytes, int n_rows, int64_t k0, int64_t n_k, typename Type::Out* out) {
  constexpr int64_t kSize = 16 / Type::kValues;  // bytes of a value
  constexpr bool kPairs = sizeof(typename Type::Out) == 2;
  src += k0 * kSize;
  int64_t k = 0;
  if (n_rows == kPanelRows) {
    for (; k + 4 * Type::kValues <= n_k; k += 4 * Type::kValues) {
      __m512i v[16];
      load_columns_64(src + k * kSize, row_bytes, v);
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c) Type::write(v + 4 * c, out + (k + c * Type::kValues) * kPanelRows);
    }
    for (; k + Type::kValues <= n_k; k += Type::kValues) {
      __m512i v[4];
      load_columns(src + k * kSize, row_bytes, v);
      Type::write(v, out + k * kPanelRows);
    }
  }
  for (; k < n_k; k += Type::kValues) {  // ragged: copy what there is, pad with zeros
    alignas(64) uint8_t copy[kPanelRows * 16] = {};
    alignas(64) typename Type::Out values[Type::kValues * kPanelRows];
    const int64_t n = n_k - k < Type::kValues ? n_k - k : Type::kValues;
    for (int r = 0; r < kPanelRows; ++r) {
      memcpy(copy + 16 * r, src + static_cast<size_t>(r < n_rows ? r : n_rows - 1) * row_bytes + k * kSize, static_cast<size_t>(n * kSize));
    }
    __m512i v[4];
    load_columns(copy, 16, v);
    Type::write(v, values);
    const int64_t n_out = kPairs ? n + (n & 1) : n;
    memcpy(out + k * kPanelRows, values, static_cast<size_t>(n_out) * kPanelRows * sizeof(typename Type::Out));
  }
}

// d * (q - 128) or d * q - m, rounded as tensor/quantise.h does.
template <bool with_min>
[[gnu::always_inline]] inline void dequantise_group(const uint8_t* q, __m512 d, __m512 m, float* out) {
  const __m512i codes = _mm512_load_si512(q);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512i code = _mm512_and_si512(_mm512_srli_epi32(codes, static_cast<unsigned>(8 * i)), _mm512_set1_epi32(255));
    const __m512 value = with_min ? _mm512_sub_ps(_mm512_mul_ps(d, _mm512_cvtepi32_ps(code)), m)
                                  : _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_sub_epi32(code, _mm512_set1_epi32(128))));
    _mm512_storeu_ps(out + i * kPanelRows, value);
  }
}

UnpackQFn unpackers[16];  // set once by fill_avx512_unpack_float

template <int type, int k_block, int block_bytes, int n_sub, bool with_min>
void unpack_q(const uint8_t* src, size_t row_bytes, int n_rows, int64_t k0, int64_t n_k, float* out) {
  src += k0 / k_block * block_bytes;
  QTile tile;
  for (int64_t k = 0; k < n_k; k += kTileK) {
    const int n_blocks = static_cast<int>((n_k - k < kTileK ? n_k - k : kTileK) / kActBlock);
    unpackers[type](src, row_bytes, n_rows, k / kTileK, n_blocks, &tile);
    for (int b = 0; b < n_blocks; ++b) {
      for (int g = 0; g < 8; ++g) {
        const int s = n_sub == 16 ? 2 * b + g / 4 : b;
        const __m512 m = with_min ? _mm512_load_ps(tile.m[s]) : _mm512_setzero_ps();
        dequantise_group<with_min>(tile.q[b][g][0], _mm512_load_ps(tile.d[s]), m, out + (k + 32 * b + 4 * g) * kPanelRows);
      }
    }
  }
}

template <int type, int k_block, int block_bytes, int n_sub, bool with_min>
void fill(KernelTable* table) {
  unpackers[type] = table->unpack_q[type];
  table->unpack_f32[type] = unpack_q<type, k_block, block_bytes, n_sub, with_min>;
}

}  // namespace

void fill_avx512_unpack_float(KernelTable* table) {
  table->unpack_f32[kTypeF32] = unpack<F32ToF32>;
  table->unpack_f32[kTypeF16] = unpack<F16ToF32>;
  table->unpack_f32[kTypeBF16] = unpack<Bf16ToF32>;
  table->unpack_bf16 = unpack<Bf16Pairs>;
  fill<kTypeQ8_0, 32, 34, 8, false>(table);
  fill<kTypeQ4_0, 32, 18, 8, false>(table);
  fill<kTypeQ4_1, 32, 20, 8, true>(table);
  fill<kTypeQ5_0, 32, 22, 8, false>(table);
  fill<kTypeQ5_1, 32, 24, 8, true>(table);
  fill<kTypeQ2_K, 256, 84, 16, true>(table);
  fill<kTypeQ3_K, 256, 110, 16, false>(table);
  fill<kTypeQ4_K, 256, 144, 8, true>(table);
  fill<kTypeQ5_K, 256, 176, 8, true>(table);
  fill<kTypeQ6_K, 256, 210, 16, false>(table);
  fill<kTypeIQ4_NL, 32, 18, 8, false>(table);
  fill<kTypeIQ4_XS, 256, 136, 8, false>(table);
  fill<kTypeMXFP4, 32, 17, 8, false>(table);
}

}  // namespace firesteel
