#include "checkpoint/hf_names.h"

#include <fmt/format.h>

namespace firesteel {
namespace {

struct Mapping {
  std::string_view hf, gguf;
};

// Without ".weight" or ".bias", inside a layer.
constexpr Mapping kLayer[] = {
    {"self_attn.q_proj", "attn_q"}, {"self_attn.k_proj", "attn_k"}, {"self_attn.v_proj", "attn_v"}, {"self_attn.o_proj", "attn_output"},
    {"self_attn.qkv_proj", "attn_qkv"}, {"self_attn.q_norm", "attn_q_norm"}, {"self_attn.k_norm", "attn_k_norm"},
    {"mlp.gate_proj", "ffn_gate"}, {"mlp.up_proj", "ffn_up"}, {"mlp.down_proj", "ffn_down"}, {"mlp.gate_up_proj", "ffn_up"},
    {"mlp.gate", "ffn_gate_inp"}, {"block_sparse_moe.gate", "ffn_gate_inp"}, {"input_layernorm", "attn_norm"},
};
// What the same name means depends on whether there are norms after attention and after the feed-forward part.
constexpr Mapping kNorms[] = {{"post_attention_layernorm", "ffn_norm"}};
constexpr Mapping kGemmaNorms[] = {
    {"post_attention_layernorm", "post_attention_norm"}, {"pre_feedforward_layernorm", "ffn_norm"}, {"post_feedforward_layernorm", "post_ffw_norm"}};
constexpr Mapping kExperts[] = {
    {"gate_proj", "ffn_gate_exps"}, {"up_proj", "ffn_up_exps"}, {"down_proj", "ffn_down_exps"},
    {"w1", "ffn_gate_exps"}, {"w3", "ffn_up_exps"}, {"w2", "ffn_down_exps"}};

bool strip_prefix(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

// "12.rest": at most four digits.
std::optional<int64_t> strip_number(std::string_view* text) {
  int64_t value = 0;
  size_t n = 0;
  while (n < text->size() && n < 5 && (*text)[n] >= '0' && (*text)[n] <= '9') value = value * 10 + ((*text)[n++] - '0');
  if (n == 0 || n == 5 || n >= text->size() || (*text)[n] != '.') return std::nullopt;
  text->remove_prefix(n + 1);
  return value;
}

template <size_t N>
const Mapping* find(const Mapping (&table)[N], std::string_view hf) {
  for (const Mapping& mapping : table) {
    if (mapping.hf == hf) return &mapping;
  }
  return nullptr;
}

}  // namespace

HfTensorName translate_hf_name(std::string_view name, HfFamily family) {
  using Kind = HfTensorName::Kind;
  HfTensorName out;
  const bool gemma = family == HfFamily::kGemma2 || family == HfFamily::kGemma3;
  if (name.ends_with(".rotary_emb.inv_freq")) {
    out.kind = Kind::kIgnored;
    return out;
  }
  if (family == HfFamily::kGemma3) {
    for (const std::string_view part : {"vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector."}) {
      if (name.starts_with(part)) {
        out.kind = Kind::kIgnored;
        return out;
      }
    }
    if (!strip_prefix(&name, "language_model.model.") && !strip_prefix(&name, "model.language_model.")) {
      if (!strip_prefix(&name, "language_model.")) strip_prefix(&name, "model.");
    }
  } else {
    strip_prefix(&name, "model.");
  }

  if (name == "embed_tokens.weight") out.gguf = "token_embd.weight";
  if (name == "norm.weight") out.gguf = "output_norm.weight";
  if (name == "lm_head.weight") out.gguf = "output.weight";
  if (!out.gguf.empty()) {
    out.kind = Kind::kTensor;
    out.is_norm = name == "norm.weight";
    return out;
  }
  if (!strip_prefix(&name, "layers.")) return out;
  const auto layer = strip_number(&name);
  if (!layer) return out;
  out.layer = *layer;
  std::string_view suffix = ".weight";
  if (name.ends_with(".bias")) suffix = ".bias";
  if (!name.ends_with(suffix)) return out;
  name.remove_suffix(suffix.size());
  if (strip_prefix(&name, "mlp.experts.") || strip_prefix(&name, "block_sparse_moe.experts.")) {
    const auto expert = strip_number(&name);
    const Mapping* mapping = find(kExperts, name);
    if (!expert || mapping == nullptr || suffix == ".bias") return out;
    out.kind = Kind::kExpert;
    out.expert = *expert;
    out.gguf = fmt::format("blk.{}.{}.weight", out.layer, mapping->gguf);
    return out;
  }
  const Mapping* mapping = find(kLayer, name);
  if (mapping == nullptr) mapping = gemma ? find(kGemmaNorms, name) : find(kNorms, name);
  if (mapping == nullptr) return out;
  out.kind = Kind::kTensor;
  out.is_norm = mapping->gguf.ends_with("norm");
  out.gguf = fmt::format("blk.{}.{}{}", out.layer, mapping->gguf, suffix);
  return out;
}

}  // namespace firesteel
