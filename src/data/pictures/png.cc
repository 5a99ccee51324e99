#include "data/pictures/png.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "base/check.h"

namespace firesteel::pictures {

namespace {

void put_u32(std::string* out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>((value >> shift) & 0xFFU));
}

uint32_t crc_of(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c & 1U) != 0 ? 0xEDB88320U ^ (c >> 1U) : c >> 1U;
      t[i] = c;
    }
    return t;
  }();
  uint32_t crc = 0xFFFFFFFFU;
  for (const char byte : bytes) crc = table[(crc ^ static_cast<unsigned char>(byte)) & 0xFFU] ^ (crc >> 8U);
  return ~crc;
}

uint32_t adler_of(std::string_view bytes) {
  uint32_t a = 1;
  uint32_t b = 0;
  for (const char byte : bytes) {
    a = (a + static_cast<unsigned char>(byte)) % 65521;
    b = (b + a) % 65521;
  }
  return (b << 16U) | a;
}

void put_chunk(std::string* out, std::string_view type, std::string_view data) {
  put_u32(out, static_cast<uint32_t>(data.size()));
  const std::string body = std::string(type) + std::string(data);
  *out += body;
  put_u32(out, crc_of(body));
}

}  // namespace

std::string png_bytes(const RgbImage& image) {
  CHECK(image.width > 0 && image.height > 0);
  const size_t row_bytes = 3 * static_cast<size_t>(image.width);
  std::string raw;
  for (int32_t y = 0; y < image.height; ++y) {
    raw.push_back(0);  // no filter
    raw.append(reinterpret_cast<const char*>(image.pixels.data()) + image.offset(0, y), row_bytes);
  }
  std::string deflated = "\x78\x01";
  for (size_t at = 0; at < raw.size(); at += 65535) {
    const size_t n = std::min<size_t>(65535, raw.size() - at);
    deflated.push_back(at + n == raw.size() ? 1 : 0);
    for (const size_t length : {n, ~n}) {
      deflated.push_back(static_cast<char>(length & 0xFFU));
      deflated.push_back(static_cast<char>((length >> 8U) & 0xFFU));
    }
    deflated.append(raw, at, n);
  }
  put_u32(&deflated, adler_of(raw));

  std::string header;
  put_u32(&header, static_cast<uint32_t>(image.width));
  put_u32(&header, static_cast<uint32_t>(image.height));
  header += std::string("\x08\x02\x00\x00\x00", 5);
  std::string out = "\x89PNG\r\n\x1a\n";
  put_chunk(&out, "IHDR", header);
  put_chunk(&out, "IDAT", deflated);
  put_chunk(&out, "IEND", "");
  return out;
}

}  // namespace firesteel::pictures
