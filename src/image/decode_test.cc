#include "image/decode.h"

#include <gtest/gtest.h>

#include <csetjmp>
#include <cstdio>
#include <cstdlib>

#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>

#include "base/rng.h"

namespace firesteel {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

RgbImage noise_image(int32_t width, int32_t height, uint64_t seed = 3) {
  RgbImage image{width, height, {}};
  image.pixels.resize(image.offset(0, height));
  Rng rng(seed);
  for (uint8_t& value : image.pixels) value = static_cast<uint8_t>(rng.next_u32() >> 24);
  return image;
}

// Soft colours: JPEG keeps them nearly.
RgbImage gradient_image(int32_t width, int32_t height) {
  RgbImage image{width, height, {}};
  for (int32_t y = 0; y < height; ++y) {
    for (int32_t x = 0; x < width; ++x) {
      image.pixels.push_back(static_cast<uint8_t>(255 * x / width));
      image.pixels.push_back(static_cast<uint8_t>(255 * y / height));
      image.pixels.push_back(128);
    }
  }
  return image;
}

std::string to_ppm(const RgbImage& image) {
  std::string out = "P6\n# made here\n" + std::to_string(image.width) + " " + std::to_string(image.height) + "\n255\n";
  out.append(image.pixels.begin(), image.pixels.end());
  return out;
}

// format: of the simplified API; data: rows in it.
std::string to_png(int32_t width, int32_t height, png_uint_32 format, const void* data, const void* colormap = nullptr, png_uint_32 n_colours = 0) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(width);
  png.height = static_cast<png_uint_32>(height);
  png.format = format;
  png.colormap_entries = n_colours;
  png_alloc_size_t n = 0;
  EXPECT_NE(png_image_write_to_memory(&png, nullptr, &n, 0, data, 0, colormap), 0);
  std::string out(n, '\0');
  EXPECT_NE(png_image_write_to_memory(&png, out.data(), &n, 0, data, 0, colormap), 0);
  out.resize(n);
  return out;
}
std::string to_png(const RgbImage& image) { return to_png(image.width, image.height, PNG_FORMAT_RGB, image.pixels.data()); }

struct JpegOptions {
  int n_components = 3;
  bool progressive = false;
  std::string exif = {};  // payload of APP1
};
std::string to_jpeg(const RgbImage& image, const JpegOptions& options = {}) {
  jpeg_compress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* data = nullptr;
  unsigned long n = 0;
  jpeg_mem_dest(&jpeg, &data, &n);
  jpeg.image_width = static_cast<JDIMENSION>(image.width);
  jpeg.image_height = static_cast<JDIMENSION>(image.height);
  jpeg.input_components = options.n_components;
  jpeg.in_color_space = options.n_components == 3 ? JCS_RGB : options.n_components == 1 ? JCS_GRAYSCALE : JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 95, TRUE);
  if (options.progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  if (!options.exif.empty()) {
    jpeg_write_marker(&jpeg, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(options.exif.data()), static_cast<unsigned>(options.exif.size()));
  }
  std::vector<JSAMPLE> row(static_cast<size_t>(options.n_components) * static_cast<size_t>(image.width));
  for (int32_t y = 0; y < image.height; ++y) {
    for (size_t i = 0; i < row.size(); ++i) {
      const size_t x = i / static_cast<size_t>(options.n_components);
      row[i] = image.pixels[image.offset(static_cast<int32_t>(x), y) + i % static_cast<size_t>(options.n_components) % 3];
    }
    JSAMPROW rows = row.data();
    jpeg_write_scanlines(&jpeg, &rows, 1);
  }
  jpeg_finish_compress(&jpeg);
  std::string out(reinterpret_cast<char*>(data), n);
  jpeg_destroy_compress(&jpeg);
  std::free(data);
  return out;
}

