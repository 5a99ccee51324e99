#include "vision.h"

#include <filesystem>
#include <utility>

#include "base/mapped_file.h"
#include "embedded_model.h"
#include "image/decode.h"

namespace firesteel {
namespace {

std::string path_beside(const std::string& model_path) {
  const std::filesystem::path path(model_path);
  if (path.extension() != ".gguf") return {};
  std::error_code ignored;
  const std::string beside = (path.parent_path() / (path.stem().string() + ".mmproj.gguf")).string();
  return std::filesystem::is_regular_file(beside, ignored) ? beside : std::string();
}

}  // namespace

Result<std::shared_ptr<const VisionModel>> load_vision(const std::string& model_path, const std::string& mmproj) {
  if (mmproj.empty() && model_path == kEmbeddedModelName && has_embedded_model()) {
    FS_TRY(std::shared_ptr<const Checkpoint> embedded, open_embedded_vision_model());
    if (embedded == nullptr) return std::shared_ptr<const VisionModel>();
    return VisionModel::load(std::move(embedded));
  }
  const std::string path = mmproj.empty() ? path_beside(model_path) : mmproj;
  if (path.empty() || path == "none") return std::shared_ptr<const VisionModel>();
  FS_TRY(std::shared_ptr<const Checkpoint> checkpoint, Checkpoint::open(path));
  auto vision = VisionModel::load(std::move(checkpoint));
  if (!vision.ok() && mmproj.empty() && vision.error().code == ErrorCode::kUnsupported) return std::shared_ptr<const VisionModel>();
  return vision;
}

Result<ImagePtr> read_image(const std::string& path) {
  FS_TRY(const std::string bytes, read_file(path, ImageLimits{}.max_bytes));
  auto image = decode_image(std::as_bytes(std::span(bytes)));
  if (!image.ok()) return Error{image.error().code, path + ": " + image.error().message};
  return std::make_shared<const RgbImage>(*std::move(image));
}

Error cannot_see(const std::string& model_path) {
  return {ErrorCode::kFailedPrecondition, model_path + ": this model cannot see pictures: expected its vision part beside it (NAME.mmproj.gguf) or in --mmproj FILE, found none"};
}

Json content_with_images(const std::string& text, size_t n_images) {
  if (n_images == 0) return Json(text);
  Json::Array parts;
  for (size_t i = 0; i < n_images; ++i) parts.push_back(Json::Object{{"type", "image"}});
  parts.push_back(Json::Object{{"type", "text"}, {"text", text}});
  return parts;
}

}  // namespace firesteel
