// The shape of the network that is trained: a Llama decoder with tied embeddings, and the projection of picture patches before it.
//
// Parameters are one flat f32 array, tensors one after the other in the order below; gradients and the optimiser's state have the same
// layout. The rows of q, k, v and of gate, up are neighbours, so each group is one product.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/patches.h"

namespace firesteel {

struct NetworkShape {
  int64_t dim = 256;
  int64_t n_layers = 8;
  int64_t n_heads = 4;
  int64_t n_kv_heads = 2;
  int64_t head_dim = 64;
  int64_t ffn_dim = 704;
  int64_t n_vocab = 4096;
  int64_t context = 2048;      // tokens of one sample, and the length that the model file states
  double rope_theta = 10000;
  double norm_eps = 1e-5;
  bool vision = true;
  PatchParams patches;

  int64_t q_dim() const { return n_heads * head_dim; }
  int64_t kv_dim() const { return n_kv_heads * head_dim; }
  int64_t qkv_dim() const { return q_dim() + 2 * kv_dim(); }
};

// kInvalidArgument: sizes that the kernels cannot take (multiples of 16, n_heads a multiple of n_kv_heads, ...), with the reason.
Status check_shape(const NetworkShape& shape);

enum class ParameterKind : uint8_t { kMatrix, kNorm, kBias, kEmbedding };

struct ParameterInfo {
  std::string name;      // as in GGUF: "blk.0.attn_q.weight"
  ParameterKind kind;
  int64_t rows = 1;      // outputs
  int64_t cols = 0;      // inputs: contiguous
  int64_t offset = 0;    // elements
  double init = 0;       // standard deviation; of norms, the value
  double rate = 1;       // times the learning rate
  int64_t n() const { return rows * cols; }
};

// Offsets of the tensors in the flat array.
struct LayerOffsets {
  int64_t attn_norm, qkv, attn_output, ffn_norm, gate_up, down;
};
struct ParameterLayout {
  std::vector<ParameterInfo> tensors;
  std::vector<LayerOffsets> layers;
  int64_t embedding = 0, output_norm = 0;
  int64_t patch_weight = 0, patch_bias = 0, patch_norm = 0, patch_row = 0, patch_column = 0;  // when vision
  int64_t n = 0;       // all
  int64_t n_text = 0;  // the text part comes first
};

ParameterLayout plan_parameters(const NetworkShape& shape);

// Normal with the standard deviations of the layout, each tensor from its own stream of the seed.
void init_parameters(const ParameterLayout& layout, uint64_t seed, float* parameters);

}  // namespace firesteel
