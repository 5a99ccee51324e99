// What training needs besides the forward pass. Loops are written so that a compiler can vectorise them: sums run in 16 lanes, then
// lanes in order. A product of two bf16 is exact in f32, so `acc + a * b` is the fused operation.
#include <string.h>

#include "kernels/generic/exp2.h"
#include "kernels/generic/parts.h"
#include "tensor/half.h"

namespace firesteel {
namespace {

constexpr int kLanes = 16;
constexpr int64_t kPanel = kTrainPanel;

float sum_lanes(const float* lanes) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += lanes[i];
  return sum;
}

// Calls fn(i, lane) for i < n, whole groups of lanes first: a loop of fixed length inside.
template <typename Fn>
inline void for_lanes(int64_t n, Fn fn) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) fn(i + lane, lane);
  }
  for (int lane = 0; i + lane < n; ++lane) fn(i + lane, lane);
}

void finish_row(float* c, const float* acc, int width, int accumulate) {
  if (accumulate != 0) {
    for (int j = 0; j < width; ++j) c[j] += acc[j];
  } else {
    for (int j = 0; j < width; ++j) c[j] = acc[j];
  }
}

void mul_bf16(const void* a, int64_t a_row, int64_t a_unit, int64_t n_rows, const void* panel, int64_t n_units, float* c, int64_t ldc, int width,
              int accumulate) {
  const uint32_t* units = static_cast<const uint32_t*>(a);
  for (int64_t r = 0; r < n_rows; ++r) {
    float acc[kPanel] = {};
    const uint32_t* b = static_cast<const uint32_t*>(panel);
    for (int64_t u = 0; u < n_units; ++u, b += kPanel) {
      const uint32_t pair = units[r * a_row + u * a_unit];
      const float even = as_float(pair << 16);
      const float odd = as_float(pair & 0xFFFF0000u);
      for (int64_t j = 0; j < kPanel; ++j) {
        acc[j] = acc[j] + odd * as_float(b[j] & 0xFFFF0000u);
        acc[j] = acc[j] + even * as_float(b[j] << 16);
      }
    }
    finish_row(c + r * ldc, acc, width, accumulate);
  }
}

void mul_f32(const void* a, int64_t a_row, int64_t a_unit, int64_t n_rows, const void* panel, int64_t n_units, float* c, int64_t ldc, int width,
             int accumulate) {
  const float* units = static_cast<const float*>(a);
  for (int64_t r = 0; r < n_rows; ++r) {
    float acc[kPanel] = {};
    const float* b = static_cast<const float*>(panel);
    for (int64_t u = 0; u < n_units; ++u, b += kPanel) {
      const float x = units[r * a_row + u * a_unit];
      for (int64_t j = 0; j < kPanel; ++j) acc[j] = fmaf(x, b[j], acc[j]);
    }
    finish_row(c + r * ldc, acc, width, accumulate);
  }
}

void store_bf16(const float* x, int64_t n, void* out) {
  uint16_t* words = static_cast<uint16_t*>(out);
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t bits = as_bits(x[i]);
    const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
    const uint32_t nan = (bits >> 16) | 0x40u;
    words[i] = static_cast<uint16_t>((bits & 0x7FFFFFFFu) > 0x7F800000u ? nan : rounded);
  }
}

void load_bf16(const void* x, int64_t n, float* out) {
  const uint16_t* words = static_cast<const uint16_t*>(x);
  for (int64_t i = 0; i < n; ++i) out[i] = as_float(static_cast<uint32_t>(words[i]) << 16);
}

void store_f32(const float* x, int64_t n, void* out) { memcpy(out, x, static_cast<size_t>(n) * sizeof(float)); }
void load_f32(const void* x, int64_t n, float* out) { memcpy(out, x, static_cast<size_t>(n) * sizeof(float)); }

