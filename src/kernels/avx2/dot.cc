// Integer products on AVX2: vpmaddubsw multiplies unsigned by signed bytes and adds pairs in 16 bits, which would saturate for u8
// weights. Biased weights are therefore used as |w - 128| with the sign moved to the activation: pairs stay within 2 * 128 * 127.
// Weights with a minimum are at most 31 and need no such care. The float steps are generic's, so are the bytes.
#include <immintrin.h>
#include <string.h>

#include "kernels/avx2/parts.h"

namespace firesteel {
namespace {

struct Sum16 {  // i32 of 16 rows
  __m256i low, high;
};

inline __m256i word(const unsigned char* p) {
  int32_t value;
  memcpy(&value, p, sizeof value);
  return _mm256_set1_epi32(value);
}

inline __m256 scalar(const unsigned char* p) {
  float value;
  memcpy(&value, p, sizeof value);
  return _mm256_set1_ps(value);
}

template <bool with_min>
inline __m256i dot4(__m256i sum, __m256i q, __m256i a) {
  __m256i pairs;
  if (with_min) {
    pairs = _mm256_maddubs_epi16(q, a);
  } else {
    const __m256i w = _mm256_xor_si256(q, _mm256_set1_epi8(-128));
    pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w));
  }
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// Sub-block of kGroups groups of 4 k for kCols columns from column n on.
template <bool sub16, bool with_min, int kCols>
inline void sub_block(float* acc, const QTile& tile, int in_tile, int s, const unsigned char* block, int w, int n) {
  constexpr int kSubs = sub16 ? 2 : 1;
  constexpr int kGroups = 8 / kSubs;
  Sum16 sum[static_cast<size_t>(kCols)];
  for (int c = 0; c < kCols; ++c) sum[c].low = sum[c].high = _mm256_setzero_si256();
  const unsigned char* a = block + 28 * w + (s * kGroups * w + n) * 4;
  for (int g = 0; g < kGroups; ++g, a += 4 * w) {
    const __m256i* q = reinterpret_cast<const __m256i*>(tile.q[in_tile][s * kGroups + g]);
    const __m256i low = _mm256_load_si256(q);
    const __m256i high = _mm256_load_si256(q + 1);
    for (int c = 0; c < kCols; ++c) {
      const __m256i act = word(a + 4 * c);
      sum[c].low = dot4<with_min>(sum[c].low, low, act);
      sum[c].high = dot4<with_min>(sum[c].high, high, act);
    }
  }
  const int sub = in_tile * kSubs + s;
  for (int c = 0; c < kCols; ++c) {
    const __m256 scale = scalar(block + 4 * (n + c));
    float* out = acc + (n + c) * kPanelRows;
    for (int half = 0; half < 2; ++half) {
      const __m256 isum = _mm256_cvtepi32_ps(half == 0 ? sum[c].low : sum[c].high);
      const __m256 d = _mm256_mul_ps(_mm256_load_ps(tile.d[sub] + 8 * half), scale);
      __m256 x = _mm256_fmadd_ps(isum, d, _mm256_loadu_ps(out + 8 * half));
      if (with_min) {
        const __m256 a_sum = scalar(block + 4 * ((sub16 ? 1 + s : 3) * w + n + c));
        x = _mm256_fnmadd_ps(_mm256_load_ps(tile.m[sub] + 8 * half), a_sum, x);
      }
      _mm256_storeu_ps(out + 8 * half, x);
    }
  }
}

template <bool sub16, bool with_min>
void qdot(float* acc, int w, const QTile* tiles, int64_t n_blocks, const void* acts) {
  constexpr int kOrder16[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  constexpr int kSubs = sub16 ? 2 : 1;
  constexpr int kRun = sub16 ? 4 : 1;
  for (int64_t first = 0; first < n_blocks; first += kRun) {
    const QTile& tile = tiles[first / 8];
    for (int i = 0; i < kRun * kSubs; ++i) {
      const int sub = sub16 ? kOrder16[i] : i;
      const int64_t b = first + sub / kSubs;
      const unsigned char* block = static_cast<const unsigned char*>(acts) + b * kActBlockColBytes * w;
      const int in_tile = static_cast<int>(b % 8);
      const int s = sub % kSubs;
      int n = 0;
      for (; n + 4 <= w; n += 4) sub_block<sub16, with_min, 4>(acc, tile, in_tile, s, block, w, n);
      for (; n < w; ++n) sub_block<sub16, with_min, 1>(acc, tile, in_tile, s, block, w, n);
    }
  }
}

template <bool sub16, bool with_min>
void qdot_panels(float* acc, int w, int n_panels, const QTile* tiles, int64_t n_blocks, const void* acts) {
  for (int p = 0; p < n_panels; ++p, acc += kMaxCols * kPanelRows, tiles += (n_blocks + 7) / 8) {
    qdot<sub16, with_min>(acc, w, tiles, n_blocks, acts);
  }
}

}  // namespace

void fill_avx2_dot(KernelTable* table) {
  table->qdot[kBiased32] = qdot_panels<false, false>;
  table->qdot[kBiased16] = qdot_panels<true, false>;
  table->qdot[kMin32] = qdot_panels<false, true>;
  table->qdot[kMin16] = qdot_panels<true, true>;
}

}  // namespace firesteel
