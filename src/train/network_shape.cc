#include "train/network_shape.h"

#include <cmath>

#include "base/rng.h"

namespace firesteel {
namespace {

constexpr int64_t kMaxSide = 16;  // rows of v.row.weight, and times split of v.column.weight

Status refuse(const std::string& what) { return Error{ErrorCode::kInvalidArgument, "[model] " + what}; }

}  // namespace

Status check_shape(const NetworkShape& s) {
  const auto multiple = [](int64_t value, int64_t of) { return value > 0 && value % of == 0; };
  if (!multiple(s.dim, 16) || s.dim > 8192) return refuse("dim must be a multiple of 16 up to 8192, not " + std::to_string(s.dim));
  if (!multiple(s.ffn_dim, 16) || s.ffn_dim > 32768) return refuse("ffn must be a multiple of 16 up to 32768, not " + std::to_string(s.ffn_dim));
  if (!multiple(s.head_dim, 16) || s.head_dim > 256) return refuse("head_dim must be a multiple of 16 up to 256, not " + std::to_string(s.head_dim));
  if (s.n_layers < 1 || s.n_layers > 128) return refuse("layers must be 1 to 128, not " + std::to_string(s.n_layers));
  if (s.n_kv_heads < 1 || s.n_kv_heads > 256) return refuse("kv_heads must be 1 to 256, not " + std::to_string(s.n_kv_heads));
  if (s.n_heads > 256 || !multiple(s.n_heads, s.n_kv_heads)) {
    return refuse("heads must be a multiple of kv_heads up to 256, not " + std::to_string(s.n_heads) + " of " + std::to_string(s.n_kv_heads));
  }
  if (!multiple(s.n_vocab, 2) || s.n_vocab > 262144) return refuse("a vocabulary must be even, up to 262144, not " + std::to_string(s.n_vocab));
  if (s.context < 16 || s.context > 8192) return refuse("context must be 16 to 8192, not " + std::to_string(s.context));
  if (s.vision) {
    if (!multiple(s.patches.patch_size, 2) || s.patches.patch_size > 64) return refuse("patch_size must be even, up to 64");
    if (s.patches.split < 1 || s.patches.split > 4 || s.patches.patch_size % (2 * s.patches.split) != 0) {
      return refuse("split must be 1 to 4, and patch_size a multiple of twice that");
    }
    if (s.patches.max_side < 1 || s.patches.max_side > kMaxSide) return refuse("max_side must be 1 to 16");
    if (s.patches.pixels_per_patch < 1 || s.patches.pixels_per_patch > 256) return refuse("pixels_per_patch must be 1 to 256");
    if (s.patches.max_patches < 1 || s.patches.max_patches > 256) return refuse("max_patches must be 1 to 256");
  }
  return {};
}

ParameterLayout plan_parameters(const NetworkShape& s) {
  ParameterLayout layout;
  const auto add = [&layout](std::string name, ParameterKind kind, int64_t rows, int64_t cols, double init, double rate = 1) {
    const int64_t offset = layout.n;
    layout.tensors.push_back({std::move(name), kind, rows, cols, offset, init, rate});
    layout.n += rows * cols;
    return offset;
  };
  const auto fan = [](int64_t n_in) { return 1.0 / std::sqrt(static_cast<double>(n_in)); };
  const double shrink = 1.0 / std::sqrt(2.0 * static_cast<double>(s.n_layers));  // of what is added to the residual stream
  // The recipe has embeddings of 0.02, multiplied by sqrt(dim) at the input only. The file knows no such factor, so the embeddings
  // hold it, the last norm takes it back before the tied output matrix, and both learn at the rates that follow.
  const double root = std::sqrt(static_cast<double>(s.dim));
  const double embedding = 0.02 * root;
  layout.embedding = add("token_embd.weight", ParameterKind::kEmbedding, s.n_vocab, s.dim, embedding, root);
  for (int64_t l = 0; l < s.n_layers; ++l) {
    const std::string blk = "blk." + std::to_string(l) + ".";
    LayerOffsets o{};
    o.attn_norm = add(blk + "attn_norm.weight", ParameterKind::kNorm, 1, s.dim, 1);
    o.qkv = add(blk + "attn_q.weight", ParameterKind::kMatrix, s.q_dim(), s.dim, fan(s.dim));
    add(blk + "attn_k.weight", ParameterKind::kMatrix, s.kv_dim(), s.dim, fan(s.dim));
    add(blk + "attn_v.weight", ParameterKind::kMatrix, s.kv_dim(), s.dim, fan(s.dim));
    o.attn_output = add(blk + "attn_output.weight", ParameterKind::kMatrix, s.dim, s.q_dim(), fan(s.q_dim()) * shrink);
    o.ffn_norm = add(blk + "ffn_norm.weight", ParameterKind::kNorm, 1, s.dim, 1);
    o.gate_up = add(blk + "ffn_gate.weight", ParameterKind::kMatrix, s.ffn_dim, s.dim, fan(s.dim));
    add(blk + "ffn_up.weight", ParameterKind::kMatrix, s.ffn_dim, s.dim, fan(s.dim));
    o.down = add(blk + "ffn_down.weight", ParameterKind::kMatrix, s.dim, s.ffn_dim, fan(s.ffn_dim) * shrink);
    layout.layers.push_back(o);
  }
  layout.output_norm = add("output_norm.weight", ParameterKind::kNorm, 1, s.dim, 1 / root, 1 / root);
  layout.n_text = layout.n;
  if (s.vision) {
    // The pixels of a patch are nearly equal, so Adam's steps on its weights add up: at the full rate a white patch moves by 1.2 a step,
    // against 1 at the start, and nothing behind it can follow (12M tokens left even colours unseen).
    constexpr double kPatchRate = 0.1;
    layout.patch_weight = add("v.patch.weight", ParameterKind::kMatrix, s.dim, s.patches.patch_dim(), fan(s.patches.patch_dim()), kPatchRate);
    layout.patch_bias = add("v.patch.bias", ParameterKind::kBias, 1, s.dim, 0, kPatchRate);
    layout.patch_norm = add("v.norm.weight", ParameterKind::kNorm, 1, s.dim, embedding);
    layout.patch_row = add("v.row.weight", ParameterKind::kEmbedding, kMaxSide, s.dim, embedding, root / 16);
    layout.patch_column = add("v.column.weight", ParameterKind::kEmbedding, kMaxSide * s.patches.split, s.dim, embedding, root / 16);
  }
  return layout;
}

void init_parameters(const ParameterLayout& layout, uint64_t seed, float* parameters) {
  for (size_t i = 0; i < layout.tensors.size(); ++i) {
    const ParameterInfo& info = layout.tensors[i];
    Rng rng(seed * 1000003 + i);
    const bool random = info.kind == ParameterKind::kMatrix || info.kind == ParameterKind::kEmbedding;
    for (int64_t j = 0; j < info.n(); ++j) parameters[info.offset + j] = static_cast<float>(random ? rng.normal() * info.init : info.init);
  }
}

}  // namespace firesteel
