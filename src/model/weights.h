// Views of a model's weights in the mapped checkpoint, by their role.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "kernels/matmul.h"
#include "model/config.h"
#include "model/rope.h"

namespace firesteel {

// A linear map: out = weights x (+ bias). bias: [weights.n_rows] f32 or null.
struct Linear {
  WeightView weights;
  const float* bias = nullptr;
};

// Norm weights are [dim], or [head_dim] for q_norm and k_norm; null where the family has none.
struct LayerWeights {
  const float* attn_norm = nullptr;
  Linear q, k, v, o;
  const float* q_norm = nullptr;
  const float* k_norm = nullptr;
  const float* post_attn_norm = nullptr;
  const float* ffn_norm = nullptr;
  Linear gate, up, down;  // dense
  WeightView router;      // experts: [n_experts][dim]
  std::vector<WeightView> expert_gate, expert_up, expert_down;
  const float* post_ffn_norm = nullptr;
};

struct ModelWeights {
  WeightView embedding;  // [n_vocab][dim]
  std::vector<LayerWeights> layers;
  const float* output_norm = nullptr;
  WeightView output;     // [n_vocab][dim]; the embedding when tied
  RopeTable rope;        // of global layers
  RopeTable rope_window;  // of window layers
  std::deque<std::vector<float>> converted;  // norms and biases that are not aligned f32 in the file

  uint64_t bytes_per_token = 0;  // of matrices read to decode one token
  uint64_t macs_per_token = 0;
};

// Finds every tensor that the configuration implies and checks its shape and type. A missing or misshapen tensor is kDataLoss, a
// tensor of a layer that the forward pass would ignore kUnsupported: both name it. Reads norms and biases only.
Result<ModelWeights> load_weights(const Checkpoint& checkpoint, const ModelConfig& config);

}  // namespace firesteel
