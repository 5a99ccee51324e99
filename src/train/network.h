// The network: forward and backward pass of one shard, written out by hand.
//
//   x = embedding[token], or rms_norm(P patch + b) * norm + row[r] + column[c]
//   per layer: h = rms_norm(x); q, k, v = W h; rope(q, k); a = attention(q, k, v); x += O a
//              h = rms_norm(x); g, u = W h; x += D (silu(g) * u)
//   logits = embedding . rms_norm(x), only where there is a target
//
// Marks of pictures are asked in the same way, but of x after the first three of eight layers: what a patch shows has to be there before
// the layers that look for it. (Asked of the last layer, 90 % of the marks were right soon, and answers were not: no later layer reads that.)
//
// A shard is the unit of parallel work: one thread computes all of it, so that nothing in here depends on the number of threads.
// Residual stream, sums and everything element-wise are f32; operands of products are bf16 (or f32, the exact mode).
// Blocks of 128 tokens go through everything between two attentions at a time: they stay in the second-level cache.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/exec.h"
#include "train/linear.h"
#include "train/network_shape.h"
#include "train/shard.h"

namespace firesteel {

// Limits of one shard, from which the arena is planned.
struct ShardLimits {
  int64_t n_tokens = 1024;
  int64_t n_segment = 1024;  // tokens of the longest sample
};

class ShardWorkspace;

class Network {
 public:
  // The shape has passed check_shape; the table outlives the network.
  Network(const NetworkShape& shape, const KernelTable& table, TrainType type, ShardLimits limits);
  ~Network();

  const NetworkShape& shape() const { return shape_; }
  const ParameterLayout& layout() const { return layout_; }
  const TrainOps& ops() const { return ops_; }
  int64_t mark_layer() const { return std::min(shape_.n_layers - 1, std::max<int64_t>(1, 3 * shape_.n_layers / 8)); }  // whose input marks are asked of

  // Once per step, before shards: packs the weights for the products.
  void pack(Exec* exec, const float* parameters);

  // Forward and, when gradients is not null, backward: gradients += those of loss_scale * (sum of the targets' losses, each
  // times its weight).
  // results: one per segment. Two calls may run at once with different workspaces.
  void run(const Shard& shard, const float* parameters, float loss_scale, float* gradients, ShardWorkspace* workspace,
           std::span<SegmentResult> results) const;

  // The logits of every target [n_targets][n_vocab], for comparison with the engine.
  void logits(const Shard& shard, const float* parameters, ShardWorkspace* workspace, float* out) const;

 private:
  friend class ShardWorkspace;
  struct Layer {
    LinearLayer qkv, attn_output, gate_up, down;
  };

  void embed(const Shard& shard, const float* parameters, ShardWorkspace* w) const;
  void embed_backward(const Shard& shard, const float* parameters, float* gradients, ShardWorkspace* w) const;
  void forward_layer(size_t l, const Shard& shard, const float* parameters, ShardWorkspace* w) const;
  void backward_layer(size_t l, const Shard& shard, const float* parameters, float* gradients, ShardWorkspace* w) const;
  void forward(const Shard& shard, const float* parameters, ShardWorkspace* w) const;
  void head(const Shard& shard, const float* parameters, float loss_scale, float* gradients, ShardWorkspace* w,
            std::span<SegmentResult> results) const;
  template <typename Add>
  void head_rows(std::span<const ShardTarget> targets, const float* rows, const float* parameters, float loss_scale, float* gradients, float* d_rows,
                 ShardWorkspace* w, const Add& add) const;
  void rope_block(float* qkv, int64_t row0, int64_t n, const float* angles, const ShardWorkspace& w) const;

  NetworkShape shape_;
  ParameterLayout layout_;
  TrainOps ops_;
  ShardLimits limits_;
  std::vector<Layer> layers_;
  LinearLayer output_;   // the embedding as a matrix
  LinearLayer patch_;
  std::vector<float> angles_, angles_back_;  // [context][head_dim/2][2]: cos, sin; and with -sin
};

}  // namespace firesteel
