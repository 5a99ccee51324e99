// Rows of f32, f16 and bf16 times one narrow column tile, without a tile of weights in between: saves a store and a load of each
// 64 bytes, and the transposition runs beside the products.
#include <immintrin.h>
#include <string.h>

#include "kernels/avx512/columns.h"
#include "kernels/avx512/parts.h"

namespace firesteel {
namespace {

// 64 bytes of each row are kStep values of k; add() adds them to the sums of w columns, in order of k.

struct F32 {
  static constexpr int kStep = 16, kActBytes = 4;  // bytes of an activation
  template <int w>
  [[gnu::always_inline]] static void add(const __m512i v[16], const unsigned char* acts, __m512* sum) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) madd<w>(_mm512_castsi512_ps(v[i]), acts + 4 * i * w, sum);
  }
  template <int w>
  [[gnu::always_inline]] static void madd(__m512 weights, const unsigned char* acts, __m512* sum) {
#pragma GCC unroll 8
    for (int n = 0; n < w; ++n) {
      float act;
      memcpy(&act, acts + 4 * n, sizeof act);
      sum[n] = _mm512_fmadd_ps(weights, _mm512_set1_ps(act), sum[n]);
    }
  }
};

struct F16 {
  static constexpr int kStep = 32, kActBytes = 4;
  template <int w>
  [[gnu::always_inline]] static void add(const __m512i v[16], const unsigned char* acts, __m512* sum) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      F32::madd<w>(low_half(v[i]), acts + 8 * i * w, sum);
      F32::madd<w>(high_half(v[i]), acts + (8 * i + 4) * w, sum);
    }
  }
};

struct Bf16 {
  static constexpr int kStep = 32, kActBytes = 2;
  template <int w>
  [[gnu::always_inline]] static void add(const __m512i v[16], const unsigned char* acts, __m512* sum) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
#pragma GCC unroll 8
      for (int n = 0; n < w; ++n) {
        int32_t pair;
        memcpy(&pair, acts + 4 * (i * w + n), sizeof pair);
        sum[n] = _mm512_dpbf16_ps(sum[n], reinterpret_cast<__m512bh>(v[i]), reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair)));
      }
    }
  }
};

template <typename Type, int w>
void mul(float* acc, const uint8_t* src, size_t row_bytes, int64_t n_k, const unsigned char* acts, const uint8_t* next) {
  __m512 sum[size_t{w}];
#pragma GCC unroll 8
  for (int n = 0; n < w; ++n) sum[n] = _mm512_loadu_ps(acc + n * kPanelRows);
  for (int64_t k = 0; k < n_k; k += Type::kStep, src += 64, acts += Type::kStep * Type::kActBytes * w) {
    if (next != nullptr) {
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) _mm_prefetch(next + 64 * i, _MM_HINT_T1);
      next += 64 * 16;
    }
    __m512i v[16];
    load_columns_64(src, row_bytes, v);
    Type::template add<w>(v, acts, sum);
  }
#pragma GCC unroll 8
  for (int n = 0; n < w; ++n) _mm512_storeu_ps(acc + n * kPanelRows, sum[n]);
}

template <typename Type>
void qmul(float* acc, int w, const uint8_t* src, size_t row_bytes, int64_t n_blocks, const void* acts, const uint8_t* next) {
  const unsigned char* a = static_cast<const unsigned char*>(acts);
  switch (w) {
    case 1: return mul<Type, 1>(acc, src, row_bytes, 32 * n_blocks, a, next);
    case 2: return mul<Type, 2>(acc, src, row_bytes, 32 * n_blocks, a, next);
    case 3: return mul<Type, 3>(acc, src, row_bytes, 32 * n_blocks, a, next);
    case 4: return mul<Type, 4>(acc, src, row_bytes, 32 * n_blocks, a, next);
    case 5: return mul<Type, 5>(acc, src, row_bytes, 32 * n_blocks, a, next);
    case 6: return mul<Type, 6>(acc, src, row_bytes, 32 * n_blocks, a, next);
    case 7: return mul<Type, 7>(acc, src, row_bytes, 32 * n_blocks, a, next);
    case 8: return mul<Type, 8>(acc, src, row_bytes, 32 * n_blocks, a, next);
    default: return;
  }
}

}  // namespace

void fill_avx512_qmul_float(KernelTable* table) {
  table->qmul[kTypeF32] = qmul<F32>;
  table->qmul[kTypeF16] = qmul<F16>;
  table->qmul[kTypeBF16] = qmul<Bf16>;
  table->qmul_widths[kTypeF32] = table->qmul_widths[kTypeF16] = table->qmul_widths[kTypeBF16] = 0b1'1111'1110;
}

}  // namespace firesteel
