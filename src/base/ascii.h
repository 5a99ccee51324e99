// Letters of ASCII, whatever the locale; other bytes (UTF-8) stay as they are.
#pragma once

#include <string>
#include <string_view>

namespace firesteel {

constexpr char lower_ascii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

inline std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower_ascii(c);
  return out;
}

}  // namespace firesteel
