// First steps: pictures of one patch or one row of patches. What a patch shows is learnt here at the price of a few tokens, without first
// having to find the right patch; rows then teach to find it.
#include <array>
#include <utility>

#include "base/check.h"
#include "data/pictures/kinds.h"
#include "data/pictures/shapes.h"

namespace firesteel::pictures {

namespace {

constexpr std::string_view kColour[] = {"what colour is this?", "which colour do you see?", "name the colour.", "colour?", "what colour is it?", "which colour is this?",
                                        "this is which colour?", "this is what colour?", "it is which colour?", "the colour is what?", "what colour do you see?", "what colour is shown?",
                                        "what is the colour?", "what is this colour?", "which colour is it?", "which colour is shown?", "tell me the colour.", "tell me what colour this is.",
                                        "tell me which colour you see.", "name this colour.", "name the colour that you see.", "say the colour.", "please name the colour.", "can you name the colour?"};
constexpr std::string_view kShape[] = {"what is this?", "which shape is this?", "what do you see?", "name the shape and its colour.", "shape?", "describe it.",
                                       "shape and colour?", "this is which shape?", "this is what?", "what shape is this?", "what shape do you see?", "what shape is it, and what colour?",
                                       "what shape is it, and in which colour?", "what is it?", "which shape do you see?", "which shape and which colour do you see?",
                                       "which colour and which shape is this?", "tell me what this is.", "tell me what you see.", "tell me the shape and its colour.", "name the shape.",
                                       "name what you see.", "name it.", "describe this.", "describe what you see.", "describe the shape.", "can you describe it?", "can you name the shape?"};
constexpr std::string_view kShapes[] = {"what are these?", "which shapes are these?", "what do you see?", "name all shapes.", "shapes?", "describe them.",
                                        "all shapes?", "these are which shapes?", "these are what?", "what are all these?", "what are these shapes?", "what shapes are these?",
                                        "what shapes do you see?", "which shapes do you see?", "which shapes are they?", "tell me what these are.", "tell me what you see.", "tell me all the shapes.",
                                        "name them all.", "name the shapes.", "name these shapes.", "name what you see.", "describe these.", "describe what you see.", "describe all the shapes.",
                                        "describe each of them.", "can you describe them?", "can you name all of them?", "name each shape.", "what is each of these?"};
constexpr std::string_view kSigns[] = {"spell what is written.", "which characters are these?", "spell it.", "read it letter by letter.", "name the characters.", "characters?",
                                       "letter by letter: what is written?", "what is written, letter by letter?", "what is written here, spelled out?", "spell out what you see.",
                                       "spell what you see.", "spell this.", "spell it letter by letter.", "spell the characters.", "spell it out.", "which characters are written here?",
                                       "which characters do you see?", "which characters do you read?", "what characters are these?", "what characters do you see?", "name the characters one by one.",
                                       "name each character.", "read the characters.", "read the characters one by one.", "read what is written letter by letter.", "read each character.",
                                       "tell me the characters.", "tell me each character that is written.", "tell me letter by letter what is written.", "say the characters one by one.",
                                       "can you spell what is written?", "can you read the characters?", "these are which characters?",
                                       "spelled letter by letter, what is written?", "how is it spelled?"};

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
