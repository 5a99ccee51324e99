#include "tune/base_model.h"

#include <cmath>
#include <optional>
#include <utility>

#include "checkpoint/hash128.h"
#include "model/config.h"
#include "model/vision.h"
#include "train/export_model.h"

namespace firesteel {
namespace {

Result<NetworkShape> shape_of(const Checkpoint& file, const ModelConfig& c) {
  const auto refuse = [&file](const std::string& what) {
    return Error{ErrorCode::kUnsupported, file.path() + ": " + what + ": tuning has no backward pass for it. What it has: Llama with tied embeddings, such as Kindling"};
  };
  if (c.architecture != "llama") return refuse("architecture \"" + c.architecture + "\"");
  if (c.rope.neox) return refuse("rows in the order of a Hugging Face folder (convert it to GGUF first)");
  if (c.moe.n_experts > 0) return refuse("experts");
  if (c.window > 0) return refuse("a sliding window");
  if (c.qk_norm || c.post_norms) return refuse("more norms than Llama's");
  if (c.rope.scaling != RopeScaling::kNone || file.find("rope_freqs.weight") != nullptr) return refuse("scaled rope");
  if (c.rope.n_dims != c.head_dim) return refuse("rope on a part of the head");
  if (c.activation != Activation::kSilu || c.embedding_scale != 1 || c.logit_scale != 1 || c.attn_softcap != 0 || c.final_softcap != 0 ||
      std::abs(c.attention_scale * std::sqrt(static_cast<double>(c.head_dim)) - 1) > 1e-6) {
    return refuse("scales or activations other than Llama's");
  }
  if (file.find("output.weight") != nullptr) return refuse("an output matrix of its own");
  if (file.find("blk.0.attn_q.bias") != nullptr || file.find("blk.0.attn_output.bias") != nullptr) return refuse("biases");
  NetworkShape s;
  s.dim = c.dim;
  s.n_layers = c.n_layers;
  s.n_heads = c.n_heads;
  s.n_kv_heads = c.n_kv_heads;
  s.head_dim = c.head_dim;
  s.ffn_dim = c.ffn_dim;
  s.n_vocab = c.n_vocab;
  s.context = c.context_length;
  s.rope_theta = c.rope.theta;
  s.norm_eps = c.norm_eps;
  s.vision = false;
  return s;
}

}  // namespace

Result<BaseModel> BaseModel::open(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<const Checkpoint> vision, uint64_t memory_max) {
  BaseModel base;
  const Metadata& metadata = checkpoint->metadata();
  const auto in_file = [&checkpoint](const Error& error) { return Error{error.code, checkpoint->path() + ": " + error.message}; };
  const Result<ModelConfig> config = read_config(metadata);
  if (!config.ok()) return in_file(config.error());
  FS_TRY(base.shape, shape_of(*checkpoint, *config));
  if (vision != nullptr) {
    FS_TRY(const std::shared_ptr<const VisionModel> sees, VisionModel::load(vision));
    base.shape.vision = true;
    base.shape.patches = sees->params();
  }
  if (const Status fits = check_shape(base.shape); !fits.ok()) return in_file(fits.error());
  const ParameterLayout layout = plan_parameters(base.shape);
  // Weights, the tuned weights and their gradients in f32, operands in bf16 for both directions.
  const uint64_t needed = static_cast<uint64_t>(layout.n) * (4 + 4 + 4 + 4);
  if (needed > memory_max) {
    return Error{ErrorCode::kUnsupported, checkpoint->path() + ": tuning needs about " + std::to_string(needed >> 20) + " MiB for " + std::to_string(layout.n) +
                                              " weights, at most " + std::to_string(memory_max >> 20) + " MiB are allowed (--memory-mib)"};
  }
  base.weights.resize(static_cast<size_t>(layout.n));
  FS_TRY_VOID(import_weights(base.shape, *checkpoint, vision.get(), base.weights));
  base.architecture = config->architecture;

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
  hash.update(std::as_bytes(std::span(base.weights)));
  hash.update(*source);
  base.digest = hash.finish_hex();
  base.checkpoint = std::move(checkpoint);
  return base;
}

}  // namespace firesteel
