// Activations to column tiles.
#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "kernels/avx512/parts.h"

namespace firesteel {
namespace {

[[gnu::always_inline]] inline const float* row_of(const float* x, int64_t ldx, const int32_t* index, int n) {
  return x + (index != nullptr ? static_cast<int64_t>(index[n]) : static_cast<int64_t>(n)) * ldx;
}

constexpr float kActMin = 1e-30f;  // as in generic/pack.cc

// One block of 32 of column n: its 7 words, and the codes to `codes`.
[[gnu::always_inline]] inline void pack_block(const float* x, int w, int n, unsigned char* block, __m256i* codes) {
  const __m512 x0 = _mm512_loadu_ps(x), x1 = _mm512_loadu_ps(x + 16);
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  // By its bits, so that a NaN or an infinity compares above every number.
  const uint32_t amax_bits = _mm512_reduce_max_epu32(_mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(x0), magnitude),
                                                                      _mm512_and_si512(_mm512_castps_si512(x1), magnitude)));
  float amax;
  memcpy(&amax, &amax_bits, sizeof amax);
  const bool usable = amax >= kActMin && amax <= FLT_MAX;
  const float scale = usable ? amax / 127.0f : (amax < kActMin ? 0.0f : NAN);
  const __m512 inverse = _mm512_set1_ps(usable ? 127.0f / amax : 0.0f);
  const __mmask16 keep = static_cast<__mmask16>(usable ? 0xFFFF : 0);  // inf * 0 is NaN, which would convert to -2^31
  const __m512i q0 = _mm512_maskz_cvtps_epi32(keep, _mm512_mul_ps(x0, inverse)), q1 = _mm512_maskz_cvtps_epi32(keep, _mm512_mul_ps(x1, inverse));
  *codes = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm512_cvtepi32_epi8(q0)), _mm512_cvtepi32_epi8(q1), 1);
  // Sums of the two halves: unsigned ones times signed codes, then the four dwords of each half.
  __m256i sums = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), *codes);
  sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0x4E));
  sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0xB1));
  const int32_t s0 = _mm256_cvtsi256_si32(sums), s1 = _mm256_extract_epi32(sums, 4);
  float* words = reinterpret_cast<float*>(block) + n;
  words[0] = scale;
  words[w] = scale * static_cast<float>(s0);
  words[2 * w] = scale * static_cast<float>(s1);
  words[3 * w] = scale * static_cast<float>(s0 + s1);
  int32_t* corr = reinterpret_cast<int32_t*>(block) + 4 * w + n;
  corr[0] = -128 * s0;
  corr[w] = -128 * s1;
  corr[2 * w] = -128 * (s0 + s1);
}

void pack_int8(const float* x, int64_t ldx, const int32_t* index, int w, int64_t k, void* out) {
  unsigned char* block = static_cast<unsigned char*>(out);
  const float* rows[kMaxCols];
  for (int n = 0; n < w; ++n) rows[n] = row_of(x, ldx, index, n);
  for (int64_t k0 = 0; k0 < k; k0 += kActBlock, block += static_cast<int64_t>(kActBlockColBytes) * w) {
    unsigned char* q = block + 28 * w;
    if (w == 1) {
      __m256i codes;
      pack_block(rows[0] + k0, 1, 0, block, &codes);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), codes);
      continue;
    }
    for (int n = 0; n < w; ++n) {
      __m256i codes;
      pack_block(rows[n] + k0, w, n, block, &codes);
      alignas(32) int32_t dwords[8];
      _mm256_store_si256(reinterpret_cast<__m256i*>(dwords), codes);
#pragma GCC unroll 8
      for (int g = 0; g < 8; ++g) memcpy(q + (g * w + n) * 4, &dwords[g], 4);
    }
  }
}

void pack_f32(const float* x, int64_t ldx, const int32_t* index, int w, int64_t k, void* out) {
  float* dst = static_cast<float*>(out);
  if (w == 1) {
    memcpy(dst, row_of(x, ldx, index, 0), static_cast<size_t>(k) * sizeof(float));
    return;
  }
  const float* rows[kMaxCols];
  for (int n = 0; n < w; ++n) rows[n] = row_of(x, ldx, index, n);
  for (int64_t i = 0; i < k; ++i) {
    for (int n = 0; n < w; ++n) dst[i * w + n] = rows[n][i];
  }
}

// Rounds to nearest even as tensor/half.h does: also subnormals, which vcvtneps2bf16 would flush to zero. NaN stays NaN.
[[gnu::always_inline]] inline __m512i round_bf16(__m512i bits) {
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF))), 16);
  const __mmask16 nan = _mm512_cmpgt_epu32_mask(_mm512_and_si512(bits, _mm512_set1_epi32(0x7FFFFFFF)), _mm512_set1_epi32(0x7F800000));
  return _mm512_mask_or_epi32(rounded, nan, _mm512_srli_epi32(bits, 16), _mm512_set1_epi32(0x40));
}

void pack_bf16(const float* x, int64_t ldx, const int32_t* index, int w, int64_t k, void* out) {
  uint32_t* dst = static_cast<uint32_t*>(out);
  const int64_t n_pairs = (k + 1) / 2;
  for (int n = 0; n < w; ++n) {
    const float* row = row_of(x, ldx, index, n);
    for (int64_t j = 0; j < n_pairs; j += 8) {  // 8 pairs of k
      const int64_t left = k - 2 * j;
      const __mmask16 mask = static_cast<__mmask16>(left >= 16 ? 0xFFFFu : (1u << left) - 1);
      alignas(32) uint32_t pairs[8];
      const __m256i halves = _mm512_cvtepi32_epi16(round_bf16(_mm512_castps_si512(_mm512_maskz_loadu_ps(mask, row + 2 * j))));
      _mm256_store_si256(reinterpret_cast<__m256i*>(pairs), halves);
      const int64_t m = n_pairs - j < 8 ? n_pairs - j : 8;
      for (int64_t i = 0; i < m; ++i) dst[(j + i) * w + n] = pairs[i];
    }
  }
}

}  // namespace

void fill_avx512_pack(KernelTable* table) {
  table->pack_acts_int8 = pack_int8;
  table->pack_acts_f32 = pack_f32;
  table->pack_acts_bf16 = pack_bf16;
}

}  // namespace firesteel
