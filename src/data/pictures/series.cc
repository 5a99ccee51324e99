#include "data/pictures/series.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace firesteel::pictures {

namespace {

struct LabelSet {
  std::string_view noun;
  std::string_view nouns;
  bool ordered;
  std::span<const std::string_view> labels;
};

constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::string_view kDays[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::string_view kYears[] = {"2014", "2015", "2016", "2017", "2018", "2019", "2020", "2021", "2022", "2023", "2024", "2025", "2026"};
constexpr std::string_view kQuarters[] = {"Q1", "Q2", "Q3", "Q4"};
constexpr std::string_view kWeeks[] = {"W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8"};
constexpr std::string_view kLetters[] = {"A", "B", "C", "D", "E", "F", "G", "H", "K", "L", "M", "N", "P", "R", "S", "T", "X", "Y", "Z"};
constexpr std::string_view kPeople[] = {"Ann", "Ben", "Bob", "Eva", "Ida", "Joe", "Kim", "Lea", "Leo", "Max", "Mia", "Sam", "Tom", "Zoe", "Anna", "Emma", "Finn", "Lucy", "Nora", "Paul", "Clara", "David", "Oscar"};
constexpr std::string_view kFruit[] = {"Fig", "Kiwi", "Lime", "Pear", "Plum", "Apple", "Grape", "Lemon", "Mango", "Melon", "Peach", "Banana", "Cherry", "Orange"};
constexpr std::string_view kCities[] = {"Bonn", "Cork", "Lima", "Oslo", "Rome", "Cairo", "Delhi", "Paris", "Tokyo", "Berlin", "London", "Madrid", "Vienna"};
constexpr std::string_view kAnimals[] = {"Ant", "Bat", "Bee", "Cat", "Cow", "Dog", "Fox", "Hen", "Owl", "Pig", "Bear", "Bird", "Fish", "Frog", "Goat", "Lion", "Horse", "Mouse", "Tiger", "Rabbit"};
constexpr std::string_view kProducts[] = {"Bag", "Cap", "Cup", "Hat", "Key", "Pen", "Toy", "Ball", "Book", "Coat", "Lamp", "Shoe", "Soap", "Chair", "Clock", "Phone", "Shirt", "Table", "Basket", "Pencil"};
constexpr std::string_view kSports[] = {"Judo", "Golf", "Polo", "Swim", "Run", "Ski", "Row", "Dance", "Chess", "Tennis", "Soccer", "Hockey"};

constexpr LabelSet kLabelSets[] = {
    {"month", "months", true, kMonths},      {"day", "days", true, kDays},           {"year", "years", true, kYears},
    {"quarter", "quarters", true, kQuarters}, {"week", "weeks", true, kWeeks},        {"letter", "letters", false, kLetters},
    {"person", "people", false, kPeople},    {"fruit", "fruits", false, kFruit},     {"city", "cities", false, kCities},
    {"animal", "animals", false, kAnimals},  {"product", "products", false, kProducts}, {"sport", "sports", false, kSports}};

constexpr std::string_view kHighest[] = {
    "which {noun} is highest?", "which {noun} has the highest {mark}?", "which {noun} has the largest value?", "name the {noun} with the highest value.",
    "which {noun} was highest?", "what is the top {noun}?", "which {noun} had the most?", "find the {noun} with the biggest {mark}.", "for which {noun} is the value greatest?",
    "which {noun} shows the maximum?", "which {noun} comes first by value?", "where is the maximum?", "which {noun} leads?", "what {noun} has the most?"};
constexpr std::string_view kLowest[] = {
    "which {noun} is lowest?", "which {noun} has the lowest {mark}?", "which {noun} has the smallest value?", "name the {noun} with the lowest value.",
    "which {noun} was lowest?", "what is the bottom {noun}?", "which {noun} had the least?", "find the {noun} with the smallest {mark}.", "for which {noun} is the value least?",
    "which {noun} shows the minimum?", "which {noun} comes last by value?", "where is the minimum?", "what {noun} has the least?"};
constexpr std::string_view kSecond[] = {
    "which {noun} is second highest?", "which {noun} has the second largest value?", "name the {noun} in second place.", "which {noun} comes second?",
    "what {noun} is second from the top?", "which {noun} has the second highest {mark}?", "which {noun} follows right after the highest one?", "second highest {noun}?",
    "find the {noun} with the second biggest {mark}."};
constexpr std::string_view kValue[] = {
    "what is the value of {a}?", "how much is {a}?", "what value does {a} have?", "read the value of {a}.", "which number belongs to {a}?", "how high is {a}?",
    "what does the chart show for {a}?", "value of {a}?", "tell me the value for {a}.", "{a}: what is the value?", "how many for {a}?", "what number does {a} reach?"};
constexpr std::string_view kWhich[] = {
    "which {noun} has {v}?", "which {noun} has the value {v}?", "for which {noun} is the value {v}?", "which {noun} stands at {v}?", "name the {noun} with {v}.",
    "what {noun} has a value of {v}?", "which {noun} reaches {v}?", "find the {noun} whose value is {v}.", "{v} belongs to which {noun}?"};
constexpr std::string_view kDifference[] = {
    "what is the difference between {a} and {b}?", "by how much do {a} and {b} differ?", "how far apart are {a} and {b}?", "how big is the difference between {a} and {b}?",
    "difference between {a} and {b}?", "what is the gap between {a} and {b}?", "{a} and {b}: how large is the difference?", "compute the difference of {a} and {b}."};
constexpr std::string_view kMore[] = {
    "how much more is {a} than {b}?", "how much higher is {a} than {b}?", "by how much is {a} above {b}?", "how much larger is {a} than {b}?", "how much does {a} exceed {b}?",
    "{a} is how much higher than {b}?", "how much bigger is the value of {a} than that of {b}?", "by how much does {a} beat {b}?"};
constexpr std::string_view kLess[] = {
    "how much less is {b} than {a}?", "how much lower is {b} than {a}?", "by how much is {b} below {a}?", "how much smaller is {b} than {a}?", "how much is {b} short of {a}?",
    "{b} is how much lower than {a}?", "how much smaller is the value of {b} than that of {a}?", "by how much does {b} trail {a}?"};
constexpr std::string_view kSpan[] = {
    "what is the difference between the highest and the lowest value?", "how far apart are the highest and the lowest {mark}?", "by how much does the highest value exceed the lowest?",
    "what is the range of the values?", "how much more is the largest value than the smallest?", "maximum minus minimum?", "how big is the gap between the top and the bottom value?",
    "difference between maximum and minimum?"};
constexpr std::string_view kSum[] = {
    "what is the sum of {a} and {b}?", "how much are {a} and {b} together?", "what do {a} and {b} add up to?", "add {a} and {b}.", "how much do {a} and {b} make together?",
    "{a} plus {b}?", "what is {a} plus {b}?", "what are {a} and {b} combined?", "sum of {a} and {b}?", "work out {a} and {b} together."};
constexpr std::string_view kTotal[] = {
    "what is the total?", "what is the sum of all values?", "how much is it altogether?", "add up all {nouns}.", "what do all {nouns} add up to?", "what is the total of all {nouns}?",
    "how much do all {mark}s make together?", "sum of all {mark}s?", "how much is everything together?"};
constexpr std::string_view kAbove[] = {
    "how many {nouns} are above {v}?", "how many {nouns} have more than {v}?", "count the {nouns} above {v}.", "how many {nouns} exceed {v}?", "how many values are greater than {v}?",
    "number of {nouns} over {v}?", "for how many {nouns} is the value more than {v}?", "how many {mark}s are higher than {v}?"};
constexpr std::string_view kBelow[] = {
    "how many {nouns} are below {v}?", "how many {nouns} have less than {v}?", "count the {nouns} below {v}.", "how many {nouns} stay under {v}?", "how many values are smaller than {v}?",
    "number of {nouns} under {v}?", "for how many {nouns} is the value less than {v}?", "how many {mark}s are lower than {v}?"};
constexpr std::string_view kCount[] = {
    "how many {nouns} are shown?", "how many {mark}s are there?", "count the {mark}s.", "how many {mark}s does the chart have?", "how many {nouns} does the chart show?", "number of {mark}s?",
    "how many values are in the chart?", "how many {nouns} do you see?"};
constexpr std::string_view kIsHigher[] = {
    "is {a} higher than {b}?", "is {a} greater than {b}?", "does {a} have more than {b}?", "is the value of {a} above that of {b}?", "is {a} larger than {b}?", "does {a} beat {b}?",
    "{a} above {b}: yes or no?", "was {a} higher than {b}?"};
constexpr std::string_view kIsLower[] = {
    "is {a} lower than {b}?", "is {a} smaller than {b}?", "does {a} have less than {b}?", "is the value of {a} below that of {b}?", "is {a} less than {b}?", "does {a} stay behind {b}?",
    "{a} below {b}: yes or no?", "was {a} lower than {b}?"};
constexpr std::string_view kWhichOfTwo[] = {
    "which is higher, {a} or {b}?", "what is larger, {a} or {b}?", "{a} or {b}: which has more?", "which has the greater value, {a} or {b}?", "which of {a} and {b} is higher?",
    "of {a} and {b}, which is larger?", "which one has more, {a} or {b}?", "who is ahead, {a} or {b}?"};
constexpr std::string_view kColourOf[] = {
    "what colour is {a}?", "which colour does {a} have?", "what is the colour of {a}?", "in which colour is {a} drawn?", "name the colour of {a}.", "colour of {a}?",
    "which colour stands for {a}?", "tell me the colour of {a}."};
constexpr std::string_view kColourOfTop[] = {
    "what colour is the highest {mark}?", "which colour does the largest {mark} have?", "what is the colour of the biggest {mark}?", "colour of the highest {mark}?",
    "the highest {mark} has which colour?", "name the colour of the largest {mark}.", "in which colour is the biggest {mark}?", "tell me the colour of the highest {mark}."};
constexpr std::string_view kByColour[] = {
    "which {noun} is {c}?", "what does the {c} {mark} stand for?", "which {noun} is shown in {c}?", "the {c} {mark} belongs to which {noun}?", "which {noun} has the {c} {mark}?",
    "name the {noun} drawn in {c}.", "what {noun} is {c}?", "{c} stands for which {noun}?"};
constexpr std::string_view kTrend[] = {
    "did it rise or fall from {a} to {b}?", "from {a} to {b}, did the value go up or down?", "is the change from {a} to {b} a rise or a fall?", "up or down from {a} to {b}?",
    "what happened from {a} to {b}, rise or fall?", "does the value rise or fall between {a} and {b}?", "between {a} and {b}, rise or fall?", "how did it move from {a} to {b}, up or down?"};

std::string number(int64_t value) { return std::to_string(value); }

std::string entry(const Series& series, size_t i) { return series.labels[i] + ' ' + number(series.values[i]) + series.unit; }

std::vector<size_t> by_value(const Series& series) {
  std::vector<size_t> order(series.values.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return series.values[a] > series.values[b]; });
  return order;
}

std::vector<size_t> all_of(const Series& series) {
  std::vector<size_t> all(series.labels.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  return all;
}

std::string best_of(const Series& series, const std::vector<size_t>& which, bool highest) {
  std::vector<std::string> parts;
  std::vector<int64_t> values;
  for (const size_t i : which) {
    parts.push_back(entry(series, i));
    values.push_back(series.values[i]);
  }
  return best_so_far(parts, values, highest);
}

void answer_number(Plan* plan, int64_t value, const std::string& unit = "") {
  plan->answer = number(value);
  plan->unit = unit;
  plan->grader = "number";
}

void ask_difference(Asker* ask, Plan* plan, const Series& series, const std::string& name_a, const std::string& name_b, size_t high, size_t low) {
  const size_t form = ask->index(4);
  const std::string& a = series.values[high] > series.values[low] ? name_a : name_b;
  const std::string& b = series.values[high] > series.values[low] ? name_b : name_a;
  if (series.values[high] < series.values[low]) std::swap(high, low);
  if (form == 0) {
    const std::vector<size_t> order = by_value(series);
    high = order.front();
    low = order.back();
    plan->question = ask->word(kSpan, {{"mark", series.mark}});
    plan->working = "highest: " + best_of(series, all_of(series), true) + "\nlowest: " + best_of(series, all_of(series), false) + '\n';
  } else {
    const bool swapped = form == 1 && ask->chance(0.5);  // "between a and b" in either order
    plan->question = ask->word(form == 1 ? Words(kDifference) : form == 2 ? Words(kMore) : Words(kLess), {{"a", swapped ? b : a}, {"b", swapped ? a : b}});
  }
  const std::string x = number(series.values[high]);
  const std::string y = number(series.values[low]);
  plan->working += entry(series, high) + ", " + entry(series, low);
  plan->expression = x + '-' + y;
  answer_number(plan, series.values[high] - series.values[low], series.unit);
  plan->steps = x + " - " + y + " = " + plan->answer;
}

void ask_total(Asker* ask, Plan* plan, const Series& series) {
  plan->question = ask->word(kTotal, {{"nouns", series.nouns}, {"mark", series.mark}});
  int64_t total = series.values[0];
  plan->expression = number(total);
  for (size_t i = 1; i < series.values.size(); ++i) {
    const std::string step = number(series.values[i]);
    plan->steps += (i > 1 ? ", " : "") + number(total) + " + " + step + " = " + number(total + series.values[i]);
    plan->expression += '+' + step;
    total += series.values[i];
  }
  answer_number(plan, total, series.unit);
}

void ask_count_above(Asker* ask, Plan* plan, const Series& series) {
  const bool above = ask->chance(0.5);
  // Every number of hits is as likely as another; the limit lies between two values.
  const std::vector<size_t> order = by_value(series);
  const size_t n_above = ask->index(order.size() + 1);
  const int64_t upper = n_above == 0 ? series.values[order.front()] + 6 : series.values[order[n_above - 1]];
  const int64_t lower = n_above == order.size() ? std::max<int64_t>(0, series.values[order.back()] - 6) : series.values[order[n_above]];
  int64_t limit = lower + 1 >= upper ? lower : ask->between(lower + 1, upper - 1);
  if (limit == lower && !above && n_above < order.size()) limit = upper;  // "below": the limit itself does not count
  // One value after the other, and how many there are so far.
  int64_t n_hits = 0;
  std::vector<std::string> seen;
  for (size_t i = 0; i < series.values.size(); ++i) {
    n_hits += (above ? series.values[i] > limit : series.values[i] < limit) ? 1 : 0;
    seen.push_back(compared(number(series.values[i]), number(limit), series.values[i], limit) + ' ' + number(n_hits));
  }
  plan->question = ask->word(above ? Words(kAbove) : Words(kBelow), {{"nouns", series.nouns}, {"mark", series.mark}, {"v", number(limit) + series.unit}});
  plan->working = (above ? "above " : "below ") + number(limit) + ": " + joined(seen, "; ");
  answer_number(plan, n_hits);
}

void ask_compare(Asker* ask, Plan* plan, const Series& series, const std::string& a, const std::string& b, size_t i, size_t k) {
  const size_t form = ask->index(3);
  plan->question = ask->word(form == 0 ? Words(kIsHigher) : form == 1 ? Words(kIsLower) : Words(kWhichOfTwo), {{"a", a}, {"b", b}});
  const bool higher = series.values[i] > series.values[k];
  plan->working = form == 2 ? compared(entry(series, i), entry(series, k), series.values[i], series.values[k])
                            : asked_and_seen(series.labels[i], series.labels[k], form == 0, series.values[i], series.values[k], series.unit);
  plan->answer = form == 2 ? series.labels[higher ? i : k] : higher == (form == 0) ? "yes" : "no";
}

void ask_colour(Asker* ask, Plan* plan, const Series& series, size_t i) {
  CHECK(series.colours.size() == series.labels.size());
  std::vector<std::string> parts;
  for (size_t k = 0; k < series.labels.size(); ++k) parts.push_back(series.labels[k] + ' ' + std::string(series.colours[k].name));
  const size_t form = ask->index(3);
  if (form == 0 && !series.by_colour) {
    plan->question = ask->word(kColourOf, {{"a", series.labels[i]}});
    plan->sees = joined(parts, ", ");
    plan->working = parts[i];
    plan->answer = series.colours[i].name;
  } else if (form == 1 && !series.by_colour) {
    plan->question = ask->word(kByColour, {{"noun", series.noun}, {"mark", series.mark}, {"c", std::string(series.colours[i].name)}});
    plan->sees = joined(parts, ", ");
    plan->working = std::string(series.colours[i].name) + ": " + series.labels[i];
    plan->answer = series.labels[i];
  } else {
    const size_t top = by_value(series).front();
    plan->question = ask->word(kColourOfTop, {{"mark", series.mark}});
    plan->working = "highest: " + best_of(series, all_of(series), true) + (series.by_colour ? "" : "\n" + parts[top]);
    plan->answer = series.colours[top].name;
  }
}

}  // namespace

void pick_labels(Asker* ask, Series* series, size_t n, size_t longest) {
  for (;;) {
    const LabelSet& set = ask->one_of(kLabelSets);
    std::vector<std::string_view> usable;
    for (const std::string_view label : set.labels) {
      if (label.size() <= longest) usable.push_back(label);
    }
    if (usable.size() < n) continue;
    series->noun = set.noun;
    series->nouns = set.nouns;
    series->ordered = set.ordered;
    series->labels.clear();
    if (set.ordered || (set.noun == "letter" && ask->chance(0.6))) {
      const size_t first = ask->index(usable.size() - n + 1);
      for (size_t i = 0; i < n; ++i) series->labels.emplace_back(usable[first + i]);
    } else {
      for (const size_t i : ask->some_of(n, usable.size())) series->labels.emplace_back(usable[i]);
    }
    return;
  }
}

void pick_values(Asker* ask, Series* series, int64_t low, int64_t high, int64_t step) {
  const auto n_levels = static_cast<size_t>((high - low) / step + 1);
  CHECK(n_levels >= series->labels.size());
  series->values.clear();
  for (const size_t level : ask->some_of(series->labels.size(), n_levels)) series->values.push_back(low + step * static_cast<int64_t>(level));
}

void call_by_colour(Series* series) {
  CHECK(series->colours.size() == series->labels.size());
  series->by_colour = true;
  series->ordered = false;
  series->noun = "colour";
  series->nouns = "colours";
  for (size_t i = 0; i < series->labels.size(); ++i) series->labels[i] = series->colours[i].name;
}

std::string describe_series(const Series& series) {
  std::vector<std::string> parts;
  for (const size_t i : all_of(series)) parts.push_back(entry(series, i));
  return joined(parts, ", ");
}

void ask_series(Asker* ask, Plan* plan, const Series& series, std::string_view question) {
  const size_t n = series.labels.size();
  plan->sees = describe_series(series);
  plan->combination = plan->sees;
  const std::vector<size_t> order = by_value(series);
  const std::vector<size_t> two = ask->some_of(2, n);
  const auto called = [&](size_t i) { return series.by_colour ? "the " + series.labels[i] + ' ' + series.mark : series.labels[i]; };
  const std::string a = called(two[0]);
  const std::string b = called(two[1]);
  if (question == "highest" || question == "lowest") {
    const bool high = question == "highest";
    const size_t i = high ? order.front() : order.back();
    plan->question = ask->word(high ? Words(kHighest) : Words(kLowest), {{"noun", series.noun}, {"mark", series.mark}});
    plan->working = std::string(question) + ": " + best_of(series, all_of(series), high);
    plan->answer = series.labels[i];
  } else if (question == "second") {
    plan->question = ask->word(kSecond, {{"noun", series.noun}, {"mark", series.mark}});
    std::vector<size_t> others = all_of(series);
    std::erase(others, order[0]);
    plan->working = "highest: " + best_of(series, all_of(series), true) + "\nsecond: " + best_of(series, others, true);
    plan->answer = series.labels[order[1]];
  } else if (question == "value") {
    plan->question = ask->word(kValue, {{"a", a}});
    plan->working = entry(series, two[0]);
    answer_number(plan, series.values[two[0]], series.unit);
  } else if (question == "which") {
    plan->question = ask->word(kWhich, {{"noun", series.noun}, {"v", number(series.values[two[0]]) + series.unit}});
    plan->working = number(series.values[two[0]]) + series.unit + ": " + series.labels[two[0]];
    plan->answer = series.labels[two[0]];
  } else if (question == "difference") {
    ask_difference(ask, plan, series, a, b, two[0], two[1]);
  } else if (question == "sum") {
    const std::string x = number(series.values[two[0]]);
    const std::string y = number(series.values[two[1]]);
    plan->question = ask->word(kSum, {{"a", a}, {"b", b}});
    plan->working = entry(series, two[0]) + ", " + entry(series, two[1]);
    plan->expression = x + '+' + y;
    answer_number(plan, series.values[two[0]] + series.values[two[1]], series.unit);
    plan->steps = x + " + " + y + " = " + plan->answer;
  } else if (question == "total") {
    ask_total(ask, plan, series);
  } else if (question == "count_above") {
    ask_count_above(ask, plan, series);
  } else if (question == "count") {
    plan->question = ask->word(kCount, {{"nouns", series.nouns}, {"mark", series.mark}});
    plan->sees = counted(series.labels);
    answer_number(plan, static_cast<int64_t>(n));
  } else if (question == "compare") {
    ask_compare(ask, plan, series, a, b, two[0], two[1]);
  } else if (question == "trend") {
    CHECK(series.ordered);
    const size_t from = std::min(two[0], two[1]);
    const size_t to = std::max(two[0], two[1]);
    plan->question = ask->word(kTrend, {{"a", series.labels[from]}, {"b", series.labels[to]}});
    plan->working = compared(entry(series, from), entry(series, to), series.values[from], series.values[to]);
    plan->answer = series.values[to] > series.values[from] ? "rise" : "fall";
  } else {
    CHECK(question == "colour");
    ask_colour(ask, plan, series, two[0]);
  }
}

}  // namespace firesteel::pictures
