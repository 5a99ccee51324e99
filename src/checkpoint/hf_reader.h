// Hugging Face folders as checkpoints: config.json, *.safetensors (with or without index) and the small files beside them.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "checkpoint/checkpoint.h"

namespace firesteel {

class HfReader {
 public:
  // As Checkpoint::open, for a folder. Tensors keep the folder's row order (half-split rope pairs: "firesteel.rope.neox"). The
  // vocabulary is not translated: "firesteel.tokenizer.folder" says where the tokenizer reads it.
  static Result<std::shared_ptr<const Checkpoint>> open(const std::string& folder);
};

}  // namespace firesteel
