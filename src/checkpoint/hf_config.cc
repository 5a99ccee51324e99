#include "checkpoint/hf_config.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <optional>
#include <utility>

namespace firesteel {
namespace {

// What a configuration means when it does not say: defaults of the model classes that wrote it.
struct Family {
  std::string_view model_type;
  HfFamily family;
  const char* architecture;
  std::string_view activation;
  bool tied;
  double rope_theta;
  double norm_eps;
  int64_t context;
  int64_t n_heads, n_kv_heads, head_dim;  // 0: required, as many as heads, hidden_size / heads
};
constexpr Family kFamilies[] = {
    {"llama", HfFamily::kLlama, "llama", "silu", false, 1e4, 1e-6, 2048, 0, 0, 0},
    {"mistral", HfFamily::kLlama, "llama", "silu", false, 1e4, 1e-6, 131072, 0, 8, 0},
    {"mixtral", HfFamily::kMixtral, "llama", "silu", false, 1e6, 1e-5, 131072, 0, 8, 0},
    {"qwen2", HfFamily::kQwen2, "qwen2", "silu", false, 1e4, 1e-6, 32768, 0, 0, 0},
    {"qwen3", HfFamily::kQwen3, "qwen3", "silu", false, 1e4, 1e-6, 32768, 0, 0, 128},
    {"qwen3_moe", HfFamily::kQwen3Moe, "qwen3moe", "silu", false, 1e4, 1e-6, 32768, 0, 4, 0},
    {"gemma2", HfFamily::kGemma2, "gemma2", "gelu_pytorch_tanh", true, 1e4, 1e-6, 8192, 8, 4, 256},
    {"gemma3_text", HfFamily::kGemma3, "gemma3", "gelu_pytorch_tanh", true, 1e6, 1e-6, 131072, 8, 4, 256},
    {"phi3", HfFamily::kPhi3, "phi3", "silu", false, 1e4, 1e-5, 4096, 0, 0, 0},
};

constexpr int64_t kMaxLayers = 1024, kMaxSize = int64_t{1} << 24, kMaxContext = int64_t{1} << 30, kMaxExperts = 1024, kMaxHeadDim = 8192;

// Members of the configuration, typed and within ranges.
class Reader {
 public:
  Reader(const Json& json, const std::string& where) : json_(json), where_(where) {}

  const Json* find(std::string_view key) const {  // null counts as absent
    const Json* value = json_.find(key);
    return value == nullptr || value->is_null() ? nullptr : value;
  }
  Error bad(std::string_view key, const std::string& expected) const {
    const Json* value = find(key);
    const std::string found = value == nullptr ? "nothing" : value->is_array() || value->is_object() ? "a list or object" : value->dump().substr(0, 80);
    return Error{ErrorCode::kDataLoss, fmt::format("{}: \"{}\": expected {}, found {}", where_, key, expected, found)};
  }
  Error unsupported(const std::string& what) const { return Error{ErrorCode::kUnsupported, where_ + ": " + what + " is not supported"}; }

