#include "model/workspace.h"

#include <algorithm>

#include "base/check.h"

namespace firesteel {
namespace {

int64_t padded(int64_t n) { return (n + 15) / 16 * 16 + 16; }

size_t floats(int64_t rows, int64_t ld) { return static_cast<size_t>(rows) * static_cast<size_t>(ld); }

}  // namespace

ForwardWorkspace::ForwardWorkspace(const ModelConfig& config, int max_rows, int max_logit_rows, int64_t max_context)
    : max_rows_(max_rows), max_logit_rows_(max_logit_rows), max_context_(max_context) {
  CHECK(max_rows > 0 && max_logit_rows > 0 && max_logit_rows <= max_rows);
  const int64_t q_dim = int64_t{config.n_heads} * config.head_dim;
  const int64_t kv_dim = int64_t{config.n_kv_heads} * config.head_dim;
  ld_dim = padded(config.dim);
  ld_qkv = padded(q_dim + 2 * kv_dim);
  ld_att = padded(q_dim);
  ld_ffn = config.moe.n_experts > 0 ? 0 : padded(2 * config.ffn_dim);
  ld_expert = config.moe.n_experts > 0 ? padded(2 * config.moe.ffn_dim) : 0;

  ld_wide = padded(std::max({config.dim, q_dim, kv_dim, config.moe.n_experts > 0 ? 0 : config.ffn_dim}));
  ld_ranks = padded(3 * kAdapterRankMax);

  const int64_t n = max_rows;
  x = Buffer<float>(floats(n, ld_dim));
  if (config.post_norms || config.moe.n_experts > 0) h = Buffer<float>(floats(n, ld_dim));
  inner = Buffer<float>(floats(n, std::max({ld_qkv + ld_att, ld_ffn, ld_expert})));
  cs = Buffer<float>(floats(n, config.rope.n_dims));
  if (config.window > 0 && config.rope.window_has_own_base) cs_window = Buffer<float>(floats(n, config.rope.n_dims));
  attn_rows = Buffer<AttnRow>(static_cast<size_t>(n));
  wanted = Buffer<int32_t>(static_cast<size_t>(max_logit_rows));
  const int64_t ffn_dim = config.moe.n_experts > 0 ? config.moe.ffn_dim : config.ffn_dim;
  acts.reserve(n, std::max(config.dim, q_dim));
  acts_wide.reserve(n, std::max({ffn_dim, ld_wide, ld_ranks}));
  adapter_groups.reserve(static_cast<size_t>(n));
  adapter_rows = Buffer<int32_t>(static_cast<size_t>(n));
  lora_in = Buffer<float>(floats(n, ld_wide));
  lora_mid = Buffer<float>(floats(n, ld_ranks));
  lora_out = Buffer<float>(floats(n, ld_wide));
  if (config.moe.n_experts > 0) {
    const size_t n_places = floats(n, config.moe.n_used);
    router = Buffer<float>(floats(n, config.moe.n_experts));
    chosen = Buffer<int32_t>(n_places);
    chosen_weights = Buffer<float>(n_places);
    expert_first = Buffer<int32_t>(static_cast<size_t>(config.moe.n_experts) + 1);
    place_rows = Buffer<int32_t>(n_places);
    place_weights = Buffer<float>(n_places);
    expert_out = Buffer<float>(floats(n, ld_dim));
  }
}

size_t ForwardWorkspace::n_bytes() const {
  return x.n_bytes() + h.n_bytes() + inner.n_bytes() + cs.n_bytes() + cs_window.n_bytes() + attn_rows.n_bytes() + wanted.n_bytes() + acts.n_bytes() + acts_wide.n_bytes() +
         adapter_rows.n_bytes() + lora_in.n_bytes() + lora_mid.n_bytes() + lora_out.n_bytes() +
         router.n_bytes() + chosen.n_bytes() + chosen_weights.n_bytes() + expert_first.n_bytes() + place_rows.n_bytes() +
         place_weights.n_bytes() + expert_out.n_bytes();
}

}  // namespace firesteel
