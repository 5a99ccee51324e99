#include "data/real/number_words.h"

#include <algorithm>
#include <string>

namespace firesteel {
namespace {

struct Word {
  std::string_view word;
  int value;
  bool unit = false;
};

constexpr Word kWords[] = {
    {"two", 2},      {"three", 3},     {"four", 4},      {"five", 5},       {"six", 6},       {"seven", 7},     {"eight", 8},   {"nine", 9},
    {"ten", 10},     {"eleven", 11},   {"twelve", 12},   {"fifteen", 15},   {"twenty", 20},   {"thirty", 30},   {"forty", 40},  {"fifty", 50},
    {"hundred", 100}, {"twice", 2},    {"double", 2},    {"doubled", 2},    {"half", 2},      {"third", 3},     {"thirds", 3},  {"quarter", 4},
    {"quarters", 4}, {"fourth", 4},    {"fourths", 4},   {"fifth", 5},      {"fifths", 5},    {"sixth", 6},     {"tenth", 10},  {"thrice", 3},
    {"triple", 3},   {"dozen", 12},    {"dozens", 12},   {"couple", 2},     {"pair", 2},      {"pairs", 2},     {"both", 2},
    {"week", 7, true}, {"weeks", 7, true}, {"weekly", 7, true}, {"hour", 60, true}, {"hours", 60, true}, {"minute", 60, true}, {"minutes", 60, true}, {"day", 24, true},
    {"days", 24, true}, {"year", 12, true}, {"years", 12, true}, {"month", 30, true}, {"months", 12, true}, {"percent", 100, true}, {"cents", 100, true}, {"cent", 100, true},
    {"feet", 12, true}, {"foot", 12, true}, {"inches", 12, true}, {"quarters", 25, true}, {"dimes", 10, true}, {"nickels", 5, true},
};

}  // namespace

std::vector<Decimal> numbers_in_words(std::string_view text, bool with_units) {
  std::vector<Decimal> values;
  std::string word;
  const auto flush = [&] {
    for (const Word& known : kWords) {
      if (known.word != word || (known.unit && !with_units)) continue;
      const Decimal value(known.value);
      if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
    }
    word.clear();
  };
  for (const char c : text) {
    if (c >= 'a' && c <= 'z') {
      word += c;
    } else if (c >= 'A' && c <= 'Z') {
      word += static_cast<char>(c - 'A' + 'a');
    } else {
      flush();
    }
  }
  flush();
  return values;
}

}  // namespace firesteel
