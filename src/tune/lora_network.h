// The served model with an adapter on it, forward and backward: what a tuning run computes.
//
// The weights stay where they are (frozen_matrix.h); only A and B of each target get gradients: with m = s A x (s = alpha / rank),
//   y = W x + B m      d_m = B^T dy      dB += dy m^T      dA += s d_m x^T      dx = W^T dy + s A^T d_m
// m is zero for tokens before the place in their sample where the adapter begins (activated LoRA): they are the base's, to the byte.
//
// A pass takes all tokens at once through a layer, all threads together: each weight is dequantised once a product for all of them. Every sum
// has one order, whatever the threads. With checkpointing, only the residual stream between layers is kept and the backward pass computes a
// layer's insides again: the same bytes, a third more time, a fraction of the memory (Chen et al. 2016, arXiv:1604.06174).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/exec.h"
#include "model/config.h"
#include "model/weights.h"
#include "train/linear.h"
#include "train/shard.h"
#include "tune/frozen_matrix.h"
#include "tune/lora.h"

namespace firesteel {

// The part that sees, as f32. Empty: none.
struct FrozenVision {
  int64_t patch_dim = 0;
  std::vector<float> weight, bias, norm, row, column;  // [dim][patch_dim], [dim], [dim], [rows][dim], [columns][dim]
};

struct LoraPassLimits {
  int64_t n_tokens = 4096;   // of a pass
  int64_t n_segment = 1024;  // of its longest sample
  bool checkpointing = false;
  size_t keep_bytes_max = size_t{256} << 20;  // weights whose panels need less stay unpacked
};

class LoraNetwork {
 public:
  // What a network of this shape takes beside the model's file, all threads and A and B (with the optimiser's state) included.
  static size_t planned_bytes(const ModelConfig& config, const LoraSet& set, TrainType type, const LoraPassLimits& limits, int n_threads);

  // Borrows everything. The configuration has passed check_tunable (base_model.h).
  LoraNetwork(const ModelConfig& config, const ModelWeights& weights, const FrozenVision& vision, const LoraSet& set, const KernelTable& table, TrainType type,
              const LoraPassLimits& limits, Exec* exec);
  ~LoraNetwork();

  const LoraPassLimits& limits() const;

  // Before passes, whenever A and B have changed. Empty: the adapter is off.
  void set_adapter(std::span<const float> flat);

  // Forward; and, when d_flat is not empty, backward: d_flat += the gradients of loss_scale * (sum of the targets' losses, each times its
  // weight). results: one per segment, losses without weights.
  void run(const Shard& pass, float loss_scale, std::span<float> d_flat, std::span<SegmentResult> results);

  // The logits of every target, [n_targets][n_vocab]: for comparison with the engine.
  void logits(const Shard& pass, float* out);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace firesteel
