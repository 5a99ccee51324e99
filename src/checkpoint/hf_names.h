// Tensor names of Hugging Face folders to GGUF names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "checkpoint/hf_config.h"

namespace firesteel {

struct HfTensorName {
  enum class Kind : uint8_t {
    kTensor,   // one to one
    kExpert,   // slice number `expert` of the GGUF tensor
    kIgnored,  // part of a vision tower, or follows from the configuration
    kUnknown,  // would change the model: refused by name
  };
  Kind kind = Kind::kUnknown;
  std::string gguf;   // "blk.3.attn_q.weight"
  int64_t layer = -1;
  int64_t expert = 0;
  bool is_norm = false;
};

HfTensorName translate_hf_name(std::string_view name, HfFamily family);

}  // namespace firesteel