void pack_bf16(const void* x, int64_t ld, int64_t n_k, int width, void* panel) {
  const uint16_t* words = static_cast<const uint16_t*>(x);
  uint32_t* out = static_cast<uint32_t*>(panel);
  if (width < kPanel) memset(panel, 0, static_cast<size_t>((n_k + 1) / 2 * kPanel) * sizeof(uint32_t));
  for (int64_t k = 0; k + 1 < n_k; k += 2, out += kPanel) {
    const uint16_t* even = words + k * ld;
    const uint16_t* odd = even + ld;
    if (width == kPanel) {
      for (int64_t j = 0; j < kPanel; ++j) out[j] = static_cast<uint32_t>(even[j]) | static_cast<uint32_t>(odd[j]) << 16;
    } else {
      for (int64_t j = 0; j < width; ++j) out[j] = static_cast<uint32_t>(even[j]) | static_cast<uint32_t>(odd[j]) << 16;
    }
  }
  if (n_k % 2 != 0) {
    for (int64_t j = 0; j < width; ++j) out[j] = words[(n_k - 1) * ld + j];
  }
}

void pack_f32(const void* x, int64_t ld, int64_t n_k, int width, void* panel) {
  const float* values = static_cast<const float*>(x);
  float* out = static_cast<float*>(panel);
  for (int64_t k = 0; k < n_k; ++k, out += kPanel) {
    for (int64_t j = 0; j < width; ++j) out[j] = values[k * ld + j];
    for (int64_t j = width; j < kPanel; ++j) out[j] = 0;
  }
}

// Words of 32 bits, whatever they are: rows [width][ld words] to [n_words][32].
void transpose(const uint32_t* x, int64_t ld, int width, int64_t n_words, uint32_t* out) {
  for (int64_t k0 = 0; k0 < n_words; k0 += kLanes) {
    const int64_t n = n_words - k0 < kLanes ? n_words - k0 : kLanes;
    for (int64_t j = 0; j < kPanel; ++j) {
      if (j < width) {
        for (int64_t k = 0; k < n; ++k) out[(k0 + k) * kPanel + j] = x[j * ld + k0 + k];
      } else {
        for (int64_t k = 0; k < n; ++k) out[(k0 + k) * kPanel + j] = 0;
      }
    }
  }
}

void pack_transposed_bf16(const void* x, int64_t ld, int width, int64_t k, void* panel) {
  transpose(static_cast<const uint32_t*>(x), ld / 2, width, k / 2, static_cast<uint32_t*>(panel));
}

void pack_transposed_f32(const void* x, int64_t ld, int width, int64_t k, void* panel) {
  transpose(static_cast<const uint32_t*>(x), ld, width, k, static_cast<uint32_t*>(panel));
}

float norm(float* out, const float* x, const float* weight, int64_t dim, float eps) {
  float lanes[kLanes] = {};
  for_lanes(dim, [&](int64_t i, int lane) { lanes[lane] = fmaf(x[i], x[i], lanes[lane]); });
  const float inv = 1.0f / sqrtf(sum_lanes(lanes) / static_cast<float>(dim) + eps);
  for (int64_t i = 0; i < dim; ++i) out[i] = x[i] * inv * weight[i];
  return inv;
}

void norm_backward(float* dx, float* d_weight, const float* dy, const float* x, const float* weight, float inv, int64_t dim) {
  float lanes[kLanes] = {};
  for_lanes(dim, [&](int64_t i, int lane) { lanes[lane] = fmaf(dy[i] * weight[i], x[i], lanes[lane]); });
  const float c = sum_lanes(lanes) * inv * inv * inv / static_cast<float>(dim);
  for (int64_t i = 0; i < dim; ++i) {
    dx[i] += dy[i] * weight[i] * inv - x[i] * c;
    d_weight[i] += dy[i] * (x[i] * inv);
  }
}

void swiglu_backward(float* out, float* d_gate, float* d_up, const float* d_out, const float* gate, const float* up, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float g = gate[i], u = up[i], d = d_out[i];
    const float sigmoid = 1.0f / (1.0f + exp_approx(-g));
    const float silu = g * sigmoid;
    out[i] = silu * u;
    d_gate[i] = d * u * (sigmoid + silu * (1.0f - sigmoid));
    d_up[i] = d * silu;
  }
}

