// Formats without compression.
#include <cstring>

#include "image/codecs.h"

namespace firesteel {
namespace {

struct BmpLayout {
  int32_t width = 0, height = 0;
  bool from_top = false;
  size_t first = 0;         // offset of the pixels
  size_t bytes_per_pixel = 0;
  size_t row_bytes = 0;
};

Result<BmpLayout> bmp_layout(ImageBytes bytes) {
  if (bytes.size() < 54) return damaged_image("BMP", "truncated: expected a header of 54 bytes, found " + std::to_string(bytes.size()) + " bytes");
  const uint32_t bits = little16(bytes, 28);
  const uint32_t compression = little32(bytes, 30);
  if (little32(bytes, 14) < 40 || (bits != 24 && bits != 32) || compression != 0) {
    return Error{ErrorCode::kUnsupported, "image: BMP: expected 24 or 32 bits per pixel without compression, found " + std::to_string(bits) +
                                              " bits, compression " + std::to_string(compression)};
  }
  const auto width = static_cast<int32_t>(little32(bytes, 18));
  const auto height = static_cast<int32_t>(little32(bytes, 22));
  if (width <= 0 || height == 0 || height == INT32_MIN) return damaged_image("BMP", "its header has no size");
  BmpLayout layout{width, height < 0 ? -height : height, height < 0, little32(bytes, 10), bits / 8, 0};
  layout.row_bytes = (static_cast<size_t>(width) * layout.bytes_per_pixel + 3) / 4 * 4;
  return layout;
}

// "P6 width height 255" and one white space; comments are lines that begin with '#'.
struct PpmLayout {
  int32_t width = 0, height = 0;
  size_t first = 0;
};

Result<PpmLayout> ppm_layout(ImageBytes bytes) {
  size_t at = 2;
  const auto is_space = [&](size_t i) { const uint32_t c = byte_at(bytes, i); return c == ' ' || (c >= '\t' && c <= '\r'); };
  int32_t numbers[3] = {};
  for (int32_t& number : numbers) {
    while (at < bytes.size() && (is_space(at) || byte_at(bytes, at) == '#')) {
      if (byte_at(bytes, at) == '#') {
        while (at < bytes.size() && byte_at(bytes, at) != '\n') ++at;
      } else {
        ++at;
      }
    }
    int n_digits = 0;
    for (; at < bytes.size() && byte_at(bytes, at) >= '0' && byte_at(bytes, at) <= '9' && n_digits < 9; ++at, ++n_digits) {
      number = number * 10 + static_cast<int32_t>(byte_at(bytes, at) - '0');
    }
    if (n_digits == 0 || at >= bytes.size() || !is_space(at)) return damaged_image("PPM", "expected \"P6 width height 255\" at the beginning");
  }
  if (numbers[2] != 255) {
    return Error{ErrorCode::kUnsupported, "image: PPM: expected a maximum of 255, found " + std::to_string(numbers[2])};
  }
  return PpmLayout{numbers[0], numbers[1], at + 1};
}

Error truncated(const char* format, size_t expected, size_t found) {
  return damaged_image(format, "truncated: expected " + std::to_string(expected) + " bytes, found " + std::to_string(found));
}

}  // namespace

Result<ImageHeader> read_bmp_header(ImageBytes bytes) {
  FS_TRY(const BmpLayout layout, bmp_layout(bytes));
  return ImageHeader{ImageFormat::kBmp, layout.width, layout.height};
}

Status decode_bmp(ImageBytes bytes, RgbImage* image) {
  FS_TRY(const BmpLayout layout, bmp_layout(bytes));
  const auto height = static_cast<size_t>(layout.height);
  // The limits hold, so the product is small. The last row need not be padded.
  const size_t needed = layout.first + layout.row_bytes * (height - 1) + static_cast<size_t>(layout.width) * layout.bytes_per_pixel;
  if (bytes.size() < needed) return truncated("BMP", needed, bytes.size());
  uint8_t* out = image->pixels.data();
  for (size_t y = 0; y < height; ++y) {
    const std::byte* row = bytes.data() + layout.first + layout.row_bytes * (layout.from_top ? y : height - 1 - y);
    for (int32_t x = 0; x < layout.width; ++x, row += layout.bytes_per_pixel) {
      for (size_t c = 0; c < 3; ++c) *out++ = std::to_integer<uint8_t>(row[2 - c]);
    }
  }
  return {};
}

Result<ImageHeader> read_ppm_header(ImageBytes bytes) {
  FS_TRY(const PpmLayout layout, ppm_layout(bytes));
  return ImageHeader{ImageFormat::kPpm, layout.width, layout.height};
}

Status decode_ppm(ImageBytes bytes, RgbImage* image) {
  FS_TRY(const PpmLayout layout, ppm_layout(bytes));
  const size_t n_pixel_bytes = image->pixels.size();
  if (bytes.size() < layout.first + n_pixel_bytes) return truncated("PPM", layout.first + n_pixel_bytes, bytes.size());
  std::memcpy(image->pixels.data(), bytes.data() + layout.first, n_pixel_bytes);
  return {};
}

}  // namespace firesteel
