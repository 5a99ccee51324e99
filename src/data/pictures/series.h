// Labelled values, as bar, line and pie charts show them, and the questions about them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/pictures/ask.h"

namespace firesteel::pictures {

struct Series {
  std::string noun = "month";   // what one label is
  std::string nouns = "months";
  std::string mark = "bar";     // what shows its value: bar, point, slice
  bool ordered = false;         // the labels follow each other in time
  bool by_colour = false;       // no labels are drawn: a value is called by its colour
  std::string unit;             // "%" where the values are drawn with it
  std::vector<std::string> labels;
  std::vector<int64_t> values;  // all different
  std::vector<NamedColour> colours;  // one per label, or one for all
};

// Labels of one kind, `n` of them, at most `longest` letters each.
void pick_labels(Asker* ask, Series* series, size_t n, size_t longest);
// Different values from {low, low + step, ..., high}.
void pick_values(Asker* ask, Series* series, int64_t low, int64_t high, int64_t step);
// Names the series by its colours: they must be one per value.
void call_by_colour(Series* series);

// "Jan 12, Feb 30, Mar 7".
std::string describe_series(const Series& series);

// Question, working and answer: highest, lowest, second, value, which, difference, sum, total, count_above, count, compare, colour,
// trend. Fills everything of the plan but style, draw. colour needs one colour per label.
void ask_series(Asker* ask, Plan* plan, const Series& series, std::string_view question);

}  // namespace firesteel::pictures
