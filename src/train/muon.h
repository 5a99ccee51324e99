// Muon for the matrices of the layers and of the patches: the momentum of the gradient, made orthogonal by five Newton-Schulz steps, is the update.
//
//   buffer = momentum * buffer + g;  u = g + momentum * buffer
//   w -= rate * (0.2 * sqrt(max(rows, cols)) * orthogonal(u) + weight_decay * w)
//
// The factor gives updates the size of AdamW's, so that one rate serves both. Products are bf16 (the steps converge anyway). One matrix
// is one task of one thread: the bytes do not depend on the number of threads. Source: Jordan et al. 2024, "Muon"; Liu et al. 2025,
// arXiv:2502.16982.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/exec.h"
#include "train/linear.h"
#include "train/network_shape.h"

namespace firesteel {

struct MuonOptions {
  double momentum = 0.95, weight_decay = 0.1;
};

class Muon {
 public:
  // Matrices only: not embeddings, norms or biases.
  static bool takes(const ParameterInfo& info) { return info.kind == ParameterKind::kMatrix; }

  Muon(const ParameterLayout& layout, const TrainOps& ops, const MuonOptions& options);

  // gradients: summed over the lanes; grad_scale: of the clipping. buffer: laid out as the parameters.
  void step(Exec* exec, const float* gradients, double grad_scale, double rate, float* weights, float* buffer) const;

 private:
  void update(const ParameterInfo& info, const float* gradients, float grad_scale, float rate, float* weights, float* buffer, std::byte* scratch) const;

  TrainOps ops_;
  MuonOptions options_;
  std::vector<ParameterInfo> matrices_;
};

}  // namespace firesteel
