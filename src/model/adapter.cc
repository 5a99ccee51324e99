#include "model/adapter.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/mapped_file.h"
#include "checkpoint/gguf_reader.h"
#include "digest/digest.h"
#include "tensor/quantise.h"

namespace firesteel {
namespace {

constexpr std::array<const char*, kNAdapterTargets> kNames = {"q", "k", "v", "o", "gate", "up", "down"};
constexpr std::array<const char*, kNAdapterTargets> kStems = {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};

constexpr uint64_t kFileBytesMax = uint64_t{4} << 30;

std::string shape_text(int64_t n_rows, int64_t k) { return std::to_string(n_rows) + " x " + std::to_string(k); }

}  // namespace

const char* adapter_target_name(AdapterTarget target) { return kNames[static_cast<size_t>(target)]; }
const char* adapter_tensor_stem(AdapterTarget target) { return kStems[static_cast<size_t>(target)]; }

int64_t adapter_start(std::span<const int32_t> tokens, std::span<const int32_t> activation) {
  if (activation.empty()) return 0;
  const auto found = std::find_end(tokens.begin(), tokens.end(), activation.begin(), activation.end());
  return found - tokens.begin();
}

MatrixShape adapter_target_shape(const ModelConfig& config, AdapterTarget target) {
  const int64_t q_dim = int64_t{config.n_heads} * config.head_dim;
  const int64_t kv_dim = int64_t{config.n_kv_heads} * config.head_dim;
  switch (target) {
    case AdapterTarget::kQ: return {config.dim, q_dim};
    case AdapterTarget::kK:
    case AdapterTarget::kV: return {config.dim, kv_dim};
    case AdapterTarget::kO: return {q_dim, config.dim};
    case AdapterTarget::kGate:
    case AdapterTarget::kUp: return {config.dim, config.ffn_dim};
    case AdapterTarget::kDown: return {config.ffn_dim, config.dim};
  }
  return {};
}

class AdapterReader {
 public:
  AdapterReader(std::span<const std::byte> bytes, const std::string& name, const ModelConfig& config) : bytes_(bytes), name_(name), config_(config) {}

  Result<std::shared_ptr<const Adapter>> run() {
    FS_TRY(const GgufFile file, parse_gguf(bytes_, name_));
    FS_TRY_VOID(read_metadata(file.metadata));
    adapter_.pairs_.resize(static_cast<size_t>(config_.n_layers) * kNAdapterTargets);
    for (const TensorInfo& tensor : file.tensors) FS_TRY_VOID(read_tensor(tensor));
    FS_TRY_VOID(finish());
    adapter_.digest_ = sha256_hex({reinterpret_cast<const char*>(bytes_.data()), bytes_.size()});
    return std::make_shared<const Adapter>(std::move(adapter_));
  }

 private:
  Error error(ErrorCode code, const std::string& text) const { return {code, name_ + ": " + text}; }
  Error damaged(std::string_view tensor, const std::string& text) const {
    return error(ErrorCode::kDataLoss, "tensor \"" + std::string(tensor) + "\": " + text);
  }

  Status read_metadata(const Metadata& metadata) {
    const auto text = [&](const char* key) -> Result<std::string> {
      FS_TRY(const std::optional<std::string_view> value, metadata.get_string(key));
      return std::string(value.value_or(""));
    };
    const auto type = text("general.type"), kind = text("adapter.type"), architecture = text("general.architecture"), name = text("general.name");
    for (const auto* one : {&type, &kind, &architecture, &name}) {
      if (!one->ok()) return error(one->error().code, one->error().message);
    }
    if (*type != "adapter" || *kind != "lora") {
      return error(ErrorCode::kUnsupported, "not a LoRA adapter: expected general.type \"adapter\" and adapter.type \"lora\", found \"" + *type + "\" and \"" + *kind + "\"");
    }
    if (*architecture != config_.architecture) {
      return error(ErrorCode::kFailedPrecondition, "the adapter is for models of architecture \"" + *architecture + "\", this one is \"" + config_.architecture + "\"");
    }
    FS_TRY_VOID(read_activation(metadata));
    const auto alpha = metadata.get_float("adapter.lora.alpha");
    if (!alpha.ok()) return error(alpha.error().code, alpha.error().message);
    adapter_.alpha_ = alpha->value_or(0);
    if (!(std::abs(adapter_.alpha_) <= 1e6)) return error(ErrorCode::kDataLoss, "adapter.lora.alpha: expected a number up to 1e6, found " + std::to_string(adapter_.alpha_));
    adapter_.name_ = name->substr(0, 256);
    return {};
  }

