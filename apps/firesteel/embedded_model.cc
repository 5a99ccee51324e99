#include "embedded_model.h"

namespace firesteel {

Result<std::shared_ptr<const Checkpoint>> open_model(const std::string& path) {
  if (path != kEmbeddedModelName || !has_embedded_model()) return Checkpoint::open(path);
  const EmbeddedFile file = embedded_text_model();
  return Checkpoint::open_memory(file.bytes, kEmbeddedModelName, file.stamp);
}

Result<std::shared_ptr<const Checkpoint>> open_embedded_vision_model() {
  const EmbeddedFile file = embedded_vision_model();
  if (file.bytes.empty()) return std::shared_ptr<const Checkpoint>();
  return Checkpoint::open_memory(file.bytes, std::string(kEmbeddedModelName) + ".mmproj", file.stamp);
}

}  // namespace firesteel
