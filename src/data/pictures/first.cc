// First steps: pictures of one patch or one row of patches. What a patch shows is learnt here at the price of a few tokens, without first
// having to find the right patch; rows then teach to find it.
#include <array>
#include <utility>

#include "base/check.h"
#include "data/pictures/kinds.h"
#include "data/pictures/shapes.h"

namespace firesteel::pictures {

namespace {

constexpr std::string_view kColour[] = {"what colour is this?", "which colour do you see?", "name the colour.", "colour?", "what colour is it?", "which colour is this?"};
constexpr std::string_view kShape[] = {"what is this?", "which shape is this?", "what do you see?", "name the shape and its colour.", "shape?", "describe it."};
constexpr std::string_view kShapes[] = {"what are these?", "which shapes are these?", "what do you see?", "name all shapes.", "shapes?", "describe them."};
constexpr std::string_view kSigns[] = {"spell what is written.", "which characters are these?", "spell it.", "read it letter by letter.", "name the characters.", "characters?"};

constexpr std::string_view kCharacters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

std::string spelled(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == ' ') continue;
    if (!out.empty()) out += ' ';
    out += c;
  }
  return out;
}

// Any characters: what a word would be must not be guessed.
Plan plan_signs(Asker* ask, size_t n) {
  Plan plan;
  std::string text;
  for (size_t i = 0; i < n; ++i) text += kCharacters[ask->index(kCharacters.size())];
  plan.question = ask->word(kSigns);
  plan.answer = spelled(text);
  plan.combination = n > 1 ? text : text + std::to_string(ask->index(40));
  const double shift = n == 1 && ask->chance(0.5) ? 5 : 0;
  const double width = up_to_ten(shift + 5 * static_cast<double>(n));
  const Style style = plan.style = pick_style(ask->rng(), width, 10, true);
  const double top = ask->chance(0.5) ? 1.5 : 1;  // lines of a chart and of a text stand a little apart
  plan.draw = [=](Rng* rng) {
    Canvas canvas = canvas_of(style, width, 10);
    canvas.text(shift, top, text, 7, style.ink, style.lettering);
    return weathered(std::move(canvas), style, rng);
  };
  return plan;
}

// A row of cells as SHAPES has them.
Plan plan_cells(Asker* ask, size_t n) {
  Plan plan;
  ShapeGrid grid;
  for (size_t i = 0; i < n; ++i) {
    if (ask->index(5) > 0) grid[i] = {static_cast<ShapeForm>(1 + ask->index(3)), static_cast<ShapeColour>(ask->index(3))};
  }
  const std::string all = describe_shapes(grid);  // the first row of it is ours
  plan.question = ask->word(n == 1 ? Words(kShape) : Words(kShapes));
  plan.answer = all.substr(0, all.find(n == 1 ? ", B" : n == 2 ? ", C" : "\n"));
  if (n == 1) plan.answer = plan.answer.substr(2);
  plan.combination = n > 1 ? plan.answer : plan.answer + std::to_string(ask->index(40));
  plan.draw = [=](Rng* rng) -> Drawing {
    const RgbImage whole = draw_shapes(rng, grid);
    RgbImage part{static_cast<int32_t>(10 * n), 10, {}};
    for (int32_t y = 0; y < 10; ++y) {
      const auto from = whole.pixels.begin() + static_cast<std::ptrdiff_t>(whole.offset(0, y));
      part.pixels.insert(part.pixels.end(), from, from + 3 * part.width);
    }
    return {std::move(part), mark_shapes(grid, n)};
  };
  return plan;
}

}  // namespace

Plan plan_first(Asker* ask, std::string_view question) {
  if (question == "sign") return plan_signs(ask, 1 + ask->index(2));
  if (question == "signs") return plan_signs(ask, static_cast<size_t>(ask->between(3, 8)));
  if (question == "shape") return plan_cells(ask, 1);
  if (question == "shapes") return plan_cells(ask, 2 + ask->index(2));
  CHECK(question == "colour");
  Plan plan;
  const Style style = plan.style = pick_style(ask->rng(), 10, 10, true);
  const NamedColour colour = pick_colours(ask->rng(), style, 1)[0];
  const double margin = static_cast<double>(ask->between(0, 3));
  const bool round = ask->chance(0.4);
  plan.question = ask->word(kColour);
  plan.answer = colour.name;
  plan.combination = plan.answer + std::to_string(ask->index(40));
  plan.draw = [=](Rng* rng) {
    Canvas canvas = canvas_of(style, 10, 10);
    if (round) {
      canvas.circle(5, 5, 5 - margin, colour.colour);
    } else {
      canvas.rectangle(margin, margin, 10 - margin, 10 - margin, colour.colour);
    }
    canvas.mark(6, 6, ' ' + std::string(colour.name));
    return weathered(std::move(canvas), style, rng);
  };
  return plan;
}

}  // namespace firesteel::pictures