  Status read_activation(const Metadata& metadata) {
    if (!metadata.has(kActivationKey)) return {};
    const std::vector<int64_t>* tokens = metadata.ints(kActivationKey);
    if (tokens == nullptr || tokens->empty() || tokens->size() > kActivationTokensMax) {
      return error(ErrorCode::kDataLoss, std::string(kActivationKey) + ": expected 1 to " + std::to_string(kActivationTokensMax) + " token ids, found " +
                                             (tokens == nullptr ? "another type" : std::to_string(tokens->size())));
    }
    for (const int64_t id : *tokens) {
      if (id < 0 || id >= config_.n_vocab) return error(ErrorCode::kDataLoss, std::string(kActivationKey) + ": token " + std::to_string(id) + ", the vocabulary has " + std::to_string(config_.n_vocab));
      adapter_.activation_.push_back(static_cast<int32_t>(id));
    }
    return {};
  }

  // "blk.3.attn_q.weight.lora_a" to its place; nullopt when it has another form.
  struct Place {
    size_t pair;
    AdapterTarget target;
    bool is_b;
  };
  std::optional<Place> place_of(std::string_view tensor) const {
    if (!tensor.starts_with("blk.")) return std::nullopt;
    tensor.remove_prefix(4);
    int64_t layer = 0;
    size_t digits = 0;
    for (; digits < tensor.size() && digits < 6 && tensor[digits] >= '0' && tensor[digits] <= '9'; ++digits) layer = layer * 10 + (tensor[digits] - '0');
    if (digits == 0 || layer >= config_.n_layers || (digits > 1 && tensor[0] == '0') || !tensor.substr(digits).starts_with(".")) return std::nullopt;
    tensor.remove_prefix(digits + 1);
    const bool is_b = tensor.ends_with(".weight.lora_b");
    if (!is_b && !tensor.ends_with(".weight.lora_a")) return std::nullopt;
    tensor.remove_suffix(std::string_view(".weight.lora_a").size());
    for (int i = 0; i < kNAdapterTargets; ++i) {
      if (tensor != kStems[static_cast<size_t>(i)]) continue;
      return Place{static_cast<size_t>(layer * kNAdapterTargets + i), static_cast<AdapterTarget>(i), is_b};
    }
    return std::nullopt;
  }

