#include "model/config.h"

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

namespace firesteel {
namespace {

// Caps: far above any published model, low enough that products of a few of them stay within int64.
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxDim = 65536;
constexpr int64_t kMaxFfnDim = int64_t{1} << 20;
constexpr int64_t kMaxHeads = 1024;
constexpr int64_t kMaxHeadDim = 512;
constexpr int64_t kMaxVocab = int64_t{1} << 24;
constexpr int64_t kMaxContext = int64_t{1} << 30;
constexpr int64_t kMaxExperts = 1024;
constexpr int64_t kMaxExpertsUsed = 64;

// What a family means when its files do not say.
struct Family {
  const char* name;
  bool neox;
  bool qk_norm;
  bool post_norms;
  bool experts;              // the family may have them
  bool gemma;                // embeddings times sqrt(dim), gelu
  int64_t window_default;    // 0: none
  int64_t pattern_default;   // every n-th layer is global; 0: all layers have the window
  bool window_applies;       // whether a bare sliding_window key means anything (Qwen's files carry an unused one)
  double attn_softcap, final_softcap;
};

constexpr Family kFamilies[] = {
    {"llama", false, false, false, true, false, 0, 0, true, 0, 0},
    {"qwen2", true, false, false, false, false, 0, 0, false, 0, 0},
    {"qwen3", true, true, false, false, false, 0, 0, false, 0, 0},
    {"qwen3moe", true, true, false, true, false, 0, 0, false, 0, 0},
    {"gemma2", true, false, true, false, true, 4096, 2, true, 50, 30},
    {"gemma3", true, true, true, false, true, 0, 6, true, 0, 0},
    {"phi3", true, false, false, false, false, 0, 0, true, 0, 0},
};

Error bad(std::string_view key, const std::string& expected, const std::string& found) {
  return Error{ErrorCode::kDataLoss, "metadata \"" + std::string(key) + "\": expected " + expected + ", found " + found};
}

Error unsupported(std::string_view key, const std::string& what) {
  return Error{ErrorCode::kUnsupported, "metadata \"" + std::string(key) + "\": " + what + " is not supported"};
}

std::string number(double value) {
  std::string text = std::to_string(value);
  return text;
}

// Reads "ARCH.suffix" keys with their ranges.
class Keys {
 public:
  Keys(const Metadata& metadata, std::string prefix) : metadata_(metadata), prefix_(std::move(prefix)) {}

  std::string name(std::string_view suffix) const { return prefix_ + "." + std::string(suffix); }
  bool has(std::string_view suffix) const { return metadata_.has(name(suffix)); }

  // A scalar, or an array with one value per layer that are all the same.
  Result<std::optional<int64_t>> find_int(std::string_view suffix, int64_t low, int64_t high) const {
    const std::string key = name(suffix);
    std::optional<int64_t> value;
    if (const std::vector<int64_t>* values = metadata_.ints(key)) {
      for (const int64_t v : *values) {
        if (v != values->front()) return unsupported(key, "a value that differs between layers");
      }
      if (values->empty()) return bad(key, "one value per layer", "an empty array");
      value = values->front();
    } else {
      FS_TRY(value, metadata_.get_int(key));
    }
    if (value && (*value < low || *value > high)) {
      return bad(key, std::to_string(low) + ".." + std::to_string(high), std::to_string(*value));
    }
    return value;
  }
  Result<int64_t> require_int(std::string_view suffix, int64_t low, int64_t high) const {
    FS_TRY(const std::optional<int64_t> value, find_int(suffix, low, high));
    if (!value) return bad(name(suffix), "an integer", "no such key");
    return *value;
  }
  Result<int64_t> int_or(std::string_view suffix, int64_t fallback, int64_t low, int64_t high) const {
    FS_TRY(const std::optional<int64_t> value, find_int(suffix, low, high));
    return value.value_or(fallback);
  }
  Result<double> float_or(std::string_view suffix, double fallback, double low, double high) const {
    FS_TRY(const std::optional<double> value, metadata_.get_float(name(suffix)));
    if (!value) return fallback;
    if (!std::isfinite(*value) || *value < low || *value > high) {
      return bad(name(suffix), number(low) + ".." + number(high), number(*value));
    }
    return *value;
  }
  const Metadata& metadata() const { return metadata_; }

