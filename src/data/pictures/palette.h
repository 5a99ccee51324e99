// Colours by name, and what a drawing looks like.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "data/pictures/canvas.h"

namespace firesteel::pictures {

struct NamedColour {
  std::string_view name;
  Colour colour;
};

// Twelve names: red, green, blue, yellow, orange, purple, pink, brown, black, white, gray, turquoise.
std::string_view colour_name(size_t index);
inline constexpr size_t kColours = 12;

// One shade of the name: apart enough that no shade could be taken for another name.
NamedColour shade_of(Rng* rng, size_t index);

// Paper, ink and lettering of one drawing. Ink stands out against the paper.
struct Style {
  Colour paper;
  Colour ink;
  Colour faint;  // grid lines
  bool dark = false;
  Lettering lettering;
  double scale = 1;   // of the canvas: 1 where tidy; else about 1 in three drawings of five, or up to what fits into 640 x 480
  int gradient = 0;
  int noise = 0;
};
// tidy: a drawing whose parts lie on the grid of patches, in its own size and usual print. Most are: a model learns to read from far
// fewer pictures when a letter can only stand in two places of a patch. The rest is what generalises to other pictures.
Style pick_style(Rng* rng, double width, double height, bool tidy);

// `n` different colours that stand out against the style's paper. n <= 8.
std::vector<NamedColour> pick_colours(Rng* rng, const Style& style, size_t n);

}  // namespace firesteel::pictures