  Status read_tensor(const TensorInfo& tensor) {
    const std::optional<Place> place = place_of(tensor.name);
    if (!place) {
      return error(ErrorCode::kUnsupported, "tensor \"" + tensor.name + "\": an adapter may change attn_q, attn_k, attn_v, attn_output, ffn_gate, ffn_up and ffn_down of layers 0 to " +
                                                std::to_string(config_.n_layers - 1) + " (blk.N.NAME.weight.lora_a and .lora_b)");
    }
    const bool is_ffn = place->target >= AdapterTarget::kGate;
    if (is_ffn && config_.moe.n_experts > 0) return error(ErrorCode::kUnsupported, "tensor \"" + tensor.name + "\": adapters on experts are not supported");
    const MatrixShape shape = adapter_target_shape(config_, place->target);
    const int64_t rank = place->is_b ? tensor.ne[0] : tensor.ne[1];
    const int64_t rank_max = std::min({int64_t{kAdapterRankMax}, shape.k, shape.n_rows});
    if (tensor.n_dims > 2 || rank < 1 || rank > rank_max) {
      return damaged(tensor.name, "expected a matrix of rank 1 to " + std::to_string(rank_max) + ", found " + shape_text(tensor.ne[1], tensor.ne[0]));
    }
    const int64_t n_rows = place->is_b ? shape.n_rows : rank;
    const int64_t k = place->is_b ? rank : shape.k;
    if (tensor.ne[0] != k || tensor.ne[1] != n_rows) {
      return damaged(tensor.name, "expected " + shape_text(n_rows, k) + " for this model, found " + shape_text(tensor.ne[1], tensor.ne[0]));
    }
    LoraPair& pair = adapter_.pairs_[place->pair];
    std::vector<float>& values = place->is_b ? pair.b : pair.a;
    if (!values.empty()) return damaged(tensor.name, "it is there twice");
    if (pair.rank != 0 && pair.rank != rank) {
      return damaged(tensor.name, "its rank is " + std::to_string(rank) + ", its partner's " + std::to_string(pair.rank));
    }
    CHECK(tensor.slices.size() == 1);
    values.resize(static_cast<size_t>(n_rows * k));
    for (int64_t row = 0; row < n_rows; ++row) {
      dequantise_row(tensor.dtype, tensor.slices[0] + static_cast<size_t>(row) * tensor.row_bytes(), values.data() + row * k, k);
    }
    // alpha 0: files that have no scale of their own.
    const float scale = place->is_b && adapter_.alpha_ != 0 ? static_cast<float>(adapter_.alpha_ / static_cast<double>(rank)) : 1.0f;
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] *= scale;
      if (std::abs(values[i]) <= kAdapterValueMax) continue;  // false for NaN
      return damaged(tensor.name, "value " + std::to_string(i) + " (times alpha / rank): expected a number up to " + std::to_string(static_cast<int>(kAdapterValueMax)) + ", found " +
                                      std::to_string(values[i]));
    }
    pair.rank = rank;
    pair.k = shape.k;
    pair.n_rows = shape.n_rows;
    return {};
  }

  Status finish() {
    for (size_t i = 0; i < adapter_.pairs_.size(); ++i) {
      LoraPair& pair = adapter_.pairs_[i];
      if (pair.rank == 0) continue;
      const size_t target = i % kNAdapterTargets;
      const std::string matrix = "blk." + std::to_string(i / kNAdapterTargets) + "." + kStems[target] + ".weight";
      if (pair.a.empty() || pair.b.empty()) return damaged(matrix + (pair.a.empty() ? ".lora_a" : ".lora_b"), "missing, its partner is there");
      if (target <= static_cast<size_t>(AdapterTarget::kK)) reorder_heads(&pair);
      adapter_.rank_ = std::max(adapter_.rank_, pair.rank);
      adapter_.n_parameters_ += static_cast<int64_t>(pair.a.size() + pair.b.size());
    }
    if (adapter_.rank_ == 0) return error(ErrorCode::kDataLoss, "the adapter changes nothing: it has no tensors");
    return {};
  }

  // GGUF has the rows of Llama's q and k with rope pairs side by side; a base from a Hugging Face folder has them half a head apart.
  void reorder_heads(LoraPair* pair) const {
    if (config_.architecture != "llama" || !config_.rope.neox) return;
    const int64_t head_dim = config_.head_dim, half = head_dim / 2;
    std::vector<float> moved(pair->b.size());
    for (int64_t row = 0; row < pair->n_rows; ++row) {
      const int64_t head = row / head_dim, at = row % head_dim;  // at = 2j + p in the file
      const int64_t to = head * head_dim + at % 2 * half + at / 2;
      std::copy_n(pair->b.data() + row * pair->rank, pair->rank, moved.data() + to * pair->rank);
    }
    pair->b = std::move(moved);
  }

  const std::span<const std::byte> bytes_;
  const std::string& name_;
  const ModelConfig& config_;
  Adapter adapter_;
};

Result<std::shared_ptr<const Adapter>> Adapter::parse(std::span<const std::byte> bytes, const std::string& name, const ModelConfig& config) {
  return AdapterReader(bytes, name, config).run();
}

Result<std::shared_ptr<const Adapter>> Adapter::load(const std::string& path, const ModelConfig& config) {
  // Read, not mapped: the digest must be that of the bytes that were parsed, whoever writes to the file meanwhile.
  FS_TRY(const std::string bytes, read_file(path, kFileBytesMax));
  return parse(std::as_bytes(std::span(bytes.data(), bytes.size())), path, config);
}

std::shared_ptr<const Adapter> Adapter::named(std::string digest) {
  Adapter adapter;
  adapter.digest_ = std::move(digest);
  return std::make_shared<const Adapter>(std::move(adapter));
}

}  // namespace firesteel