std::string to_webp(const RgbImage& image, bool lossless) {
  uint8_t* data = nullptr;
  const int stride = 3 * image.width;
  const size_t n = lossless ? WebPEncodeLosslessRGB(image.pixels.data(), image.width, image.height, stride, &data)
                            : WebPEncodeRGB(image.pixels.data(), image.width, image.height, stride, 95, &data);
  std::string out(reinterpret_cast<char*>(data), n);
  WebPFree(data);
  return out;
}

std::string little(uint64_t value, int n_bytes) {
  std::string out;
  for (int i = 0; i < n_bytes; ++i) out.push_back(i < 8 ? static_cast<char>(value >> (8 * i) & 255) : '\0');
  return out;
}

std::string to_bmp(const RgbImage& image, int bits, bool from_top) {
  const size_t width = static_cast<size_t>(image.width);
  const auto height = from_top ? static_cast<uint64_t>(-int64_t{image.height}) : static_cast<uint64_t>(image.height);
  std::string out = "BM" + little(0, 8) + little(54, 4) + little(40, 4) + little(width, 4) + little(height, 4) + little(1, 2) +
                    little(static_cast<uint64_t>(bits), 2) + little(0, 24);
  for (int32_t y = 0; y < image.height; ++y) {
    std::string row;
    for (int32_t x = 0; x < image.width; ++x) {
      const size_t at = image.offset(x, from_top ? y : image.height - 1 - y);
      for (size_t c = 0; c < 3; ++c) row.push_back(static_cast<char>(image.pixels[at + 2 - c]));
      if (bits == 32) row.push_back('\x7f');
    }
    row.resize((row.size() + 3) / 4 * 4);
    out += row;
  }
  return out;
}

std::string exif(int orientation, bool is_little) {
  const auto number = [&](uint64_t value, int n) {
    std::string text = little(value, n);
    if (!is_little) text.assign(text.rbegin(), text.rend());
    return text;
  };
  return std::string("Exif\0\0", 6) + (is_little ? "II" : "MM") + number(42, 2) + number(8, 4) + number(2, 2) +
         number(0x010F, 2) + number(2, 2) + number(1, 4) + number(0, 4) +
         number(0x0112, 2) + number(3, 2) + number(1, 4) + number(static_cast<uint64_t>(orientation), 2) + number(0, 2) + number(0, 4);
}

RgbImage decoded(const std::string& file) {
  auto image = decode_image(bytes_of(file));
  EXPECT_TRUE(image.ok()) << image.error().message;
  return image.ok() ? *std::move(image) : RgbImage{};
}

Error refusal(const std::string& file, const ImageLimits& limits = {}) {
  auto image = decode_image(bytes_of(file), limits);
  EXPECT_FALSE(image.ok());
  return image.ok() ? Error{} : image.error();
}

void expect_same(const RgbImage& a, const RgbImage& b) {
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.height, b.height);
  EXPECT_TRUE(a.pixels == b.pixels);
}

void expect_close(const RgbImage& a, const RgbImage& b, int tolerance) {
  ASSERT_EQ(a.width, b.width);
  ASSERT_EQ(a.height, b.height);
  ASSERT_EQ(a.pixels.size(), b.pixels.size());
  int worst = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) worst = std::max(worst, std::abs(int{a.pixels[i]} - int{b.pixels[i]}));
  EXPECT_LE(worst, tolerance);
}

TEST(DecodeImage, LosslessFormatsGiveThePixelsBack) {
  for (const auto& [width, height] : {std::pair(1, 1), std::pair(1, 300), std::pair(301, 1), std::pair(17, 23), std::pair(64, 64)}) {
    const RgbImage image = noise_image(width, height);
    expect_same(decoded(to_png(image)), image);
    expect_same(decoded(to_webp(image, /*lossless=*/true)), image);
    expect_same(decoded(to_ppm(image)), image);
    for (const int bits : {24, 32}) {
      for (const bool from_top : {false, true}) expect_same(decoded(to_bmp(image, bits, from_top)), image);
    }
  }
}

