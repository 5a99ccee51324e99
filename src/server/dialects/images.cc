#include "server/dialects/images.h"

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/base64.h"
#include "image/decode.h"

namespace firesteel {
namespace {

constexpr const char* kBlind = "this model has no vision: send text only";

Status add_image(const std::string& bytes, RequestImages* out) {
  ImageLimits limits;
  limits.max_pixels = std::min(limits.max_pixels, kRequestPixelsMax - out->n_pixels);
  const auto data = std::as_bytes(std::span(bytes));
  auto image = decode_image(data, limits);
  if (!image.ok()) {
    const bool is_sum = limits.max_pixels < ImageLimits{}.max_pixels && read_image_header(data).ok() && !read_image_header(data, limits).ok();
    return Error{image.error().code, image.error().message + (is_sum ? " (what the images before it leave of " + std::to_string(kRequestPixelsMax) + " for a request)" : "")};
  }
  out->n_pixels += int64_t{image->width} * image->height;
  out->images.push_back(std::make_shared<const RgbImage>(*std::move(image)));
  return {};
}

// What holds before any byte is decoded.
Status check_room(const RequestImages& images) {
  if (!images.can_see) return Error{ErrorCode::kUnsupported, kBlind};
  if (images.images.size() < kImagesMax) return {};
  return Error{ErrorCode::kInvalidArgument, "image: expected at most " + std::to_string(kImagesMax) + " in a request, found more"};
}

void report(const Status& status, const BodyReader& place, std::string_view name, const RequestImages& images) {
  if (!status.ok()) place.fail(name, status.error().message, images.can_see ? "invalid_image" : "unsupported_parameter");
}

}  // namespace

Status add_image_uri(std::string_view uri, RequestImages* out) {
  FS_TRY_VOID(check_room(*out));
  FS_TRY(const std::string bytes, decode_data_uri(uri));
  return add_image(bytes, out);
}

void add_image_uri(const BodyReader& place, std::string_view name, std::string_view uri, RequestImages* out) {
  report(add_image_uri(uri, out), place, name, *out);
}

void add_image_base64(const BodyReader& place, std::string_view name, std::string_view text, RequestImages* out) {
  const auto add = [&]() -> Status {
    FS_TRY_VOID(check_room(*out));
    if (text.starts_with("data:")) return add_image_uri(text, out);  // some clients send it whole
    if (text.size() / 4 * 3 > ImageLimits{}.max_bytes + 3) return Error{ErrorCode::kInvalidArgument, "image: expected at most " + std::to_string(ImageLimits{}.max_bytes) + " bytes"};
    FS_TRY(const std::string bytes, decode_base64(text));
    return add_image(bytes, out);
  };
  report(add(), place, name, *out);
}

}  // namespace firesteel
