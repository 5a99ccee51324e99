// Bytes of a text file in whatever encoding it came to UTF-8.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace firesteel {

enum class TextEncoding {
  kAuto,         // a byte order mark decides (UTF-8, UTF-16); without one UTF-8
  kUtf8,
  kUtf16Le,
  kUtf16Be,
  kWindows1252,  // and with it ISO 8859-1, which browsers read the same way; the five bytes without a meaning become U+FFFD
};

// "auto", "utf-8", "utf-16le", "utf-16be", "windows-1252" and the usual other names; kInvalidArgument lists them.
Result<TextEncoding> parse_encoding(std::string_view name);

// The mark itself is taken away. kInvalidArgument names offset and byte of what does not fit: nothing is guessed or replaced.
Result<std::string> decode_text(std::string_view bytes, TextEncoding encoding);

// Without control characters (other than '\n' and '\t'; '\r' becomes '\n' unless one follows) and with U+FFFD for what is not UTF-8.
std::string clean_text(std::string_view text);

}  // namespace firesteel