  Result<std::optional<int64_t>> find_int(std::string_view key, int64_t low, int64_t high) const {
    const Json* value = find(key);
    if (value == nullptr) return std::optional<int64_t>();
    if (!value->is_int() || value->as_int() < low || value->as_int() > high) return bad(key, fmt::format("an integer of {} to {}", low, high));
    return std::optional(value->as_int());
  }
  Result<int64_t> require_int(std::string_view key, int64_t low, int64_t high) const {
    FS_TRY(const auto value, find_int(key, low, high));
    if (!value) return bad(key, fmt::format("an integer of {} to {}", low, high));
    return *value;
  }
  Result<int64_t> int_or(std::string_view key, int64_t fallback, int64_t low, int64_t high) const {
    FS_TRY(const auto value, find_int(key, low, high));
    return value.value_or(fallback);
  }
  Result<std::optional<double>> find_number(std::string_view key, double low, double high) const {
    const Json* value = find(key);
    if (value == nullptr) return std::optional<double>();
    if (!value->is_number() || !(value->as_double() >= low && value->as_double() <= high)) return bad(key, fmt::format("a number of {} to {}", low, high));
    return std::optional(value->as_double());
  }
  Result<double> number_or(std::string_view key, double fallback, double low, double high) const {
    FS_TRY(const auto value, find_number(key, low, high));
    return value.value_or(fallback);
  }
  Result<bool> bool_or(std::string_view key, bool fallback) const {
    const Json* value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_bool()) return bad(key, "true or false");
    return value->as_bool();
  }
  Result<std::string_view> string_or(std::string_view key, std::string_view fallback) const {
    const Json* value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_string()) return bad(key, "a string");
    return std::string_view(value->as_string());
  }
  Result<std::vector<float>> numbers(std::string_view key, size_t n) const {
    const Json* value = find(key);
    std::vector<float> numbers;
    if (value != nullptr && value->is_array() && value->as_array().size() == n) {
      for (const Json& element : value->as_array()) {
        if (element.is_number()) numbers.push_back(static_cast<float>(element.as_double()));
      }
    }
    if (numbers.size() != n) return bad(key, fmt::format("a list of {} numbers", n));
    return numbers;
  }
  const std::string& where() const { return where_; }

 private:
  const Json& json_;
  const std::string where_;
};

class Translator {
 public:
  Translator(const Reader& in, const Family& family, Metadata* out) : in_(in), family_(family), out_(out) {}

  Result<HfConfig> run() {
    config_.family = family_.family;
    config_.architecture = family_.architecture;
    out_->set("general.architecture", std::string_view(family_.architecture));
    out_->set("general.type", std::string_view("model"));
    if (in_.find("quantization_config") != nullptr) return in_.unsupported("a quantised checkpoint (\"quantization_config\")");
    FS_TRY_VOID(sizes());
    FS_TRY_VOID(experts());
    FS_TRY_VOID(window());
    FS_TRY_VOID(rope());
    FS_TRY_VOID(details());
    return std::move(config_);
  }

 private:
  void set_int(std::string_view suffix, int64_t value) { out_->set(name(suffix), value); }
  void set_float(std::string_view suffix, double value) { out_->set(name(suffix), value); }
  std::string name(std::string_view suffix) const { return fmt::format("{}.{}", family_.architecture, suffix); }

  Status sizes() {
    FS_TRY(config_.n_layers, in_.require_int("num_hidden_layers", 1, kMaxLayers));
    FS_TRY(hidden_, in_.require_int("hidden_size", 1, kMaxSize));
    FS_TRY(const int64_t ffn, in_.require_int("intermediate_size", 1, kMaxSize));
    int64_t n_heads = family_.n_heads;
    if (n_heads == 0) {
      FS_TRY(n_heads, in_.require_int("num_attention_heads", 1, kMaxSize));
    } else {
      FS_TRY(n_heads, in_.int_or("num_attention_heads", n_heads, 1, kMaxSize));
    }
    FS_TRY(const int64_t n_kv_heads, in_.int_or("num_key_value_heads", family_.n_kv_heads == 0 ? n_heads : family_.n_kv_heads, 1, kMaxSize));
    FS_TRY(head_dim_, in_.int_or("head_dim", family_.head_dim == 0 ? hidden_ / n_heads : family_.head_dim, 1, kMaxSize));
    if (head_dim_ > kMaxHeadDim) return in_.unsupported(fmt::format("a head of {} numbers (more than {})", head_dim_, kMaxHeadDim));
    FS_TRY(context_, in_.int_or("max_position_embeddings", family_.context, 1, kMaxContext));
    FS_TRY(const double eps, in_.number_or("rms_norm_eps", family_.norm_eps, 0, 1));
    set_int("block_count", config_.n_layers);
    set_int("context_length", context_);
    set_int("embedding_length", hidden_);
    set_int("feed_forward_length", ffn);
    set_int("attention.head_count", n_heads);
    set_int("attention.head_count_kv", n_kv_heads);
    set_int("attention.key_length", head_dim_);
    set_int("attention.value_length", head_dim_);
    set_float("attention.layer_norm_rms_epsilon", eps);
    return {};
  }

