#include "checkpoint/quantise_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace firesteel {
namespace {

// Layers whose values and down projections matter most: the first and last eighth, and every third between. The mixes below are
// those of the files that everyone exchanges (GGUF "_S", "_M", "_L"), so sizes and quality are what their names promise.
bool is_sensitive(int64_t layer, int64_t n_layers) {
  return layer < n_layers / 8 || layer >= 7 * n_layers / 8 || (layer - n_layers / 8) % 3 == 2;
}

enum class Role : uint8_t { kOther, kOutput, kValue, kKey, kQkv, kAttnOutput, kDown, kExpert };

struct Place {
  Role role = Role::kOther;
  int64_t layer = 0;
};

Place place_of(const TensorInfo& tensor, bool has_output) {
  const std::string_view name = tensor.name;
  Place place;
  if (name == "output.weight" || (!has_output && name == "token_embd.weight")) place.role = Role::kOutput;
  if (!name.starts_with("blk.")) return place;
  size_t i = 4;
  for (; i < name.size() && i < 12 && name[i] >= '0' && name[i] <= '9'; ++i) place.layer = place.layer * 10 + (name[i] - '0');
  const std::string_view part = name.substr(std::min(i + 1, name.size()));
  if (part == "attn_v.weight") place.role = Role::kValue;
  if (part == "attn_k.weight") place.role = Role::kKey;
  if (part == "attn_qkv.weight") place.role = Role::kQkv;
  if (part == "attn_output.weight") place.role = Role::kAttnOutput;
  if (part.starts_with("ffn_down")) place.role = Role::kDown;
  if (part == "ffn_gate_exps.weight" || part == "ffn_up_exps.weight") place.role = Role::kExpert;
  return place;
}

struct Shape {
  int64_t n_layers, n_experts, gqa;  // gqa: query heads per KV head
};

DType mixed_type(const QuantisePreset& preset, const Place& place, const Shape& shape) {
  const std::string_view p = preset.name;
  const int64_t i = place.layer, n = shape.n_layers;
  const bool mixtral = shape.n_experts == 8;  // attention is a small part there, and cheap to keep
  switch (place.role) {
    case Role::kOutput:
      if (p == "MXFP4" || p == "MXFP4_MOE") return DType::kQ8_0;
      return preset.base == DType::kQ8_0 ? DType::kQ8_0 : DType::kQ6_K;
    case Role::kValue:
      if (mixtral) return DType::kQ8_0;
      if (p == "Q2_K") return shape.gqa >= 4 ? DType::kQ4_K : DType::kQ3_K;
      if (p == "Q2_K_S" && shape.gqa >= 4) return DType::kQ4_K;
      if (p == "Q3_K_M") return i < 2 ? DType::kQ5_K : DType::kQ4_K;
      if (p == "Q3_K_L") return DType::kQ5_K;
      if ((p == "IQ4_NL" || p == "IQ4_XS") && shape.gqa >= 4) return DType::kQ5_K;
      if ((p == "Q4_K_M" || p == "Q5_K_M") && is_sensitive(i, n)) return DType::kQ6_K;
      if (p == "Q4_K_S" && i < 4) return DType::kQ5_K;
      break;
    case Role::kKey:
      if (mixtral) return DType::kQ8_0;
      break;
    case Role::kQkv:
      if (p == "Q3_K_M" || p == "Q3_K_L") return DType::kQ4_K;
      if (p == "Q4_K_M") return DType::kQ5_K;
      if (p == "Q5_K_M") return DType::kQ6_K;
      break;
    case Role::kAttnOutput:
      if (mixtral && (p.starts_with("Q2_K") || p == "Q3_K_S" || p == "Q3_K_M" || p.starts_with("Q4_K") || p.starts_with("IQ4"))) return DType::kQ5_K;
      if (p == "Q2_K") return DType::kQ3_K;
      if (p == "Q3_K_M") return DType::kQ4_K;
      if (p == "Q3_K_L") return DType::kQ5_K;
      break;
    case Role::kDown:
      if (p == "MXFP4_MOE") return shape.n_experts > 0 ? DType::kMXFP4 : DType::kQ8_0;
      if (p == "Q2_K") return DType::kQ3_K;
      if (p == "Q2_K_S" && i < n / 8) return DType::kQ4_K;
      if (p == "Q3_K_M") return i < n / 16 ? DType::kQ5_K : DType::kQ4_K;
      if (p == "Q3_K_L") return DType::kQ5_K;
      if ((p == "Q4_K_M" || p == "Q5_K_M") && is_sensitive(i, n)) return DType::kQ6_K;
      if ((p == "Q4_K_S" || p == "IQ4_NL" || p == "IQ4_XS") && i < n / 8) return DType::kQ5_K;
      break;
    case Role::kExpert:
      if (p == "MXFP4_MOE") return DType::kMXFP4;
      break;
    case Role::kOther: break;
  }
  return p == "MXFP4_MOE" ? DType::kQ8_0 : preset.base;
}

// Rows of another length than whole blocks: the next type upwards with smaller blocks.
DType fitting_type(DType dtype, int64_t row, int* n_fallbacks) {
  if (row % dtype_info(dtype).block_elems == 0) return dtype;
  ++*n_fallbacks;
  DType smaller = DType::kF16;
  switch (dtype) {
    case DType::kQ2_K: case DType::kQ3_K: smaller = DType::kQ4_0; break;
    case DType::kQ4_K: smaller = DType::kQ5_0; break;
    case DType::kQ5_K: smaller = DType::kQ5_1; break;
    case DType::kQ6_K: smaller = DType::kQ8_0; break;
    case DType::kIQ4_XS: smaller = DType::kIQ4_NL; break;
    default: break;
  }
  return row % dtype_info(smaller).block_elems == 0 ? smaller : DType::kF16;
}

int64_t key_or(const Checkpoint& in, std::string_view suffix, int64_t fallback) {
  const auto architecture = in.metadata().get_string("general.architecture");
  if (!architecture.ok() || !*architecture) return fallback;
  const std::string key = fmt::format("{}.{}", **architecture, suffix);
  if (const auto* list = in.metadata().ints(key)) return list->empty() ? fallback : list->front();
  const auto value = in.metadata().get_int(key);
  return value.ok() && *value ? **value : fallback;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

}  // namespace

const std::vector<QuantisePreset>& quantise_presets() {
  static const std::vector<QuantisePreset> kPresets = {
      {"F32", DType::kF32, 0}, {"F16", DType::kF16, 1}, {"BF16", DType::kBF16, 32}, {"Q8_0", DType::kQ8_0, 7}, {"Q6_K", DType::kQ6_K, 18},
      {"Q5_K_M", DType::kQ5_K, 17}, {"Q5_K_S", DType::kQ5_K, 16}, {"Q5_1", DType::kQ5_1, 9}, {"Q5_0", DType::kQ5_0, 8},
      {"Q4_K_M", DType::kQ4_K, 15}, {"Q4_K_S", DType::kQ4_K, 14}, {"Q4_1", DType::kQ4_1, 3}, {"Q4_0", DType::kQ4_0, 2},
      {"IQ4_NL", DType::kIQ4_NL, 25}, {"IQ4_XS", DType::kIQ4_XS, 30}, {"MXFP4", DType::kMXFP4, 38}, {"MXFP4_MOE", DType::kMXFP4, 38},
      {"Q3_K_L", DType::kQ3_K, 13}, {"Q3_K_M", DType::kQ3_K, 12}, {"Q3_K_S", DType::kQ3_K, 11}, {"Q2_K", DType::kQ2_K, 10},
      {"Q2_K_S", DType::kQ2_K, 21}};
  return kPresets;
}

Result<QuantisePreset> find_preset(std::string_view name) {
  std::string wanted = upper(name);
  if (wanted == "Q3_K" || wanted == "Q4_K" || wanted == "Q5_K") wanted += "_M";
  std::string known;
  for (const QuantisePreset& preset : quantise_presets()) {
    if (wanted == preset.name) return preset;
    known += (known.empty() ? "" : ", ") + std::string(preset.name);
  }
  return Error{ErrorCode::kInvalidArgument, fmt::format("type \"{}\": expected one of {}", name.substr(0, 40), known)};
}

bool is_quantisable(const TensorInfo& tensor) {
  const std::string_view name = tensor.name;
  return tensor.n_dims >= 2 && name.ends_with(".weight") && !name.ends_with("norm.weight") && name.find("ffn_gate_inp") == std::string_view::npos &&
         !name.starts_with("rope_") && !name.starts_with("position_embd") && !name.starts_with("token_types");
}

std::vector<DType> plan_types(const Checkpoint& in, const QuantisePreset& preset, bool pure, int* n_fallbacks) {
  const int64_t n_heads = key_or(in, "attention.head_count", 1);
  const Shape shape{key_or(in, "block_count", 1), key_or(in, "expert_count", 0), n_heads / std::max<int64_t>(1, key_or(in, "attention.head_count_kv", n_heads))};
  const bool has_output = in.find("output.weight") != nullptr;
  std::vector<DType> types;
  for (const TensorInfo& tensor : in.tensors()) {
    if (!is_quantisable(tensor)) {
      types.push_back(is_quantised(tensor.dtype) ? tensor.dtype : DType::kF32);
      continue;
    }
    const DType wanted = pure || !is_quantised(preset.base) ? preset.base : mixed_type(preset, place_of(tensor, has_output), shape);
    types.push_back(fitting_type(wanted, tensor.ne[0], n_fallbacks));
  }
  return types;
}

}  // namespace firesteel
