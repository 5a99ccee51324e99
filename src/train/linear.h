// A linear layer y = W x as an object: its weights packed for both directions, and the three products of training.
//
//   forward         Y  = X W^T      rows of X against W's rows
//   backward_input  dX = dY W
//   backward_weight dW += dY^T X    both as panels over the tokens
//
// Weights are f32 masters of somebody else (or, later, a quantised base: pack() only needs rows of f32), packed once per step. A frozen
// layer never asks for backward_weight. Sums are f32, in the order of the contraction; one thread, no allocation after pack().
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/table.h"
#include "train/arena.h"

namespace firesteel {

// The kernels of one precision.
struct TrainOps {
  const KernelTable* table = nullptr;
  TrainType type = kTrainBf16;

  const TrainKernels& train() const { return table->train; }
  const TrainTypeKernels& typed() const { return table->train.type[type]; }
  size_t element_bytes() const { return type == kTrainBf16 ? 2 : 4; }
  int64_t units(int64_t k) const { return type == kTrainBf16 ? (k + 1) / 2 : k; }   // of a contraction
  int64_t row_units(int64_t ld) const { return type == kTrainBf16 ? ld / 2 : ld; }  // stride of rows; ld even
  size_t panel_bytes(int64_t k) const { return static_cast<size_t>(units(k)) * kTrainPanel * 4; }
};

inline int64_t n_panels(int64_t cols) { return (cols + kTrainPanel - 1) / kTrainPanel; }

// Rows of operands: a pointer and a stride in elements.
struct OperandRows {
  std::byte* data = nullptr;
  int64_t ld = 0;
  std::byte* at(const TrainOps& ops, int64_t row, int64_t col = 0) const {
    return data + static_cast<size_t>(row * ld + col) * ops.element_bytes();
  }
};

// A matrix [n_k][cols] as panels of 32 columns, n_k being the contraction; written in pieces that start at even rows.
struct OperandPanels {
  std::byte* data = nullptr;
  int64_t cols = 0;
  int64_t n_k_max = 0;
  size_t n_bytes(const TrainOps& ops) const { return static_cast<size_t>(n_panels(cols)) * ops.panel_bytes(n_k_max); }
  std::byte* panel(const TrainOps& ops, int64_t p, int64_t k = 0) const {
    return data + static_cast<size_t>(p) * ops.panel_bytes(n_k_max) + ops.panel_bytes(k);
  }
  void pack(const TrainOps& ops, const OperandRows& rows, int64_t row0, int64_t n, int64_t k0) const;
};

// dst[i][j] (+)= sum over n_k of left[k][i] * right[k][j]: dst [left.cols][right.cols], row stride ld.
void multiply_panels(const TrainOps& ops, const OperandPanels& left, const OperandPanels& right, int64_t n_k, float* dst, int64_t ld, bool accumulate);

class LinearLayer {
 public:
  LinearLayer(int64_t n_out, int64_t n_in, int64_t offset) : n_out_(n_out), n_in_(n_in), offset_(offset) {}

  int64_t n_out() const { return n_out_; }
  int64_t n_in() const { return n_in_; }
  int64_t offset() const { return offset_; }  // of the weights in the flat parameters

  // parameters: the flat array. Part `part` of n_parts(), so that many threads can share the work.
  void reserve(const TrainOps& ops);
  int64_t n_parts() const { return n_panels(n_out_); }
  void pack(const TrainOps& ops, const float* parameters, int64_t part, std::byte* scratch);
  size_t pack_scratch_bytes() const { return static_cast<size_t>(kTrainPanel * n_in_) * 4; }

  void forward(const TrainOps& ops, const OperandRows& x, int64_t row0, int64_t n_rows, float* y, int64_t ldy, bool accumulate) const;
  // One panel of 32 outputs (forward) or inputs (backward); y and dx begin at row row0, column 0 of the whole.
  void forward_panel(const TrainOps& ops, const OperandRows& x, int64_t row0, int64_t n_rows, int64_t panel, float* y, int64_t ldy, bool accumulate) const;
  void backward_panel(const TrainOps& ops, const OperandRows& dy, int64_t row0, int64_t n_rows, int64_t panel, float* dx, int64_t ldx, bool accumulate) const;
  void backward_input(const TrainOps& ops, const OperandRows& dy, int64_t row0, int64_t n_rows, float* dx, int64_t ldx, bool accumulate) const;
  void backward_weight(const TrainOps& ops, const OperandPanels& dy, const OperandPanels& x, int64_t n_k, float* gradients) const {
    multiply_panels(ops, dy, x, n_k, gradients + offset_, n_in_, true);
  }

 private:
  int64_t n_out_, n_in_, offset_;
  AlignedBytes forward_, backward_;
};

}  // namespace firesteel