TEST(DecodeImage, LossyFormatsComeClose) {
  const RgbImage image = gradient_image(120, 90);
  expect_close(decoded(to_jpeg(image)), image, 12);
  expect_close(decoded(to_jpeg(image, {.progressive = true})), image, 12);
  expect_close(decoded(to_webp(image, /*lossless=*/false)), image, 16);
}

TEST(DecodeImage, GreyBecomesRgb) {
  RgbImage image = gradient_image(40, 30);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = image.pixels[i - i % 3];
  expect_close(decoded(to_jpeg(image, {.n_components = 1})), image, 8);
  std::vector<uint8_t> grey;
  for (size_t i = 0; i < image.pixels.size(); i += 3) grey.push_back(image.pixels[i]);
  expect_same(decoded(to_png(40, 30, PNG_FORMAT_GRAY, grey.data())), image);
}

TEST(DecodeImage, TransparencyIsOverWhite) {
  const uint8_t rgba[] = {10, 20, 30, 255, 10, 20, 30, 0, 100, 0, 200, 128};
  const RgbImage expected{3, 1, {10, 20, 30, 255, 255, 255, 177, 127, 227}};
  expect_same(decoded(to_png(3, 1, PNG_FORMAT_RGBA, rgba)), expected);
  const uint8_t palette[] = {10, 20, 30, 255, 1, 2, 3, 0, 100, 0, 200, 128};
  const uint8_t indices[] = {0, 1, 2};
  expect_same(decoded(to_png(3, 1, PNG_FORMAT_RGBA_COLORMAP, indices, palette, 3)), expected);
  uint8_t* data = nullptr;
  const size_t n = WebPEncodeLosslessRGBA(rgba, 3, 1, 12, &data);
  const RgbImage webp = decoded(std::string(reinterpret_cast<char*>(data), n));
  WebPFree(data);
  expect_same(webp, expected);
}

TEST(DecodeImage, PalettesAndSixteenBitsBecomeEight) {
  const uint8_t palette[] = {1, 2, 3, 200, 100, 50};
  const uint8_t indices[] = {1, 0, 0, 1, 1, 0};
  const RgbImage expected{3, 2, {200, 100, 50, 1, 2, 3, 1, 2, 3, 200, 100, 50, 200, 100, 50, 1, 2, 3}};
  expect_same(decoded(to_png(3, 2, PNG_FORMAT_RGB_COLORMAP, indices, palette, 2)), expected);
  // A 16-bit file made by hand: the simplified writer would mix in its gamma.
  struct Sink { std::string bytes; } sink;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &sink, [](png_structp p, png_bytep data, size_t n) {
    static_cast<Sink*>(png_get_io_ptr(p))->bytes.append(reinterpret_cast<char*>(data), n);
  }, nullptr);
  png_set_IHDR(png, info, 2, 1, 16, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  const uint8_t row[] = {0, 0, 0xFF, 0xFF, 0x80, 0x00, 0x01, 0x01, 0x00, 0xFF, 0x7F, 0xFF};
  png_write_row(png, row);
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  expect_same(decoded(sink.bytes), RgbImage{2, 1, {0, 255, 128, 1, 1, 127}});
}

TEST(DecodeImage, InterlacedPngIsTheSamePicture) {
  const RgbImage image = noise_image(19, 13);
  std::string bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &bytes, [](png_structp p, png_bytep data, size_t n) {
    static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<char*>(data), n);
  }, nullptr);
  png_set_IHDR(png, info, 19, 13, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_ADAM7, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  png_set_interlace_handling(png);
  for (int pass = 0; pass < 7; ++pass) {
    for (int32_t y = 0; y < 13; ++y) png_write_row(png, image.pixels.data() + image.offset(0, y));
  }
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  expect_same(decoded(bytes), image);
}

