// Rows and element-wise operations. Every fused step is spelled out: the other columns have the same bytes.
#include "kernels/generic/exp2.h"
#include "kernels/generic/parts.h"

namespace firesteel {
namespace {

constexpr int kLanes = 16;

void rms_norm(float* out, const float* x, const float* weight, int64_t dim, float eps) {
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < dim; ++i) lanes[i % kLanes] = fmaf(x[i], x[i], lanes[i % kLanes]);
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  const float scale = 1.0f / sqrtf(sum / static_cast<float>(dim) + eps);
  for (int64_t i = 0; i < dim; ++i) out[i] = weight == nullptr ? x[i] * scale : x[i] * scale * weight[i];
}

void silu_mul(float* out, const float* gate, const float* up, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = gate[i] / (1.0f + exp_approx(-gate[i])) * up[i];
}

void gelu_mul(float* out, const float* gate, const float* up, int64_t n) {
  constexpr float kMinusTwoRoot = -1.5957691216057308f;  // -2 * sqrt(2/pi)
  for (int64_t i = 0; i < n; ++i) {
    const float g = gate[i];
    const float cubic = fmaf(g * g, 0.044715f, 1.0f);
    out[i] = g / (1.0f + exp_approx(g * kMinusTwoRoot * cubic)) * up[i];
  }
}

void rope(float* head, const float* cs, int64_t n_pairs, int neox) {
  for (int64_t i = 0; i < n_pairs; ++i) {
    float* a = neox != 0 ? head + i : head + 2 * i;
    float* b = neox != 0 ? head + i + n_pairs : head + 2 * i + 1;
    const float c = cs[2 * i];
    const float s = cs[2 * i + 1];
    const float x = *a;
    const float y = *b;
    *a = fmaf(x, c, -(y * s));
    *b = fmaf(x, s, y * c);
  }
}

void add(float* x, const float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] += y[i];
}

void axpy(float* x, const float* y, float a, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = fmaf(a, y[i], x[i]);
}

float max_value(const float* x, int64_t n) {
  float best = -INFINITY;
  for (int64_t i = 0; i < n; ++i) best = x[i] > best ? x[i] : best;
  return best;
}

double sum_exp(const float* x, int64_t n, float max, float scale) {
  const float c = scale * kLog2E;
  double lanes[kLanes] = {};
  for (int64_t i = 0; i < n; i += 4 * kLanes) {
    float e[4 * kLanes] = {};
    for (int64_t j = 0; j < 4 * kLanes && i + j < n; ++j) e[j] = exp2_approx<6>((x[i + j] - max) * c);
    for (int lane = 0; lane < kLanes; ++lane) {
      lanes[lane] += static_cast<double>((e[lane] + e[lane + kLanes]) + (e[lane + 2 * kLanes] + e[lane + 3 * kLanes]));
    }
  }
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

}  // namespace

void fill_generic_elementwise(KernelTable* table) {
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
