// Products with weights that do not change, read from the mapped file in whatever block type it has: no copy of a model's weights exists.
//
// A task dequantises a few rows (forward) or columns (backward) into operand panels that stay in its second-level cache, and lets all tokens of
// the pass go by; so a weight is dequantised once per product however many tokens there are. The panels of a small model are kept instead.
// Either way an output is summed in the same order: the bytes do not depend on it, nor on threads.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/exec.h"
#include "model/weights.h"
#include "train/arena.h"
#include "train/linear.h"

namespace firesteel {

class FrozenMatrix {
 public:
  FrozenMatrix() = default;
  // Borrows the map's weights and bias. An even number of rows; both sides up to 2^31.
  explicit FrozenMatrix(const Linear& map) : weights_(map.weights), bias_(map.bias) {}

  int64_t n_rows() const { return weights_.n_rows; }
  int64_t k() const { return weights_.k; }
  const float* bias() const { return bias_; }
  // Of the panels for both directions, if they are kept.
  size_t kept_bytes(const TrainOps& ops) const;
  void keep(Exec* exec, const TrainOps& ops);
  bool is_kept() const { return forward_.size() > 0; }

  // Panel `panel` of 32 rows, contraction over k: into `out`, unless it is kept. `scratch`: panel_scratch_bytes.
  const std::byte* forward_panel(const TrainOps& ops, int64_t panel, std::byte* scratch, std::byte* out) const;
  // Panels of the 32 columns from `col` on (n_cols of them), contraction over the rows [row, row + n): panel j begins at out + j * stride.
  void backward_panels(const TrainOps& ops, int64_t row, int64_t n, int64_t col, int64_t n_cols, std::byte* scratch, std::byte* out, size_t stride) const;
  const std::byte* kept_backward(const TrainOps& ops, int64_t panel, int64_t row) const;

 private:
  WeightView weights_;
  const float* bias_ = nullptr;
  AlignedBytes forward_, backward_;
};

// y[t][:] (+)= x[t] W^T (+ bias), and what an adapter adds: mid[t] B^T, for the rows of B.
struct FrozenForward {
  const FrozenMatrix* w = nullptr;
  float* y = nullptr;
  int64_t ldy = 0;
  bool add = false;
  const LinearLayer* b = nullptr;  // null: no adapter here
  OperandRows mid = {};
};
// All jobs on the same rows x [n_tokens].
void frozen_forward(Exec* exec, const TrainOps& ops, const OperandRows& x, int64_t n_tokens, std::span<const FrozenForward> jobs);

// dx[t] = sum over the jobs of dy[t] W + d_mid[t] A.
struct FrozenBackward {
  const FrozenMatrix* w = nullptr;
  OperandRows dy = {};
  const LinearLayer* a = nullptr;
  OperandRows d_mid = {};
};
// Matrices of the same k. dx is overwritten.
void frozen_backward(Exec* exec, const TrainOps& ops, int64_t n_tokens, std::span<const FrozenBackward> jobs, float* dx, int64_t ldx);

// dst += left^T right, over the tokens: the gradient of A (dst [left.cols][cols]) or, transposed, of B (dst [cols][left.cols]).
struct TokenProduct {
  const OperandPanels* left = nullptr;  // over the tokens
  float* dst = nullptr;
  bool transposed = false;
};
void add_token_products(Exec* exec, const TrainOps& ops, const OperandRows& right, int64_t cols, int64_t n_tokens, std::span<const TokenProduct> products);

}  // namespace firesteel
