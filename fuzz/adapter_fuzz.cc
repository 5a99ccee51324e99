// Any bytes as a LoRA adapter of a small model: pairs whose shapes fit and whose numbers are finite and not huge, or an error that says why.
#include <cmath>
#include <cstdint>
#include <span>
#include <string>

#include "base/check.h"
#include "model/adapter.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace firesteel;
  static const std::string kName = "fuzz";
  ModelConfig config;
  config.architecture = "llama";
  config.n_layers = 2;
  config.dim = 8;
  config.ffn_dim = 12;
  config.n_heads = 2;
  config.n_kv_heads = 1;
  config.head_dim = 4;
  config.n_vocab = 64;
  config.rope.neox = size % 2 == 1;  // the other order of rows
  const auto adapter = Adapter::parse(std::as_bytes(std::span(data, size)), kName, config);
  if (!adapter.ok()) {
    CHECK(!adapter.error().message.empty());
    return 0;
  }
  CHECK((*adapter)->digest().size() == 64 && (*adapter)->rank() >= 1 && (*adapter)->rank() <= 8);
  CHECK((*adapter)->activation().size() <= kActivationTokensMax);
  for (const int32_t id : (*adapter)->activation()) CHECK(id >= 0 && id < config.n_vocab);
  int64_t n = 0;
  for (int layer = 0; layer < config.n_layers; ++layer) {
    for (int i = 0; i < kNAdapterTargets; ++i) {
      const auto target = static_cast<AdapterTarget>(i);
      const LoraPair* pair = (*adapter)->find(layer, target);
      if (pair == nullptr) continue;
      const MatrixShape shape = adapter_target_shape(config, target);
      CHECK(pair->k == shape.k && pair->n_rows == shape.n_rows);
      CHECK(static_cast<int64_t>(pair->a.size()) == pair->rank * pair->k && static_cast<int64_t>(pair->b.size()) == pair->rank * pair->n_rows);
      for (const float value : pair->a) CHECK(std::abs(value) <= kAdapterValueMax);
      for (const float value : pair->b) CHECK(std::abs(value) <= kAdapterValueMax);
      n += static_cast<int64_t>(pair->a.size() + pair->b.size());
    }
  }
  CHECK(n == (*adapter)->n_parameters());
  return 0;
}