float max_of(const float* x, int64_t n) {
  float lanes[kLanes];
  for (int i = 0; i < kLanes; ++i) lanes[i] = -INFINITY;
  for_lanes(n, [&](int64_t i, int lane) { lanes[lane] = x[i] > lanes[lane] ? x[i] : lanes[lane]; });
  float best = lanes[0];
  for (int i = 1; i < kLanes; ++i) best = lanes[i] > best ? lanes[i] : best;
  return best;
}

// x becomes 2^((x - max) * c), c > 0; returns the sum.
float exp_of_differences(float* x, int64_t n, float max, float c) {
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) x[i] = exp2_approx<6>((x[i] - max) * c);
  for_lanes(n, [&](int64_t i, int lane) { lanes[lane] += x[i]; });
  return sum_lanes(lanes);
}

void softmax(float* scores, int64_t n, int64_t n_padded, float scale) {
  const float inverse = 1.0f / exp_of_differences(scores, n, max_of(scores, n), scale * kLog2E);
  for (int64_t i = 0; i < n; ++i) scores[i] *= inverse;
  for (int64_t i = n; i < n_padded; ++i) scores[i] = 0;
}

void softmax_backward(float* dp, const float* p, int64_t n, int64_t n_padded, float scale) {
  float lanes[kLanes] = {};
  for_lanes(n, [&](int64_t i, int lane) { lanes[lane] = fmaf(dp[i], p[i], lanes[lane]); });
  const float mean = sum_lanes(lanes);
  for (int64_t i = 0; i < n; ++i) dp[i] = p[i] * (dp[i] - mean) * scale;
  for (int64_t i = n; i < n_padded; ++i) dp[i] = 0;
}

double cross_entropy(float* logits, int64_t n, int64_t target, float scale, int* hit) {
  const float max = max_of(logits, n);
  const float at_target = logits[target];
  *hit = at_target >= max ? 1 : 0;
  const float sum = exp_of_differences(logits, n, max, kLog2E);
  const float factor = scale / sum;
  for (int64_t i = 0; i < n; ++i) logits[i] *= factor;
  logits[target] -= scale;
  return log(static_cast<double>(sum)) - (static_cast<double>(at_target) - static_cast<double>(max));
}

void adamw(float* w, float* m, float* v, const float* grad, int64_t n, const float* p) {
  const float grad_scale = p[kAdamGradScale], beta1 = p[kAdamBeta1], beta2 = p[kAdamBeta2], eps = p[kAdamEps], rate = p[kAdamRate],
              decay = p[kAdamDecay], m_scale = p[kAdamMScale], v_scale = p[kAdamVScale];
  for (int64_t i = 0; i < n; ++i) {
    const float g = grad[i] * grad_scale;
    const float m_new = fmaf(beta1, m[i] - g, g);
    const float v_new = fmaf(beta2, v[i] - g * g, g * g);
    m[i] = m_new;
    v[i] = v_new;
    w[i] -= rate * (m_new * m_scale / (sqrtf(v_new * v_scale) + eps) + decay * w[i]);
  }
}

double sum_squares(const float* x, int64_t n) {
  double lanes[kLanes] = {};
  for_lanes(n, [&](int64_t i, int lane) { lanes[lane] += static_cast<double>(x[i]) * static_cast<double>(x[i]); });
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

}  // namespace

void fill_generic_train(KernelTable* table) {
  TrainKernels& t = table->train;
  t.type[kTrainBf16] = {mul_bf16, store_bf16, load_bf16, pack_bf16, pack_transposed_bf16};
  t.type[kTrainF32] = {mul_f32, store_f32, load_f32, pack_f32, pack_transposed_f32};
  t.norm = norm;
  t.norm_backward = norm_backward;
  t.swiglu_backward = swiglu_backward;
  t.softmax = softmax;
  t.softmax_backward = softmax_backward;
  t.cross_entropy = cross_entropy;
  t.adamw = adamw;
  t.sum_squares = sum_squares;
}

}  // namespace firesteel
