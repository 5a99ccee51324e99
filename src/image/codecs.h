// The decoders behind decode.h, one per file format. All take the whole file; the header has passed the limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "image/decode.h"

namespace firesteel {

using ImageBytes = std::span<const std::byte>;

// Width and height; an error when the header is damaged. The first bytes are those of the format.
Result<ImageHeader> read_jpeg_header(ImageBytes bytes);
Result<ImageHeader> read_png_header(ImageBytes bytes);
Result<ImageHeader> read_webp_header(ImageBytes bytes);
Result<ImageHeader> read_bmp_header(ImageBytes bytes);
Result<ImageHeader> read_ppm_header(ImageBytes bytes);

// Into image->pixels, which has the header's size.
Status decode_jpeg(ImageBytes bytes, RgbImage* image);
Status decode_png(ImageBytes bytes, RgbImage* image);
Status decode_webp(ImageBytes bytes, RgbImage* image);
Status decode_bmp(ImageBytes bytes, RgbImage* image);
Status decode_ppm(ImageBytes bytes, RgbImage* image);

// The EXIF orientation (1 to 8) of a JPEG; 1 when there is none or it is damaged.
int jpeg_orientation(ImageBytes bytes);
// Turns and mirrors a picture so that it stands as the orientation says.
RgbImage orient(RgbImage image, int orientation);

inline Error damaged_image(std::string_view format, std::string_view what) {
  return {ErrorCode::kInvalidArgument, "image: " + std::string(format) + ": " + std::string(what)};
}

inline uint32_t byte_at(ImageBytes bytes, size_t i) { return std::to_integer<uint32_t>(bytes[i]); }
inline uint32_t big16(ImageBytes bytes, size_t i) { return byte_at(bytes, i) << 8 | byte_at(bytes, i + 1); }
inline uint32_t big32(ImageBytes bytes, size_t i) { return big16(bytes, i) << 16 | big16(bytes, i + 2); }
inline uint32_t little16(ImageBytes bytes, size_t i) { return byte_at(bytes, i) | byte_at(bytes, i + 1) << 8; }
inline uint32_t little32(ImageBytes bytes, size_t i) { return little16(bytes, i) | little16(bytes, i + 2) << 16; }
inline bool starts_with(ImageBytes bytes, std::string_view text) {
  if (bytes.size() < text.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (std::to_integer<unsigned char>(bytes[i]) != static_cast<unsigned char>(text[i])) return false;
  }
  return true;
}

}  // namespace firesteel
