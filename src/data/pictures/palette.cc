#include "data/pictures/palette.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"

namespace firesteel::pictures {

namespace {

struct Range {
  std::string_view name;
  Colour low;
  Colour high;
};

constexpr std::array<Range, kColours> kRanges = {{
    {"red", {200, 0, 0}, {255, 45, 45}},
    {"green", {0, 130, 0}, {60, 215, 60}},
    {"blue", {0, 20, 175}, {50, 95, 255}},
    {"yellow", {240, 215, 0}, {255, 250, 60}},
    {"orange", {240, 115, 0}, {255, 155, 20}},
    {"purple", {110, 0, 130}, {155, 40, 190}},
    {"pink", {250, 120, 170}, {255, 175, 215}},
    {"brown", {105, 55, 10}, {140, 80, 35}},
    {"black", {0, 0, 0}, {25, 25, 25}},
    {"white", {244, 244, 244}, {255, 255, 255}},
    {"gray", {110, 110, 110}, {160, 160, 160}},
    {"turquoise", {0, 195, 190}, {75, 235, 225}},
}};

uint8_t between(Rng* rng, uint8_t low, uint8_t high) { return static_cast<uint8_t>(rng->between(low, high)); }

Colour gray(int64_t level) {
  const auto byte = static_cast<uint8_t>(std::clamp<int64_t>(level, 0, 255));
  return {byte, byte, byte};
}

}  // namespace

std::string_view colour_name(size_t index) {
  CHECK(index < kColours);
  return kRanges[index].name;
}

NamedColour shade_of(Rng* rng, size_t index) {
  CHECK(index < kColours);
  const Range& range = kRanges[index];
  if (range.low.r == range.low.g && range.low.g == range.low.b) {
    const uint8_t level = between(rng, range.low.r, range.high.r);
    return {range.name, {level, level, level}};
  }
  const uint8_t r = between(rng, range.low.r, range.high.r);
  const uint8_t g = between(rng, range.low.g, range.high.g);
  return {range.name, {r, g, between(rng, range.low.b, range.high.b)}};
}

Style pick_style(Rng* rng, double width, double height, bool tidy) {
  Style style;
  style.dark = rng->below(tidy ? 16 : 8) == 0;
  if (style.dark) {
    const int64_t level = rng->between(0, 40);
    style.paper = gray(level);
    style.ink = gray(rng->between(220, 255));
    style.faint = gray(level + 50);
  } else {
    const int64_t level = rng->below(2) == 0 ? 255 : rng->between(236, 255);
    style.paper = gray(level);
    if (rng->below(5) == 0) style.paper.b = static_cast<uint8_t>(level - 14);  // cream
    if (rng->below(10) == 0) style.paper.r = static_cast<uint8_t>(level - 14);
    style.ink = gray(rng->below(2) == 0 ? 0 : rng->between(0, 70));
    style.faint = gray(level - 40);
  }
  if (!tidy && rng->below(5) < 3) {
    style.scale = 0.95 + rng->uniform() * 0.45;
  } else if (!tidy) {
    const double most = std::min(640 / width, 480 / height);
    style.scale = std::min(most, 1.4 + rng->uniform() * 5);
  }
  // Dots are what small print is like, pen strokes what large print is like.
  const uint64_t print = rng->below(100);
  style.lettering.kind = tidy                ? (print < 75 ? Lettering::Kind::kBlocks : print < 90 ? Lettering::Kind::kSmooth : Lettering::Kind::kStrokes)
                         : style.scale < 1.3 ? (print < 55 ? Lettering::Kind::kBlocks : print < 80 ? Lettering::Kind::kSmooth : Lettering::Kind::kStrokes)
                                             : (print < 20 ? Lettering::Kind::kBlocks : print < 45 ? Lettering::Kind::kSmooth : Lettering::Kind::kStrokes);
  style.lettering.pen = 0.85 + 0.6 * rng->uniform();
  if (!tidy && rng->below(5) == 0) style.lettering.slant = 0.25 * rng->uniform();
  if (rng->below(tidy ? 8 : 3) == 0) style.gradient = static_cast<int>(rng->between(1, 10));
  if (rng->below(tidy ? 5 : 2) == 0) style.noise = static_cast<int>(rng->between(1, 7));
  return style;
}

std::vector<NamedColour> pick_colours(Rng* rng, const Style& style, size_t n) {
  CHECK(n <= 8);
  std::vector<size_t> names;
  for (size_t i = 0; i < kColours; ++i) {
    const std::string_view name = kRanges[i].name;
    const bool hidden = style.dark ? name == "black" || name == "brown" || name == "gray" : name == "white" || name == "gray";
    if (!hidden) names.push_back(i);
  }
  std::vector<NamedColour> picked;
  for (size_t i = 0; i < n; ++i) {
    std::swap(names[i], names[i + rng->below(names.size() - i)]);
    picked.push_back(shade_of(rng, names[i]));
  }
  return picked;
}

}  // namespace firesteel::pictures
