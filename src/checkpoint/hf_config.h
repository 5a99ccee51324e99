// config.json of a Hugging Face folder to GGUF metadata keys. docs/formats/safetensors.md has the table.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/metadata.h"
#include "base/result.h"

namespace firesteel {

enum class HfFamily : uint8_t { kLlama, kMixtral, kQwen2, kQwen3, kQwen3Moe, kGemma2, kGemma3, kPhi3 };

// What the translation of tensors needs to know.
struct HfConfig {
  HfFamily family = HfFamily::kLlama;
  std::string architecture;  // GGUF's: "llama"
  int64_t n_layers = 0;
  int64_t n_experts = 0;     // 0: dense
  bool tied = false;         // no output matrix of its own
  bool is_gemma() const { return family == HfFamily::kGemma2 || family == HfFamily::kGemma3; }
  // Frequency factors that GGUF keeps as tensors; empty when there are none. [rotated dimensions / 2] each.
  std::vector<float> rope_freqs;          // Llama 3
  std::vector<float> rope_factors_short, rope_factors_long;  // Phi-3
};

// where: for messages. Strings in *metadata are literals. kUnsupported: another family, or an option of one that the
// engine does not implement, by name; kDataLoss: a value that is missing or absurd.
Result<HfConfig> read_hf_config(const Json& config, const std::string& where, Metadata* metadata);

// Special tokens, recommended sampling and chat templates from the files beside it. Absent: null JSON, empty text. Text goes to
// *strings, whose addresses must stay.
struct HfSideFiles {
  Json config, generation_config, tokenizer_config, chat_template_json;
  std::string chat_template_jinja;
};
void add_hf_side_files(const HfSideFiles& files, Metadata* metadata, std::deque<std::string>* strings);

}  // namespace firesteel
