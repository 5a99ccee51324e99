#include "tiny_model.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/rng.h"
#include "tensor/quantise.h"

namespace firesteel {
namespace {

// Just enough of the format to write test files, and on purpose not the product's own writer.
class Gguf {
 public:
  void text(const std::string& key, const std::string& value) { begin(key, 8); put_string(&meta_, value); }
  void integer(const std::string& key, int value) { begin(key, 4); put(&meta_, static_cast<uint32_t>(value)); }
  void number(const std::string& key, double value) { begin(key, 6); put(&meta_, static_cast<float>(value)); }
  void flag(const std::string& key, bool value) { begin(key, 7); put(&meta_, static_cast<uint8_t>(value ? 1 : 0)); }
  void texts(const std::string& key, const std::vector<std::string>& values) {
    begin(key, 9);
    put(&meta_, uint32_t{8});
    put(&meta_, values.size());
    for (const std::string& value : values) put_string(&meta_, value);
  }
  void integers(const std::string& key, const std::vector<int32_t>& values) {
    begin(key, 9);
    put(&meta_, uint32_t{5});
    put(&meta_, values.size());
    for (const int32_t value : values) put(&meta_, value);
  }
  void tensor(const std::string& name, const std::vector<int64_t>& shape, DType dtype, const std::vector<float>& values) {
    put_string(&infos_, name);
    put(&infos_, static_cast<uint32_t>(shape.size()));
    for (const int64_t n : shape) put(&infos_, static_cast<uint64_t>(n));
    put(&infos_, dtype_info(dtype).gguf_id);
    put(&infos_, data_.size());
    ++n_tensors_;
    const size_t n_rows = values.size() / static_cast<size_t>(shape[0]);
    const size_t row_size = row_bytes(dtype, shape[0]);
    const size_t at = data_.size();
    data_.resize((at + n_rows * row_size + 31) / 32 * 32);
    for (size_t row = 0; row < n_rows; ++row) {
      const float* source = values.data() + row * static_cast<size_t>(shape[0]);
      char* to = data_.data() + at + row * row_size;
      if (dtype == DType::kF32) {
        std::memcpy(to, source, row_size);
      } else {
        quantise_row(dtype, source, to, shape[0]);
      }
    }
  }
  std::string finish() const {
    std::string file = "GGUF";
    put(&file, uint32_t{3});
    put(&file, n_tensors_);
    put(&file, n_keys_);
    file += meta_ + infos_;
    file.resize((file.size() + 31) / 32 * 32);
    return file + data_;
  }

 private:
  template <typename T>
  static void put(std::string* to, T value) {
    to->append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  static void put_string(std::string* to, const std::string& value) {
    put(to, value.size());
    *to += value;
  }
  void begin(const std::string& key, uint32_t type) {
    put_string(&meta_, key);
    put(&meta_, type);
    ++n_keys_;
  }

  std::string meta_, infos_, data_;
  uint64_t n_keys_ = 0, n_tensors_ = 0;
};

void add_code_point(std::string* text, int code_point) {  // below 0x800
  if (code_point < 0x80) {
    *text += static_cast<char>(code_point);
  } else {
    *text += static_cast<char>(0xC0 | code_point >> 6);
    *text += static_cast<char>(0x80 | (code_point & 0x3F));
  }
}

// GPT-2's alphabet: printable bytes stand for themselves, the other 68 get code points from 256.
std::vector<std::string> byte_tokens() {
  std::vector<std::string> tokens;
  const auto is_printable = [](int b) { return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174; };
  for (int b = 0; b < 256; ++b) {
    if (is_printable(b)) add_code_point(&tokens.emplace_back(), b);
  }
  for (int i = 0; tokens.size() < 256; ++i) add_code_point(&tokens.emplace_back(), 256 + i);
  return tokens;
}

class Builder {
 public:
  explicit Builder(const TinySpec& spec) : spec_(spec), rng_(spec.seed) {}

