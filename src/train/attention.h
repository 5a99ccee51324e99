// Causal attention of one sample, forward and backward, on the products of linear.h. Scores are never kept: the backward pass
// computes them again from q and k.
#pragma once

#include "train/linear.h"

namespace firesteel {

struct AttentionShape {
  int64_t n_heads = 0, n_kv_heads = 0, head_dim = 0;
  int64_t q_dim() const { return n_heads * head_dim; }
  int64_t kv_dim() const { return n_kv_heads * head_dim; }
};

// Scratch for samples of up to n_max tokens.
struct AttentionWorkspace {
  static AttentionWorkspace plan(const TrainOps& ops, const AttentionShape& shape, int64_t n_max, Arena* arena);

  int64_t n_max = 0;
  float* scores = nullptr;    // [32][padded]
  float* d_scores = nullptr;  // [32][padded]
  float* rows = nullptr;      // [32][head_dim]
  OperandRows p_block;        // [32][padded]
  OperandRows p_all;          // [n][padded]: probabilities of one head
  OperandRows ds_all;         // the same, gradients of the scores
  OperandPanels k_rows, v_rows;        // contraction over tokens, columns of the head
  std::byte *k_columns = nullptr, *v_columns = nullptr;  // contraction over the head, columns are tokens
  OperandPanels q_rows, do_rows;
  std::byte* column_panel = nullptr;  // 32 keys of p or ds, contraction over queries
};

// The heads of keys and values [first, first + n), with the heads of queries that belong to them: what one thread may do by itself.
struct KvHeads {
  int64_t first = 0, n = 0;
};

// Rows row0 .. row0 + n of qkv [*][q | k | v] (after rope) to the same rows of out [*][q_dim].
void attention_forward(const TrainOps& ops, const AttentionShape& shape, const OperandRows& qkv, const OperandRows& out, int64_t row0, int64_t n,
                       KvHeads heads, const AttentionWorkspace& w);
// d_out: operand rows [*][q_dim]. d_qkv: f32 rows [n] of q_dim + 2 kv_dim, for the sample's rows: the columns of these heads are overwritten.
void attention_backward(const TrainOps& ops, const AttentionShape& shape, const OperandRows& qkv, const OperandRows& d_out, float* d_qkv, int64_t row0,
                        int64_t n, KvHeads heads, const AttentionWorkspace& w);

}  // namespace firesteel
