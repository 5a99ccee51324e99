// A decoded picture in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace firesteel {

// 8 bits per channel, rows from the top, pixels from the left, R G B. pixels.size() == 3 * width * height.
struct RgbImage {
  int32_t width = 0;
  int32_t height = 0;
  std::vector<uint8_t> pixels;

  size_t offset(int32_t x, int32_t y) const {
    return 3 * (static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x));
  }
};

}  // namespace firesteel
