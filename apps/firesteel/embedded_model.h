// Kindling, the model inside the program: models/kindling.gguf, and models/kindling.mmproj.gguf for pictures, where CMake found them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "checkpoint/checkpoint.h"

namespace firesteel {

// What --model takes, and what is meant without it. A file or folder of that name is "./kindling".
inline constexpr const char* kEmbeddedModelName = "kindling";

struct EmbeddedFile {
  std::span<const std::byte> bytes = {};  // part of the program's image, at a page boundary; empty when it was built without
  int64_t stamp = 0;                      // of the content's digest
};
EmbeddedFile embedded_text_model();
EmbeddedFile embedded_vision_model();

inline bool has_embedded_model() { return !embedded_text_model().bytes.empty(); }

// Checkpoint::open for what resolve_model gives: a path, or kEmbeddedModelName for the model inside the program.
Result<std::shared_ptr<const Checkpoint>> open_model(const std::string& path);
// Its part that sees; null when there is none.
Result<std::shared_ptr<const Checkpoint>> open_embedded_vision_model();

}  // namespace firesteel
