// A second font, of pen strokes: closer to what real screens and hands write than dots are. Drawn here, as data.
#pragma once

#include <array>
#include <vector>

namespace firesteel::pictures {

// A line from (x0, y0) to (x1, y1), in the units of the dot font: capitals from y = 0 to 7, lower case from 2, tails down to 9.
struct Stroke {
  float x0 = 0;
  float y0 = 0;
  float x1 = 0;
  float y1 = 0;
};

struct StrokeGlyph {
  double width = 0;             // of the pen's middle line
  std::vector<Stroke> strokes;  // curves are cut into short lines
};

// nullptr for what the font lacks; it has letters, digits and the usual signs.
const StrokeGlyph* stroke_glyph_of(char character);

// One pen movement: points joined by lines, or by a curve through them.
struct PenPath {
  bool curved = false;
  std::vector<std::array<float, 2>> points;
};
// Ways in which people write a digit, 0 to 9: for handwriting, where points are moved before the curves are drawn.
const std::vector<std::vector<PenPath>>& written_digits(int digit);
std::vector<Stroke> strokes_of(const std::vector<PenPath>& paths);

}  // namespace firesteel::pictures
