#include "tune/base_model.h"

#include <cmath>
#include <optional>
#include <utility>

#include "checkpoint/hash128.h"
#include "model/vision.h"
#include "tensor/quantise.h"

namespace firesteel {
namespace {

Status check_tunable(const Checkpoint& file, const ModelConfig& c) {
  const auto refuse = [&file](const std::string& what) {
    return Error{ErrorCode::kUnsupported, file.path() + ": " + what + ": tuning has no backward pass for it. What it has: Llama, Mistral, Qwen 2 and Qwen 3, dense"};
  };
  if (c.architecture == "llama" && c.rope.neox) return refuse("rows in the order of a Hugging Face folder (convert it to GGUF first)");
  if (c.moe.n_experts > 0) return refuse("experts");
  if (c.window > 0) return refuse("a sliding window");
  if (c.post_norms) return refuse("norms after the blocks");
  if (c.activation != Activation::kSilu) return refuse("another activation than SiLU");
  if (c.embedding_scale != 1 || c.logit_scale != 1 || c.attn_softcap != 0 || c.final_softcap != 0 ||
      std::abs(c.attention_scale * std::sqrt(static_cast<double>(c.head_dim)) - 1) > 1e-6) {
    return refuse("scales of its own (architecture \"" + c.architecture + "\")");
  }
  for (const int64_t n : {c.dim, c.ffn_dim, int64_t{c.head_dim}}) {
    if (n % 16 != 0) return refuse("a dimension of " + std::to_string(n) + " (not a multiple of 16)");
  }
  if (c.n_vocab % 2 != 0) return refuse("a vocabulary of " + std::to_string(c.n_vocab) + " tokens (odd)");
  return {};
}

Result<std::vector<float>> read_vision_tensor(const Checkpoint& file, const char* name) {
  const TensorInfo* tensor = file.find(name);
  if (tensor == nullptr) return Error{ErrorCode::kDataLoss, file.path() + ": no tensor " + name};
  std::vector<float> values(static_cast<size_t>(tensor->n_elements()));
  for (int64_t row = 0; row * tensor->ne[0] < tensor->n_elements(); ++row) {
    dequantise_row(tensor->dtype, tensor->slices[0] + static_cast<size_t>(row) * tensor->row_bytes(), values.data() + row * tensor->ne[0], tensor->ne[0]);
  }
  return values;
}

}  // namespace

Result<BaseModel> BaseModel::open(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<const Checkpoint> vision) {
  BaseModel base;
  const Metadata& metadata = checkpoint->metadata();
  const auto in_file = [&checkpoint](const Error& error) { return Error{error.code, checkpoint->path() + ": " + error.message}; };
  const Result<ModelConfig> config = read_config(metadata);
  if (!config.ok()) return in_file(config.error());
  base.config = *config;
  FS_TRY_VOID(check_tunable(*checkpoint, base.config));
  FS_TRY(base.weights, load_weights(*checkpoint, base.config));
  if (vision != nullptr) {
    FS_TRY(const std::shared_ptr<const VisionModel> sees, VisionModel::load(vision));  // checks every shape
    if (sees->dim() != base.config.dim) return Error{ErrorCode::kDataLoss, vision->path() + ": made for another model: rows of " + std::to_string(sees->dim()) + ", not " + std::to_string(base.config.dim)};
    base.sees = true;
    base.patches = sees->params();
    base.vision.patch_dim = base.patches.patch_dim();
    FS_TRY(base.vision.weight, read_vision_tensor(*vision, "v.patch.weight"));
    FS_TRY(base.vision.bias, read_vision_tensor(*vision, "v.patch.bias"));
    FS_TRY(base.vision.norm, read_vision_tensor(*vision, "v.norm.weight"));
    FS_TRY(base.vision.row, read_vision_tensor(*vision, "v.row.weight"));
    FS_TRY(base.vision.column, read_vision_tensor(*vision, "v.column.weight"));
  }

  auto tokenizer = Tokenizer::from_metadata(metadata);
  if (!tokenizer.ok()) return in_file(tokenizer.error());
  base.tokenizer = std::move(tokenizer).value();
  base.tokenizer->prepare();
  if (!base.tokenizer->eos()) return in_file({ErrorCode::kDataLoss, "no token that ends a turn"});
  FS_TRY(const std::optional<std::string_view> source, metadata.get_string("tokenizer.chat_template"));
  if (!source) return in_file({ErrorCode::kFailedPrecondition, "no chat template: what a conversation looks like to this model is not known"});
  auto chat_template = ChatTemplate::compile(*source);
  if (!chat_template.ok()) return in_file(chat_template.error());
  base.chat_template = std::move(chat_template).value();
  auto numbers = NumberBinding::from_metadata(metadata, *base.tokenizer);
  if (!numbers.ok()) return in_file(numbers.error());
  base.numbers = std::move(numbers).value();

  Hash128 hash;
  for (const TensorInfo& tensor : checkpoint->tensors()) {
    hash.update(tensor.name);
    hash.update_u64(static_cast<uint64_t>(tensor.dtype));
    const auto n_rows = static_cast<size_t>(tensor.n_elements() / tensor.ne[0] / static_cast<int64_t>(tensor.slices.size()));
    for (const std::byte* slice : tensor.slices) hash.update(std::span(slice, n_rows * tensor.row_bytes()));
  }
  for (const std::vector<float>* part : {&base.vision.weight, &base.vision.bias, &base.vision.norm, &base.vision.row, &base.vision.column}) {
    hash.update(std::as_bytes(std::span(*part)));
  }
  hash.update(*source);
  base.digest = hash.finish_hex();
  base.checkpoint = std::move(checkpoint);
  return base;
}

}  // namespace firesteel
