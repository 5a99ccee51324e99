// Small random models as GGUF bytes, for tests: deterministic (exact arithmetic on counter-based random numbers), one for every
// family and every special case of the forward pass.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace firesteel {

struct TinySpec {
  std::string name = {};
  std::string architecture = "llama";
  int n_layers = 3;
  int dim = 64, ffn_dim = 96;
  int n_heads = 4, n_kv_heads = 2, head_dim = 16;
  int n_vocab = 288;
  int context_length = 4096;
  int n_experts = 0, n_used = 0;
  int window = 0;
  bool bias = false, qk_norm = false, post_norms = false, tied = true;
  bool fused = false;             // attn_qkv, and ffn_up with the gate's rows first (Phi-3)
  bool is_gemma = false;          // small embeddings: they are scaled by sqrt(dim) on the way in
  double theta = 10000;
  std::string rope_scaling = {};       // "linear", "yarn", "longrope"
  double rope_factor = 0;
  int original_context = 0;
  int rope_dims = 0;              // 0: all of head_dim
  bool rope_freqs = false;        // a tensor of frequency factors
  bool sees = false;              // the vocabulary has "<|image_pad|>"
  DType dtype = DType::kF32;      // of matrices whose rows are whole blocks; others are F32
  uint64_t seed = 1;
};

// llama, llama-untied-bias, llama-yarn, llama-linear, llama-freqs, llama-moe, mistral-window, qwen2, qwen3, qwen3moe, gemma2, gemma3,
// phi3, phi3-longrope.
const std::vector<TinySpec>& tiny_specs();
const TinySpec& tiny_spec(const std::string& name);

// The whole file. Vocabulary: the 256 byte tokens (ids in the order of GPT-2's alphabet), then named ones.
std::string tiny_gguf(const TinySpec& spec);

// The vision part for a model of this width: patches of 4 x 4 pixels, one for every 5 pixels, at most 24.
std::string tiny_vision_gguf(int dim, uint64_t seed);

// Writes tiny_gguf, or another file's bytes, to a temporary file that disappears with this object.
class TinyModelFile {
 public:
  explicit TinyModelFile(const TinySpec& spec);
  explicit TinyModelFile(const std::string& bytes);
  ~TinyModelFile();
  TinyModelFile(const TinyModelFile&) = delete;
  TinyModelFile& operator=(const TinyModelFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace firesteel
