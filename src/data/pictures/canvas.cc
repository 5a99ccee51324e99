#include "data/pictures/canvas.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "base/check.h"
#include "data/pictures/font.h"

namespace firesteel::pictures {

namespace {

int32_t to_pixels(double length) {
  const double pixels = std::ceil(length);
  CHECK(pixels <= 4096);
  return std::max(1, static_cast<int32_t>(pixels));
}

// Enough corners that the outline leaves the circle by less than a fiftieth of a pixel.
int corners_of(double radius_pixels) { return std::clamp(static_cast<int>(12 + 8 * std::sqrt(radius_pixels)), 16, 160); }

uint8_t clamped(int value) { return static_cast<uint8_t>(std::clamp(value, 0, 255)); }

}  // namespace

Canvas::Canvas(double width, double height, double scale, Colour background) : width_(width), height_(height), scale_(scale) {
  image_.width = to_pixels(width * scale - 1e-6);
  image_.height = to_pixels(height * scale - 1e-6);
  image_.pixels.resize(3 * static_cast<size_t>(image_.width) * static_cast<size_t>(image_.height));
  for (size_t i = 0; i < image_.pixels.size(); i += 3) {
    image_.pixels[i] = background.r;
    image_.pixels[i + 1] = background.g;
    image_.pixels[i + 2] = background.b;
  }
}

void Canvas::begin(double left, double top, double right, double bottom) {
  // The accumulators cover the whole shape, also what is outside: an edge left of the picture still says what is inside.
  const auto bounded = [](double value) { return static_cast<int32_t>(std::clamp(value, -8192.0, 8192.0)); };
  left_ = bounded(std::floor(left));
  top_ = bounded(std::floor(top));
  columns_ = bounded(std::ceil(right)) - left_ + 2;
  rows_ = bounded(std::ceil(bottom)) - top_ + 1;
  areas_.assign(static_cast<size_t>(columns_) * static_cast<size_t>(rows_), 0.0F);
}

// Adds what lies right of the edge, row by row: each accumulator holds the change of coverage against its left neighbour.
void Canvas::edge(Point from, Point to) {
  const double direction = from.y < to.y ? 1.0 : -1.0;
  if (from.y > to.y) std::swap(from, to);
  const double y0 = from.y - top_;
  const double y1 = to.y - top_;
  if (y1 <= y0) return;
  const double slope = (to.x - from.x) / (to.y - from.y);
  double x = from.x - left_;
  for (int32_t row = std::max(0, static_cast<int32_t>(y0)); row < std::min(rows_, static_cast<int32_t>(std::ceil(y1))); ++row) {
    float* areas = areas_.data() + static_cast<size_t>(row) * static_cast<size_t>(columns_);
    const double height = std::min(row + 1.0, y1) - std::max(double{static_cast<double>(row)}, y0);
    const double next = x + slope * height;
    const double signed_height = height * direction;
    const double low = std::clamp(std::min(x, next), 0.0, columns_ - 1.0);
    const double high = std::clamp(std::max(x, next), 0.0, columns_ - 1.0);
    const auto first = static_cast<int32_t>(low);
    const auto last = static_cast<int32_t>(std::ceil(high));
    if (last <= first + 1) {
      const double beyond = 0.5 * (low + high) - first;
      areas[first] += static_cast<float>(signed_height - signed_height * beyond);
      areas[std::min(first + 1, columns_ - 1)] += static_cast<float>(signed_height * beyond);
    } else {
      // The edge crosses several columns: the covered area of column i is a piecewise quadratic, of which we add the differences.
      const double rate = 1.0 / (high - low);
      double before = 0;
      for (int32_t column = first; column < last; ++column) {
        // Share of the edge's height left of this column's right border, averaged over the column.
        const double a = std::max(low, static_cast<double>(column));
        const double b = std::min(high, column + 1.0);
        const double at_a = (a - low) * rate;
        const double at_b = (b - low) * rate;
        const double area = 0.5 * (at_a + at_b) * (b - a) + at_b * (column + 1.0 - b);
        areas[column] += static_cast<float>(signed_height * (area - before));
        before = area;
      }
      areas[last] += static_cast<float>(signed_height * (1.0 - before));
    }
    x = next;
  }
}

void Canvas::contour(std::span<const Point> points) {
  for (size_t i = 0; i < points.size(); ++i) edge(points[i], points[(i + 1) % points.size()]);
}

void Canvas::blend(int32_t x, int32_t y, float coverage, Colour colour) {
  uint8_t* pixel = image_.pixels.data() + image_.offset(x, y);
  const auto weight = static_cast<int>(std::min(coverage, 1.0F) * 256.0F + 0.5F);
  const auto mix = [weight](int old, int ink) { return static_cast<uint8_t>((old * (256 - weight) + ink * weight + 128) >> 8); };
  pixel[0] = mix(pixel[0], colour.r);
  pixel[1] = mix(pixel[1], colour.g);
  pixel[2] = mix(pixel[2], colour.b);
}

void Canvas::fill(Colour colour) {
  for (int32_t row = std::max(0, -top_); row < rows_ && row + top_ < image_.height; ++row) {
    const float* areas = areas_.data() + static_cast<size_t>(row) * static_cast<size_t>(columns_);
    float sum = 0;
    for (int32_t column = 0; column < columns_ && column + left_ < image_.width; ++column) {
      sum += areas[column];
      const float coverage = std::fabs(sum);
      if (coverage > 0.002F && column + left_ >= 0) blend(column + left_, row + top_, coverage, colour);
    }
  }
}

void Canvas::rectangle(double left, double top, double right, double bottom, Colour colour) {
  const std::array<Point, 4> corners = {Point{left, top}, Point{right, top}, Point{right, bottom}, Point{left, bottom}};
  polygon(corners, colour);
}

void Canvas::frame(double left, double top, double right, double bottom, double thickness, Colour colour) {
  rectangle(left, top, right, top + thickness, colour);
  rectangle(left, bottom - thickness, right, bottom, colour);
  rectangle(left, top + thickness, left + thickness, bottom - thickness, colour);
  rectangle(right - thickness, top + thickness, right, bottom - thickness, colour);
}

void Canvas::polygon(std::span<const Point> points, Colour colour) {
  if (points.size() < 3) return;
  outline_.clear();
  double left = 1e9;
  double top = 1e9;
  double right = -1e9;
  double bottom = -1e9;
  for (const Point& point : points) {
    const Point pixel = {point.x * scale_, point.y * scale_};
    left = std::min(left, pixel.x);
    right = std::max(right, pixel.x);
    top = std::min(top, pixel.y);
    bottom = std::max(bottom, pixel.y);
    outline_.push_back(pixel);
  }
  begin(left, top, right, bottom);
  contour(outline_);
  fill(colour);
}

void Canvas::ellipse(double x, double y, double radius_x, double radius_y, Colour colour) {
  const int n = corners_of(std::max(radius_x, radius_y) * scale_);
  std::vector<Point> points(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) {
    const double angle = 2 * std::numbers::pi * i / n;
    points[static_cast<size_t>(i)] = {x + radius_x * std::cos(angle), y + radius_y * std::sin(angle)};
  }
  polygon(points, colour);
}

void Canvas::ring(double x, double y, double inner, double outer, Colour colour) {
  sector(x, y, inner, outer, 0, 2 * std::numbers::pi, colour);
}

void Canvas::sector(double x, double y, double inner, double outer, double from, double to, Colour colour) {
  const double share = (to - from) / (2 * std::numbers::pi);
  const int n = std::max(2, static_cast<int>(std::ceil(share * corners_of(outer * scale_))));
  std::vector<Point> points;
  const auto at = [&](double radius, int i) {
    const double angle = from + (to - from) * i / n;
    points.push_back({x + radius * std::sin(angle), y - radius * std::cos(angle)});
  };
  for (int i = 0; i <= n; ++i) at(outer, i);
  if (inner > 0) {
    for (int i = n; i >= 0; --i) at(inner, i);
  } else {
    points.push_back({x, y});
  }
  polygon(points, colour);
}

void Canvas::line(Point from, Point to, double thickness, Colour colour) {
  const double dx = to.x - from.x;
  const double dy = to.y - from.y;
  const double length = std::hypot(dx, dy);
  if (length <= 0) return;
  const double nx = -dy / length * thickness / 2;
  const double ny = dx / length * thickness / 2;
  const std::array<Point, 4> corners = {Point{from.x + nx, from.y + ny}, Point{to.x + nx, to.y + ny}, Point{to.x - nx, to.y - ny},
                                        Point{from.x - nx, from.y - ny}};
  polygon(corners, colour);
}

void Canvas::polyline(std::span<const Point> points, double thickness, Colour colour) {
  for (size_t i = 1; i < points.size(); ++i) {
    line(points[i - 1], points[i], thickness, colour);
    if (i + 1 < points.size()) circle(points[i].x, points[i].y, thickness / 2, colour);
  }
}

// Keeps the most that any stroke covers of a pixel: where strokes meet, nothing becomes darker.
void Canvas::pen_stroke(Point from, Point to, double pen) {
  const double half = std::max(pen, 0.8) / 2;
  const double reach = half + 1;
  const auto first_row = std::max(0, static_cast<int32_t>(std::floor(std::min(from.y, to.y) - reach)) - top_);
  const auto last_row = std::min(rows_ - 1, static_cast<int32_t>(std::ceil(std::max(from.y, to.y) + reach)) - top_);
  const auto first_column = std::max(0, static_cast<int32_t>(std::floor(std::min(from.x, to.x) - reach)) - left_);
  const auto last_column = std::min(columns_ - 1, static_cast<int32_t>(std::ceil(std::max(from.x, to.x) + reach)) - left_);
  const double dx = to.x - from.x;
  const double dy = to.y - from.y;
  const double square = dx * dx + dy * dy;
  for (int32_t row = first_row; row <= last_row; ++row) {
    float* areas = areas_.data() + static_cast<size_t>(row) * static_cast<size_t>(columns_);
    const double py = row + top_ + 0.5 - from.y;
    for (int32_t column = first_column; column <= last_column; ++column) {
      const double px = column + left_ + 0.5 - from.x;
      const double t = square > 0 ? std::clamp((px * dx + py * dy) / square, 0.0, 1.0) : 0;
      const double away_x = px - t * dx;
      const double away_y = py - t * dy;
      const double coverage = half + 0.5 - std::sqrt(away_x * away_x + away_y * away_y);
      areas[column] = std::max(areas[column], static_cast<float>(std::clamp(coverage, 0.0, 1.0)));
    }
  }
}

void Canvas::fill_strokes(Colour colour) {
  for (int32_t row = std::max(0, -top_); row < rows_ && row + top_ < image_.height; ++row) {
    const float* areas = areas_.data() + static_cast<size_t>(row) * static_cast<size_t>(columns_);
    for (int32_t column = std::max(0, -left_); column < columns_ && column + left_ < image_.width; ++column) {
      if (areas[column] > 0.002F) blend(column + left_, row + top_, areas[column], colour);
    }
  }
}

void Canvas::strokes(double x, double y, std::span<const Stroke> strokes, double unit, double pen, Colour colour) {
  if (strokes.empty()) return;
  Point low = {1e9, 1e9};
  Point high = {-1e9, -1e9};
  const auto at = [&](float sx, float sy) { return Point{(x + static_cast<double>(sx) * unit) * scale_, (y + static_cast<double>(sy) * unit) * scale_}; };
  for (const Stroke& stroke : strokes) {
    for (const Point& point : {at(stroke.x0, stroke.y0), at(stroke.x1, stroke.y1)}) {
      low = {std::min(low.x, point.x), std::min(low.y, point.y)};
      high = {std::max(high.x, point.x), std::max(high.y, point.y)};
    }
  }
  const double reach = pen * scale_ / 2 + 1;
  begin(low.x - reach, low.y - reach, high.x + reach, high.y + reach);
  for (const Stroke& stroke : strokes) pen_stroke(at(stroke.x0, stroke.y0), at(stroke.x1, stroke.y1), pen * scale_);
  fill_strokes(colour);
}

// Each letter in the middle of its room.
void Canvas::pen_text(double left, double top, std::string_view text, double dot, Colour colour, const Lettering& lettering) {
  std::vector<Stroke> all;
  const double room = 5;  // of one letter, in dots
  const double narrow = room / 6;
  for (size_t i = 0; i < text.size(); ++i) {
    const StrokeGlyph* glyph = stroke_glyph_of(text[i]);
    if (glyph == nullptr) continue;
    const double squeeze = narrow * (glyph->width > 4.4 ? 4.4 / glyph->width : 1);
    const double shift = static_cast<double>(i) * room + 2.5 * narrow - glyph->width * squeeze / 2;
    for (const Stroke& stroke : glyph->strokes) {
      const auto place = [&](float x, float y) { return static_cast<float>(shift + static_cast<double>(x) * squeeze + lettering.slant * (3.5 - static_cast<double>(y))); };
      // The pen's middle line runs half a dot inside the box that dots would fill.
      const auto height = [](float y) { return 0.5F + y * (6.0F / 7.0F); };
      all.push_back({place(stroke.x0, stroke.y0), height(stroke.y0), place(stroke.x1, stroke.y1), height(stroke.y1)});
    }
  }
  strokes(left / scale_, top / scale_, all, dot / scale_, lettering.pen * dot / scale_, colour);
}

double Canvas::text_width(std::string_view text, double size) {
  const double room = size * 5 / 7;  // five dots and a gap
  return text.empty() ? 0 : (static_cast<double>(text.size()) - 1.0 / 6) * room;
}

void Canvas::mark(double x, double y, std::string text) {
  marks_.push_back({.x = static_cast<float>(x * scale_ / image_.width), .y = static_cast<float>(y * scale_ / image_.height), .text = std::move(text)});
}

void Canvas::mark_text(double x, double y, std::string_view text, double size) {
  const double room = size * 5 / 7;
  const auto at = [&](size_t i) { return x + (static_cast<double>(i) + 0.7) * room; };
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  for (size_t i = 0, word = 0; i < text.size(); ++i) {
    if (text[i] == ' ') {
      word = i + 1;
      continue;
    }
    mark(at(i), y + 0.8 * size, std::string(1, text[i]));
    const bool ends = i + 1 == text.size() || text[i + 1] == ' ';
    if (ends && i > word && is_letter(text[word])) mark(at(i), y + 0.8 * size, ' ' + std::string(text.substr(word, i + 1 - word)));
  }
}

void Canvas::text(double x, double y, std::string_view text, double size, Colour colour, const Lettering& lettering) {
  mark_text(x, y, text, size);
  const double dot = size / 7 * scale_;  // pixels a side of one dot of the font
  const double left = x * scale_;
  const double top = y * scale_;
  if (lettering.kind == Lettering::Kind::kStrokes) {
    pen_text(left, top, text, dot, colour, lettering);
    return;
  }
  const double room = dot * 5;  // of one letter
  const double wide = room / 6;  // a dot's width: a little less than its height
  if (lettering.kind == Lettering::Kind::kBlocks) {
    begin(left, top, left + room * static_cast<double>(text.size()), top + 9 * dot);
    for (size_t k = 0; k < text.size(); ++k) {
      const Glyph& glyph = glyph_of(text[k]);
      const double column = left + room * static_cast<double>(k) + wide * (5 - glyph.columns) / 2;
      for (int row = 0; row < 9; ++row) {
        const double y0 = top + row * dot;
        for (int i = 0; i < glyph.columns;) {
          int end = i;
          while (end < glyph.columns && glyph.dot(row, end)) ++end;
          if (end > i) {
            edge({column + end * wide, y0 + dot}, {column + end * wide, y0});
            edge({column + i * wide, y0}, {column + i * wide, y0 + dot});
          }
          i = std::max(end, i + 1);
        }
      }
    }
    fill(colour);
    return;
  }
  // Rounded: the dots interpolated bilinearly, inside where the value is above a threshold.
  for (size_t k = 0; k < text.size(); ++k) {
    const Glyph& glyph = glyph_of(text[k]);
    const double column = left + room * static_cast<double>(k) + wide * (5 - glyph.columns) / 2;
    const auto x0 = static_cast<int32_t>(std::floor(column - wide));
    const auto x1 = static_cast<int32_t>(std::ceil(column + (glyph.columns + 1) * wide));
    const auto y0 = static_cast<int32_t>(std::floor(top - dot));
    const auto y1 = static_cast<int32_t>(std::ceil(top + 10 * dot));
    for (int32_t py = std::max(0, y0); py < std::min(image_.height, y1); ++py) {
      const double v = (py + 0.5 - top) / dot - 0.5;
      const double v_floor = std::floor(v);
      const auto row = static_cast<int>(v_floor);
      const double fy = v - v_floor;
      for (int32_t px = std::max(0, x0); px < std::min(image_.width, x1); ++px) {
        const double u = (px + 0.5 - column) / wide - 0.5;
        const double u_floor = std::floor(u);
        const auto i = static_cast<int>(u_floor);
        const double fx = u - u_floor;
        const auto at = [&glyph](int r, int c) { return glyph.dot(r, c) ? 1.0 : 0.0; };
        const double value = (at(row, i) * (1 - fx) + at(row, i + 1) * fx) * (1 - fy) + (at(row + 1, i) * (1 - fx) + at(row + 1, i + 1) * fx) * fy;
        const double coverage = std::clamp((value - 0.43) * std::max(1.0, wide) + 0.5, 0.0, 1.0);
        if (value > 0 && coverage > 0) blend(px, py, static_cast<float>(coverage), colour);
      }
    }
  }
}

void Canvas::text_centred(double x, double y, std::string_view text_, double size, Colour colour, const Lettering& lettering) {
  text(x - text_width(text_, size) / 2, y, text_, size, colour, lettering);
}

void Canvas::weather(Rng* rng, int strength, int noise) {
  const double angle = rng->uniform() * 2 * std::numbers::pi;
  const double along_x = std::cos(angle) * strength / image_.width;
  const double along_y = std::sin(angle) * strength / image_.height;
  uint64_t state = rng->next_u64() | 1U;
  size_t i = 0;
  for (int32_t y = 0; y < image_.height; ++y) {
    for (int32_t x = 0; x < image_.width; ++x, i += 3) {
      const auto shade = static_cast<int>(along_x * (x - image_.width / 2) * 2 + along_y * (y - image_.height / 2) * 2);
      state ^= state << 13U;  // xorshift64 (Marsaglia 2003): one draw a pixel, and noise needs no more
      state ^= state >> 7U;
      state ^= state << 17U;
      for (size_t channel = 0; channel < 3; ++channel) {
        const auto byte = static_cast<int>((state >> (8 * channel + 20)) & 0xFFU);
        const int step = noise > 0 ? byte * (2 * noise + 1) / 256 - noise : 0;
        image_.pixels[i + channel] = clamped(image_.pixels[i + channel] + shade + step);
      }
    }
  }
}

}  // namespace firesteel::pictures