  Status experts() {
    if (family_.family == HfFamily::kMixtral) {
      FS_TRY(config_.n_experts, in_.int_or("num_local_experts", 8, 1, kMaxExperts));
      FS_TRY(const int64_t n_used, in_.int_or("num_experts_per_tok", 2, 1, config_.n_experts));
      set_int("expert_count", config_.n_experts);
      set_int("expert_used_count", n_used);
    } else if (family_.family == HfFamily::kQwen3Moe) {
      FS_TRY(config_.n_experts, in_.int_or("num_experts", 128, 1, kMaxExperts));
      FS_TRY(const int64_t n_used, in_.int_or("num_experts_per_tok", 8, 1, config_.n_experts));
      FS_TRY(const int64_t ffn, in_.int_or("moe_intermediate_size", 768, 1, kMaxSize));
      FS_TRY(const bool normalise, in_.bool_or("norm_topk_prob", false));
      FS_TRY(const int64_t step, in_.int_or("decoder_sparse_step", 1, 1, kMaxLayers));
      const Json* dense = in_.find("mlp_only_layers");
      if (step != 1 || (dense != nullptr && (!dense->is_array() || !dense->as_array().empty()))) {
        return in_.unsupported("a mixture of experts with dense layers (\"mlp_only_layers\", \"decoder_sparse_step\")");
      }
      set_int("expert_count", config_.n_experts);
      set_int("expert_used_count", n_used);
      set_int("expert_feed_forward_length", ffn);
      out_->set(name("expert_weights_norm"), normalise);
    }
    return {};
  }

  // GGUF families differ in which layers a bare window means; with one flag per layer there is nothing to guess.
  Status window() {
    FS_TRY(const bool uses, in_.bool_or("use_sliding_window", true));
    const bool qwen = family_.architecture[0] == 'q';
    FS_TRY(const int64_t window, in_.int_or("sliding_window", config_.is_gemma() ? 4096 : 0, 0, kMaxContext));
    if (window == 0 || !uses || (qwen && in_.find("use_sliding_window") == nullptr)) return {};
    std::vector<bool> layers(static_cast<size_t>(config_.n_layers), true);
    if (const Json* types = in_.find("layer_types")) {
      if (!types->is_array() || types->as_array().size() != layers.size()) return in_.bad("layer_types", "one entry per layer");
      for (size_t i = 0; i < layers.size(); ++i) {
        const Json& type = types->as_array()[i];
        if (!type.is_string() || (type.as_string() != "sliding_attention" && type.as_string() != "full_attention")) {
          return in_.unsupported("\"layer_types\": " + type.dump().substr(0, 80));
        }
        layers[i] = type.as_string() == "sliding_attention";
      }
    } else if (config_.is_gemma()) {
      FS_TRY(const int64_t period, in_.int_or("sliding_window_pattern", family_.family == HfFamily::kGemma3 ? 6 : 2, 1, kMaxLayers));
      for (size_t i = 0; i < layers.size(); ++i) layers[i] = (i + 1) % static_cast<size_t>(period) != 0;
    } else if (qwen) {
      FS_TRY(const int64_t first, in_.int_or("max_window_layers", 0, 0, kMaxLayers));
      for (size_t i = 0; i < layers.size(); ++i) layers[i] = i >= static_cast<size_t>(first);
    }
    set_int("attention.sliding_window", window);
    out_->set(name("attention.sliding_window_pattern"), std::move(layers));
    return {};
  }

