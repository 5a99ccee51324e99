// The products of training. A tile of up to 14 rows x 32 columns stays in registers over the whole contraction; per unit it takes two
// loads of the panel and one broadcast a row. Measured on one core (EPYC, 228 GFLOP/s at best): 14 x 2 vectors 97 %, 8 x 3 94 %,
// 6 x 4 63 %.
#include <immintrin.h>

#include "kernels/avx512/parts.h"

namespace firesteel {
namespace {

constexpr int kRowsMax = 14;

struct Bf16 {
  typedef __m512bh Vector;
  static inline Vector load(const uint32_t* p) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(p)); }
  static inline Vector broadcast(const uint32_t* p) { return reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(*p))); }
  static inline __m512 step(__m512 acc, Vector a, Vector b) { return _mm512_dpbf16_ps(acc, a, b); }
};

struct F32 {
  typedef __m512 Vector;
  static inline Vector load(const uint32_t* p) { return _mm512_loadu_ps(p); }
  static inline Vector broadcast(const uint32_t* p) { return _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(*p))); }
  static inline __m512 step(__m512 acc, Vector a, Vector b) { return _mm512_fmadd_ps(a, b, acc); }
};

inline void finish(float* c, __m512 sum, __mmask16 mask, int accumulate) {
  if (accumulate != 0) sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c), sum);
  _mm512_mask_storeu_ps(c, mask, sum);
}

template <typename Type, unsigned kRows>
void tile(const uint32_t* a, int64_t a_row, int64_t a_unit, const uint32_t* panel, int64_t n_units, float* c, int64_t ldc, int width, int accumulate) {
  __m512 left[kRows], right[kRows];
  for (unsigned r = 0; r < kRows; ++r) left[r] = right[r] = _mm512_setzero_ps();
  for (int64_t u = 0; u < n_units; ++u) {
    const typename Type::Vector b0 = Type::load(panel + u * kTrainPanel);
    const typename Type::Vector b1 = Type::load(panel + u * kTrainPanel + 16);
#pragma GCC unroll 14
    for (unsigned r = 0; r < kRows; ++r) {
      const typename Type::Vector x = Type::broadcast(a + r * a_row + u * a_unit);
      left[r] = Type::step(left[r], x, b0);
      right[r] = Type::step(right[r], x, b1);
    }
  }
  const uint32_t mask = width >= kTrainPanel ? 0xFFFFFFFFu : (1u << width) - 1u;
  for (unsigned r = 0; r < kRows; ++r) {
    finish(c + r * ldc, left[r], static_cast<__mmask16>(mask), accumulate);
    finish(c + r * ldc + 16, right[r], static_cast<__mmask16>(mask >> 16), accumulate);
  }
}

typedef void (*TileFn)(const uint32_t*, int64_t, int64_t, const uint32_t*, int64_t, float*, int64_t, int, int);

template <typename Type>
void mul(const void* a, int64_t a_row, int64_t a_unit, int64_t n_rows, const void* panel, int64_t n_units, float* c, int64_t ldc, int width,
         int accumulate) {
  static const TileFn tiles[kRowsMax + 1] = {nullptr,       tile<Type, 1>, tile<Type, 2>,  tile<Type, 3>,  tile<Type, 4>,
                                             tile<Type, 5>, tile<Type, 6>, tile<Type, 7>,  tile<Type, 8>,  tile<Type, 9>,
                                             tile<Type, 10>, tile<Type, 11>, tile<Type, 12>, tile<Type, 13>, tile<Type, 14>};
  int64_t n_tiles = (n_rows + kRowsMax - 1) / kRowsMax;
  int64_t row = 0;
  for (; n_tiles > 0; --n_tiles) {  // tiles of nearly equal height
    const int64_t n = (n_rows - row + n_tiles - 1) / n_tiles;
    tiles[n](static_cast<const uint32_t*>(a) + row * a_row, a_row, a_unit, static_cast<const uint32_t*>(panel), n_units, c + row * ldc, ldc, width,
             accumulate);
    row += n;
  }
}

}  // namespace

void fill_avx512_train_mul(KernelTable* table) {
  table->train.type[kTrainBf16].mul = mul<Bf16>;
  table->train.type[kTrainF32].mul = mul<F32>;
}

}  // namespace firesteel
