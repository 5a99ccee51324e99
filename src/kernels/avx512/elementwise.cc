// Rows and element-wise operations, 16 lanes at a time, with the bytes of generic/elementwise.cc. Tails are masked: no byte beyond
// an array is touched.
#include <immintrin.h>
#include <math.h>

#include "kernels/avx512/exp2.h"
#include "kernels/avx512/parts.h"

namespace firesteel {
namespace {

constexpr int64_t kLanes = 16;

// Lanes of the vector at i that lie below n.
inline __mmask16 lanes_below(int64_t i, int64_t n) {
  return n - i >= kLanes ? static_cast<__mmask16>(0xFFFF) : static_cast<__mmask16>((1u << (n - i)) - 1u);
}

void rms_norm(float* out, const float* x, const float* weight, int64_t dim, float eps) {
  __m512 squares = _mm512_setzero_ps();
  for (int64_t i = 0; i < dim; i += kLanes) {
    const __m512 v = _mm512_maskz_loadu_ps(lanes_below(i, dim), x + i);
    squares = _mm512_fmadd_ps(v, v, squares);
  }
  alignas(64) float lanes[kLanes];
  _mm512_store_ps(lanes, squares);
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  const __m512 scale = _mm512_set1_ps(1.0f / sqrtf(sum / static_cast<float>(dim) + eps));
  for (int64_t i = 0; i < dim; i += kLanes) {
    const __mmask16 mask = lanes_below(i, dim);
    __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), scale);
    if (weight != nullptr) v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, weight + i));
    _mm512_mask_storeu_ps(out + i, mask, v);
  }
}

// g / (1 + e^-x) * up
inline __m512 gated(__m512 g, __m512 minus_x, __m512 up) {
  return _mm512_mul_ps(_mm512_div_ps(g, _mm512_add_ps(_mm512_set1_ps(1.0f), exp_approx(minus_x))), up);
}

void silu_mul(float* out, const float* gate, const float* up, int64_t n) {
  const __m512 sign = _mm512_set1_ps(-0.0f);
  for (int64_t i = 0; i < n; i += kLanes) {
    const __mmask16 mask = lanes_below(i, n);
    const __m512 g = _mm512_maskz_loadu_ps(mask, gate + i);
    _mm512_mask_storeu_ps(out + i, mask, gated(g, _mm512_xor_ps(g, sign), _mm512_maskz_loadu_ps(mask, up + i)));
  }
}

void gelu_mul(float* out, const float* gate, const float* up, int64_t n) {
  const __m512 minus_two_root = _mm512_set1_ps(-1.5957691216057308f);
  for (int64_t i = 0; i < n; i += kLanes) {
    const __mmask16 mask = lanes_below(i, n);
    const __m512 g = _mm512_maskz_loadu_ps(mask, gate + i);
    const __m512 cubic = _mm512_fmadd_ps(_mm512_mul_ps(g, g), _mm512_set1_ps(0.044715f), _mm512_set1_ps(1.0f));
    const __m512 minus_x = _mm512_mul_ps(_mm512_mul_ps(g, minus_two_root), cubic);
    _mm512_mask_storeu_ps(out + i, mask, gated(g, minus_x, _mm512_maskz_loadu_ps(mask, up + i)));
  }
}

void rope_neox(float* head, const float* cs, int64_t n_pairs) {
  const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
  for (int64_t i = 0; i < n_pairs; i += kLanes) {
    const __mmask16 mask = lanes_below(i, n_pairs);
    const __m512 first = _mm512_maskz_loadu_ps(lanes_below(2 * i, 2 * n_pairs), cs + 2 * i);
    __m512 second = _mm512_setzero_ps();
    if (n_pairs - i > 8) second = _mm512_maskz_loadu_ps(lanes_below(2 * i + kLanes, 2 * n_pairs), cs + 2 * i + kLanes);
    const __m512 c = _mm512_permutex2var_ps(first, even, second);
    const __m512 s = _mm512_permutex2var_ps(first, odd, second);
    const __m512 a = _mm512_maskz_loadu_ps(mask, head + i);
    const __m512 b = _mm512_maskz_loadu_ps(mask, head + i + n_pairs);
    _mm512_mask_storeu_ps(head + i, mask, _mm512_fmsub_ps(a, c, _mm512_mul_ps(b, s)));
    _mm512_mask_storeu_ps(head + i + n_pairs, mask, _mm512_fmadd_ps(a, s, _mm512_mul_ps(b, c)));
  }
}