TEST(DecodeImage, JpegStandsUpright) {
  // Four quarters in four colours; where each one has to be for an orientation is EXIF's own table.
  RgbImage image = gradient_image(64, 32);
  for (int32_t y = 0; y < 32; ++y) {
    for (int32_t x = 0; x < 64; ++x) {
      const int quarter = (y >= 16 ? 2 : 0) + (x >= 32 ? 1 : 0);
      for (size_t c = 0; c < 3; ++c) image.pixels[image.offset(x, y) + c] = static_cast<uint8_t>(40 + 60 * quarter);
    }
  }
  const int expected[9][4] = {{}, {0, 1, 2, 3}, {1, 0, 3, 2}, {3, 2, 1, 0}, {2, 3, 0, 1}, {0, 2, 1, 3}, {2, 0, 3, 1}, {3, 1, 2, 0}, {1, 3, 0, 2}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (const bool is_little : {false, true}) {
      const RgbImage upright = decoded(to_jpeg(image, {.exif = exif(orientation, is_little)}));
      ASSERT_EQ(upright.width, orientation < 5 ? 64 : 32);
      for (int quarter = 0; quarter < 4; ++quarter) {
        const int32_t x = upright.width * (quarter % 2 == 0 ? 1 : 3) / 4;
        const int32_t y = upright.height * (quarter < 2 ? 1 : 3) / 4;
        EXPECT_NEAR(int{upright.pixels[upright.offset(x, y)]}, 40 + 60 * expected[orientation][quarter], 6) << orientation;
      }
    }
  }
  expect_same(decoded(to_jpeg(image, {.exif = exif(9, true)})), decoded(to_jpeg(image)));
  expect_same(decoded(to_jpeg(image, {.exif = exif(6, true).substr(0, 20)})), decoded(to_jpeg(image)));
}

TEST(DecodeImage, EveryTruncationIsRefused) {
  const RgbImage image = gradient_image(33, 21);
  for (const std::string& file : {to_png(image), to_jpeg(image), to_jpeg(image, {.progressive = true}), to_webp(image, true),
                                  to_webp(image, false), to_bmp(image, 24, false), to_ppm(image)}) {
    // The end marker of a JPEG and the padding of a chunk or row may be missing.
    for (size_t n = 0; n + 4 < file.size(); ++n) {
      auto cut = decode_image(bytes_of(file).first(n));
      ASSERT_FALSE(cut.ok()) << file.substr(0, 4) << " cut to " << n << " of " << file.size();
      ASSERT_TRUE(cut.error().message.starts_with("image: ")) << cut.error().message;
    }
  }
  EXPECT_NE(refusal(to_png(image).substr(0, 90)).message.find("truncated"), std::string::npos);
  EXPECT_NE(refusal(to_jpeg(image).substr(0, 700)).message.find("truncated"), std::string::npos);
}

TEST(DecodeImage, SizesAreCheckedBeforeAnythingIsDecoded) {
  // A header that promises 2 gigapixels, and nothing behind it that could be decoded.
  std::string png = to_png(noise_image(4, 4));
  png.replace(16, 8, std::string("\0\0\x3f\xff\0\0\x3f\xff", 8));
  const Error error = refusal(png);
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(error.message, "image: expected at most 32000000 pixels, found 268402689 (16383 x 16383 pixels)");
  png.replace(16, 8, std::string("\0\0\x40\x01\0\0\0\x01", 8));
  EXPECT_NE(refusal(png).message.find("sides of at most 16384"), std::string::npos);
  png.replace(16, 8, std::string("\0\0\0\0\0\0\0\x01", 8));
  EXPECT_NE(refusal(png).message.find("0 x 1"), std::string::npos);
  png.replace(16, 8, std::string("\xff\xff\xff\xff\0\0\0\x01", 8));
  EXPECT_NE(refusal(png).message.find("negative"), std::string::npos);

  const RgbImage image = gradient_image(30, 20);
  for (const std::string& file : {to_png(image), to_jpeg(image), to_webp(image, true), to_bmp(image, 24, true), to_ppm(image)}) {
    EXPECT_NE(refusal(file, {.max_pixels = 599}).message.find("at most 599 pixels, found 600"), std::string::npos);
    EXPECT_NE(refusal(file, {.max_side = 29}).message.find("sides of at most 29"), std::string::npos);
    EXPECT_NE(refusal(file, {.max_bytes = 50}).message.find("at most 50 bytes"), std::string::npos);
    EXPECT_TRUE(decode_image(bytes_of(file), {.max_pixels = 600, .max_side = 30}).ok());
  }
}

