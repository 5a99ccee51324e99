#include "data/pictures/canvas.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <set>
#include <string>
#include <vector>

#include "data/pictures/font.h"
#include "data/pictures/palette.h"
#include "data/pictures/png.h"

namespace firesteel::pictures {
namespace {

constexpr Colour kBlack = {0, 0, 0};
constexpr Colour kWhite = {255, 255, 255};

// Area of what was drawn in white on black, in pixels.
double area_of(const RgbImage& image) {
  double sum = 0;
  for (size_t i = 0; i < image.pixels.size(); i += 3) sum += image.pixels[i] / 255.0;
  return sum;
}

TEST(Canvas, CoverageIsTheAreaOfTheShape) {
  Rng rng(7);
  for (int i = 0; i < 200; ++i) {
    const double scale = 0.7 + 2 * rng.uniform();
    const double x = 20 + 10 * rng.uniform();
    const double y = 20 + 10 * rng.uniform();
    const double radius = 2 + 12 * rng.uniform();
    Canvas circle(50, 50, scale, kBlack);
    circle.circle(x, y, radius, kWhite);
    const double expected = std::numbers::pi * radius * radius * scale * scale;
    EXPECT_NEAR(area_of(circle.image()), expected, 0.02 * expected + 0.5) << "radius " << radius << " scale " << scale;

    Canvas triangle(50, 50, scale, kBlack);
    const std::vector<Point> points = {{x, y}, {x + radius, y - radius / 3}, {x + radius / 2, y + radius}};
    triangle.polygon(points, kWhite);
    const double cross = radius * radius - (-radius / 3) * (radius / 2);
    EXPECT_NEAR(area_of(triangle.image()), cross / 2 * scale * scale, 0.01 * cross * scale * scale + 0.5);

    Canvas quarter(50, 50, scale, kBlack);
    quarter.sector(x, y, radius / 2, radius, 1.0, 1.0 + std::numbers::pi / 2, kWhite);
    EXPECT_NEAR(area_of(quarter.image()), expected * 3 / 16, 0.03 * expected * 3 / 16 + 0.5);
  }
}

TEST(Canvas, ARectangleBetweenPixelsIsExact) {
  Canvas canvas(4, 3, 1, kBlack);
  canvas.rectangle(0.5, 1, 2.25, 2, kWhite);
  const RgbImage image = canvas.take();
  EXPECT_EQ(image.pixels[image.offset(0, 1)], 128);
  EXPECT_EQ(image.pixels[image.offset(1, 1)], 255);
  EXPECT_EQ(image.pixels[image.offset(2, 1)], 64);
  EXPECT_EQ(image.pixels[image.offset(3, 1)], 0);
  EXPECT_EQ(image.pixels[image.offset(1, 0)], 0);
  EXPECT_EQ(image.pixels[image.offset(1, 2)], 0);
}

TEST(Canvas, WhatLiesOutsideIsClipped) {
  Canvas canvas(20, 20, 1, kBlack);
  canvas.circle(0, 10, 5, kWhite);  // half of it is left of the picture
  EXPECT_NEAR(area_of(canvas.image()), std::numbers::pi * 12.5, 0.8);
  canvas.circle(-100, -100, 20, kWhite);
  canvas.rectangle(-50, -50, 90, -10, kWhite);
  canvas.line({-5, 300}, {80, 40}, 3, kWhite);
  canvas.text(15, 15, "clipped", 7, kWhite);
  canvas.text(-8, -3, "clipped", 14, kWhite, {.kind = Lettering::Kind::kSmooth});
  canvas.rectangle(-1, -1, 21, 21, kWhite);
  EXPECT_NEAR(area_of(canvas.image()), 400, 1e-9);
}

TEST(Canvas, SizesFollowTheScale) {
  EXPECT_EQ(Canvas(30, 20, 1, kBlack).image().width, 30);
  EXPECT_EQ(Canvas(30, 20, 2.5, kBlack).image().height, 50);
  EXPECT_EQ(Canvas(0.1, 0.1, 1, kBlack).image().width, 1);
}

TEST(Canvas, TextStaysInItsBox) {
  for (const Lettering::Kind kind : {Lettering::Kind::kBlocks, Lettering::Kind::kSmooth, Lettering::Kind::kStrokes}) {
    const Lettering lettering = {.kind = kind};
    Canvas canvas(80, 40, 1.3, kBlack);
    canvas.text(10, 10, "Wgj 19%", 8, kWhite, lettering);
    const RgbImage image = canvas.take();
    const double right = 10 + Canvas::text_width("Wgj 19%", 8);
    for (int32_t y = 0; y < image.height; ++y) {
      for (int32_t x = 0; x < image.width; ++x) {
        if (image.pixels[image.offset(x, y)] == 0) continue;
        EXPECT_GE(x + 1, 9.3 * 1.3);
        EXPECT_LE(x, (right + 0.7) * 1.3);
        EXPECT_GE(y + 1, 9.3 * 1.3);
        EXPECT_LE(y, (10 + 8 * 9.0 / 7 + 0.7) * 1.3);
      }
    }
  }
}

TEST(Font, PrintableCharactersAreDrawnAndDiffer) {
  std::set<std::string> seen;
  for (char c = ' ' + 1; c < 127; ++c) {
    const Glyph& glyph = glyph_of(c);
    std::string dots;
    for (int row = 0; row < 9; ++row) {
      for (int column = 0; column < glyph.columns; ++column) dots += glyph.dot(row, column) ? '#' : '.';
      dots += '/';
    }
    EXPECT_NE(dots.find('#'), std::string::npos) << c;
    EXPECT_TRUE(seen.insert(dots).second) << c << " looks like another character";
  }
}

TEST(Font, StrokesAreWithinTheBoxOfALetter) {
  for (char c = ' ' + 1; c < 127; ++c) {
    const StrokeGlyph* glyph = stroke_glyph_of(c);
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) {
      ASSERT_NE(glyph, nullptr) << c;
    }
    if (glyph == nullptr) continue;
    for (const Stroke& stroke : glyph->strokes) {
      EXPECT_GE(std::min(stroke.x0, stroke.x1), -0.2F) << c;
      EXPECT_LE(std::max(stroke.x0, stroke.x1), 5.7F) << c;
      EXPECT_GE(std::min(stroke.y0, stroke.y1), -0.2F) << c;
      EXPECT_LE(std::max(stroke.y0, stroke.y1), 9.1F) << c;
    }
  }
  for (int digit = 0; digit < 10; ++digit) EXPECT_GE(written_digits(digit).size(), 2U);
}

TEST(Palette, ShadesOfDifferentNamesStayApart) {
  Rng rng(3);
  for (size_t a = 0; a < kColours; ++a) {
    for (size_t b = 0; b < a; ++b) {
      for (int i = 0; i < 50; ++i) {
        const Colour x = shade_of(&rng, a).colour;
        const Colour y = shade_of(&rng, b).colour;
        EXPECT_GT(std::abs(x.r - y.r) + std::abs(x.g - y.g) + std::abs(x.b - y.b), 45) << colour_name(a) << ' ' << colour_name(b);
      }
    }
  }
}

TEST(Png, HasTheSizeThatStoredBlocksNeed) {
  Canvas canvas(200, 150, 1, kWhite);
  const std::string bytes = png_bytes(canvas.take());
  const size_t raw = 150 * (1 + 600);
  EXPECT_EQ(bytes.size(), 8 + 25 + 12 + 12 + 2 + 4 + raw + 5 * ((raw + 65534) / 65535));
  EXPECT_EQ(bytes.substr(0, 8), "\x89PNG\r\n\x1a\n");
}

}  // namespace
}  // namespace firesteel::pictures