  Status rope() {
    FS_TRY(const double partial, in_.number_or("partial_rotary_factor", 1, 0.01, 1));
    rope_dims_ = std::lround(static_cast<double>(head_dim_) * partial) / 2 * 2;
    set_int("rope.dimension_count", rope_dims_);
    // HF keeps the two halves of a head apart; GGUF's llama interleaves them. Rows stay as they are, so the pairing is said here.
    if (config_.architecture == "llama") out_->set("firesteel.rope.neox", true);

    // Newer configurations gather these in "rope_parameters", per layer type where the types differ.
    const Json* all = in_.find("rope_parameters");
    const Json* global = all == nullptr ? nullptr : all->find("full_attention");
    const Json* local = all == nullptr ? nullptr : all->find("sliding_attention");
    if (global == nullptr) global = all;
    const Json none;
    const Reader parameters(global != nullptr ? *global : none, in_.where());
    FS_TRY(double theta, parameters.number_or("rope_theta", family_.rope_theta, 1, 1e12));
    FS_TRY(theta, in_.number_or("rope_theta", theta, 1, 1e12));
    theta_ = theta;
    set_float("rope.freq_base", theta);
    if (family_.family == HfFamily::kGemma3) {
      const Reader local_parameters(local != nullptr ? *local : none, in_.where());
      FS_TRY(double local_theta, local_parameters.number_or("rope_theta", 10000, 1, 1e12));
      FS_TRY(local_theta, in_.number_or("rope_local_base_freq", local_theta, 1, 1e12));
      set_float("rope.freq_base_swa", local_theta);
    }
    const Json* scaling = in_.find("rope_scaling");
    if (scaling == nullptr) scaling = global;
    if (scaling == nullptr) return {};
    if (!scaling->is_object()) return in_.bad("rope_scaling", "an object");
    return rope_scaling(Reader(*scaling, in_.where() + ": \"rope_scaling\""));
  }

  Status rope_scaling(const Reader& scaling) {
    FS_TRY(std::string_view type, scaling.string_or("type", "default"));
    FS_TRY(type, scaling.string_or("rope_type", type));
    if (type == "default") return {};
    if (type == "linear") {
      FS_TRY(const double factor, scaling.number_or("factor", 1, 1, 1e6));
      out_->set(name("rope.scaling.type"), std::string_view("linear"));
      set_float("rope.scaling.factor", factor);
      return {};
    }
    if (type == "llama3") return llama3_factors(scaling);
    FS_TRY(const int64_t original, scaling.int_or("original_max_position_embeddings", context_, 1, kMaxContext));
    FS_TRY(const int64_t original_here, in_.int_or("original_max_position_embeddings", original, 1, kMaxContext));
    if (type == "yarn") return yarn(scaling, original);
    if ((type == "longrope" || type == "su") && family_.family == HfFamily::kPhi3) {
      const auto n = static_cast<size_t>(rope_dims_ / 2);
      FS_TRY(config_.rope_factors_short, scaling.numbers("short_factor", n));
      FS_TRY(config_.rope_factors_long, scaling.numbers("long_factor", n));
      out_->set(name("rope.scaling.type"), std::string_view("longrope"));
      set_int("rope.scaling.original_context_length", original_here);
      return {};
    }
    return scaling.unsupported(fmt::format("type \"{}\"", type.substr(0, 40)));
  }

  Status yarn(const Reader& scaling, int64_t original) {
    FS_TRY(const double factor, scaling.number_or("factor", 1, 1, 1e6));
    FS_TRY(const double beta_fast, scaling.number_or("beta_fast", 32, 0.001, 1e6));
    FS_TRY(const double beta_slow, scaling.number_or("beta_slow", 1, 0.001, 1e6));
    FS_TRY(const auto attention, scaling.find_number("attention_factor", 0.001, 1000));
    for (const char* key : {"mscale", "mscale_all_dim"}) {
      if (scaling.find(key) != nullptr) return scaling.unsupported(fmt::format("\"{}\"", key));
    }
    out_->set(name("rope.scaling.type"), std::string_view("yarn"));
    set_float("rope.scaling.factor", factor);
    set_int("rope.scaling.original_context_length", original);
    set_float("rope.scaling.yarn_beta_fast", beta_fast);
    set_float("rope.scaling.yarn_beta_slow", beta_slow);
    // There it is the whole factor on cos and sin; here it multiplies 1 + 0.1 ln(factor).
    if (attention) set_float("rope.scaling.attn_factor", *attention / (1 + 0.1 * std::log(factor)));
    return {};
  }

