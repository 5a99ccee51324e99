#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <utility>

#include <jerror.h>
#include <jpeglib.h>

#include "image/codecs.h"

namespace firesteel {
namespace {

// A progressive file may have any number of scans, each as expensive as the whole picture.
constexpr int kScansMax = 100;

// What libjpeg calls back; its errors jump to `jump`, so nothing with a destructor may live between setjmp and the call.
struct Decoder {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = {};
  bool unsupported = false;
};

void fail(Decoder* decoder, const char* message) {
  std::snprintf(decoder->message, sizeof(decoder->message), "%s", message);
  std::longjmp(decoder->jump, 1);
}

void on_error(j_common_ptr jpeg) {
  auto* decoder = static_cast<Decoder*>(jpeg->client_data);
  jpeg->err->format_message(jpeg, decoder->message);
  std::longjmp(decoder->jump, 1);
}

// libjpeg goes on with grey where data is missing; a picture that is not there must not look as if it were.
void on_message(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  switch (jpeg->err->msg_code) {
    case JWRN_JPEG_EOF: fail(static_cast<Decoder*>(jpeg->client_data), "truncated: the file ends before the picture does"); break;
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_MUST_RESYNC: on_error(jpeg); break;
    default: break;  // extraneous bytes, odd versions: harmless and common
  }
}

void on_progress(j_common_ptr jpeg) {
  const auto* decompress = reinterpret_cast<j_decompress_ptr>(jpeg);
  if (decompress->input_scan_number > kScansMax) fail(static_cast<Decoder*>(jpeg->client_data), "more than 100 scans");
}

void start(Decoder* decoder, ImageBytes bytes) {
  decoder->jpeg.err = jpeg_std_error(&decoder->errors);
  decoder->errors.error_exit = on_error;
  decoder->errors.emit_message = on_message;
  decoder->jpeg.client_data = decoder;
  jpeg_create_decompress(&decoder->jpeg);
  decoder->progress.progress_monitor = on_progress;
  decoder->jpeg.progress = &decoder->progress;
  jpeg_mem_src(&decoder->jpeg, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&decoder->jpeg, TRUE);
}

// Plain code between setjmp and longjmp: pointers and numbers only.
bool read_size(Decoder* decoder, ImageBytes bytes, int32_t* width, int32_t* height) {
  if (setjmp(decoder->jump) != 0) {
    jpeg_destroy_decompress(&decoder->jpeg);
    return false;
  }
  start(decoder, bytes);
  *width = static_cast<int32_t>(decoder->jpeg.image_width);
  *height = static_cast<int32_t>(decoder->jpeg.image_height);
  jpeg_destroy_decompress(&decoder->jpeg);
  return true;
}

bool read_pixels(Decoder* decoder, ImageBytes bytes, uint8_t* pixels, size_t n_bytes) {
  if (setjmp(decoder->jump) != 0) {
    jpeg_destroy_decompress(&decoder->jpeg);
    return false;
  }
  start(decoder, bytes);
  jpeg_decompress_struct* jpeg = &decoder->jpeg;
  if (jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK) {
    decoder->unsupported = true;
    fail(decoder, "expected RGB or grey, found CMYK (a picture for printing): convert it to RGB");
  }
  jpeg->out_color_space = JCS_RGB;
  jpeg->dct_method = JDCT_ISLOW;  // the same bytes with and without SIMD
  // Coefficients of a progressive picture: 2 bytes for 3 channels and each pixel, padded to whole blocks of at most 32 x 32.
  jpeg->mem->max_memory_to_use = static_cast<long>(n_bytes * 4 + (size_t{64} << 20));
  jpeg_start_decompress(jpeg);
  const size_t row_bytes = size_t{3} * jpeg->output_width;
  if (jpeg->output_components != 3 || row_bytes * jpeg->output_height != n_bytes) fail(decoder, "its size changed");
  while (jpeg->output_scanline < jpeg->output_height) {
    JSAMPROW row = pixels + row_bytes * jpeg->output_scanline;
    jpeg_read_scanlines(jpeg, &row, 1);
  }
  jpeg_finish_decompress(jpeg);
  jpeg_destroy_decompress(jpeg);
  return true;
}

Error error_of(const Decoder& decoder) {
  Error error = damaged_image("JPEG", decoder.message);
  if (decoder.unsupported) error.code = ErrorCode::kUnsupported;
  return error;
}

}  // namespace

Result<ImageHeader> read_jpeg_header(ImageBytes bytes) {
  Decoder decoder;
  ImageHeader header;
  if (!read_size(&decoder, bytes, &header.width, &header.height)) return error_of(decoder);
  return header;
}

Status decode_jpeg(ImageBytes bytes, RgbImage* image) {
  Decoder decoder;
  if (!read_pixels(&decoder, bytes, image->pixels.data(), image->pixels.size())) return error_of(decoder);
  return {};
}

int jpeg_orientation(ImageBytes bytes) {
  // Segments: FF, marker, length (with itself), data. EXIF is the first APP1 that says so.
  size_t at = 2;
  while (at + 4 <= bytes.size() && byte_at(bytes, at) == 0xFF) {
    const uint32_t marker = byte_at(bytes, at + 1);
    if (marker == 0xFF) {  // fill byte
      ++at;
      continue;
    }
    if (marker == 0xDA || marker == 0xD9) break;
    const size_t length = big16(bytes, at + 2);
    if (length < 2 || length > bytes.size() - at - 2) break;
    const ImageBytes segment = bytes.subspan(at + 4, length - 2);
    at += 2 + length;
    if (marker != 0xE1 || segment.size() < 14 || !starts_with(segment, std::string_view("Exif\0\0", 6))) continue;
    const ImageBytes tiff = segment.subspan(6);
    const bool little = starts_with(tiff, "II");
    const auto read16 = [&](size_t i) { return little ? little16(tiff, i) : big16(tiff, i); };
    const size_t first = little ? little32(tiff, 4) : big32(tiff, 4);
    if (first > tiff.size() || tiff.size() - first < 2) return 1;
    const size_t n_entries = read16(first);
    for (size_t i = 0; i < n_entries; ++i) {
      const size_t entry = first + 2 + 12 * i;
      if (entry + 12 > tiff.size()) return 1;
      if (read16(entry) != 0x0112) continue;
      const uint32_t value = read16(entry + 8);
      return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
    return 1;
  }
  return 1;
}

RgbImage orient(RgbImage image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool swaps = orientation >= 5;
  RgbImage out{swaps ? image.height : image.width, swaps ? image.width : image.height, {}};
  out.pixels.resize(image.pixels.size());
  for (int32_t y = 0; y < image.height; ++y) {
    for (int32_t x = 0; x < image.width; ++x) {
      const int32_t right = image.width - 1 - x;
      const int32_t below = image.height - 1 - y;
      int32_t to_x = x;
      int32_t to_y = y;
      switch (orientation) {
        case 2: to_x = right; break;
        case 3: to_x = right, to_y = below; break;
        case 4: to_y = below; break;
        case 5: to_x = y, to_y = x; break;
        case 6: to_x = below, to_y = x; break;
        case 7: to_x = below, to_y = right; break;
        default: to_x = y, to_y = right; break;
      }
      std::memcpy(out.pixels.data() + out.offset(to_x, to_y), image.pixels.data() + image.offset(x, y), 3);
    }
  }
  return out;
}

}  // namespace firesteel
