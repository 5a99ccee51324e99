// Memory of one pass: what the backward pass needs of each layer, and scratch. One arena, planned at start.
#pragma once

#include <array>
#include <vector>

#include "model/adapter.h"
#include "model/config.h"
#include "train/arena.h"
#include "train/attention.h"
#include "train/linear.h"

namespace firesteel {

struct LoraWorkspace {
  // What a layer's backward pass reads. With checkpointing all layers share one, and only x1 is each layer's own.
  struct Saved {
    float* x1 = nullptr;                   // [tokens][dim]: residual stream before attention
    float* x2 = nullptr;                   // [rows][dim]: and before the feed-forward part
    float *inv1 = nullptr, *inv2 = nullptr;  // of the norms
    float* qk = nullptr;                   // [tokens][q | k] before their norms, and
    float* inv_qk = nullptr;               // [tokens][heads of q and k] (families that have them)
    OperandRows h1, qkv, a, h2, gate_up;
    std::array<OperandRows, kNAdapterTargets> mid;  // [rows][rank]: s A x
  };

  // rank 0: an empty adapter. rank is even.
  void plan(const ModelConfig& c, const TrainOps& ops, int64_t rank, int64_t patch_dim, int64_t n_tokens, int64_t n_segment, bool checkpointing, int n_threads, Arena* arena) {
    const int64_t t = n_tokens, dim = c.dim, q_dim = int64_t{c.n_heads} * c.head_dim, kv_dim = int64_t{c.n_kv_heads} * c.head_dim, qkv = q_dim + 2 * kv_dim;
    const auto rows = [&](int64_t n, int64_t ld) { return OperandRows{arena->take(static_cast<size_t>(n * ld) * ops.element_bytes()), ld}; };
    const auto panels = [&](int64_t cols, int64_t n_k) {
      OperandPanels p{nullptr, cols, n_k + n_k % 2};
      p.data = arena->take(p.n_bytes(ops));
      return p;
    };
    saved.resize(static_cast<size_t>(c.n_layers));
    for (size_t l = 0; l < saved.size(); ++l) {
      Saved& v = saved[l];
      if (checkpointing && l > 0) v = saved[0];
      v.x1 = arena->floats(t * dim);
      if (checkpointing && l > 0) continue;
      v.x2 = arena->floats(t * dim);
      v.inv1 = arena->floats(t);
      v.inv2 = arena->floats(t);
      if (c.qk_norm) {
        v.qk = arena->floats(t * (q_dim + kv_dim));
        v.inv_qk = arena->floats(t * (c.n_heads + c.n_kv_heads));
      }
      v.h1 = rows(t, dim);
      v.qkv = rows(t, qkv);
      v.a = rows(t, q_dim);
      v.h2 = rows(t, dim);
      v.gate_up = rows(t, 2 * c.ffn_dim);
      for (OperandRows& mid : v.mid) mid = rows(t, rank);
    }
    x = arena->floats(t * dim);
    dx = arena->floats(t * dim);
    t_dx = arena->floats(t * dim);
    d_wide = arena->floats(t * std::max(dim, q_dim));
    wide = arena->floats(t * std::max(2 * c.ffn_dim, qkv));
    t_a = rows(t, q_dim);
    t_d_a = rows(t, q_dim);
    d_a = rows(t, q_dim);
    o_dim = rows(t, dim);
    act = rows(t, c.ffn_dim);
    d_rows = rows(t, std::max(2 * c.ffn_dim, qkv));
    for (OperandRows& mid : d_mid) mid = rows(t, rank);
    for (OperandPanels& p : p_mid) p = panels(rank, t);
    for (OperandPanels& p : p_d_mid) p = panels(rank, t);
    h_n = std::clamp<int64_t>((int64_t{256} << 20) / (c.n_vocab * 4), 32, 512);
    h_n = std::min(h_n, t);
    h_logits = arena->floats(h_n * c.n_vocab);
    h_d_logits = rows(h_n, c.n_vocab);
    h_rows = rows(h_n, dim);
    h_dh = arena->floats(h_n * dim);
    h_inv = arena->floats(h_n);
    if (patch_dim > 0) {
      v_n = std::min<int64_t>(t, 1024);
      v_in = rows(v_n, patch_dim);
      v_out = arena->floats(v_n * dim);
    }
    for (int i = 0; i < n_threads; ++i) {
      attention.push_back(AttentionWorkspace::plan(ops, {c.n_heads, c.n_kv_heads, c.head_dim}, n_segment, arena));
      row.push_back(arena->floats(2 * std::max({2 * c.ffn_dim, qkv, dim})));
    }
  }

  std::vector<Saved> saved;
  float* x = nullptr;       // [targets][dim]: after the last layer
  float* dx = nullptr;      // [tokens][dim]
  float* t_dx = nullptr;    // [targets][dim], of the last layer; there also:
  OperandRows t_a, t_d_a;   // [targets][q_dim]
  float* wide = nullptr;    // [tokens][qkv], or [tokens][gate | up], and their gradients
  float* d_wide = nullptr;  // [tokens][dim or q_dim]
  OperandRows d_a, o_dim, act, d_rows;
  std::array<OperandRows, kNAdapterTargets> d_mid;      // [rows][rank]: s B^T dy
  std::array<OperandPanels, kNAdapterTargets> p_mid, p_d_mid;  // the same over the tokens
  int64_t h_n = 0;          // targets whose logits exist at a time
  float *h_logits = nullptr, *h_dh = nullptr, *h_inv = nullptr;
  OperandRows h_d_logits, h_rows;
  int64_t v_n = 0;          // patches at a time
  OperandRows v_in;
  float* v_out = nullptr;
  std::vector<AttentionWorkspace> attention;  // of each thread
  std::vector<float*> row;                    // of each thread: two rows of anything
};

}  // namespace firesteel
