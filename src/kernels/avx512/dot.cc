// Products of f32 and bf16 tiles.
#include <immintrin.h>
#include <string.h>

#include "kernels/avx512/parts.h"

namespace firesteel {
namespace {

template <int w>
void fdot(float* acc, const float* tile, int64_t n_k, const float* acts) {
  __m512 sum[size_t{w}];
#pragma GCC unroll 12
  for (int n = 0; n < w; ++n) sum[n] = _mm512_loadu_ps(acc + n * kPanelRows);
  for (int64_t k = 0; k < n_k; ++k) {
    const __m512 weights = _mm512_loadu_ps(tile + k * kPanelRows);
#pragma GCC unroll 12
    for (int n = 0; n < w; ++n) sum[n] = _mm512_fmadd_ps(weights, _mm512_set1_ps(acts[k * w + n]), sum[n]);
  }
#pragma GCC unroll 12
  for (int n = 0; n < w; ++n) _mm512_storeu_ps(acc + n * kPanelRows, sum[n]);
}

template <int w>
void bdot(float* acc, const uint16_t* tile, int64_t n_pairs, const uint16_t* acts) {
  __m512 sum[size_t{w}];
#pragma GCC unroll 12
  for (int n = 0; n < w; ++n) sum[n] = _mm512_loadu_ps(acc + n * kPanelRows);
  for (int64_t j = 0; j < n_pairs; ++j) {
    const __m512i weights = _mm512_loadu_si512(tile + j * 2 * kPanelRows);
#pragma GCC unroll 12
    for (int n = 0; n < w; ++n) {
      int32_t pair;
      memcpy(&pair, acts + (j * w + n) * 2, sizeof pair);
      sum[n] = _mm512_dpbf16_ps(sum[n], reinterpret_cast<__m512bh>(weights), reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair)));
    }
  }
#pragma GCC unroll 12
  for (int n = 0; n < w; ++n) _mm512_storeu_ps(acc + n * kPanelRows, sum[n]);
}

void fdot_any(float* acc, int w, const float* tile, int64_t n_k, const float* acts) {
  switch (w) {
    case 1: return fdot<1>(acc, tile, n_k, acts);
    case 2: return fdot<2>(acc, tile, n_k, acts);
    case 3: return fdot<3>(acc, tile, n_k, acts);
    case 4: return fdot<4>(acc, tile, n_k, acts);
    case 5: return fdot<5>(acc, tile, n_k, acts);
    case 6: return fdot<6>(acc, tile, n_k, acts);
    case 7: return fdot<7>(acc, tile, n_k, acts);
    case 8: return fdot<8>(acc, tile, n_k, acts);
    case 9: return fdot<9>(acc, tile, n_k, acts);
    case 10: return fdot<10>(acc, tile, n_k, acts);
    case 11: return fdot<11>(acc, tile, n_k, acts);
    default: return fdot<12>(acc, tile, n_k, acts);
  }
}

void bdot_any(float* acc, int w, const uint16_t* tile, int64_t n_pairs, const uint16_t* acts) {
  switch (w) {
    case 1: return bdot<1>(acc, tile, n_pairs, acts);
    case 2: return bdot<2>(acc, tile, n_pairs, acts);
    case 3: return bdot<3>(acc, tile, n_pairs, acts);
    case 4: return bdot<4>(acc, tile, n_pairs, acts);
    case 5: return bdot<5>(acc, tile, n_pairs, acts);
    case 6: return bdot<6>(acc, tile, n_pairs, acts);
    case 7: return bdot<7>(acc, tile, n_pairs, acts);
    case 8: return bdot<8>(acc, tile, n_pairs, acts);
    case 9: return bdot<9>(acc, tile, n_pairs, acts);
    case 10: return bdot<10>(acc, tile, n_pairs, acts);
    case 11: return bdot<11>(acc, tile, n_pairs, acts);
    default: return bdot<12>(acc, tile, n_pairs, acts);
  }
}

}  // namespace

void fill_avx512_dot(KernelTable* table) {
  fill_avx512_dot_biased32(table);
  fill_avx512_dot_biased16(table);
  fill_avx512_dot_min32(table);
  fill_avx512_dot_min16(table);
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
  table->fdot = fdot_any;
  table->bdot = bdot_any;
}

}  // namespace firesteel
