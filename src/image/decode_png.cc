#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include <png.h>

#include "image/codecs.h"

namespace firesteel {
namespace {

// What libpng calls back; its errors jump to `jump`, so nothing with a destructor may live between setjmp and the call.
struct Decoder {
  png_structp png = nullptr;
  png_infop info = nullptr;
  const std::byte* data = nullptr;
  size_t n_left = 0;
  std::jmp_buf jump;
  char message[256] = {};
};

void on_error(png_structp png, png_const_charp message) {
  auto* decoder = static_cast<Decoder*>(png_get_error_ptr(png));
  std::snprintf(decoder->message, sizeof(decoder->message), "%s", message);
  std::longjmp(decoder->jump, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep out, size_t n) {
  auto* decoder = static_cast<Decoder*>(png_get_io_ptr(png));
  if (n > decoder->n_left) png_error(png, "truncated: the file ends before the picture does");
  std::memcpy(out, decoder->data, n);
  decoder->data += n;
  decoder->n_left -= n;
}

bool begin(Decoder* decoder, ImageBytes bytes) {
  decoder->data = bytes.data();
  decoder->n_left = bytes.size();
  decoder->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, decoder, on_error, on_warning);
  if (decoder->png != nullptr) decoder->info = png_create_info_struct(decoder->png);
  if (decoder->info != nullptr) return true;
  std::snprintf(decoder->message, sizeof(decoder->message), "no memory");
  return false;
}

void end(Decoder* decoder) { png_destroy_read_struct(&decoder->png, &decoder->info, nullptr); }

// Plain code between setjmp and longjmp: pointers and numbers only. `channels` are those of the rows that read_rows gives.
bool read_info(Decoder* decoder, uint32_t* channels) {
  if (setjmp(decoder->jump) != 0) return false;
  png_set_user_limits(decoder->png, static_cast<png_uint_32>(kImageSideMax), static_cast<png_uint_32>(kImageSideMax));
  png_set_chunk_cache_max(decoder->png, 64);
  png_set_chunk_malloc_max(decoder->png, png_alloc_size_t{1} << 20);
  // Text, profiles and the like are not looked at, so they are not unpacked either.
  png_set_keep_unknown_chunks(decoder->png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_set_read_fn(decoder->png, decoder, on_read);
  png_read_info(decoder->png, decoder->info);
  png_set_expand(decoder->png);     // palettes, fewer than 8 bits, tRNS
  png_set_scale_16(decoder->png);   // rounded
  png_set_gray_to_rgb(decoder->png);
  png_set_interlace_handling(decoder->png);
  png_read_update_info(decoder->png, decoder->info);
  *channels = png_get_channels(decoder->png, decoder->info);
  return true;
}

bool read_rows(Decoder* decoder, uint8_t* rows, size_t row_bytes, uint32_t height) {
  if (setjmp(decoder->jump) != 0) return false;
  if (png_get_rowbytes(decoder->png, decoder->info) != row_bytes) png_error(decoder->png, "its rows have another size than its header says");
  const int n_passes = png_get_interlace_type(decoder->png, decoder->info) == PNG_INTERLACE_ADAM7 ? 7 : 1;
  for (int pass = 0; pass < n_passes; ++pass) {
    for (uint32_t y = 0; y < height; ++y) png_read_row(decoder->png, rows + y * row_bytes, nullptr);
  }
  png_read_end(decoder->png, nullptr);
  return true;
}

uint8_t over_white(uint32_t value, uint32_t alpha) {
  return static_cast<uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

}  // namespace

Result<ImageHeader> read_png_header(ImageBytes bytes) {
  if (bytes.size() < 33 || big32(bytes, 8) != 13 || !starts_with(bytes.subspan(12), "IHDR")) {
    return damaged_image("PNG", "expected its IHDR chunk, found " + std::to_string(bytes.size()) + " bytes without one");
  }
  const uint32_t width = big32(bytes, 16);
  const uint32_t height = big32(bytes, 20);
  if (width > INT32_MAX || height > INT32_MAX) return damaged_image("PNG", "its header has a negative size");
  return ImageHeader{ImageFormat::kPng, static_cast<int32_t>(width), static_cast<int32_t>(height)};
}

Status decode_png(ImageBytes bytes, RgbImage* image) {
  Decoder decoder;
  const auto width = static_cast<size_t>(image->width);
  const auto height = static_cast<size_t>(image->height);
  uint32_t channels = 0;
  std::vector<uint8_t> with_alpha;
  bool good = begin(&decoder, bytes) && read_info(&decoder, &channels);
  if (good && channels == 4) {
    image->pixels.clear();
    image->pixels.shrink_to_fit();
    with_alpha.resize(4 * width * height);
  }
  good = good && read_rows(&decoder, channels == 4 ? with_alpha.data() : image->pixels.data(), channels * width, static_cast<uint32_t>(height));
  end(&decoder);
  if (!good) return damaged_image("PNG", decoder.message);
  if (channels == 4) {
    for (size_t i = 0; i < width * height; ++i) {  // in place: three bytes behind four
      const uint8_t* from = with_alpha.data() + 4 * i;
      const uint32_t alpha = from[3];
      for (size_t c = 0; c < 3; ++c) with_alpha[3 * i + c] = over_white(from[c], alpha);
    }
    with_alpha.resize(3 * width * height);
    image->pixels = std::move(with_alpha);
  }
  return {};
}

}  // namespace firesteel
