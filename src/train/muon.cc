#include "train/muon.h"

#include <algorithm>
#include <cmath>

namespace firesteel {
namespace {

constexpr int kSteps = 5;
constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;  // of the quintic

// Scratch of one matrix of n x k with n <= k.
struct Buffers {
  float *x, *square, *square2;       // [n][k], [n][n], [n][n]
  OperandRows x_rows, square_rows;
  OperandPanels panels;              // of x over its rows, or of a square
  std::byte* columns;                // x's rows as columns
};

Buffers take(const TrainOps& ops, int64_t n, int64_t k, Arena* arena) {
  Buffers b{};
  b.x = arena->floats(n * k);
  b.square = arena->floats(n * n);
  b.square2 = arena->floats(n * n);
  b.x_rows = {arena->take(static_cast<size_t>(n * k) * ops.element_bytes()), k};
  b.square_rows = {arena->take(static_cast<size_t>(n * n) * ops.element_bytes()), n};
  b.panels = {nullptr, std::max(n, k), n};
  b.panels.data = arena->take(b.panels.n_bytes(ops));
  b.columns = arena->take(static_cast<size_t>(n_panels(n)) * ops.panel_bytes(k));
  return b;
}

// out [n][cols] = rows [n][n] times the matrix that `right` holds as panels over n.
void times_panels(const TrainOps& ops, const OperandRows& rows, int64_t n, const OperandPanels& right, float* out) {
  for (int64_t p = 0; p < n_panels(right.cols); ++p) {
    const int64_t col = p * kTrainPanel;
    const int width = static_cast<int>(std::min<int64_t>(kTrainPanel, right.cols - col));
    ops.typed().mul(rows.data, ops.row_units(rows.ld), 1, n, right.panel(ops, p), ops.units(n), out + col, right.cols, width, 0);
  }
}

void orthogonalise(const TrainOps& ops, int64_t n, int64_t k, const Buffers& b) {
  const float scale = 1.0f / (static_cast<float>(std::sqrt(ops.train().sum_squares(b.x, n * k))) + 1e-7f);
  for (int64_t i = 0; i < n * k; ++i) b.x[i] *= scale;
  for (int step = 0; step < kSteps; ++step) {
    ops.typed().store(b.x, n * k, b.x_rows.data);
    for (int64_t j = 0; j < n; j += kTrainPanel) {  // square = x x^T
      const int width = static_cast<int>(std::min<int64_t>(kTrainPanel, n - j));
      ops.typed().pack_transposed(b.x_rows.at(ops, j), k, width, k, b.columns);
      ops.typed().mul(b.x_rows.data, ops.row_units(k), 1, n, b.columns, ops.units(k), b.square + j, n, width, 0);
    }
    ops.typed().store(b.square, n * n, b.square_rows.data);
    OperandPanels right = b.panels;
    right.cols = n;
    right.pack(ops, b.square_rows, 0, n, 0);
    times_panels(ops, b.square_rows, n, right, b.square2);
    for (int64_t i = 0; i < n * n; ++i) b.square[i] = kB * b.square[i] + kC * b.square2[i];
    for (int64_t i = 0; i < n; ++i) b.square[i * n + i] += kA;  // x = (a + b s + c s^2) x
    ops.typed().store(b.square, n * n, b.square_rows.data);
    right.cols = k;
    right.pack(ops, b.x_rows, 0, n, 0);
    times_panels(ops, b.square_rows, n, right, b.x);
  }
}

}  // namespace

Muon::Muon(const ParameterLayout& layout, const TrainOps& ops, const MuonOptions& options) : ops_(ops), options_(options) {
  for (const ParameterInfo& info : layout.tensors) {
    if (takes(info)) matrices_.push_back(info);
  }
}

void Muon::update(const ParameterInfo& info, const float* gradients, float grad_scale, float rate, float* weights, float* buffer, std::byte* scratch) const {
  const bool flip = info.rows > info.cols;
  const int64_t n = std::min(info.rows, info.cols), k = std::max(info.rows, info.cols);
  Arena measure;
  take(ops_, n, k, &measure);
  Arena arena(scratch, measure.used());
  const Buffers b = take(ops_, n, k, &arena);
  const auto momentum = static_cast<float>(options_.momentum);
  const float *g = gradients + info.offset;
  float *m = buffer + info.offset, *w = weights + info.offset;
  for (int64_t r = 0; r < info.rows; ++r) {
    for (int64_t c = 0; c < info.cols; ++c) {
      const int64_t i = r * info.cols + c;
      const float scaled = g[i] * grad_scale;
      m[i] = momentum * m[i] + scaled;
      b.x[flip ? c * k + r : i] = scaled + momentum * m[i];
    }
  }
  orthogonalise(ops_, n, k, b);
  const float size = rate * 0.2f * std::sqrt(static_cast<float>(k)), keep = 1.0f - rate * static_cast<float>(options_.weight_decay);
  for (int64_t r = 0; r < info.rows; ++r) {
    for (int64_t c = 0; c < info.cols; ++c) {
      const int64_t i = r * info.cols + c;
      w[i] = keep * w[i] - size * b.x[flip ? c * k + r : i];
    }
  }
}

void Muon::step(Exec* exec, const float* gradients, double grad_scale, double rate, float* weights, float* buffer) const {
  exec->parallel_for(static_cast<int64_t>(matrices_.size()), [&](int64_t task, int thread) {
    const ParameterInfo& info = matrices_[static_cast<size_t>(task)];
    Arena measure;
    take(ops_, std::min(info.rows, info.cols), std::max(info.rows, info.cols), &measure);
    update(info, gradients, static_cast<float>(grad_scale), static_cast<float>(rate), weights, buffer, exec->scratch(thread, measure.used()));
  });
}

}  // namespace firesteel
