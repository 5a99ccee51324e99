// A picture file of unknown origin to pixels: JPEG, PNG, WebP, BMP (24 and 32 bits) and PPM. The kind is read from the bytes, the size
// from the header, and both are checked before anything is allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/rgb_image.h"
#include "image/patches.h"

namespace firesteel {

struct ImageLimits {
  int64_t max_pixels = 32'000'000;     // of one picture; decoding needs at most 10 bytes for each
  int32_t max_side = kImageSideMax;
  size_t max_bytes = size_t{32} << 20;  // of the file
};

enum class ImageFormat : uint8_t { kJpeg, kPng, kWebp, kBmp, kPpm };
const char* image_format_name(ImageFormat format);  // "JPEG", "PNG" ...

struct ImageHeader {
  ImageFormat format = ImageFormat::kPng;
  int32_t width = 0;   // as stored: before a JPEG's orientation is applied
  int32_t height = 0;
  int64_t n_pixels() const { return int64_t{width} * height; }
};

// What the file says it is, within the limits. Allocates nothing to speak of. Errors as of decode_image.
Result<ImageHeader> read_image_header(std::span<const std::byte> bytes, const ImageLimits& limits = {});

// The whole picture, upright (EXIF orientation of JPEG), 8 bits per channel (16 are rounded), transparency over white. Colour profiles
// and gamma are not applied.
//
// kInvalidArgument: not a picture, larger than a limit (with both numbers), damaged or truncated (with the decoder's reason);
// kUnsupported: another kind of file (named), an animation, CMYK; kResourceExhausted: no memory.
Result<RgbImage> decode_image(std::span<const std::byte> bytes, const ImageLimits& limits = {});

// The bytes of "data:[type];base64,...". kInvalidArgument says what is not as it should be; an address of the network is refused with
// that reason. The type is not looked at: decode_image reads it from the bytes.
Result<std::string> decode_data_uri(std::string_view uri, size_t max_bytes = ImageLimits{}.max_bytes);

}  // namespace firesteel
