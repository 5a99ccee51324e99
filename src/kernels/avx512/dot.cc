// Products of f32 and bf16 tiles.
#include <immintrin.h>
#include <string.h>

#include "kernels/avx512/parts.h"

namespace firesteel {
namespace {

// What differs between f32 and bf16: one step of k (or of a pair) for one column.
struct F32Step {
  using Weight = float;
  using Act = float;
  static constexpr int kPerRow = 1;
  [[gnu::always_inline]] static __m512 add(__m512 sum, __m512i weights, const float* act) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(weights), _mm512_set1_ps(*act), sum);
  }
};
struct Bf16Step {
  using Weight = uint16_t;
  using Act = uint16_t;
  static constexpr int kPerRow = 2;
  [[gnu::always_inline]] static __m512 add(__m512 sum, __m512i weights, const uint16_t* act) {
    int32_t pair;
    memcpy(&pair, act, sizeof pair);
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(weights), reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair)));
  }
};

// Sums of `panels` panels and `count` columns (of the column tile's w) in registers, up to 20 of them: with 24 the compiler begins to spill. The latency
// of a step is 4 (bf16: 6) cycles and one or two begin in a cycle, so there should be 12; a broadcast from memory serves several panels,
// where loads are as scarce as products (family 26: 125 GMAC/s of f32 with one panel, 135 with two, of 143 that a core could do).
template <typename Step, int count, int panels>
void dot(float* acc, const typename Step::Weight* tiles, int64_t n_steps, const typename Step::Act* acts, int64_t w) {
  constexpr int kUnit = kPanelRows * Step::kPerRow;
  __m512 sum[size_t{panels * count}];
#pragma GCC unroll 20
  for (int i = 0; i < panels * count; ++i) sum[i] = _mm512_loadu_ps(acc + (i / count * kMaxCols + i % count) * kPanelRows);
  const typename Step::Weight* tile = tiles;
#pragma GCC unroll 2
  for (int64_t j = 0; j < n_steps; ++j, tile += kUnit, acts += w * Step::kPerRow) {
    __m512i weights[size_t{panels}];
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) weights[p] = _mm512_loadu_si512(tile + p * n_steps * kUnit);
#pragma GCC unroll 20
    for (int i = 0; i < panels * count; ++i) sum[i] = Step::add(sum[i], weights[i / count], acts + i % count * Step::kPerRow);
  }
#pragma GCC unroll 20
  for (int i = 0; i < panels * count; ++i) _mm512_storeu_ps(acc + (i / count * kMaxCols + i % count) * kPanelRows, sum[i]);
}

template <typename Step, int count>
void dot_panels(float* acc, int n_panels, const typename Step::Weight* tiles, int64_t n_steps, const typename Step::Act* acts, int64_t w) {
  constexpr int kPanels = count <= 2 ? 4 : 2;
  const int64_t tile = n_steps * kPanelRows * Step::kPerRow;
  int p = 0;
  for (; p + kPanels <= n_panels; p += kPanels) dot<Step, count, kPanels>(acc + p * kMaxCols * kPanelRows, tiles + p * tile, n_steps, acts, w);
  for (; p < n_panels; ++p) dot<Step, count, 1>(acc + p * kMaxCols * kPanelRows, tiles + p * tile, n_steps, acts, w);
}

template <typename Step>
void dot_any(float* acc, int w, int n_panels, const typename Step::Weight* tiles, int64_t n_steps, const typename Step::Act* acts) {
  switch (w) {
    case 1: return dot_panels<Step, 1>(acc, n_panels, tiles, n_steps, acts, 1);
    case 2: return dot_panels<Step, 2>(acc, n_panels, tiles, n_steps, acts, 2);
    case 3: return dot_panels<Step, 3>(acc, n_panels, tiles, n_steps, acts, 3);
    case 4: return dot_panels<Step, 4>(acc, n_panels, tiles, n_steps, acts, 4);
    case 5: return dot_panels<Step, 5>(acc, n_panels, tiles, n_steps, acts, 5);
    case 6: return dot_panels<Step, 6>(acc, n_panels, tiles, n_steps, acts, 6);
    case 7: return dot_panels<Step, 7>(acc, n_panels, tiles, n_steps, acts, 7);
    case 8: return dot_panels<Step, 8>(acc, n_panels, tiles, n_steps, acts, 8);
    case 9: return dot_panels<Step, 9>(acc, n_panels, tiles, n_steps, acts, 9);
    case 10: return dot_panels<Step, 10>(acc, n_panels, tiles, n_steps, acts, 10);
    case 11: dot_panels<Step, 6>(acc, n_panels, tiles, n_steps, acts, 11);
      return dot_panels<Step, 5>(acc + 6 * kPanelRows, n_panels, tiles, n_steps, acts + 6 * Step::kPerRow, 11);
    default: dot_panels<Step, 6>(acc, n_panels, tiles, n_steps, acts, 12);
      return dot_panels<Step, 6>(acc + 6 * kPanelRows, n_panels, tiles, n_steps, acts + 6 * Step::kPerRow, 12);
  }
}

}  // namespace

void fill_avx512_dot(KernelTable* table) {
  fill_avx512_dot_biased32(table);
  fill_avx512_dot_biased16(table);
  fill_avx512_dot_min32(table);
  fill_avx512_dot_min16(table);
  fill_avx512_qmul_float(table);
  fill_avx512_qmul_q8_0(table);
  fill_avx512_qmul_q4_0(table);
  fill_avx512_qmul_q4_1(table);
  fill_avx512_qmul_q5_0(table);
  fill_avx512_qmul_q5_1(table);
  fill_avx512_qmul_iq4_nl(table);
  fill_avx512_qmul_mxfp4(table);
  fill_avx512_qmul_q2_k(table);
  fill_avx512_qmul_q3_k(table);
  fill_avx512_qmul_q4_k(table);
  fill_avx512_qmul_q5_k(table);
  fill_avx512_qmul_q6_k(table);
  fill_avx512_qmul_iq4_xs(table);
  table->fdot = dot_any<F32Step>;
  table->bdot = dot_any<Bf16Step>;
}

}  // namespace firesteel
