// Queries, keys and values on their way in, and states on their way out. The blocks are in attention_{f32,bf16,int8}.cc.
#include <immintrin.h>

#include "kernels/avx512/exp2.h"
#include "kernels/avx512/parts.h"

namespace firesteel {
namespace {

constexpr int kLanes = 16;

void attn_merge(int n_q, int head_dim, float* out, float* m, float* l, const float* part_out, const float* part_m,
                const float* part_l) {
  for (int i = 0; i < n_q; ++i, out += head_dim, part_out += head_dim, l += kLanes, part_l += kLanes) {
    const float max = part_m[i] > m[i] ? part_m[i] : m[i];
    const __m512 a = exp2_of_difference<6>(_mm512_set1_ps(m[i] - max));
    const __m512 b = exp2_of_difference<6>(_mm512_set1_ps(part_m[i] - max));
    m[i] = max;
    _mm512_store_ps(l, _mm512_fmadd_ps(_mm512_load_ps(part_l), b, _mm512_mul_ps(_mm512_load_ps(l), a)));
    for (int d = 0; d < head_dim; d += kLanes) {
      _mm512_store_ps(out + d, _mm512_fmadd_ps(_mm512_load_ps(part_out + d), b, _mm512_mul_ps(_mm512_load_ps(out + d), a)));
    }
  }
}

void attn_finish(int head_dim, const float* out, const float* l, float* result) {
  float sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += l[lane];
  const __m512 inverse = _mm512_set1_ps(sum == 0 ? 0.0f : 1.0f / sum);
  for (int d = 0; d < head_dim; d += kLanes) {
    _mm512_storeu_ps(result + d, _mm512_fmadd_ps(_mm512_load_ps(out + d), inverse, _mm512_setzero_ps()));
  }
}

}  // namespace

void fill_avx512_attention(KernelTable* table) {
  fill_avx512_attention_f32(table);
  fill_avx512_attention_bf16(table);
  fill_avx512_attention_int8(table);
  table->attn_merge = attn_merge;
  table->attn_finish = attn_finish;
}

}  // namespace firesteel