  // Long wavelengths are stretched by `factor`, short ones kept, those between blended. Source: Llama 3.1 model card and code.
  Status llama3_factors(const Reader& scaling) {
    FS_TRY(const double factor, scaling.number_or("factor", 8, 1, 1e6));
    FS_TRY(const double low, scaling.number_or("low_freq_factor", 1, 1e-6, 1e6));
    FS_TRY(const double high, scaling.number_or("high_freq_factor", 4, 1e-6, 1e6));
    FS_TRY(const int64_t original, scaling.int_or("original_max_position_embeddings", 8192, 1, kMaxContext));
    if (high <= low) return scaling.bad("high_freq_factor", "more than low_freq_factor");
    for (int64_t i = 0; i < rope_dims_ / 2; ++i) {
      const double wavelength = 2 * std::numbers::pi * std::pow(theta_, 2 * static_cast<double>(i) / static_cast<double>(rope_dims_));
      const double turns = static_cast<double>(original) / wavelength;
      double divisor = 1;
      if (turns < low) {
        divisor = factor;
      } else if (turns <= high) {
        const double smooth = (turns - low) / (high - low);
        divisor = 1 / ((1 - smooth) / factor + smooth);
      }
      config_.rope_freqs.push_back(static_cast<float>(divisor));
    }
    return {};
  }

  Status details() {
    FS_TRY(std::string_view activation, in_.string_or("hidden_act", family_.activation));
    FS_TRY(activation, in_.string_or("hidden_activation", activation));
    if (activation == "gelu" && config_.is_gemma()) activation = family_.activation;  // first Gemma files meant the tanh form
    if (activation != family_.activation) return in_.unsupported(fmt::format("activation \"{}\"", activation.substr(0, 40)));
    FS_TRY(config_.tied, in_.bool_or("tie_word_embeddings", family_.tied));
    if (config_.is_gemma()) {
      FS_TRY(const double scalar, in_.number_or("query_pre_attn_scalar", 256, 1e-3, 1e6));
      set_float("attention.scale", 1 / std::sqrt(scalar));
      const double attn_default = family_.family == HfFamily::kGemma2 ? 50 : 0, final_default = family_.family == HfFamily::kGemma2 ? 30 : 0;
      FS_TRY(const double attn_softcap, in_.number_or("attn_logit_softcapping", attn_default, 0, 1e6));
      FS_TRY(const double final_softcap, in_.number_or("final_logit_softcapping", final_default, 0, 1e6));
      if (attn_softcap != attn_default || attn_default != 0) set_float("attn_logit_softcapping", attn_softcap);
      if (final_softcap != final_default || final_default != 0) set_float("final_logit_softcapping", final_softcap);
    }
    return {};
  }

  const Reader& in_;
  const Family& family_;
  Metadata* out_;
  HfConfig config_;
  int64_t hidden_ = 0, head_dim_ = 0, context_ = 0, rope_dims_ = 0;
  double theta_ = 0;
};

}  // namespace

Result<HfConfig> read_hf_config(const Json& config, const std::string& where, Metadata* metadata) {
  if (!config.is_object()) return Error{ErrorCode::kDataLoss, where + ": expected a JSON object, found another value"};
  FS_TRY(std::string_view model_type, Reader(config, where).string_or("model_type", ""));
  const Json* text = &config;
  std::string place = where;
  if (model_type == "gemma3") {  // text and vision: the language model's part
    const Json* inner = config.find("text_config");
    if (inner == nullptr || !inner->is_object()) return Reader(config, where).bad("text_config", "an object");
    text = inner;
    place += ": \"text_config\"";
    model_type = "gemma3_text";
  }
  std::string known;
  for (const Family& family : kFamilies) {
    if (family.model_type == model_type) {
      const Reader reader(*text, place);
      return Translator(reader, family, metadata).run();
    }
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  return Error{ErrorCode::kUnsupported, fmt::format("{}: model_type \"{}\" is not supported (supported: {}, gemma3)", where, model_type.substr(0, 40), known)};
}

}  // namespace firesteel
