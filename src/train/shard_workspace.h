// Everything one thread needs to run shards: activations kept for the backward pass, and scratch. One arena, planned at start.
#pragma once

#include <vector>

#include "train/attention.h"
#include "train/network.h"

namespace firesteel {

class ShardWorkspace {
 public:
  explicit ShardWorkspace(const Network& network);

  size_t n_bytes() const { return memory_.size(); }

 private:
  friend class Network;
  // What the backward pass needs of a layer.
  struct Saved {
    float *x1, *x2;        // [tokens][dim]: residual stream before attention and before the feed-forward part
    float *inv1, *inv2;    // [tokens]: of the norms
    OperandRows h1, qkv, a, h2, gate_up;
  };

  void plan(const Network& network, Arena* arena);

  AlignedBytes memory_;
  std::vector<Saved> saved_;
  float* x = nullptr;                 // [targets][dim]: after the last layer
  float* dx = nullptr;                // [tokens][dim]
  float* d_qkv = nullptr;             // [tokens][qkv]
  float *m_x = nullptr, *m_dx = nullptr;  // [marks][dim]: the residual stream at marks
  float* t_dx = nullptr;              // [targets][dim], and of the last layer's attention:
  OperandRows t_a, t_d_a;             // [targets][q_dim]
  int32_t* position = nullptr;
  // Panels over the tokens of the shard, for the gradients of weights.
  OperandPanels p_dim, p_dim2, p_ffn, p_gate_up, p_qkv, p_q;
  OperandRows d_a;                    // [tokens][q_dim]
  // Blocks.
  float *b_dim = nullptr, *b_wide = nullptr, *b_wide2 = nullptr, *b_ffn = nullptr, *b_ffn2 = nullptr;
  OperandRows o_dim, o_wide, o_ffn;
  // Head.
  float *h_logits = nullptr, *h_dh = nullptr, *h_inv = nullptr, *h_norm = nullptr;
  OperandRows h_rows, h_d_logits;
  OperandPanels h_p_rows, h_p_logits;
  // Patches.
  float *v_out = nullptr, *v_inv = nullptr, *v_d = nullptr;
  OperandRows v_in, v_d_rows;
  OperandPanels v_p_in, v_p_d;
  AttentionWorkspace attention;
};

}  // namespace firesteel