// Even lanes a*c - b*s, odd lanes a*s + b*c.
void rope_pairs(float* head, const float* cs, int64_t n_pairs) {
  for (int64_t i = 0; i < 2 * n_pairs; i += kLanes) {
    const __mmask16 mask = lanes_below(i, 2 * n_pairs);
    const __m512 x = _mm512_maskz_loadu_ps(mask, head + i);
    const __m512 angle = _mm512_maskz_loadu_ps(mask, cs + i);
    const __m512 b_part = _mm512_mul_ps(_mm512_movehdup_ps(x), _mm512_permute_ps(angle, 0xB1));
    _mm512_mask_storeu_ps(head + i, mask, _mm512_fmaddsub_ps(_mm512_moveldup_ps(x), angle, b_part));
  }
}

void rope(float* head, const float* cs, int64_t n_pairs, int neox) {
  if (neox != 0) {
    rope_neox(head, cs, n_pairs);
  } else {
    rope_pairs(head, cs, n_pairs);
  }
}

void add(float* x, const float* y, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const __mmask16 mask = lanes_below(i, n);
    _mm512_mask_storeu_ps(x + i, mask, _mm512_add_ps(_mm512_maskz_loadu_ps(mask, x + i), _mm512_maskz_loadu_ps(mask, y + i)));
  }
}

void axpy(float* x, const float* y, float a, int64_t n) {
  const __m512 factor = _mm512_set1_ps(a);
  for (int64_t i = 0; i < n; i += kLanes) {
    const __mmask16 mask = lanes_below(i, n);
    _mm512_mask_storeu_ps(
        x + i, mask, _mm512_fmadd_ps(factor, _mm512_maskz_loadu_ps(mask, y + i), _mm512_maskz_loadu_ps(mask, x + i)));
  }
}

// vmaxps gives its second operand when one is NaN, so a NaN in x is passed over. Four maxima hide the latency.
float max_value(const float* x, int64_t n) {
  const __m512 none = _mm512_set1_ps(-INFINITY);
  __m512 best[4] = {none, none, none, none};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    for (int j = 0; j < 4; ++j) best[j] = _mm512_max_ps(_mm512_loadu_ps(x + i + j * kLanes), best[j]);
  }
  for (; i < n; i += kLanes) best[0] = _mm512_max_ps(_mm512_mask_loadu_ps(none, lanes_below(i, n), x + i), best[0]);
  return _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(best[0], best[1]), _mm512_max_ps(best[2], best[3])));
}

// Four vectors are added in single precision before they go to the sums in double: half of the time went into conversions.
double sum_exp(const float* x, int64_t n, float max, float scale) {
  const __m512 max_v = _mm512_set1_ps(max);
  const __m512 c = _mm512_set1_ps(scale * 0x1.715476p+0f);
  __m512d low = _mm512_setzero_pd();
  __m512d high = _mm512_setzero_pd();
  for (int64_t i = 0; i < n; i += 4 * kLanes) {
    __m512 e[4];
    if (i + 4 * kLanes <= n) {
      for (int j = 0; j < 4; ++j) {
        e[j] = exp2_of_difference<6>(_mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x + i + j * kLanes), max_v), c));
      }
    } else {
      for (int j = 0; j < 4; ++j) {
        const int64_t at = i + j * kLanes;
        const __mmask16 mask = at < n ? lanes_below(at, n) : static_cast<__mmask16>(0);
        const __m512 v = mask != 0 ? _mm512_maskz_loadu_ps(mask, x + at) : _mm512_setzero_ps();
        e[j] = _mm512_maskz_mov_ps(mask, exp2_of_difference<6>(_mm512_mul_ps(_mm512_sub_ps(v, max_v), c)));
      }
    }
    const __m512 four = _mm512_add_ps(_mm512_add_ps(e[0], e[1]), _mm512_add_ps(e[2], e[3]));
    low = _mm512_add_pd(low, _mm512_cvtps_pd(_mm512_castps512_ps256(four)));
    high = _mm512_add_pd(high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(four, 1)));
  }
  alignas(64) double lanes[kLanes];
  _mm512_store_pd(lanes, low);
  _mm512_store_pd(lanes + 8, high);
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

}  // namespace

void fill_avx512_elementwise(KernelTable* table) {
  table->rms_norm = rms_norm;
  table->silu_mul = silu_mul;
  table->gelu_mul = gelu_mul;
  table->rope = rope;
  table->add = add;
  table->axpy = axpy;
  table->max_value = max_value;
  table->sum_exp = sum_exp;
}

}  // namespace firesteel