  std::string build() {
    metadata();
    tokenizer();
    const double embedding = spec_.is_gemma ? 0.2 : 0.9;
    matrix("token_embd.weight", spec_.dim, spec_.n_vocab, embedding);
    norm("output_norm.weight", spec_.dim, spec_.is_gemma ? 9 : 2);
    if (!spec_.tied) matrix("output.weight", spec_.dim, spec_.n_vocab, 0.9);
    const int n_dims = spec_.rope_dims > 0 ? spec_.rope_dims : spec_.head_dim;
    if (spec_.rope_freqs) factors("rope_freqs.weight", n_dims / 2);
    if (spec_.rope_scaling == "longrope") {
      factors("rope_factors_long.weight", n_dims / 2);
      factors("rope_factors_short.weight", n_dims / 2);
    }
    for (int i = 0; i < spec_.n_layers; ++i) layer("blk." + std::to_string(i) + ".");
    return file_.finish();
  }

 private:
  std::vector<float> uniform(int64_t n, double scale, double offset = 0) {
    std::vector<float> values(static_cast<size_t>(n));
    for (float& value : values) value = static_cast<float>(offset + scale * (2 * rng_.uniform() - 1));
    return values;
  }
  // Standard deviation gain / sqrt(k). sqrt is correctly rounded everywhere.
  void matrix(const std::string& name, int k, int n_rows, double gain, int n_slices = 1, bool is_f32 = false) {
    const bool whole = k % dtype_info(spec_.dtype).block_elems == 0 && !is_f32;
    std::vector<int64_t> shape = {k, n_rows};
    if (n_slices > 1) shape.push_back(n_slices);
    file_.tensor(name, shape, whole ? spec_.dtype : DType::kF32,
                 uniform(int64_t{k} * n_rows * n_slices, gain * std::sqrt(3.0 / k)));
  }
  void norm(const std::string& name, int n, double scale = 1) {
    file_.tensor(name, {n}, DType::kF32, uniform(n, 0.2 * scale, scale));
  }
  void bias(const std::string& name, int n) { file_.tensor(name, {n}, DType::kF32, uniform(n, 0.2)); }
  void factors(const std::string& name, int n) { file_.tensor(name, {n}, DType::kF32, uniform(n, 2, 4)); }
  void linear(const std::string& stem, int k, int n_rows, bool has_bias) {
    matrix(stem + ".weight", k, n_rows, 0.9);
    if (has_bias) bias(stem + ".bias", n_rows);
  }

  void layer(const std::string& block) {
    const int q_dim = spec_.n_heads * spec_.head_dim;
    const int kv_dim = spec_.n_kv_heads * spec_.head_dim;
    norm(block + "attn_norm.weight", spec_.dim);
    if (spec_.fused) {
      linear(block + "attn_qkv", spec_.dim, q_dim + 2 * kv_dim, false);
    } else {
      linear(block + "attn_q", spec_.dim, q_dim, spec_.bias);
      linear(block + "attn_k", spec_.dim, kv_dim, spec_.bias);
      linear(block + "attn_v", spec_.dim, kv_dim, spec_.bias);
    }
    if (spec_.qk_norm) {
      norm(block + "attn_q_norm.weight", spec_.head_dim);
      norm(block + "attn_k_norm.weight", spec_.head_dim);
    }
    linear(block + "attn_output", q_dim, spec_.dim, spec_.bias && spec_.architecture == "llama");
    if (spec_.post_norms) norm(block + "post_attention_norm.weight", spec_.dim);
    norm(block + "ffn_norm.weight", spec_.dim);
    if (spec_.n_experts > 0) {
      matrix(block + "ffn_gate_inp.weight", spec_.dim, spec_.n_experts, 2, 1, true);
      matrix(block + "ffn_gate_exps.weight", spec_.dim, spec_.ffn_dim, 0.9, spec_.n_experts);
      matrix(block + "ffn_up_exps.weight", spec_.dim, spec_.ffn_dim, 0.9, spec_.n_experts);
      matrix(block + "ffn_down_exps.weight", spec_.ffn_dim, spec_.dim, 0.9, spec_.n_experts);
    } else if (spec_.fused) {
      matrix(block + "ffn_up.weight", spec_.dim, 2 * spec_.ffn_dim, 0.9);
      matrix(block + "ffn_down.weight", spec_.ffn_dim, spec_.dim, 0.9);
    } else {
      matrix(block + "ffn_gate.weight", spec_.dim, spec_.ffn_dim, 0.9);
      matrix(block + "ffn_up.weight", spec_.dim, spec_.ffn_dim, 0.9);
      matrix(block + "ffn_down.weight", spec_.ffn_dim, spec_.dim, 0.9);
    }
    if (spec_.post_norms) norm(block + "post_ffw_norm.weight", spec_.dim);
  }

