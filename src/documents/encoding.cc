#include "documents/encoding.h"

#include <array>
#include <cstdint>

#include <fmt/format.h>

#include "base/utf8.h"

namespace firesteel {
namespace {

// Bytes 0x80..0x9f of Windows-1252; 0: no meaning. Source: the WHATWG Encoding standard's index, whose five gaps we do not map to C1 controls.
constexpr std::array<uint16_t, 32> kWindows1252 = {
    0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017d, 0,
    0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178};

Result<std::string> from_utf16(std::string_view bytes, bool big_endian) {
  if (bytes.size() % 2 != 0) return Error{ErrorCode::kInvalidArgument, "UTF-16 with an odd number of bytes"};
  const auto unit = [&](size_t i) {
    const uint32_t a = static_cast<unsigned char>(bytes[i]), b = static_cast<unsigned char>(bytes[i + 1]);
    return big_endian ? (a << 8 | b) : (b << 8 | a);
  };
  std::string out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size(); i += 2) {
    uint32_t code = unit(i);
    if (code >= 0xd800 && code < 0xe000) {
      const uint32_t low = i + 3 < bytes.size() ? unit(i + 2) : 0;
      if (code >= 0xdc00 || low < 0xdc00 || low > 0xdfff) {
        return Error{ErrorCode::kInvalidArgument, fmt::format("offset {}: half of a UTF-16 pair (0x{:04x})", i, code)};
      }
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      i += 2;
    }
    append_utf8(&out, code);
  }
  return out;
}

std::string from_windows_1252(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 8);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    uint32_t code = byte;
    if (byte >= 0x80 && byte < 0xa0) code = kWindows1252[byte - 0x80u] != 0 ? kWindows1252[byte - 0x80u] : 0xfffd;
    append_utf8(&out, code);
  }
  return out;
}

}  // namespace

Result<TextEncoding> parse_encoding(std::string_view name) {
  std::string lower;
  for (const char c : name) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (lower == "auto") return TextEncoding::kAuto;
  if (lower == "utf-8" || lower == "utf8" || lower == "us-ascii" || lower == "ascii") return TextEncoding::kUtf8;
  if (lower == "utf-16le" || lower == "utf-16") return TextEncoding::kUtf16Le;
  if (lower == "utf-16be") return TextEncoding::kUtf16Be;
  if (lower == "windows-1252" || lower == "cp1252" || lower == "iso-8859-1" || lower == "latin1" || lower == "latin-1") return TextEncoding::kWindows1252;
  return Error{ErrorCode::kInvalidArgument, fmt::format("encoding '{}': expected auto, utf-8, utf-16le, utf-16be or windows-1252", clean_text(name.substr(0, 40)))};
}

Result<std::string> decode_text(std::string_view bytes, TextEncoding encoding) {
  using std::literals::operator""sv;
  if (encoding == TextEncoding::kAuto || encoding == TextEncoding::kUtf8) {
    if (bytes.starts_with("\xef\xbb\xbf"sv)) return decode_text(bytes.substr(3), TextEncoding::kUtf8);
  }
  if (encoding == TextEncoding::kAuto || encoding == TextEncoding::kUtf16Le) {
    if (bytes.starts_with("\xff\xfe"sv)) return from_utf16(bytes.substr(2), false);
  }
  if (encoding == TextEncoding::kAuto || encoding == TextEncoding::kUtf16Be) {
    if (bytes.starts_with("\xfe\xff"sv)) return from_utf16(bytes.substr(2), true);
  }
  switch (encoding) {
    case TextEncoding::kUtf16Le: return from_utf16(bytes, false);
    case TextEncoding::kUtf16Be: return from_utf16(bytes, true);
    case TextEncoding::kWindows1252: return from_windows_1252(bytes);
    case TextEncoding::kAuto:
    case TextEncoding::kUtf8: break;
  }
  for (size_t i = 0; i < bytes.size();) {
    const Utf8Char character = decode_utf8(bytes, i);
    if (!character.valid) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("byte {} (0x{:02x}) is not UTF-8; if the file is in an older encoding, name it (windows-1252)", i,
                                                            static_cast<unsigned char>(bytes[i]))};
    }
    i += character.n_bytes;
  }
  return std::string(bytes);
}

std::string clean_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const Utf8Char character = decode_utf8(text, i);
    i += character.n_bytes;
    const uint32_t code = character.code_point;
    if (code == '\r') {
      if (i >= text.size() || text[i] != '\n') out += '\n';
    } else if (code == '\n' || code == '\t' || (code >= 0x20 && code < 0x7f) || code >= 0xa0) {
      append_utf8(&out, code);
    }
  }
  return out;
}

}  // namespace firesteel
