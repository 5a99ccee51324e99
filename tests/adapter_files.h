// Adapters and merged models as GGUF files, for tests.
#pragma once

#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/gguf_writer.h"
#include "model/adapter.h"
#include "tensor/quantise.h"

namespace firesteel {

struct AdapterFileSpec {
  int rank = 4;
  double alpha = 8;
  uint64_t seed = 1;
  float size = 0.3f;                     // of the numbers in A and B
  std::vector<AdapterTarget> targets = {AdapterTarget::kQ, AdapterTarget::kK,  AdapterTarget::kV,   AdapterTarget::kO,
                                        AdapterTarget::kGate, AdapterTarget::kUp, AdapterTarget::kDown};
  std::vector<uint32_t> activation = {};  // empty: it counts everywhere
  std::string architecture = {};         // empty: the model's
  std::function<void(const std::string& tensor, std::vector<float>*)> spoil = {};
};

inline void write_adapter_file(const std::string& path, const ModelConfig& config, const AdapterFileSpec& spec) {
  GgufWriter writer = GgufWriter::create(path).value();
  const std::string architecture = spec.architecture.empty() ? config.architecture : spec.architecture;
  writer.add("general.type", std::string_view("adapter"));
  writer.add("general.architecture", std::string_view(architecture));
  writer.add("adapter.type", std::string_view("lora"));
  writer.add("adapter.lora.alpha", spec.alpha);
  if (!spec.activation.empty()) writer.add_u32s(kActivationKey, spec.activation);
  Rng rng(spec.seed);
  std::vector<std::vector<float>> data;
  for (int layer = 0; layer < config.n_layers; ++layer) {
    for (const AdapterTarget target : spec.targets) {
      const MatrixShape shape = adapter_target_shape(config, target);
      const std::string stem = "blk." + std::to_string(layer) + "." + adapter_tensor_stem(target) + ".weight";
      for (const bool is_b : {false, true}) {
        const int64_t ne[] = {is_b ? spec.rank : shape.k, is_b ? shape.n_rows : spec.rank};
        const std::string name = stem + (is_b ? ".lora_b" : ".lora_a");
        writer.add_tensor(name, DType::kF32, ne);
        std::vector<float>& values = data.emplace_back(static_cast<size_t>(ne[0] * ne[1]));
        const float scale = spec.size / std::sqrt(static_cast<float>(ne[0]));
        for (float& value : values) value = (2 * static_cast<float>(rng.uniform()) - 1) * scale;
        if (spec.spoil) spec.spoil(name, &values);
      }
    }
  }
  if (!writer.begin().ok()) std::abort();
  for (const auto& values : data) {
    if (!writer.write(std::as_bytes(std::span(values))).ok()) std::abort();
  }
  if (!writer.commit().ok()) std::abort();
}

// The model of `base` with the adapter's products added to its matrices, all of it F32.
inline void write_merged_file(const std::string& path, const Checkpoint& base, const ModelConfig& config, const Adapter& adapter) {
  GgufWriter writer = GgufWriter::create(path).value();
  for (const auto& [key, value] : base.metadata().items()) writer.add(key, value);
  for (const TensorInfo& tensor : base.tensors()) writer.add_tensor(tensor.name, DType::kF32, std::span(tensor.ne, static_cast<size_t>(tensor.n_dims)));
  if (!writer.begin().ok()) std::abort();
  for (const TensorInfo& tensor : base.tensors()) {
    std::vector<float> values(static_cast<size_t>(tensor.n_elements()));
    dequantise_row(tensor.dtype, tensor.slices[0], values.data(), tensor.n_elements());
    for (int i = 0; i < config.n_layers * kNAdapterTargets; ++i) {
      const auto target = static_cast<AdapterTarget>(i % kNAdapterTargets);
      const LoraPair* pair = adapter.find(i / kNAdapterTargets, target);
      if (pair == nullptr || tensor.name != "blk." + std::to_string(i / kNAdapterTargets) + "." + adapter_tensor_stem(target) + ".weight") continue;
      for (int64_t row = 0; row < pair->n_rows; ++row) {
        for (int64_t col = 0; col < pair->k; ++col) {
          double sum = static_cast<double>(values[static_cast<size_t>(row * pair->k + col)]);
          for (int64_t r = 0; r < pair->rank; ++r) {
            sum += static_cast<double>(pair->b[static_cast<size_t>(row * pair->rank + r)]) * static_cast<double>(pair->a[static_cast<size_t>(r * pair->k + col)]);
          }
          values[static_cast<size_t>(row * pair->k + col)] = static_cast<float>(sum);
        }
      }
    }
    if (!writer.write(std::as_bytes(std::span(values))).ok()) std::abort();
  }
  if (!writer.commit().ok()) std::abort();
}

}  // namespace firesteel