  void metadata() {
    const std::string a = spec_.architecture + ".";
    file_.text("general.architecture", spec_.architecture);
    file_.text("general.name", "tiny random model");  // llama.cpp takes hints about tokens from names
    file_.integer("general.quantization_version", 2);
    file_.integer(a + "block_count", spec_.n_layers);
    file_.integer(a + "context_length", spec_.context_length);
    file_.integer(a + "embedding_length", spec_.dim);
    file_.integer(a + "feed_forward_length", spec_.ffn_dim);
    file_.integer(a + "attention.head_count", spec_.n_heads);
    file_.integer(a + "attention.head_count_kv", spec_.n_kv_heads);
    file_.integer(a + "attention.key_length", spec_.head_dim);
    file_.integer(a + "attention.value_length", spec_.head_dim);
    file_.number(a + "attention.layer_norm_rms_epsilon", 1e-6);
    file_.integer(a + "rope.dimension_count", spec_.rope_dims > 0 ? spec_.rope_dims : spec_.head_dim);
    file_.number(a + "rope.freq_base", spec_.theta);
    if (!spec_.rope_scaling.empty()) {
      file_.text(a + "rope.scaling.type", spec_.rope_scaling);
      if (spec_.rope_factor > 0) file_.number(a + "rope.scaling.factor", spec_.rope_factor);
      if (spec_.original_context > 0) file_.integer(a + "rope.scaling.original_context_length", spec_.original_context);
      if (spec_.rope_scaling == "longrope") file_.number(a + "rope.scaling.attn_factor", 1.19);
    }
    if (spec_.window > 0) file_.integer(a + "attention.sliding_window", spec_.window);
    if (spec_.n_experts > 0) {
      file_.integer(a + "expert_count", spec_.n_experts);
      file_.integer(a + "expert_used_count", spec_.n_used);
      if (spec_.architecture == "qwen3moe") file_.integer(a + "expert_feed_forward_length", spec_.ffn_dim);
    }
    file_.integer(a + "vocab_size", spec_.n_vocab);
  }

  void tokenizer() {
    std::vector<std::string> tokens = byte_tokens();
    tokens.push_back("qz");  // readers insist on one merge; it never occurs in our prompts
    const int first_special = static_cast<int>(tokens.size());
    for (const char* name : {"<bos>", "<eos>"}) tokens.push_back(name);
    std::vector<int32_t> types(tokens.size(), 1);
    if (spec_.sees) tokens.push_back("<|image_pad|>");
    while (tokens.size() < static_cast<size_t>(spec_.n_vocab)) tokens.push_back("<unused" + std::to_string(tokens.size()) + ">");
    types.resize(tokens.size(), 3);
    types[static_cast<size_t>(first_special)] = types[static_cast<size_t>(first_special) + 1] = 3;
    file_.text("tokenizer.ggml.model", "gpt2");
    file_.text("tokenizer.ggml.pre", "llama-bpe");
    file_.texts("tokenizer.ggml.tokens", tokens);
    file_.integers("tokenizer.ggml.token_type", types);
    file_.texts("tokenizer.ggml.merges", {"q z"});
    file_.integer("tokenizer.ggml.bos_token_id", first_special);
    file_.integer("tokenizer.ggml.eos_token_id", first_special + 1);
    file_.flag("tokenizer.ggml.add_bos_token", false);
  }

