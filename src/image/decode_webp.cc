#include <webp/decode.h>

#include <vector>

#include "image/codecs.h"

namespace firesteel {
namespace {

const char* reason(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY: return "no memory";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "it uses a feature that is not supported";
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED: return "truncated: the file ends before the picture does";
    default: return "damaged";
  }
}

const uint8_t* data_of(ImageBytes bytes) { return reinterpret_cast<const uint8_t*>(bytes.data()); }

}  // namespace

Result<ImageHeader> read_webp_header(ImageBytes bytes) {
  if (bytes.size() < 12 || !starts_with(bytes.subspan(8), "WEBP")) {
    return Error{ErrorCode::kUnsupported, "image: expected JPEG, PNG, WebP, BMP or PPM, found another RIFF file"};
  }
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(data_of(bytes), bytes.size(), &features);
  if (status != VP8_STATUS_OK) return damaged_image("WebP", reason(status));
  if (features.has_animation != 0) {
    return Error{ErrorCode::kUnsupported, "image: WebP: expected one picture, found an animation"};
  }
  return ImageHeader{ImageFormat::kWebp, features.width, features.height};
}

Status decode_webp(ImageBytes bytes, RgbImage* image) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) return Error{ErrorCode::kInternal, "image: WebP: the library has another version"};
  if (const VP8StatusCode status = WebPGetFeatures(data_of(bytes), bytes.size(), &config.input); status != VP8_STATUS_OK) {
    return damaged_image("WebP", reason(status));
  }
  const auto width = static_cast<size_t>(image->width);
  const auto height = static_cast<size_t>(image->height);
  const bool has_alpha = config.input.has_alpha != 0;
  const size_t channels = has_alpha ? 4 : 3;
  std::vector<uint8_t>& pixels = image->pixels;
  if (has_alpha) pixels.resize(channels * width * height);
  config.output.colorspace = has_alpha ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = pixels.data();
  config.output.u.RGBA.stride = static_cast<int>(channels * width);
  config.output.u.RGBA.size = pixels.size();
  const VP8StatusCode status = WebPDecode(data_of(bytes), bytes.size(), &config);
  WebPFreeDecBuffer(&config.output);
  if (status != VP8_STATUS_OK) return damaged_image("WebP", reason(status));
  if (has_alpha) {
    for (size_t i = 0; i < width * height; ++i) {  // in place: three bytes behind four
      const uint32_t alpha = pixels[4 * i + 3];
      for (size_t c = 0; c < 3; ++c) pixels[3 * i + c] = static_cast<uint8_t>((pixels[4 * i + c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
    pixels.resize(3 * width * height);
  }
  return {};
}

}  // namespace firesteel
