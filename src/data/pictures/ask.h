// What the kinds of picture questions share: choosing wordings, and the plan of one sample before anything is drawn.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "data/pictures/canvas.h"
#include "data/pictures/palette.h"
#include "data/wording.h"

namespace firesteel::pictures {

using firesteel::Split;

// One sample before it is drawn and written down.
struct Plan {
  std::string question;
  std::string sees;        // what the model writes first when it thinks: "Jan 12, Feb 30, Mar 7"
  std::string working;     // next line of its thinking; may be empty: "highest: Feb 30"
  std::string steps;       // the calculation done by hand, where no calculator is offered: "30 - 7 = 23"
  std::string expression;  // what the calculator gets where it is offered; empty: no calculation
  std::string answer;
  std::string unit;        // after the answer, with its blank: "%", " cm"; not part of `answer`
  std::string grader = "exact";
  std::string combination;  // what is held out together, for example labels and values
  Style style;
  std::function<Drawing(Rng*)> draw;  // must depend on nothing but the plan and the Rng
};

using Words = std::span<const std::string_view>;
using Slots = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// 64-bit FNV-1a with a final mix: what is held out must not change from one compiler to the next.
uint64_t hash_of(std::string_view text);
// Of a list of wordings about 15 %, at least one of three or more, are kept for evaluation.
bool is_held_out(Words wordings, size_t index);
// A tenth of the combinations are kept for evaluation, and all that begin with '!'. "" is nothing that could be reserved.
bool is_reserved(std::string_view combination);

// Random choices of one sample.
class Asker {
 public:
  // held_out_wording: whether wordings come from the held-out part.
  Asker(Rng* rng, bool held_out_wording) : rng_(rng), held_out_wording_(held_out_wording) {}

  Rng* rng() { return rng_; }
  bool chance(double probability) { return rng_->uniform() < probability; }
  // Whether this drawing keeps to the grid of patches (pick_style).
  bool tidy() { return chance(0.82); }
  int64_t between(int64_t low, int64_t high) { return rng_->between(low, high); }
  size_t index(size_t n) { return rng_->below(n); }
  template <typename List>
  const auto& one_of(const List& list) {
    return *(std::begin(list) + static_cast<std::ptrdiff_t>(index(std::size(list))));
  }
  // `n` different indices below `of`, in random order.
  std::vector<size_t> some_of(size_t n, size_t of);

  // Whether a wording of the held-out part was given, by the last call of word().
  bool used_held_out() const { return used_held_out_; }

  // One wording, with "{name}" replaced by the slot's value; begins with a capital.
  std::string word(Words wordings, Slots slots = {});

 private:
  Rng* rng_;
  bool held_out_wording_;
  bool used_held_out_ = false;
};

// "{name}" replaced by values.
std::string fill_slots(std::string_view text, Slots slots);
std::string capital(std::string text);
std::string joined(std::span<const std::string> parts, std::string_view separator);

// A choice in steps that compare two values each, just written: "Jan 12, Feb 30, Mar 7" gives "Jan 12; Feb 30: Feb 30; Mar 7: Feb 30" for the highest,
// each further entry and then the best so far; the first of equals stays.
std::string best_so_far(std::span<const std::string> entries, std::span<const int64_t> values, bool highest);
// Two values and then the sign between them: "A 3, B 5: <". (A sign in the middle would be written before its second value.)
std::string compared(const std::string& a, const std::string& b, int64_t value_a, int64_t value_b);
// A question of yes or no about two values, as asked and as it is: "A > B? A 3, B 5: <".
std::string asked_and_seen(const std::string& a, const std::string& b, bool greater, int64_t value_a, int64_t value_b, const std::string& unit = "");
// "A: 1, C: 2, F: 3", or "none": counting, one entry after the other.
std::string counted(std::span<const std::string> entries);

// The next multiple of ten units, or of five at or below.
double up_to_ten(double length);
double down_to_five(double x);

// Canvas and picture of a style.
Canvas canvas_of(const Style& style, double width, double height);
Drawing weathered(Canvas canvas, const Style& style, Rng* rng);

}  // namespace firesteel::pictures
