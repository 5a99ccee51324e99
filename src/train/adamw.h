// AdamW over the flat parameters: decoupled weight decay on matrices only, one clipped global norm.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/exec.h"
#include "kernels/table.h"
#include "train/network_shape.h"

namespace firesteel {

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.98, eps = 1e-8, weight_decay = 0.1, clip = 1.0;
};

class AdamW {
 public:
  // skip: tensors that another optimiser updates (their gradients are summed and count for the norm); null: none.
  AdamW(const ParameterLayout& layout, const KernelTable& table, const AdamOptions& options, bool (*skip)(const ParameterInfo&) = nullptr);

  // lanes: partial gradients, added in order into the first. Returns the norm of the sum; when it is not finite nothing was changed.
  // step counts from 1. The order of every sum depends on the layout and the number of lanes only.
  double step(Exec* exec, const std::vector<float*>& lanes, int64_t step, double rate, float* weights, float* m, float* v);
  // What gradients of this norm are multiplied by.
  double grad_scale(double norm) const { return options_.clip > 0 && norm > options_.clip ? options_.clip / norm : 1.0; }

 private:
  struct Chunk {
    int64_t offset, n;
    float rate, decay;
    bool skip;
  };
  const KernelTable& table_;
  AdamOptions options_;
  std::vector<Chunk> chunks_;
  std::vector<double> squares_;
};

}  // namespace firesteel
