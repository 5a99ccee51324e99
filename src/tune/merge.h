// An adapter added into its base: a model file that needs no adapter.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "model/adapter.h"
#include "model/config.h"
#include "tensor/dtype.h"

namespace firesteel {

// W + B A for every matrix that the adapter changes, in double; then back to the tensor's own type, or to `type` (of the changed matrices
// only; others are copied byte by byte). Quantised types round the sum, so an adapter beside its base is closer to what was trained.
// Any family that the adapter could be loaded for. kUnsupported: a base in which such a matrix is part of a fused one.
Status merge_adapter(const Checkpoint& base, const ModelConfig& config, const Adapter& adapter, std::optional<DType> type, const std::string& name, const std::string& path);

}  // namespace firesteel