TEST(DecodeImage, OtherFilesAreNamed) {
  EXPECT_NE(refusal("").message.find("found no bytes"), std::string::npos);
  EXPECT_NE(refusal("GIF89a...").message.find("found GIF"), std::string::npos);
  EXPECT_EQ(refusal("GIF89a...").code, ErrorCode::kUnsupported);
  EXPECT_NE(refusal("%PDF-1.4").message.find("found PDF"), std::string::npos);
  EXPECT_NE(refusal("<svg xmlns=''/>").message.find("found SVG"), std::string::npos);
  EXPECT_NE(refusal(std::string("\0\0\0\x20" "ftypavif", 12)).message.find("found AVIF"), std::string::npos);
  EXPECT_NE(refusal("hello").message.find("5 bytes that begin with 68 65 6c 6c"), std::string::npos);
  EXPECT_NE(refusal("RIFF....AVI ....").message.find("another RIFF"), std::string::npos);
  const RgbImage image = gradient_image(16, 16);
  const Error cmyk = refusal(to_jpeg(image, {.n_components = 4}));
  EXPECT_EQ(cmyk.code, ErrorCode::kUnsupported);
  EXPECT_NE(cmyk.message.find("CMYK"), std::string::npos);
  // An extended WebP that says that it is animated.
  const std::string animation = "RIFF" + little(30, 4) + "WEBPVP8X" + little(10, 4) + little(2, 4) + little(15, 3) + little(15, 3) + "ANIM" + little(0, 4);
  const Error moving = refusal(animation);
  EXPECT_EQ(moving.code, ErrorCode::kUnsupported);
  EXPECT_NE(moving.message.find("animation"), std::string::npos);
}

TEST(DecodeImage, DamageNeverBreaksTheDecoder) {
  const RgbImage image = gradient_image(40, 25);
  Rng rng(17);
  for (const std::string& file : {to_png(image), to_jpeg(image), to_jpeg(image, {.progressive = true, .exif = exif(6, false)}),
                                  to_webp(image, true), to_webp(image, false), to_bmp(image, 32, false), to_ppm(image)}) {
    for (int i = 0; i < 300; ++i) {
      std::string damaged = file;
      for (uint64_t n = rng.below(6) + 1; n > 0; --n) damaged[rng.below(damaged.size())] = static_cast<char>(rng.below(256));
      const auto result = decode_image(bytes_of(damaged), {.max_pixels = 100'000});
      if (!result.ok()) continue;
      ASSERT_EQ(result->pixels.size(), result->offset(0, result->height));
    }
  }
}

TEST(DecodeDataUri, ReadsBase64AndNothingElse) {
  EXPECT_EQ(*decode_data_uri("data:image/png;base64,Zm9v"), "foo");
  EXPECT_EQ(*decode_data_uri("data:;base64,Zm8="), "fo");
  const auto message = [](std::string_view uri) {
    const auto result = decode_data_uri(uri, 100);
    EXPECT_FALSE(result.ok());
    return result.ok() ? std::string() : result.error().message;
  };
  EXPECT_NE(message("https://example.org/a.png").find("no connections"), std::string::npos);
  EXPECT_NE(message("file:///etc/passwd").find("expected a data URI"), std::string::npos);
  EXPECT_NE(message("data:image/png,foo").find(";base64"), std::string::npos);
  EXPECT_NE(message("data:image/png;base64").find("comma"), std::string::npos);
  EXPECT_NE(message("data:image/png;base64,Zm9*").find("byte 3"), std::string::npos);
  EXPECT_NE(message("data:image/png;base64," + std::string(400, 'A')).find("at most 100 bytes"), std::string::npos);
}

}  // namespace
}  // namespace firesteel
