// A picture being drawn: anti-aliased shapes and text on a plain background.
//
// All coordinates and sizes are in drawing units, y downwards; one unit is `scale` pixels, so the same drawing comes out small or
// large. Coverage is exact (signed areas, as font rasterisers do it), so a shape of area A adds A pixels of colour.
// What lies outside the picture is clipped. One thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/rgb_image.h"
#include "base/rng.h"
#include "data/pictures/stroke_font.h"
#include "schema/sample.h"

namespace firesteel::pictures {

struct Colour {
  uint8_t r = 0;
  uint8_t g = 0;
  uint8_t b = 0;
};

struct Point {
  double x = 0;
  double y = 0;
};

// How letters look: squares of the 5 x 7 font, the same with rounded outlines, or pen strokes. All take the same room.
struct Lettering {
  enum class Kind { kBlocks, kSmooth, kStrokes };
  Kind kind = Kind::kBlocks;
  double pen = 1.1;    // thickness of a stroke, in dots
  double slant = 0;    // of strokes: how far their top leans to the right, as a part of the height
};

// A picture, and what is where in it.
struct Drawing {
  RgbImage image;
  std::vector<ImageMark> marks;
};

class Canvas {
 public:
  // ceil(units * scale) pixels a side, at least 1, at most 4,096 (CHECK).
  Canvas(double width, double height, double scale, Colour background);

  double width() const { return width_; }
  double height() const { return height_; }
  double scale() const { return scale_; }

  void rectangle(double left, double top, double right, double bottom, Colour colour);
  // Only the border, `thickness` wide, inside the rectangle.
  void frame(double left, double top, double right, double bottom, double thickness, Colour colour);
  // A simple polygon: contours must not cross themselves.
  void polygon(std::span<const Point> points, Colour colour);
  void ellipse(double x, double y, double radius_x, double radius_y, Colour colour);
  void circle(double x, double y, double radius, Colour colour) { ellipse(x, y, radius, radius, colour); }
  void ring(double x, double y, double inner, double outer, Colour colour);
  // The part of a ring (or pie, with inner = 0) from `from` to `to`: radians, clockwise from twelve o'clock, from <= to.
  void sector(double x, double y, double inner, double outer, double from, double to, Colour colour);
  void line(Point from, Point to, double thickness, Colour colour);
  // Corners are joined roundly.
  void polyline(std::span<const Point> points, double thickness, Colour colour);

  // Text with its upper left corner at (x, y). `size` is the height of a digit; letters reach 2/7 of it below. Every character takes
  // 5/7 of it, so that letters of size 7 or 14 that begin at a multiple of 5 or 10 look the same in each patch of 10 units. Characters
  // that the font lacks become blanks.
  void text(double x, double y, std::string_view text, double size, Colour colour, const Lettering& lettering = {});
  // Centred between left and right.
  void text_centred(double x, double y, std::string_view text, double size, Colour colour, const Lettering& lettering = {});
  static double text_width(std::string_view text, double size);
  // Pen strokes, their origin at (x, y), one of their units `unit` drawing units; `pen` in drawing units.
  void strokes(double x, double y, std::span<const Stroke> strokes, double unit, double pen, Colour colour);

  // A brightness gradient from corner to corner of at most +-`strength` steps, and noise of +-`noise` steps on each channel.
  void weather(Rng* rng, int strength, int noise);

  // Notes what is to be seen at (x, y). text() notes each character and each word by itself; a mark lies a little right of and below the
  // middle of what it names: a model that reads patches row by row has seen most of it there.
  void mark(double x, double y, std::string text);

  RgbImage take() { return std::move(image_); }
  Drawing take_drawing() { return {std::move(image_), std::move(marks_)}; }
  const RgbImage& image() const { return image_; }

 private:
  void begin(double left, double top, double right, double bottom);  // pixels
  void edge(Point from, Point to);                                   // pixels
  void contour(std::span<const Point> points);                       // pixels
  void fill(Colour colour);
  void mark_text(double x, double y, std::string_view text, double size);
  void pen_stroke(Point from, Point to, double pen);                 // pixels; begin() first, then fill_strokes()
  void fill_strokes(Colour colour);
  void pen_text(double left, double top, std::string_view text, double dot, Colour colour, const Lettering& lettering);
  void blend(int32_t x, int32_t y, float coverage, Colour colour);

  double width_;
  double height_;
  double scale_;
  RgbImage image_;
  // Area accumulators of the shape being filled, its rectangle in pixels.
  std::vector<float> areas_;
  int32_t left_ = 0;
  int32_t top_ = 0;
  int32_t columns_ = 0;
  int32_t rows_ = 0;
  std::vector<Point> outline_;
  std::vector<ImageMark> marks_;
};

}  // namespace firesteel::pictures
