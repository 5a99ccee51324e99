#include "image/decode.h"

#include <array>
#include <new>
#include <utility>

#include "base/base64.h"
#include "base/check.h"
#include "image/codecs.h"

namespace firesteel {
namespace {

// Keeps zeros inside.
constexpr std::string_view operator""_text(const char* text, size_t n) { return {text, n}; }

struct Codec {
  ImageFormat format;
  std::string_view magic;
  Result<ImageHeader> (*read_header)(ImageBytes);
  Status (*decode)(ImageBytes, RgbImage*);
};

constexpr std::array kCodecs = {
    Codec{ImageFormat::kJpeg, "\xFF\xD8\xFF"_text, read_jpeg_header, decode_jpeg},
    Codec{ImageFormat::kPng, "\x89PNG\r\n\x1a\n"_text, read_png_header, decode_png},
    Codec{ImageFormat::kWebp, "RIFF"_text, read_webp_header, decode_webp},
    Codec{ImageFormat::kBmp, "BM"_text, read_bmp_header, decode_bmp},
    Codec{ImageFormat::kPpm, "P6"_text, read_ppm_header, decode_ppm},
};

// What people send instead, so that the message can say more than "not a picture".
struct Stranger {
  std::string_view magic;
  size_t offset;
  const char* name;
};
constexpr Stranger kStrangers[] = {
    {"GIF8"_text, 0, "GIF"},         {"II*\0"_text, 0, "TIFF"},       {"MM\0*"_text, 0, "TIFF"},   {"ftypavif"_text, 4, "AVIF"},
    {"ftypheic"_text, 4, "HEIC"},    {"ftypmif1"_text, 4, "HEIF"},    {"ftyp"_text, 4, "a video"}, {"%PDF"_text, 0, "PDF"},
    {"<svg"_text, 0, "SVG"},         {"<?xml"_text, 0, "XML or SVG"}, {"<"_text, 0, "HTML or XML"}, {"PK\x03\x04"_text, 0, "a ZIP archive"},
    {"\0\0\1\0"_text, 0, "an icon"}, {"{"_text, 0, "JSON"},           {"\xFF\x0A"_text, 0, "JPEG XL"}, {"\0\0\0\x0CJXL "_text, 0, "JPEG XL"},
};

constexpr const char* kExpected = "expected JPEG, PNG, WebP, BMP or PPM";

Error refuse(ErrorCode code, std::string message) { return {code, "image: " + std::move(message)}; }

Result<const Codec*> find_codec(ImageBytes bytes) {
  for (const Codec& codec : kCodecs) {
    if (starts_with(bytes, codec.magic)) return &codec;
  }
  if (bytes.empty()) return refuse(ErrorCode::kInvalidArgument, std::string(kExpected) + ", found no bytes");
  for (const Stranger& stranger : kStrangers) {
    if (bytes.size() > stranger.offset && starts_with(bytes.subspan(stranger.offset), stranger.magic)) {
      return refuse(ErrorCode::kUnsupported, std::string(kExpected) + ", found " + stranger.name);
    }
  }
  static constexpr char kHex[] = "0123456789abcdef";
  std::string found;
  for (size_t i = 0; i < bytes.size() && i < 4; ++i) {
    found += i == 0 ? "" : " ";
    found += kHex[byte_at(bytes, i) >> 4];
    found += kHex[byte_at(bytes, i) & 15];
  }
  return refuse(ErrorCode::kInvalidArgument, std::string(kExpected) + ", found " + std::to_string(bytes.size()) + " bytes that begin with " + found);
}

Result<std::pair<const Codec*, ImageHeader>> open(ImageBytes bytes, const ImageLimits& limits) {
  if (bytes.size() > limits.max_bytes) {
    return refuse(ErrorCode::kInvalidArgument,
                  "expected at most " + std::to_string(limits.max_bytes) + " bytes, found " + std::to_string(bytes.size()));
  }
  FS_TRY(const Codec* codec, find_codec(bytes));
  FS_TRY(ImageHeader header, codec->read_header(bytes));
  header.format = codec->format;
  const std::string size = std::to_string(header.width) + " x " + std::to_string(header.height) + " pixels";
  if (header.width < 1 || header.height < 1) return damaged_image(image_format_name(header.format), "it has " + size);
  const int32_t max_side = std::min(limits.max_side, kImageSideMax);
  if (header.width > max_side || header.height > max_side) {
    return refuse(ErrorCode::kInvalidArgument, "expected sides of at most " + std::to_string(max_side) + " pixels, found " + size);
  }
  if (header.n_pixels() > limits.max_pixels) {
    return refuse(ErrorCode::kInvalidArgument, "expected at most " + std::to_string(limits.max_pixels) + " pixels, found " +
                                                   std::to_string(header.n_pixels()) + " (" + size + ")");
  }
  return std::pair(codec, header);
}

}  // namespace

const char* image_format_name(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg: return "JPEG";
    case ImageFormat::kPng: return "PNG";
    case ImageFormat::kWebp: return "WebP";
    case ImageFormat::kBmp: return "BMP";
    case ImageFormat::kPpm: return "PPM";
  }
  return "?";
}

Result<ImageHeader> read_image_header(ImageBytes bytes, const ImageLimits& limits) {
  FS_TRY(const auto opened, open(bytes, limits));
  return opened.second;
}

Result<RgbImage> decode_image(ImageBytes bytes, const ImageLimits& limits) {
  FS_TRY(const auto opened, open(bytes, limits));
  const auto& [codec, header] = opened;
  try {
    RgbImage image{header.width, header.height, {}};
    image.pixels.resize(image.offset(0, header.height));
    FS_TRY_VOID(codec->decode(bytes, &image));
    if (codec->format == ImageFormat::kJpeg) image = orient(std::move(image), jpeg_orientation(bytes));
    return image;
  } catch (const std::bad_alloc&) {
    return refuse(ErrorCode::kResourceExhausted, "no memory for " + std::to_string(header.n_pixels()) + " pixels");
  }
}

Result<std::string> decode_data_uri(std::string_view uri, size_t max_bytes) {
  const auto invalid = [](std::string message) { return refuse(ErrorCode::kInvalidArgument, std::move(message)); };
  if (uri.starts_with("http://") || uri.starts_with("https://")) {
    return invalid("expected a data URI (data:image/png;base64,...), found an address: this server opens no connections of its own");
  }
  if (!uri.starts_with("data:")) return invalid("expected a data URI (data:image/png;base64,...)");
  const size_t comma = uri.substr(0, 256).find(',');
  if (comma == std::string_view::npos) return invalid("data URI: expected a comma within the first 256 bytes");
  if (!uri.substr(0, comma).ends_with(";base64")) return invalid("data URI: expected \";base64\" before the comma");
  const std::string_view text = uri.substr(comma + 1);
  if (text.size() / 4 * 3 > max_bytes + 3 + text.size() / 32) {  // line breaks take some
    return invalid("expected at most " + std::to_string(max_bytes) + " bytes, found about " + std::to_string(text.size() / 4 * 3));
  }
  auto bytes = decode_base64(text);
  if (!bytes.ok()) return invalid("data URI: " + bytes.error().message);
  return bytes;
}

}  // namespace firesteel