  const TinySpec& spec_;
  Rng rng_;
  Gguf file_;
};

std::vector<TinySpec> make_specs() {
  std::vector<TinySpec> specs;
  const auto add = [&specs](const char* name, TinySpec spec) {
    spec.name = name;
    spec.seed = specs.size() + 1;
    specs.push_back(std::move(spec));
  };
  add("llama", {});
  add("llama-untied-bias", {.bias = true, .tied = false});
  add("llama-yarn", {.rope_scaling = "yarn", .rope_factor = 4, .original_context = 32});
  add("llama-linear", {.rope_scaling = "linear", .rope_factor = 8});
  add("llama-freqs", {.theta = 500000, .rope_freqs = true});
  add("llama-moe", {.n_experts = 8, .n_used = 2});
  add("mistral-window", {.window = 24});
  add("qwen2", {.architecture = "qwen2", .bias = true, .theta = 1e6});
  add("qwen3", {.architecture = "qwen3", .head_dim = 32, .qk_norm = true, .theta = 1e6});
  add("qwen3moe", {.architecture = "qwen3moe", .head_dim = 32, .n_experts = 16, .n_used = 4, .qk_norm = true, .theta = 1e6});
  add("gemma2", {.architecture = "gemma2", .head_dim = 32, .window = 24, .post_norms = true, .is_gemma = true});
  add("gemma3", {.architecture = "gemma3", .n_layers = 7, .head_dim = 32, .window = 24, .qk_norm = true, .post_norms = true,
                 .is_gemma = true, .theta = 1e6, .rope_scaling = "linear", .rope_factor = 8});
  add("phi3", {.architecture = "phi3", .n_kv_heads = 4, .tied = false, .fused = true});
  add("phi3-longrope", {.architecture = "phi3", .tied = false, .fused = true, .rope_scaling = "longrope",
                        .original_context = 64, .rope_dims = 12});
  return specs;
}

}  // namespace

const std::vector<TinySpec>& tiny_specs() {
  static const std::vector<TinySpec> specs = make_specs();
  return specs;
}

const TinySpec& tiny_spec(const std::string& name) {
  for (const TinySpec& spec : tiny_specs()) {
    if (spec.name == name) return spec;
  }
  std::fprintf(stderr, "no tiny model \"%s\"\n", name.c_str());
  std::abort();
}

std::string tiny_gguf(const TinySpec& spec) { return Builder(spec).build(); }

std::string tiny_vision_gguf(int dim, uint64_t seed) {
  Rng rng(seed);
  Gguf file;
  file.text("general.architecture", "kindling-vision");
  const std::pair<const char*, int> keys[] = {{"patch_size", 4}, {"pixels_per_patch", 5}, {"max_side", 16}, {"max_patches", 24}, {"dim", dim}};
  for (const auto& [key, value] : keys) file.integer(std::string("kindling.vision.") + key, value);
  const auto tensor = [&](const char* name, const std::vector<int64_t>& shape, double scale) {
    size_t n = 1;
    for (const int64_t extent : shape) n *= static_cast<size_t>(extent);
    std::vector<float> values(n);
    for (float& value : values) value = static_cast<float>(scale * (2 * rng.uniform() - 1));
    file.tensor(name, shape, DType::kF32, values);
  };
  tensor("v.patch.weight", {48, dim}, 0.3);
  tensor("v.patch.bias", {dim}, 0.1);
  tensor("v.norm.weight", {dim}, 1);
  tensor("v.row.weight", {dim, 16}, 0.3);
  tensor("v.column.weight", {dim, 16}, 0.3);
  return file.finish();
}

TinyModelFile::TinyModelFile(const TinySpec& spec) : TinyModelFile(tiny_gguf(spec)) {}

TinyModelFile::TinyModelFile(const std::string& bytes) {
  const char* folder = std::getenv("TMPDIR");
  path_ = std::string(folder != nullptr ? folder : "/tmp") + "/firesteel-tiny-XXXXXX";
  const int fd = ::mkstemp(path_.data());
  CHECK(fd >= 0);
  CHECK(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  ::close(fd);
}

TinyModelFile::~TinyModelFile() { std::remove(path_.c_str()); }

}  // namespace firesteel
