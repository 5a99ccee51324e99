// f32 keys and values: the accurate path, with the bytes of generic.
#include "kernels/avx512/attention_block.h"
#include "kernels/avx512/parts.h"

namespace firesteel {
namespace {

struct F32 {
  static constexpr int kPerLine = 1;
  static constexpr int kWords = 1;
  static constexpr int kDegree = 6;
  using Acc = __m512;
  using Line = __m512;

  static Line line(const unsigned char* p) { return _mm512_load_ps(p); }
  static Line tail(const unsigned char* p, int) { return line(p); }
  static Acc zero() { return _mm512_setzero_ps(); }
  static Acc dot(Acc acc, Line x, const uint32_t* word) {
    return _mm512_fmadd_ps(x, _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(*word))), acc);
  }
  static __m512 score(Acc acc, const unsigned char*, const unsigned char*, int, size_t) { return acc; }
  static float weights(const __m512 p[kGroups], const unsigned char*, int, uint32_t* words) {
    for (int g = 0; g < kGroups; ++g) _mm512_store_ps(words + g * kLanes, p[g]);
    return 0;
  }
  static Acc begin(const float* out) { return _mm512_load_ps(out); }
  static void end(float* out, Acc acc, float) { _mm512_store_ps(out, acc); }
};

void pack_q(const float* q, int head_dim, float scale, void* record) {
  for (int d = 0; d < head_dim; d += kLanes) {
    _mm512_store_ps(static_cast<float*>(record) + d, _mm512_mul_ps(_mm512_loadu_ps(q + d), _mm512_set1_ps(scale)));
  }
}

}  // namespace

void fill_avx512_attention_f32(KernelTable* table) {
  table->attn_pack_q[kTableKvF32] = pack_q;
  table->attn_block[kTableKvF32] = attn_block<F32>;
}

}  // namespace firesteel
