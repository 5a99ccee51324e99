// Hyper-parameters of a decoder-only transformer: one description, which the families parameterise.
//
//   x = embedding[token] * embedding_scale
//   per layer: h = rms_norm(x); q, k, v = W h (+ bias); per-head norm of q, k (optional); rope; attention (window, softcap);
//              a = Wo att (+ bias); post-norm (optional); x += a
//              h = rms_norm(x); f = ffn(h): dense act(gate) * up, or experts; post-norm (optional); x += f
//   logits = W_out rms_norm(x) * logit_scale, softcapped (optional)
//
// Source of the keys: docs/formats/gguf.md. read_config refuses what the forward pass does not implement, by name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/metadata.h"
#include "base/result.h"

namespace firesteel {

enum class Activation : uint8_t { kSilu, kGeluTanh };
enum class RopeScaling : uint8_t { kNone, kLinear, kYarn, kLongRope };
enum class ExpertGating : uint8_t { kSoftmaxAll, kSigmoid, kSoftmaxSelected };

struct RopeConfig {
  bool neox = false;          // pairs (i, i + n/2) instead of (2i, 2i + 1)
  int n_dims = 0;             // rotated dimensions of a head, even
  double theta = 10000;       // base frequency of global layers
  double theta_window = 10000;  // of sliding-window layers
  bool window_has_own_base = false;  // window layers use theta_window and are never scaled (Gemma 3)
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1;
  int64_t original_context = 0;
  double attn_factor = 1;
  double yarn_ext_factor = 1, yarn_beta_fast = 32, yarn_beta_slow = 1;
};

struct MoeConfig {
  int n_experts = 0;          // 0: dense
  int n_used = 0;
  int64_t ffn_dim = 0;        // of one expert
  ExpertGating gating = ExpertGating::kSoftmaxAll;
  bool normalise = true;      // selected weights sum to 1
  double weights_scale = 1;
};

struct ModelConfig {
  std::string architecture;   // "llama", "qwen2", "qwen3", "qwen3moe", "gemma3", ...
  std::string name;
  int n_layers = 0;
  int64_t dim = 0;
  int64_t ffn_dim = 0;
  int n_heads = 0;
  int n_kv_heads = 0;
  int head_dim = 0;           // of q, k and v
  int64_t n_vocab = 0;
  int64_t context_length = 0; // trained context, tokens
  double norm_eps = 1e-5;
  Activation activation = Activation::kSilu;
  RopeConfig rope;
  MoeConfig moe;
  bool qk_norm = false;
  bool post_norms = false;    // Gemma: norms after attention and after the ffn
  double embedding_scale = 1;
  double attention_scale = 0; // multiplies q.k; filled by read_config
  double attn_softcap = 0, final_softcap = 0, logit_scale = 1;
  int window = 0;             // sliding window in tokens, 0: none
  std::vector<bool> window_layers;  // per layer; empty when window == 0

  bool layer_has_window(int layer) const { return window > 0 && window_layers[static_cast<size_t>(layer)]; }
};

// Reads and validates: every value has a cap, products cannot overflow, divisibility holds, so that code behind it only CHECKs.
Result<ModelConfig> read_config(const Metadata& metadata);

}  // namespace firesteel