 private:
  const Metadata& metadata_;
  std::string prefix_;
};

Status read_sizes(const Keys& keys, ModelConfig* config) {
  FS_TRY(const int64_t n_layers, keys.require_int("block_count", 1, kMaxLayers));
  FS_TRY(config->dim, keys.require_int("embedding_length", 1, kMaxDim));
  FS_TRY(const int64_t n_heads, keys.require_int("attention.head_count", 1, kMaxHeads));
  FS_TRY(const int64_t n_kv_heads, keys.int_or("attention.head_count_kv", n_heads, 1, kMaxHeads));
  FS_TRY(const std::optional<int64_t> key_length, keys.find_int("attention.key_length", 16, kMaxHeadDim));
  int64_t head_dim = 0;
  if (key_length) {
    head_dim = *key_length;
  } else {
    if (config->dim % n_heads != 0) {
      return bad(keys.name("embedding_length"), "a multiple of " + std::to_string(n_heads) + " heads", std::to_string(config->dim));
    }
    head_dim = config->dim / n_heads;
  }
  if (head_dim < 16 || head_dim > kMaxHeadDim || head_dim % 16 != 0) {
    return unsupported(keys.name("attention.key_length"), "a head of " + std::to_string(head_dim) + " dimensions (16, 32 .. 512 are)");
  }
  FS_TRY(const int64_t value_length, keys.int_or("attention.value_length", head_dim, 1, kMaxDim));
  if (value_length != head_dim) return unsupported(keys.name("attention.value_length"), "a length other than that of keys");
  if (n_heads % n_kv_heads != 0) {
    return bad(keys.name("attention.head_count_kv"), "a divisor of " + std::to_string(n_heads), std::to_string(n_kv_heads));
  }
  for (const char* suffix : {"attention.key_length_swa", "attention.value_length_swa"}) {
    FS_TRY(const int64_t length, keys.int_or(suffix, head_dim, 1, kMaxDim));
    if (length != head_dim) return unsupported(keys.name(suffix), "another head size in window layers");
  }
  config->n_layers = static_cast<int>(n_layers);
  config->n_heads = static_cast<int>(n_heads);
  config->n_kv_heads = static_cast<int>(n_kv_heads);
  config->head_dim = static_cast<int>(head_dim);
  FS_TRY(config->context_length, keys.require_int("context_length", 1, kMaxContext));

  FS_TRY(const std::optional<int64_t> n_vocab, keys.find_int("vocab_size", 1, kMaxVocab));
  if (n_vocab) {
    config->n_vocab = *n_vocab;
  } else {
    const std::vector<std::string_view>* tokens = keys.metadata().strings("tokenizer.ggml.tokens");
    if (tokens == nullptr || tokens->empty() || static_cast<int64_t>(tokens->size()) > kMaxVocab) {
      return bad(keys.name("vocab_size"), "1.." + std::to_string(kMaxVocab) + " here or as many tokens", "neither");
    }
    config->n_vocab = static_cast<int64_t>(tokens->size());
  }
  return {};
}

Status read_experts(const Keys& keys, const Family& family, ModelConfig* config) {
  FS_TRY(const int64_t n_experts, keys.int_or("expert_count", 0, 0, kMaxExperts));
  FS_TRY(const std::optional<int64_t> ffn_dim, keys.find_int("feed_forward_length", 1, kMaxFfnDim));
  if (n_experts == 0) {
    if (!ffn_dim) return bad(keys.name("feed_forward_length"), "an integer", "no such key");
    config->ffn_dim = *ffn_dim;
    return {};
  }
  if (!family.experts) return unsupported(keys.name("expert_count"), std::string("a mixture of experts in ") + family.name);
  FS_TRY(const int64_t n_used, keys.require_int("expert_used_count", 1, kMaxExpertsUsed));
  if (n_used > n_experts) {
    return bad(keys.name("expert_used_count"), "at most " + std::to_string(n_experts), std::to_string(n_used));
  }
  FS_TRY(const std::optional<int64_t> expert_dim, keys.find_int("expert_feed_forward_length", 1, kMaxFfnDim));
  if (!expert_dim && !ffn_dim) return bad(keys.name("expert_feed_forward_length"), "an integer", "no such key");
  for (const char* suffix : {"expert_shared_count", "leading_dense_block_count", "expert_group_count"}) {
    FS_TRY(const int64_t n, keys.int_or(suffix, 0, 0, kMaxExperts));
    if (n > 0) return unsupported(keys.name(suffix), std::to_string(n));
  }
  MoeConfig& moe = config->moe;
  moe.n_experts = static_cast<int>(n_experts);
  moe.n_used = static_cast<int>(n_used);
  moe.ffn_dim = expert_dim ? *expert_dim : *ffn_dim;
  config->ffn_dim = ffn_dim.value_or(moe.ffn_dim);
  FS_TRY(const std::optional<bool> normalise, keys.metadata().get_bool(keys.name("expert_weights_norm")));
  moe.normalise = normalise.value_or(true);
  FS_TRY(moe.weights_scale, keys.float_or("expert_weights_scale", 1, 0, 1e6));
  if (moe.weights_scale == 0) moe.weights_scale = 1;  // written so by converters that mean "none"
  FS_TRY(const int64_t gating, keys.int_or("expert_gating_func", 1, 0, 100));
  if (gating > 3) return unsupported(keys.name("expert_gating_func"), std::to_string(gating));
  moe.gating = gating == 2 ? ExpertGating::kSigmoid : gating == 3 ? ExpertGating::kSoftmaxSelected : ExpertGating::kSoftmaxAll;
  return {};
}

Status read_window(const Keys& keys, const Family& family, ModelConfig* config) {
  const std::string pattern_key = keys.name("attention.sliding_window_pattern");
  const bool has_pattern = keys.metadata().has(pattern_key);
  FS_TRY(int64_t window, keys.int_or("attention.sliding_window", family.window_default, 0, kMaxContext));
  if (!has_pattern && !family.window_applies) window = 0;
  if (window == 0 || window >= config->context_length) return {};  // never narrower than a sequence: the same as none

  const size_t n_layers = static_cast<size_t>(config->n_layers);
  std::vector<bool> layers(n_layers, true);
  if (const std::vector<bool>* flags = keys.metadata().bools(pattern_key)) {
    if (flags->size() != n_layers) return bad(pattern_key, std::to_string(n_layers) + " flags", std::to_string(flags->size()));
    layers = *flags;
  } else {
    int64_t period = family.pattern_default;
    if (const std::vector<int64_t>* values = keys.metadata().ints(pattern_key)) {
      if (values->size() != n_layers) return bad(pattern_key, std::to_string(n_layers) + " values", std::to_string(values->size()));
      for (size_t i = 0; i < n_layers; ++i) layers[i] = (*values)[i] != 0;
      period = 0;
    } else {
      FS_TRY(period, keys.int_or("attention.sliding_window_pattern", period, 0, kMaxLayers));
    }
    if (period > 0) {
      for (size_t i = 0; i < n_layers; ++i) layers[i] = (i + 1) % static_cast<size_t>(period) != 0;
    }
  }
  bool any = false;
  for (const bool flag : layers) any = any || flag;
  if (!any) return {};
  config->window = static_cast<int>(window);
  config->window_layers = std::move(layers);
  return {};
}

Status read_rope(const Keys& keys, const Family& family, ModelConfig* config) {
  RopeConfig& rope = config->rope;
  FS_TRY(const std::optional<bool> neox, keys.metadata().get_bool("firesteel.rope.neox"));
  rope.neox = neox.value_or(family.neox);
  FS_TRY(const int64_t n_dims, keys.int_or("rope.dimension_count", config->head_dim, 2, config->head_dim));
  if (n_dims % 2 != 0) return bad(keys.name("rope.dimension_count"), "an even number", std::to_string(n_dims));
  FS_TRY(const int64_t n_dims_window, keys.int_or("rope.dimension_count_swa", n_dims, 0, kMaxDim));
  if (n_dims_window != n_dims) return unsupported(keys.name("rope.dimension_count_swa"), "another rotated size in window layers");
  if (keys.has("rope.dimension_sections")) return unsupported(keys.name("rope.dimension_sections"), "rope in sections");
  rope.n_dims = static_cast<int>(n_dims);
  FS_TRY(rope.theta, keys.float_or("rope.freq_base", 10000, 1.001, 1e12));
  // Gemma 3 rotates window layers with a base of their own and never scales them; elsewhere all layers are the same.
  const bool own = std::string_view(family.name) == "gemma3" || keys.has("rope.freq_base_swa");
  rope.window_has_own_base = own;
  FS_TRY(rope.theta_window, keys.float_or("rope.freq_base_swa", own ? 10000 : rope.theta, 1.001, 1e12));

  FS_TRY(const std::optional<std::string_view> type, keys.metadata().get_string(keys.name("rope.scaling.type")));
  FS_TRY(rope.factor, keys.float_or("rope.scaling.factor", 0, 0, 1e6));
  if (rope.factor == 0) {
    FS_TRY(rope.factor, keys.float_or("rope.scale_linear", 0, 0, 1e6));
  }
  const bool has_factor = rope.factor != 0;
  if (!has_factor) rope.factor = 1;
  if (!type) {
    rope.scaling = has_factor ? RopeScaling::kLinear : RopeScaling::kNone;
  } else if (*type == "none") {
    rope.scaling = RopeScaling::kNone;
  } else if (*type == "linear") {
    rope.scaling = RopeScaling::kLinear;
  } else if (*type == "yarn") {
    rope.scaling = RopeScaling::kYarn;
  } else if (*type == "longrope") {
    rope.scaling = RopeScaling::kLongRope;
  } else {
    return unsupported(keys.name("rope.scaling.type"), "\"" + std::string(*type) + "\"");
  }
  FS_TRY(rope.original_context, keys.int_or("rope.scaling.original_context_length", config->context_length, 1, kMaxContext));
  FS_TRY(const std::optional<double> attn_factor, keys.metadata().get_float(keys.name("rope.scaling.attn_factor")));
  FS_TRY(rope.attn_factor, keys.float_or("rope.scaling.attn_factor", 1, 0.01, 100));
  FS_TRY(const double yarn_attn_factor, keys.float_or("rope.scaling.yarn_attn_factor", 1, 0.01, 100));
  rope.attn_factor *= yarn_attn_factor;
  FS_TRY(rope.yarn_ext_factor, keys.float_or("rope.scaling.yarn_ext_factor", 1, -1, 100));
  if (rope.yarn_ext_factor < 0) rope.yarn_ext_factor = 1;  // -1 in files means "default"
  FS_TRY(rope.yarn_beta_fast, keys.float_or("rope.scaling.yarn_beta_fast", 32, 1e-3, 1e6));
  FS_TRY(rope.yarn_beta_slow, keys.float_or("rope.scaling.yarn_beta_slow", 1, 1e-3, 1e6));
  FS_TRY(const double log_multiplier, keys.float_or("rope.scaling.yarn_log_multiplier", 0, -1e6, 1e6));
  if (log_multiplier != 0) return unsupported(keys.name("rope.scaling.yarn_log_multiplier"), "a value other than 0");
  if (rope.scaling == RopeScaling::kLongRope && !attn_factor && config->context_length > rope.original_context &&
      rope.original_context > 1) {
    // Su et al.: the entropy of attention over a longer context. Source: reference of Phi-3's longrope.
    rope.attn_factor = std::sqrt(1 + std::log(static_cast<double>(config->context_length) / static_cast<double>(rope.original_context)) /
                                         std::log(static_cast<double>(rope.original_context)));
  }
  return {};
}

}  // namespace

Result<ModelConfig> read_config(const Metadata& metadata) {
  FS_TRY(const std::optional<std::string_view> architecture, metadata.get_string("general.architecture"));
  if (!architecture) return bad("general.architecture", "a string", "no such key");
  const Family* family = nullptr;
  std::string known;
  for (const Family& candidate : kFamilies) {
    if (*architecture == candidate.name) family = &candidate;
    known += known.empty() ? candidate.name : std::string(", ") + candidate.name;
  }
  if (family == nullptr) {
    return Error{ErrorCode::kUnsupported,
                 "architecture \"" + std::string(architecture->substr(0, 64)) + "\" is not supported (supported: " + known + ")"};
  }
  FS_TRY(const std::optional<std::string_view> type, metadata.get_string("general.type"));
  if (type && *type != "model") {
    return Error{ErrorCode::kUnsupported, "metadata \"general.type\": expected \"model\", found \"" + std::string(type->substr(0, 64)) + "\""};
  }

  const Keys keys(metadata, family->name);
  ModelConfig config;
  config.architecture = family->name;
  FS_TRY(const std::optional<std::string_view> name, metadata.get_string("general.name"));
  config.name = name.value_or("");
  FS_TRY_VOID(read_sizes(keys, &config));
  FS_TRY_VOID(read_experts(keys, *family, &config));
  FS_TRY_VOID(read_window(keys, *family, &config));
  FS_TRY_VOID(read_rope(keys, *family, &config));

  FS_TRY(config.norm_eps, keys.float_or("attention.layer_norm_rms_epsilon", 1e-5, 0, 0.1));
  config.activation = family->gemma ? Activation::kGeluTanh : Activation::kSilu;
  config.qk_norm = family->qk_norm;
  config.post_norms = family->post_norms;

  // In f32 as the models were trained: sqrt(dim) itself is not representable.
  const double embedding_scale = family->gemma ? static_cast<double>(std::sqrt(static_cast<float>(config.dim))) : 1;
  FS_TRY(config.embedding_scale, keys.float_or("embedding_scale", embedding_scale, 1e-6, 1e6));
  double query_dims = config.head_dim;
  const bool is_27b = (config.architecture == "gemma2" && config.n_layers == 46) || (config.architecture == "gemma3" && config.n_layers == 62);
  if (is_27b) query_dims = static_cast<double>(config.dim) / config.n_heads;  // their files do not say
  FS_TRY(const double scale, keys.float_or("attention.scale", 0, 0, 1e3));
  config.attention_scale = scale > 0 ? scale : 1 / std::sqrt(query_dims);
  FS_TRY(config.attn_softcap, keys.float_or("attn_logit_softcapping", family->attn_softcap, 0, 1e6));
  FS_TRY(config.final_softcap, keys.float_or("final_logit_softcapping", family->final_softcap, 0, 1e6));
  FS_TRY(config.logit_scale, keys.float_or("logit_scale", 1, -1e6, 1e6));
  if (config.logit_scale == 0) config.logit_scale = 1;
  FS_TRY(const double residual_scale, keys.float_or("residual_scale", 1, -1e6, 1e6));
  if (residual_scale != 1 && residual_scale != 0) return unsupported(keys.name("residual_scale"), "a value other than 1");
  FS_TRY(const std::optional<bool> causal, metadata.get_bool(keys.name("attention.causal")));
  if (causal && !*causal) return unsupported(keys.name("attention.causal"), "attention to later tokens");
  return config;
}

}  // namespace firesteel
