#include "model/weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "tensor/quantise.h"

namespace firesteel {
namespace {

std::string shape_text(std::initializer_list<int64_t> shape) {
  std::string text = "[";
  for (const int64_t n : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + "]";
}

std::string shape_text(const TensorInfo& info) {
  std::string text = "[";
  for (int i = 0; i < std::max(info.n_dims, 1); ++i) text += (i > 0 ? ", " : "") + std::to_string(info.ne[i]);
  return text + "]";
}

class Loader {
 public:
  Loader(const Checkpoint& checkpoint, const ModelConfig& config) : checkpoint_(checkpoint), config_(config) {}

  Result<ModelWeights> run();

 private:
  Error error(ErrorCode code, std::string_view tensor, const std::string& text) const {
    return Error{code, checkpoint_.path() + ": tensor \"" + std::string(tensor) + "\": " + text};
  }
  const TensorInfo* find(const std::string& name) {
    const TensorInfo* info = checkpoint_.find(name);
    if (info != nullptr) used_.insert(info->name);
    return info;
  }
  // The tensor with exactly this shape (ne order), or an error.
  Result<const TensorInfo*> find_shaped(const std::string& name, std::initializer_list<int64_t> shape);
  Result<WeightView> matrix(const std::string& name, int64_t k, int64_t n_rows);
  Result<std::vector<WeightView>> experts(const std::string& name, int64_t k, int64_t n_rows);
  Result<const float*> vector(const std::string& name, int64_t n);
  Result<const float*> optional_vector(const std::string& name, int64_t n);
  Result<Linear> linear(const std::string& stem, int64_t k, int64_t n_rows, bool needs_bias = false);
  Status load_layer(int index, LayerWeights* layer);
  Status load_qkv(const std::string& block, LayerWeights* layer);
  Status load_ffn(const std::string& block, LayerWeights* layer);
  Status load_rope();
  Status refuse_ignored() const;
  void count();

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  ModelWeights weights_;
  std::unordered_set<std::string_view> used_;
};

Result<const TensorInfo*> Loader::find_shaped(const std::string& name, std::initializer_list<int64_t> shape) {
  const TensorInfo* info = find(name);
  if (info == nullptr) return error(ErrorCode::kDataLoss, name, "expected " + shape_text(shape) + ", found no such tensor");
  bool same = true;
  size_t i = 0;
  for (const int64_t n : shape) same = same && info->ne[i++] == n;
  for (; i < 4; ++i) same = same && info->ne[i] == 1;
  if (!same) return error(ErrorCode::kDataLoss, name, "expected " + shape_text(shape) + ", found " + shape_text(*info));
  return info;
}

Result<WeightView> Loader::matrix(const std::string& name, int64_t k, int64_t n_rows) {
  FS_TRY(const TensorInfo* info, find_shaped(name, {k, n_rows}));
  CHECK(info->slices.size() == 1);
  return WeightView{.dtype = info->dtype, .data = info->slices[0], .n_rows = n_rows, .k = k};
}

Result<std::vector<WeightView>> Loader::experts(const std::string& name, int64_t k, int64_t n_rows) {
  FS_TRY(const TensorInfo* info, find_shaped(name, {k, n_rows, config_.moe.n_experts}));
  CHECK(info->slices.size() == static_cast<size_t>(config_.moe.n_experts));
  std::vector<WeightView> views;
  for (const std::byte* data : info->slices) views.push_back({.dtype = info->dtype, .data = data, .n_rows = n_rows, .k = k});
  return views;
}

Result<const float*> Loader::vector(const std::string& name, int64_t n) {
  FS_TRY(const TensorInfo* info, find_shaped(name, {n}));
  if (is_quantised(info->dtype)) {
    return error(ErrorCode::kUnsupported, name, std::string("expected F32, F16 or BF16, found ") + dtype_info(info->dtype).name);
  }
  const std::byte* data = info->slices[0];
  const bool aligned = reinterpret_cast<uintptr_t>(data) % alignof(float) == 0;
  if (info->dtype == DType::kF32 && aligned) return reinterpret_cast<const float*>(data);
  std::vector<float>& copy = weights_.converted.emplace_back(static_cast<size_t>(n));
  dequantise_row(info->dtype, data, copy.data(), n);
  return static_cast<const float*>(copy.data());
}

Result<const float*> Loader::optional_vector(const std::string& name, int64_t n) {
  if (checkpoint_.find(name) == nullptr) return static_cast<const float*>(nullptr);
  return vector(name, n);
}

Result<Linear> Loader::linear(const std::string& stem, int64_t k, int64_t n_rows, bool needs_bias) {
  Linear map;
  FS_TRY(map.weights, matrix(stem + ".weight", k, n_rows));
  if (needs_bias) {
    FS_TRY(map.bias, vector(stem + ".bias", n_rows));
  } else {
    FS_TRY(map.bias, optional_vector(stem + ".bias", n_rows));
  }
  return map;
}

// Rows [first, first + n_rows) of a fused matrix.
Linear slice_rows(const Linear& map, int64_t first, int64_t n_rows) {
  Linear part = map;
  part.weights.data += static_cast<size_t>(first) * map.weights.row_bytes();
  part.weights.n_rows = n_rows;
  if (part.bias != nullptr) part.bias += first;
  return part;
}

Status Loader::load_qkv(const std::string& block, LayerWeights* layer) {
  const int64_t q_dim = int64_t{config_.n_heads} * config_.head_dim;
  const int64_t kv_dim = int64_t{config_.n_kv_heads} * config_.head_dim;
  if (checkpoint_.find(block + "attn_q.weight") == nullptr && checkpoint_.find(block + "attn_qkv.weight") != nullptr) {
    FS_TRY(const Linear qkv, linear(block + "attn_qkv", config_.dim, q_dim + 2 * kv_dim));
    layer->q = slice_rows(qkv, 0, q_dim);
    layer->k = slice_rows(qkv, q_dim, kv_dim);
    layer->v = slice_rows(qkv, q_dim + kv_dim, kv_dim);
  } else {
    const bool needs_bias = config_.architecture == "qwen2";
    FS_TRY(layer->q, linear(block + "attn_q", config_.dim, q_dim, needs_bias));
    FS_TRY(layer->k, linear(block + "attn_k", config_.dim, kv_dim, needs_bias));
    FS_TRY(layer->v, linear(block + "attn_v", config_.dim, kv_dim, needs_bias));
  }
  if (config_.qk_norm) {
    FS_TRY(layer->q_norm, vector(block + "attn_q_norm.weight", config_.head_dim));
    FS_TRY(layer->k_norm, vector(block + "attn_k_norm.weight", config_.head_dim));
  }
  FS_TRY(layer->o, linear(block + "attn_output", q_dim, config_.dim));
  return {};
}

Status Loader::load_ffn(const std::string& block, LayerWeights* layer) {
  if (config_.moe.n_experts > 0) {
    const int64_t ffn_dim = config_.moe.ffn_dim;
    FS_TRY(layer->router, matrix(block + "ffn_gate_inp.weight", config_.dim, config_.moe.n_experts));
    FS_TRY(layer->expert_gate, experts(block + "ffn_gate_exps.weight", config_.dim, ffn_dim));
    FS_TRY(layer->expert_up, experts(block + "ffn_up_exps.weight", config_.dim, ffn_dim));
    FS_TRY(layer->expert_down, experts(block + "ffn_down_exps.weight", ffn_dim, config_.dim));
    return {};
  }
  if (config_.architecture == "phi3" && checkpoint_.find(block + "ffn_gate.weight") == nullptr) {
    FS_TRY(const Linear gate_up, linear(block + "ffn_up", config_.dim, 2 * config_.ffn_dim));
    layer->gate = slice_rows(gate_up, 0, config_.ffn_dim);
    layer->up = slice_rows(gate_up, config_.ffn_dim, config_.ffn_dim);
  } else {
    FS_TRY(layer->gate, linear(block + "ffn_gate", config_.dim, config_.ffn_dim));
    FS_TRY(layer->up, linear(block + "ffn_up", config_.dim, config_.ffn_dim));
  }
  FS_TRY(layer->down, linear(block + "ffn_down", config_.ffn_dim, config_.dim));
  return {};
}

Status Loader::load_layer(int index, LayerWeights* layer) {
  const std::string block = "blk." + std::to_string(index) + ".";
  FS_TRY(layer->attn_norm, vector(block + "attn_norm.weight", config_.dim));
  FS_TRY_VOID(load_qkv(block, layer));
  FS_TRY(layer->ffn_norm, vector(block + "ffn_norm.weight", config_.dim));
  FS_TRY_VOID(load_ffn(block, layer));
  if (config_.post_norms) {
    FS_TRY(layer->post_attn_norm, vector(block + "post_attention_norm.weight", config_.dim));
    FS_TRY(layer->post_ffn_norm, vector(block + "post_ffw_norm.weight", config_.dim));
  }
  return {};
}

Status Loader::load_rope() {
  const int64_t n_pairs = config_.rope.n_dims / 2;
  std::string name = "rope_freqs.weight";
  if (config_.rope.scaling == RopeScaling::kLongRope) {
    // Short and long factors differ in quality, not in validity. One choice per model, by its trained context: a choice by the
    // length of a request would change the keys of a sequence while it grows.
    const bool is_long = config_.context_length > config_.rope.original_context;
    name = is_long ? "rope_factors_long.weight" : "rope_factors_short.weight";
    find("rope_factors_long.weight");
    find("rope_factors_short.weight");
    if (checkpoint_.find(name) == nullptr) return error(ErrorCode::kDataLoss, name, "longrope needs it, found no such tensor");
  }
  FS_TRY(const float* data, optional_vector(name, n_pairs));
  std::span<const float> factors;
  if (data != nullptr) factors = {data, static_cast<size_t>(n_pairs)};
  for (const float factor : factors) {
    if (!std::isfinite(factor) || factor <= 0) {
      return error(ErrorCode::kDataLoss, name, "expected positive factors, found " + std::to_string(factor));
    }
  }
  weights_.rope = RopeTable(config_.rope, factors, false);
  weights_.rope_window = RopeTable(config_.rope, factors, true);
  return {};
}

// A tensor of a layer that nothing reads would silently change the model.
Status Loader::refuse_ignored() const {
  for (const TensorInfo& info : checkpoint_.tensors()) {
    const std::string_view name = info.name;
    const bool matters = name.starts_with("blk.") || name == "output.bias" || name == "output_norm.bias" ||
                         name == "token_embd_norm.weight" || name == "position_embd.weight";
    // Frequencies that old converters stored; they follow from rope.freq_base.
    const bool redundant = name.ends_with(".attn_rot_embd.weight") || name.ends_with(".rotary_emb.inv_freq");
    if (matters && !redundant && !used_.contains(name)) {
      return error(ErrorCode::kUnsupported, name, "not part of architecture \"" + config_.architecture + "\" as implemented");
    }
  }
  return {};
}

void Loader::count() {
  const auto add = [this](const WeightView& view, uint64_t n = 1) {
    weights_.bytes_per_token += n * static_cast<uint64_t>(view.n_rows) * view.row_bytes();
    weights_.macs_per_token += n * static_cast<uint64_t>(view.n_rows) * static_cast<uint64_t>(view.k);
  };
  for (const LayerWeights& layer : weights_.layers) {
    for (const Linear* map : {&layer.q, &layer.k, &layer.v, &layer.o}) add(map->weights);
    if (config_.moe.n_experts > 0) {
      add(layer.router);
      const uint64_t n_used = static_cast<uint64_t>(config_.moe.n_used);
      for (const auto* list : {&layer.expert_gate, &layer.expert_up, &layer.expert_down}) add(list->front(), n_used);
    } else {
      for (const Linear* map : {&layer.gate, &layer.up, &layer.down}) add(map->weights);
    }
  }
  add(weights_.output);
}

Result<ModelWeights> Loader::run() {
  FS_TRY(weights_.embedding, matrix("token_embd.weight", config_.dim, config_.n_vocab));
  FS_TRY(weights_.output_norm, vector("output_norm.weight", config_.dim));
  weights_.output = weights_.embedding;
  if (checkpoint_.find("output.weight") != nullptr) {
    FS_TRY(weights_.output, matrix("output.weight", config_.dim, config_.n_vocab));
  }
  FS_TRY_VOID(load_rope());
  for (int i = 0; i < config_.n_layers; ++i) {
    LayerWeights layer;
    FS_TRY_VOID(load_layer(i, &layer));
    weights_.layers.push_back(std::move(layer));
  }
  FS_TRY_VOID(refuse_ignored());
  count();
  return std::move(weights_);
}

}  // namespace

Result<ModelWeights> load_weights(const Checkpoint& checkpoint, const ModelConfig& config) { return Loader(checkpoint, config).run(); }

}  // namespace firesteel
