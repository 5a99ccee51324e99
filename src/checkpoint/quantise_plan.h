// Which type each tensor gets in a quantised model: a base type, and the usual mix of better types where errors cost most.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "tensor/dtype.h"

namespace firesteel {

struct QuantisePreset {
  const char* name;      // "Q4_K_M"
  DType base;
  uint32_t file_type;    // general.file_type, informational
};

// Every name that models quantize and convert accept. "Q4_K" alone means Q4_K_M, as elsewhere.
const std::vector<QuantisePreset>& quantise_presets();
// kInvalidArgument, listing the names. Case-insensitive.
Result<QuantisePreset> find_preset(std::string_view name);

// Whether the tensor is a matrix that quantisation may touch: norms, biases, routers and frequency factors are not.
bool is_quantisable(const TensorInfo& tensor);

// Types of in.tensors(), in their order. pure: every matrix gets the base type, output included. Rows that are not whole blocks of
// the chosen type get the nearest type with blocks of 32, or F16. *n_fallbacks counts them.
std::vector<DType> plan_types(const Checkpoint& in, const QuantisePreset& preset, bool pure, int* n_fallbacks);

}  // namespace firesteel
