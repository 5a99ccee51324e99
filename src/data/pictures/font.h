// The bitmap font of the drawn pictures: 5 x 7 dots and two rows for what hangs below the line. Drawn here, as data.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace firesteel::pictures {

struct Glyph {
  int columns = 5;
  std::array<uint8_t, 9> rows{};  // the leftmost dot of a row is bit columns - 1

  // False outside the glyph.
  bool dot(int row, int column) const {
    return row >= 0 && row < 9 && column >= 0 && column < columns && ((unsigned{rows[static_cast<size_t>(row)]} >> (columns - 1 - column)) & 1U) != 0;
  }
};

// A blank for what the font lacks. It has all printable ASCII characters.
const Glyph& glyph_of(char character);

}  // namespace firesteel::pictures
