// bf16 keys and values: both are direct operands of vdpbf16ps, 32 products a cycle.
#include "kernels/avx512/attention_block.h"
#include "kernels/avx512/parts.h"

namespace firesteel {
namespace {

inline __m512bh as_bf16(__m512i x) { return reinterpret_cast<__m512bh>(x); }

struct Bf16 {
  static constexpr int kPerLine = 2;
  static constexpr int kWords = 1;
  static constexpr int kDegree = 4;
  using Acc = __m512;
  using Line = __m512i;

  static Line line(const unsigned char* p) { return _mm512_load_si512(p); }
  static Line tail(const unsigned char* p, int) { return _mm512_and_si512(line(p), _mm512_set1_epi32(0xFFFF)); }
  static Acc zero() { return _mm512_setzero_ps(); }
  static Acc dot(Acc acc, Line x, const uint32_t* word) {
    return _mm512_dpbf16_ps(acc, as_bf16(x), as_bf16(_mm512_set1_epi32(static_cast<int>(*word))));
  }
  static __m512 score(Acc acc, const unsigned char*, const unsigned char*, int, size_t) { return acc; }
  static float weights(const __m512 p[kGroups], const unsigned char*, int, uint32_t* words) {
    for (int g = 0; g < kGroups; ++g) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(words + g * 8), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(p[g])));
    }
    return 0;
  }
  static Acc begin(const float* out) { return _mm512_load_ps(out); }
  static void end(float* out, Acc acc, float) { _mm512_store_ps(out, acc); }
};

void pack_q(const float* q, int head_dim, float scale, void* record) {
  for (int d = 0; d < head_dim; d += kLanes) {
    const __m512 x = _mm512_mul_ps(_mm512_loadu_ps(q + d), _mm512_set1_ps(scale));
    _mm256_store_si256(reinterpret_cast<__m256i*>(static_cast<uint16_t*>(record) + d),
                       reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x)));
  }
}

}  // namespace

void fill_avx512_attention_bf16(KernelTable* table) {
  table->attn_pack_q[kTableKvBf16] = pack_q;
  table->attn_block[kTableKvBf16] = attn_block<Bf16>;
}

}  // namespace firesteel
