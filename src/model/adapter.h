// Low-rank adapters (LoRA): y += scale * B (A x) on the matrices of the layers, beside weights that stay as they are.
// Source: Hu et al. 2021, arXiv:2106.09685. Files: GGUF with general.type "adapter", adapter.type "lora" (docs/formats/adapter.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/matmul.h"
#include "model/config.h"

namespace firesteel {

// The matrices of a layer that an adapter can change.
enum class AdapterTarget : uint8_t { kQ, kK, kV, kO, kGate, kUp, kDown };
inline constexpr int kNAdapterTargets = 7;
inline constexpr int kAdapterRankMax = 256;
// Larger numbers are refused: an adapter that needs them is broken, and they could drown the weights' own.
inline constexpr float kAdapterValueMax = 1e4f;

// Activated LoRA: the tokens from whose last occurrence in a prompt on the adapter counts (with it, up to the end of the answer); what is before
// is computed by the base, and shared with it. A prompt without them is the base's altogether. The key that llama.cpp has for it.
// Source: Greenewald et al. 2025, arXiv:2504.12397.
inline constexpr const char* kActivationKey = "adapter.alora.invocation_tokens";
inline constexpr size_t kActivationTokensMax = 64;
// Where in `tokens` the adapter begins: 0 without activation tokens, tokens.size() when they do not occur.
int64_t adapter_start(std::span<const int32_t> tokens, std::span<const int32_t> activation);

const char* adapter_target_name(AdapterTarget target);  // "q", "k", "v", "o", "gate", "up", "down"
const char* adapter_tensor_stem(AdapterTarget target);  // "attn_q" ... as in "blk.0.attn_q.weight"

struct MatrixShape {
  int64_t k = 0, n_rows = 0;  // in, out
};
// Of the matrix that a target changes; dense layers only have gate, up and down.
MatrixShape adapter_target_shape(const ModelConfig& config, AdapterTarget target);

// A and B of one matrix. `scale` (alpha / rank) is in b already.
struct LoraPair {
  int64_t rank = 0, k = 0, n_rows = 0;
  std::vector<float> a;  // [rank][k]
  std::vector<float> b;  // [n_rows][rank]
  WeightView a_view() const { return {DType::kF32, reinterpret_cast<const std::byte*>(a.data()), rank, k}; }
  WeightView b_view() const { return {DType::kF32, reinterpret_cast<const std::byte*>(b.data()), n_rows, rank}; }
};

// Immutable; shared by all steps. Owns its numbers: the file may go.
class Adapter {
 public:
  // Reads a file for a model of this configuration, all of it untrusted. kDataLoss: damaged, shapes that do not fit, a number that is
  // not finite or above kAdapterValueMax; kFailedPrecondition: made for another architecture; kUnsupported: not a LoRA, or it changes
  // something else than AdapterTargets; kNotFound, kIo.
  static Result<std::shared_ptr<const Adapter>> load(const std::string& path, const ModelConfig& config);
  // The same from bytes. name: for messages.
  static Result<std::shared_ptr<const Adapter>> parse(std::span<const std::byte> bytes, const std::string& name, const ModelConfig& config);
  // One that is known by its digest only and changes nothing: for fakes of models.
  static std::shared_ptr<const Adapter> named(std::string digest);

  // nullptr where the adapter changes nothing.
  const LoraPair* find(int layer, AdapterTarget target) const {
    const size_t i = static_cast<size_t>(layer * kNAdapterTargets) + static_cast<size_t>(target);
    return i < pairs_.size() && pairs_[i].rank > 0 ? &pairs_[i] : nullptr;
  }
  const std::string& digest() const { return digest_; }  // SHA-256 of the file, hex
  const std::string& name() const { return name_; }      // general.name, may be empty
  int64_t rank() const { return rank_; }                 // the largest
  double alpha() const { return alpha_; }
  int64_t n_parameters() const { return n_parameters_; }
  const std::vector<int32_t>& activation() const { return activation_; }  // empty: it counts everywhere

 private:
  friend class AdapterReader;
  std::vector<LoraPair> pairs_;  // [layer][target]; rank 0: none
  std::string digest_, name_;
  std::vector<int32_t> activation_;
  int64_t rank_ = 0, n_parameters_ = 0;
  double alpha_ = 0;
};

}  // namespace firesteel
