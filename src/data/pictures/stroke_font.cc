#include "data/pictures/stroke_font.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <string_view>
#include <system_error>

#include "base/check.h"

namespace firesteel::pictures {

namespace {

struct Drawing {
  char character;
  std::string_view paths;  // "x,y x,y ..." separated by '|'; '~' in front: a curve through the points
};

// clang-format off
constexpr Drawing kDrawings[] = {
    {'0', "~2.2,0 3.8,.9 4.3,3.5 3.8,6.1 2.2,7 .6,6.1 .1,3.5 .6,.9 2.2,0"},
    {'1', ".4,1.5 1.9,0 1.9,7"},
    {'2', "~.3,1.8 .9,.5 2.2,0 3.7,.5 4.1,1.9 3.2,3.7 .3,6.9|.2,7 4.3,7"},
    {'3', "~.4,1 1.3,.1 2.7,0 3.9,.8 3.8,2.4 2.2,3.3|~2.2,3.3 3.9,4.1 4.2,5.5 3.1,6.8 1.6,7 .3,6"},
    {'4', "3.2,7 3.2,0 .1,4.9 4.4,4.9"},
    {'5', "3.9,0 .8,0 .5,3.2|~.5,3.2 1.6,2.5 3,2.6 4.1,3.9 4,5.7 2.7,6.9 1.3,6.9 .2,6.1"},
    {'6', "~3.8,.8 2.5,0 1.1,.8 .3,3 .4,5.4 1.5,6.9 3.1,6.8 4.1,5.4 3.8,3.7 2.4,2.9 1,3.5 .35,4.8"},
    {'7', ".2,0 4.3,0 1.6,7"},
    {'8', "~2.2,3.3 .8,2.5 .7,.9 2.2,0 3.7,.9 3.6,2.5 2.2,3.3 .5,4.4 .4,6 2.2,7 4,6 3.9,4.4 2.2,3.3"},
    {'9', "~.5,6.2 1.8,7 3.2,6.2 4,4 3.9,1.6 2.8,.1 1.2,.2 .2,1.6 .5,3.3 1.9,4.1 3.3,3.5 3.95,2.2"},
    {'A', "0,7 2.4,0 4.8,7|.9,4.6 3.9,4.6"},
    {'B', ".3,0 2.4,0|~2.4,0 3.9,.5 3.9,2.8 2.4,3.3|2.4,3.3 .3,3.3|~2.4,3.3 4.3,4 4.3,6.3 2.5,7|2.5,7 .3,7|.3,0 .3,7"},
    {'C', "~4.5,1.4 3.4,.2 1.9,.1 .6,1.3 .2,3.5 .6,5.7 1.9,6.9 3.4,6.8 4.5,5.6"},
    {'D', ".3,0 2,0|~2,0 4,1 4.5,3.5 4,6 2,7|2,7 .3,7 .3,0"},
    {'E', "4,0 .3,0 .3,7 4,7|.3,3.4 3.6,3.4"},
    {'F', "4,0 .3,0 .3,7|.3,3.5 3.4,3.5"},
    {'G', "~4.5,1.4 3.4,.2 1.9,.1 .6,1.3 .2,3.5 .6,5.7 1.9,6.9 3.4,6.8 4.6,6|4.6,6 4.6,3.8 2.8,3.8"},
    {'H', ".3,0 .3,7|4.4,0 4.4,7|.3,3.4 4.4,3.4"},
    {'I', ".3,0 .3,7"},
    {'J', "3,0 3,5|~3,5 2.6,6.6 1.6,7 .6,6.7 .2,5.6"},
    {'K', ".3,0 .3,7|4.3,0 .3,4.2|1.7,2.9 4.5,7"},
    {'L', ".3,0 .3,7 4,7"},
    {'M', ".3,7 .3,0 2.7,5.5 5.1,0 5.1,7"},
    {'N', ".3,7 .3,0 4.4,7 4.4,0"},
    {'O', "~2.5,0 4.4,1.1 4.9,3.5 4.4,5.9 2.5,7 .6,5.9 .1,3.5 .6,1.1 2.5,0"},
    {'P', ".3,7 .3,0 2.5,0|~2.5,0 4.1,.6 4.1,3.3 2.5,3.9|2.5,3.9 .3,3.9"},
    {'Q', "~2.5,0 4.4,1.1 4.9,3.5 4.4,5.9 2.5,7 .6,5.9 .1,3.5 .6,1.1 2.5,0|3.1,5.1 4.9,7.2"},
    {'R', ".3,7 .3,0 2.5,0|~2.5,0 4.1,.6 4.1,3.3 2.5,3.9|2.5,3.9 .3,3.9|2.4,3.9 4.4,7"},
    {'S', "~4,1.2 2.9,.1 1.3,.1 .4,1.2 .7,2.6 2.2,3.4 3.8,4.3 4.1,5.7 3.1,6.9 1.4,6.9 .3,5.8"},
    {'T', "0,0 4.8,0|2.4,0 2.4,7"},
    {'U', ".3,0 .3,4.6|~.3,4.6 .8,6.4 2.35,7 3.9,6.4 4.4,4.6|4.4,4.6 4.4,0"},
    {'V', "0,0 2.3,7 4.6,0"},
    {'W', "0,0 1.4,7 2.8,1 4.2,7 5.6,0"},
    {'X', ".1,0 4.5,7|4.5,0 .1,7"},
    {'Y', "0,0 2.3,3.6 4.6,0|2.3,3.6 2.3,7"},
    {'Z', ".2,0 4.4,0 .2,7 4.5,7"},
    {'a', "~.4,2.9 1.5,2 2.8,2.2 3.3,3.6|3.3,3.4 3.3,7|~3.3,4.2 1.2,4.5 .2,5.7 1,6.9 2.4,6.7 3.3,5.5"},
    {'b', ".3,0 .3,7|~.3,3.5 1.6,2.1 3.2,2.5 3.8,4.5 3.2,6.5 1.6,6.9 .3,5.5"},
    {'c', "~3.5,3 2.5,2.1 1.1,2.3 .2,4.5 1.1,6.7 2.5,6.9 3.5,6"},
    {'d', "3.7,0 3.7,7|~3.7,3.5 2.4,2.1 .8,2.5 .2,4.5 .8,6.5 2.4,6.9 3.7,5.5"},
    {'e', ".2,4.4 3.8,4.4|~3.8,4.4 3.3,2.6 2,2 .7,2.7 .2,4.5 .8,6.4 2.2,7 3.6,6.2"},
    {'f', "~2.6,.2 1.5,.3 1.1,1.6|1.1,1.6 1.1,7|0,2.2 2.4,2.2"},
    {'g', "~3.6,3.5 2.4,2.1 .8,2.5 .2,4.4 .8,6.3 2.4,6.7 3.6,5.4|3.6,2.1 3.6,7.4|~3.6,7.4 3,8.7 1.6,9 .4,8.5"},
    {'h', ".3,0 .3,7|~.3,3.6 1.5,2.1 3,2.3 3.5,3.8|3.5,3.8 3.5,7"},
    {'i', ".3,2.1 .3,7|.3,.2 .3,.5"},
    {'j', "1.2,2.1 1.2,7.6|~1.2,7.6 .9,8.7 0,8.9|1.2,.2 1.2,.5"},
    {'k', ".3,0 .3,7|3.3,2.2 .3,5.1|1.4,4.1 3.6,7"},
    {'l', ".3,0 .3,7"},
    {'m', ".3,2.1 .3,7|~.3,3.6 1.2,2.1 2.2,2.2 2.7,3.6|2.7,3.6 2.7,7|~2.7,3.6 3.6,2.1 4.6,2.2 5.1,3.6|5.1,3.6 5.1,7"},
    {'n', ".3,2.1 .3,7|~.3,3.6 1.5,2.1 3,2.3 3.5,3.8|3.5,3.8 3.5,7"},
    {'o', "~2,2 3.4,2.8 3.8,4.5 3.4,6.2 2,7 .6,6.2 .2,4.5 .6,2.8 2,2"},
    {'p', ".3,2.1 .3,9|~.3,3.5 1.6,2.1 3.2,2.5 3.8,4.5 3.2,6.5 1.6,6.9 .3,5.5"},
    {'q', "3.7,2.1 3.7,9|~3.7,3.5 2.4,2.1 .8,2.5 .2,4.5 .8,6.5 2.4,6.9 3.7,5.5"},
    {'r', ".3,2.1 .3,7|~.3,3.9 1.1,2.4 2.4,2.2"},
    {'s', "~3.1,2.9 2.2,2.05 .9,2.2 .5,3.3 1.5,4.2 2.8,4.8 3.1,6 2.1,6.95 .9,6.8 .2,6"},
    {'t', "1,.6 1,5.8|~1,5.8 1.3,6.8 2.4,6.9|0,2.2 2.3,2.2"},
    {'u', ".3,2.1 .3,5.2|~.3,5.2 .8,6.7 2.2,6.9 3.5,5.4|3.5,2.1 3.5,7"},
    {'v', "0,2.1 1.8,7 3.6,2.1"},
    {'w', "0,2.1 1.3,7 2.6,2.6 3.9,7 5.2,2.1"},
    {'x', ".1,2.1 3.5,7|3.5,2.1 .1,7"},
    {'y', "0,2.1 1.9,6.8|3.7,2.1 1.9,6.8 .9,9"},
    {'z', ".1,2.2 3.3,2.2 .1,6.9 3.4,6.9"},
    {'.', ".4,6.7 .4,7"},
    {',', ".5,6.7 .5,7.2 .2,8.2"},
    {':', ".4,2.8 .4,3.1|.4,6.6 .4,6.9"},
    {'-', ".2,4.2 2.4,4.2"},
    {'+', ".2,3.8 3.8,3.8|2,2 2,5.6"},
    {'=', ".2,2.9 3.8,2.9|.2,4.9 3.8,4.9"},
    {'%', "~1.2,.2 2.1,1.6 1.2,3 .3,1.6 1.2,.2|~4,4 4.9,5.4 4,6.8 3.1,5.4 4,4|4.2,.2 1,6.8"},
    {'$', "~3.8,1.5 2.8,.6 1.4,.6 .5,1.5 .8,2.7 2.2,3.4 3.6,4.2 3.9,5.3 3,6.3 1.5,6.3 .4,5.4|2.2,0 2.2,7"},
    {'/', "3.4,0 .4,7"},
    {'(', "~1.6,0 .6,1.7 .3,3.5 .6,5.5 1.6,7.3"},
    {')', "~.3,0 1.3,1.7 1.6,3.5 1.3,5.5 .3,7.3"},
    {'?', "~.3,1.7 .9,.4 2.2,0 3.6,.5 3.9,1.9 3,3.1 2.2,4.2 2.2,5|2.2,6.7 2.2,7"},
    {'!', ".4,0 .4,4.8|.4,6.7 .4,7"},
};

// Other ways to write a digit by hand; the first of each digit is the printed one.
constexpr Drawing kWritten[] = {
    {'0', "~2.4,.1 1.2,.6 .3,2.6 .4,5.3 1.6,7 3.2,6.5 4.1,4.3 3.9,1.6 2.6,.1 1.8,.4"},
    {'1', "~1.8,0 1.9,3.5 1.8,7"},
    {'1', "~2.6,0 2,3.5 1.4,7"},
    {'1', ".6,1.6 2,0 2,7|.6,7 3.4,7"},
    {'2', "~.4,1.6 1.6,.1 3.2,.5 3.4,2.2 2.2,4.6 .6,6.4 1,6.9 1.7,6 2.9,6.6 4.3,6.6"},
    {'2', "~.4,1.2 2,0 3.6,.9 3.2,3 1.8,5 .2,7|.2,7 2.2,6.6 4.3,6.9"},
    {'3', "~.5,.8 2,0 3.5,.9 3.2,2.6 1.6,3.3 3.4,4 3.9,5.6 2.6,7 .9,6.8 .2,6"},
    {'3', ".4,.2 3.8,.2 1.9,2.7|~1.9,2.7 3.6,3.4 4,5.2 2.9,6.8 1.2,6.9 .2,6.1"},
    {'4', "~.9,0 .5,2.2 .4,4|.4,4 3.8,3.6|~3.4,.2 3.2,3.6 2.8,7"},
    {'4', "2.8,0 .3,4.6 4.2,4.4|~3,2.4 2.8,4.6 2.7,7"},
    {'5', "~.9,.2 .7,1.6 .6,2.9 2.2,2.7 3.8,3.9 3.6,6 2,7 .3,6.4|.9,.2 3.9,0"},
    {'6', "~2.8,0 1.3,1.6 .4,4 .6,6.2 2,7 3.5,6.1 3.4,4.5 2.2,3.8 .8,4.8"},
    {'6', "~3.4,.3 1.7,1.8 .6,4.2 .8,6.4 2.4,7 3.8,5.9 3,4.4 1.5,4.6 .8,5.9"},
    {'7', "~.3,.4 2,.2 4,.1 3,3.2 1.9,7"},
    {'7', ".2,.1 4,.1 1.8,7|1.2,3.5 3.7,3.3"},
    {'8', "~3.6,.9 2.2,0 .8,.9 1.2,2.5 2.9,3.9 3.6,5.6 2.2,7 .7,5.8 1.4,4 3,2.5 3.6,.9"},
    {'9', "~3.4,1.4 2.2,0 .7,1 .7,2.9 2.1,3.6 3.3,2.4 3.5,1.1 3.4,4 3,7"},
    {'9', "~3.6,1.2 2.4,.1 .8,.8 .5,2.7 1.8,3.7 3.4,2.4|3.6,.7 2.9,7"},
};
// clang-format on

float read_number(std::string_view* text) {
  float value = 0;
  const auto read = std::from_chars(text->data(), text->data() + text->size(), value);
  CHECK(read.ec == std::errc());
  text->remove_prefix(static_cast<size_t>(read.ptr - text->data()));
  return value;
}

std::vector<PenPath> read_paths(std::string_view text) {
  std::vector<PenPath> paths(1);
  while (!text.empty()) {
    const char c = text.front();
    if (c == '~' || c == ' ' || c == '|') {
      if (c == '~') paths.back().curved = true;
      if (c == '|') paths.emplace_back();
      text.remove_prefix(1);
      continue;
    }
    const float x = read_number(&text);
    CHECK(text.starts_with(','));
    text.remove_prefix(1);
    paths.back().points.push_back({x, read_number(&text)});
  }
  return paths;
}

using StrokeFont = std::array<std::unique_ptr<const StrokeGlyph>, 128>;

StrokeFont read_drawings() {
  StrokeFont font;
  for (const Drawing& drawing : kDrawings) {
    auto glyph = std::make_unique<StrokeGlyph>();
    glyph->strokes = strokes_of(read_paths(drawing.paths));
    float right = 0;
    for (const Stroke& stroke : glyph->strokes) right = std::max({right, stroke.x0, stroke.x1});
    glyph->width = static_cast<double>(right);
    font[static_cast<size_t>(drawing.character)] = std::move(glyph);
  }
  return font;
}

}  // namespace

std::vector<Stroke> strokes_of(const std::vector<PenPath>& paths) {
  std::vector<Stroke> strokes;
  for (const PenPath& path : paths) {
    const auto& points = path.points;
    for (size_t i = 0; i + 1 < points.size(); ++i) {
      if (!path.curved) {
        strokes.push_back({points[i][0], points[i][1], points[i + 1][0], points[i + 1][1]});
        continue;
      }
      // Catmull-Rom: a curve through the points whose direction at each is that of its neighbours. A closed one goes on at its ends.
      const bool closed = points.front() == points.back();
      const auto& before = i > 0 ? points[i - 1] : closed ? points[points.size() - 2] : points[i];
      const auto& after = i + 2 < points.size() ? points[i + 2] : closed ? points[1] : points[i + 1];
      constexpr int kSteps = 4;
      std::array<float, 2> from = points[i];
      for (int step = 1; step <= kSteps; ++step) {
        const float t = static_cast<float>(step) / kSteps;
        std::array<float, 2> to{};
        for (size_t axis = 0; axis < 2; ++axis) {
          const float p0 = before[axis], p1 = points[i][axis], p2 = points[i + 1][axis], p3 = after[axis];
          to[axis] = 0.5F * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t * t + (3 * p1 - p0 - 3 * p2 + p3) * t * t * t);
        }
        strokes.push_back({from[0], from[1], to[0], to[1]});
        from = to;
      }
    }
  }
  return strokes;
}

const StrokeGlyph* stroke_glyph_of(char character) {
  static const StrokeFont font = read_drawings();
  const auto index = static_cast<unsigned char>(character);
  return index < 128 ? font[index].get() : nullptr;
}

const std::vector<std::vector<PenPath>>& written_digits(int digit) {
  static const std::array<std::vector<std::vector<PenPath>>, 10> all = [] {
    std::array<std::vector<std::vector<PenPath>>, 10> ways;
    for (const Drawing& drawing : kDrawings) {
      if (drawing.character >= '0' && drawing.character <= '9') ways[static_cast<size_t>(drawing.character - '0')].push_back(read_paths(drawing.paths));
    }
    for (const Drawing& drawing : kWritten) ways[static_cast<size_t>(drawing.character - '0')].push_back(read_paths(drawing.paths));
    return ways;
  }();
  CHECK(digit >= 0 && digit <= 9);
  return all[static_cast<size_t>(digit)];
}

}  // namespace firesteel::pictures
