#include "model/model.h"

#include <utility>

#include "base/check.h"
#include "model/forward.h"
#include "model/weights.h"
#include "model/workspace.h"

namespace firesteel {
namespace {

class LoadedModel final : public Model {
 public:
  LoadedModel(std::shared_ptr<const Checkpoint> checkpoint, ModelConfig config, ModelWeights weights, Options options)
      : checkpoint_(std::move(checkpoint)), config_(std::move(config)), weights_(std::move(weights)), options_(options) {}

  const ModelConfig& config() const override { return config_; }
  const Checkpoint& checkpoint() const override { return *checkpoint_; }
  uint64_t weight_bytes_per_token() const override { return weights_.bytes_per_token; }
  uint64_t macs_per_token() const override { return weights_.macs_per_token; }

  // Keys and values need no more precision than the activations that made them.
  KvType default_kv_type() const override {
    if (options_.precision == Precision::kHigh) return KvType::kF32;
    const DType dtype = weights_.layers.front().q.weights.dtype;
    return dtype == DType::kF32 || dtype == DType::kF16 ? KvType::kF32 : KvType::kBF16;
  }

  Result<std::shared_ptr<const Adapter>> load_adapter(const std::string& path) const override { return Adapter::load(path, config_); }

  std::unique_ptr<Workspace> new_workspace(int max_rows, int max_logit_rows, int64_t max_context) const override {
    return std::make_unique<ForwardWorkspace>(config_, max_rows, max_logit_rows, max_context);
  }

  void forward(Exec* exec, const KernelTable& table, Workspace* workspace, const KvLayout& layout, const ForwardBatch& batch,
               float* logits) const override {
    auto* own = dynamic_cast<ForwardWorkspace*>(workspace);
    CHECK(own != nullptr);
    run_forward({.config = config_, .weights = weights_, .precision = options_.precision}, exec, table, own, layout, batch, logits);
  }

 private:
  const std::shared_ptr<const Checkpoint> checkpoint_;
  const ModelConfig config_;
  const ModelWeights weights_;
  const Options options_;
};

}  // namespace

KvLayout Model::kv_layout(KvType type) const {
  return {.type = type, .n_layers = config().n_layers, .n_kv_heads = config().n_kv_heads, .head_dim = config().head_dim};
}

Result<std::shared_ptr<const Model>> Model::load(std::shared_ptr<const Checkpoint> checkpoint, Options options) {
  Result<ModelConfig> config = read_config(checkpoint->metadata());
  if (!config.ok()) return Error{config.error().code, checkpoint->path() + ": " + config.error().message};
  FS_TRY(ModelWeights weights, load_weights(*checkpoint, *config));
  return std::shared_ptr<const Model>(
      std::make_shared<const LoadedModel>(std::move(checkpoint), *std::move(config), std::move(weights), options));
}

}  // namespace firesteel
