#include "eval/png_data.h"

#include <zlib.h>

#include <string_view>

#include "base/base64.h"
#include "base/check.h"

namespace firesteel {
namespace {

void append_big_endian(std::string* out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

void append_chunk(std::string* out, std::string_view type, std::string_view data) {
  append_big_endian(out, static_cast<uint32_t>(data.size()));
  const std::string body = std::string(type) + std::string(data);
  *out += body;
  append_big_endian(out, static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()))));
}

}  // namespace

std::string png_data_uri(const RgbImage& image) {
  const auto row_bytes = static_cast<size_t>(image.width) * 3;
  CHECK(image.pixels.size() == row_bytes * static_cast<size_t>(image.height));
  std::string rows;
  for (size_t y = 0; y < static_cast<size_t>(image.height); ++y) {
    rows += '\0';  // no filter
    rows.append(reinterpret_cast<const char*>(image.pixels.data()) + y * row_bytes, row_bytes);
  }
  uLongf packed_size = compressBound(rows.size());
  std::string packed(packed_size, '\0');
  CHECK(compress2(reinterpret_cast<Bytef*>(packed.data()), &packed_size, reinterpret_cast<const Bytef*>(rows.data()), rows.size(), 6) == Z_OK);
  packed.resize(packed_size);
  std::string header;
  append_big_endian(&header, static_cast<uint32_t>(image.width));
  append_big_endian(&header, static_cast<uint32_t>(image.height));
  header += std::string("\x08\x02\x00\x00\x00", 5);  // 8 bits, RGB
  std::string png = "\x89PNG\r\n\x1A\n";
  append_chunk(&png, "IHDR", header);
  append_chunk(&png, "IDAT", packed);
  append_chunk(&png, "IEND", {});
  return "data:image/png;base64," + encode_base64(png);
}

}  // namespace firesteel
