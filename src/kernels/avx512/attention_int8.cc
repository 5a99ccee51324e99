// int8 keys and values with 16-bit queries and probabilities: vpdpwssd on sign-extended bytes. Sums are exact, so the bytes are
// those of generic. A shift pair turns a line into words (element 0, 2) and (1, 3) of each lane, hence the order of words below.
#include "kernels/avx512/attention_block.h"
#include "kernels/avx512/parts.h"

namespace firesteel {
namespace {

struct Int8 {
  static constexpr int kPerLine = 4;
  static constexpr int kWords = 2;
  static constexpr int kDegree = 4;
  using Acc = __m512i;
  struct Line {
    __m512i even;
    __m512i odd;
  };

  static Line split(__m512i x) { return {_mm512_srai_epi16(_mm512_slli_epi16(x, 8), 8), _mm512_srai_epi16(x, 8)}; }
  static Line line(const unsigned char* p) { return split(_mm512_load_si512(p)); }
  static Line tail(const unsigned char* p, int) { return line(p); }  // integers: anything times 0 is 0
  static Acc zero() { return _mm512_setzero_si512(); }
  static Acc dot(Acc acc, const Line& x, const uint32_t* words) {
    acc = _mm512_dpwssd_epi32(acc, x.even, _mm512_set1_epi32(static_cast<int>(words[0])));
    return _mm512_dpwssd_epi32(acc, x.odd, _mm512_set1_epi32(static_cast<int>(words[1])));
  }
  static __m512 score(Acc acc, const unsigned char* record, const unsigned char* k, int head_dim, size_t g) {
    const __m512 q_scale = _mm512_set1_ps(*reinterpret_cast<const float*>(record + head_dim * 2));
    const __m512 k_scale = _mm512_load_ps(k + head_dim * kAttnSlots + static_cast<int>(g) * 64);
    return _mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_mul_ps(q_scale, k_scale));
  }
  static float weights(const __m512 p[kGroups], const unsigned char* v, int head_dim, uint32_t* words) {
    __m512 w[kGroups];
    __m512i top = _mm512_setzero_si512();
    for (int g = 0; g < kGroups; ++g) {
      // A scale beside p = 0 may be anything. Magnitudes as integers have the order of floats, NaN above all.
      const __mmask16 used = _mm512_cmp_ps_mask(p[g], _mm512_setzero_ps(), _CMP_NEQ_UQ);
      w[g] = _mm512_maskz_mul_ps(used, p[g], _mm512_load_ps(v + head_dim * kAttnSlots + g * 64));
      top = _mm512_max_epi32(top, _mm512_castps_si512(_mm512_abs_ps(w[g])));
    }
    const float max = _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(_mm512_reduce_max_epi32(top))));
    const bool usable = max >= 1e-30f && max < __builtin_inff();
    const __m512 inverse = _mm512_set1_ps(usable ? 32767.0f / max : 0.0f);
    for (int g = 0; g < kGroups; ++g) {
      const __m512i rounded = _mm512_cvtps_epi32(_mm512_mul_ps(usable ? w[g] : _mm512_setzero_ps(), inverse));
      _mm256_store_si256(reinterpret_cast<__m256i*>(words + g * 8),
                         _mm512_cvtepi32_epi16(_mm512_shuffle_epi32(rounded, _MM_PERM_DBCA)));
    }
    return max < 1e-30f ? 0.0f : usable ? max / 32767.0f : __builtin_nanf("");
  }
  static Acc begin(const float*) { return zero(); }
  static void end(float* out, Acc acc, float scale) {
    _mm512_store_ps(out, _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc), _mm512_set1_ps(scale), _mm512_load_ps(out)));
  }
};

}  // namespace

void fill_avx512_attention_int8(KernelTable* table) { table->attn_block[kTableKvInt8] = attn_block<Int8>; }

}  // namespace firesteel
