// For tests: the small network of train/test_network.h as a served model sees it, and adapters of random numbers.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/rng.h"
#include "model/config.h"
#include "model/weights.h"
#include "train/network_shape.h"
#include "train/test_network.h"
#include "tune/lora.h"

namespace firesteel::test_model {

struct SmallModel {
  NetworkShape shape;
  ParameterLayout layout;
  std::vector<float> flat;  // as ReferenceNetwork wants it; `weights` are views of it
  ModelConfig config;
  ModelWeights weights;

  explicit SmallModel(const NetworkShape& s, uint64_t seed = 5) : shape(s), layout(plan_parameters(s)), flat(static_cast<size_t>(layout.n)) {
    init_parameters(layout, seed, flat.data());
    config.architecture = "llama";
    config.dim = s.dim;
    config.ffn_dim = s.ffn_dim;
    config.n_layers = static_cast<int>(s.n_layers);
    config.n_heads = static_cast<int>(s.n_heads);
    config.n_kv_heads = static_cast<int>(s.n_kv_heads);
    config.head_dim = static_cast<int>(s.head_dim);
    config.n_vocab = s.n_vocab;
    config.context_length = s.context;
    config.norm_eps = s.norm_eps;
    config.rope.n_dims = config.head_dim;
    config.rope.theta = s.rope_theta;
    std::map<std::string, const ParameterInfo*> by_name;
    for (const ParameterInfo& info : layout.tensors) by_name.emplace(info.name, &info);
    const auto matrix = [&](const std::string& name) {
      const ParameterInfo& info = *by_name.at(name + ".weight");
      return WeightView{DType::kF32, reinterpret_cast<const std::byte*>(flat.data() + info.offset), info.rows, info.cols};
    };
    const auto vector = [&](const std::string& name) { return flat.data() + by_name.at(name + ".weight")->offset; };
    weights.embedding = weights.output = matrix("token_embd");
    weights.output_norm = vector("output_norm");
    weights.rope = RopeTable(config.rope, {}, false);
    for (int l = 0; l < config.n_layers; ++l) {
      const std::string blk = "blk." + std::to_string(l) + ".";
      LayerWeights& w = weights.layers.emplace_back();
      w.attn_norm = vector(blk + "attn_norm");
      w.ffn_norm = vector(blk + "ffn_norm");
      w.q.weights = matrix(blk + "attn_q");
      w.k.weights = matrix(blk + "attn_k");
      w.v.weights = matrix(blk + "attn_v");
      w.o.weights = matrix(blk + "attn_output");
      w.gate.weights = matrix(blk + "ffn_gate");
      w.up.weights = matrix(blk + "ffn_up");
      w.down.weights = matrix(blk + "ffn_down");
    }
  }
  SmallModel(const SmallModel&) = delete;
  SmallModel& operator=(const SmallModel&) = delete;

  // W + scale B A, in double, written down plainly: what the reference network computes with.
  std::vector<double> effective(const LoraSet& set, const std::vector<double>& adapter) const {
    std::vector<double> p(flat.begin(), flat.end());
    std::map<std::string, int64_t> offsets;
    for (const ParameterInfo& info : layout.tensors) offsets.emplace(info.name, info.offset);
    const int64_t rank = set.settings().rank;
    for (const LoraSet::Place& place : set.places()) {
      const int64_t at = offsets.at("blk." + std::to_string(place.layer) + "." + adapter_tensor_stem(place.target) + ".weight");
      for (int64_t i = 0; i < place.n_rows; ++i) {
        for (int64_t j = 0; j < place.k; ++j) {
          double sum = 0;
          for (int64_t r = 0; r < rank; ++r) sum += adapter[static_cast<size_t>(place.b + i * rank + r)] * adapter[static_cast<size_t>(place.a + r * place.k + j)];
          p[static_cast<size_t>(at + i * place.k + j)] += set.scale() * sum;
        }
      }
    }
    return p;
  }
};

inline std::vector<float> random_flat(const LoraSet& set, uint64_t seed) {
  std::vector<float> flat(static_cast<size_t>(set.n()));
  set.init(seed, flat);
  Rng rng(seed + 1);
  for (const LoraSet::Place& place : set.places()) {
    for (int64_t i = 0; i < place.n_rows * set.settings().rank; ++i) flat[static_cast<size_t>(place.b + i)] = static_cast<float>(rng.normal() * 0.1);
  }
  return flat;
}

}  // namespace firesteel::test_model
