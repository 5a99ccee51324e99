// Instruments with a scale: gauge, thermometer, ruler, number line.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "base/check.h"
#include "data/pictures/kinds.h"

namespace firesteel::pictures {

namespace {

constexpr double kText = 7;

constexpr std::string_view kGauge[] = {"what does the gauge show?", "read the gauge.", "which value does the needle show?", "what is the reading?", "where does the needle point?", "what number does the needle point to?",
                                       "tell me the reading of the dial.", "what value is shown?", "reading of the gauge?", "at which value is the needle?",
                                       "the gauge shows what?", "the gauge shows which value?", "the needle shows which value?", "the needle points to which number?",
                                       "the needle points where?", "the reading of the gauge is what?", "the dial shows what?", "what does the dial show?",
                                       "what value does the dial show?", "what value does the needle show?",
                                       "what is the value on the dial?", "which value is shown?", "which number does the needle point to?",
                                       "to which value does the needle point?", "read the dial.", "read the value that the needle shows.",
                                       "read off the gauge.", "tell me the value on the gauge.", "tell me where the needle points.", "give the reading of the gauge.", "can you read the gauge?",
                                       "please read the dial.", "reading of the dial?"};
constexpr std::string_view kZone[] = {"what colour is the zone of the needle?", "in which colour is the needle?", "in which coloured zone does the needle point?", "which colour does the needle point to?",
                                      "the needle is in which colour?", "name the colour where the needle is.", "which colour is at the needle?", "what colour does the needle touch?",
                                      "needle: which colour?", "zone of the needle: which colour?", "the needle points to which colour?",
                                      "the needle touches which colour?", "the zone of the needle has which colour?",
                                      "what colour is the zone where the needle is?", "what colour is at the needle?", "what colour does the zone of the needle have?",
                                      "what colour does the needle point to?", "what is the colour of the zone at the needle?", "which colour does the needle touch?",
                                      "which coloured zone does the needle touch?", "which coloured zone is the needle in?",
                                      "in the zone of which colour is the needle?",
                                      "into which coloured zone does the needle point?", "name the colour that the needle touches.", "name the colour of the zone where the needle points.",
                                      "tell me in which colour the needle is.", "tell me the colour of the zone of the needle.", "tell me which colour the needle points to.",
                                      "can you name the colour of the zone of the needle?"};
constexpr std::string_view kToTop[] = {"how much is missing to the maximum?", "how far is it to the maximum?", "how much until the end of the scale?", "what is the difference to the highest value of the scale?",
                                       "how much could it still rise?", "how much is left up to the maximum?", "distance to the maximum?", "how much more until the scale ends?",
                                       "how much is missing until the maximum?", "how much is missing to the end of the scale?", "how much is missing to the highest value?",
                                       "the maximum is how far away?", "how far away is the maximum?", "how far is it to the end of the scale?",
                                       "how far is it to the highest value of the scale?", "what is the distance to the maximum?",
                                       "what is the distance to the end of the scale?", "the distance to the highest value is what?", "what is the difference to the maximum?",
                                       "the difference to the highest value of the scale is how much?", "how much is left to the end of the scale?",
                                       "how much is left until the maximum?", "how much more until the maximum?", "how much more could it rise?", "how much could the value still rise to the maximum?",
                                       "how much can it still rise until the scale ends?",
                                       "the scale ends after how much more?", "tell me how much is missing to the maximum.",
                                       "tell me how far it is to the end of the scale.", "tell me how much is left up to the highest value.", "work out the difference to the maximum.",
                                       "work out the distance to the highest value of the scale.",
                                       "how far away is the end of the scale?",
                                       "work out how far it is to the maximum."};
constexpr std::string_view kOver[] = {"is the value above {v}?", "is it more than {v}?", "does it show more than {v}?", "is the reading over {v}?", "is it higher than {v}?", "above {v}: yes or no?",
                                      "does the value exceed {v}?", "is the reading greater than {v}?",
                                      "over {v}: yes or no?", "more than {v}: yes or no?", "yes or no: is it more than {v}?", "yes or no: is the value over {v}?", "is it above {v}?", "is it over {v}?",
                                      "is it greater than {v}?", "is the value over {v}?", "is the value more than {v}?", "is the value higher than {v}?", "is the value greater than {v}?",
                                      "is the reading above {v}?", "is the reading higher than {v}?", "is the reading more than {v}?",
                                      "does it show a value over {v}?", "does it show a reading above {v}?", "does it exceed {v}?", "does the reading exceed {v}?",
                                      "is it true that the value is above {v}?", "is it true that it shows more than {v}?", "tell me whether the value exceeds {v}.",
                                      "tell me whether the reading is over {v}."};
constexpr std::string_view kTemperature[] = {"what temperature is it?", "what does the thermometer show?", "read the thermometer.", "how many degrees is it?", "what is the temperature?", "which temperature is shown?",
                                             "tell me the temperature.", "how warm is it?", "temperature?", "what is the reading of the thermometer?",
                                             "the temperature is what?", "the temperature is how many degrees?", "the thermometer shows what?", "the thermometer shows which temperature?",
                                             "the thermometer shows how many degrees?", "what temperature does the thermometer show?", "what temperature is shown?",
                                             "what does it say on the thermometer?", "what is the reading?",
                                             "which temperature does the thermometer show?", "which temperature is it?", "how warm is it, in degrees?",
                                             "how many degrees does the thermometer show?", "how many degrees are shown?", "how cold or warm is it?", "tell me how warm it is.",
                                             "tell me how many degrees it is.", "read the temperature.", "please read the thermometer.", "give the temperature shown.",
                                             "give the reading of the thermometer.", "reading of the thermometer?", "can you read the temperature?",
                                             "how cold is it?", "how warm or cold is it, in degrees?"};
constexpr std::string_view kWarmer[] = {"what will it be if it gets {n} degrees warmer?", "it gets {n} degrees warmer. what is the temperature then?", "add {n} degrees: what is it then?", "after a rise of {n} degrees, what is the temperature?",
                                        "what if the temperature rises by {n} degrees?", "it warms up by {n} degrees; what does the thermometer show then?", "{n} degrees more would be what?", "what would {n} degrees more be?",
                                        "if it gets {n} degrees warmer, what will it be?", "if it gets {n} degrees warmer, what is the temperature?", "if it warms up by {n} degrees, what will it be?",
                                        "if the temperature rises by {n} degrees, what is it then?", "what will the temperature be if it rises by {n} degrees?",
                                        "what will the thermometer show if it gets {n} degrees warmer?", "what is the temperature after a rise of {n} degrees?",
                                        "what does the thermometer show after a rise of {n} degrees?", "what is it if it warms up by {n} degrees?", "what is it if you add {n} degrees?",
                                        "what is the temperature with {n} degrees more?", "what temperature would {n} degrees more be?", "what would the temperature be {n} degrees warmer?",
                                        "add {n} degrees. what is the temperature?", "add {n} degrees to the temperature.", "it rises by {n} degrees: what will it be?",
                                        "it rises by {n} degrees; what does the thermometer show then?",
                                        "it warms up by {n} degrees. what is the temperature then?", "{n} degrees warmer: what is it then?",
                                        "after it warms up by {n} degrees, what is the temperature?", "tell me the temperature after a rise of {n} degrees.",
                                        "tell me what it will be if it gets {n} degrees warmer.", "how many degrees would it be if it were {n} degrees warmer?",
                                        "how many degrees is it with {n} degrees more?"};
constexpr std::string_view kColder[] = {"what will it be if it gets {n} degrees colder?", "it gets {n} degrees colder. what is the temperature then?", "take away {n} degrees: what is it then?", "after a fall of {n} degrees, what is the temperature?",
                                        "what if the temperature falls by {n} degrees?", "it cools down by {n} degrees; what does the thermometer show then?", "{n} degrees less would be what?", "what would {n} degrees less be?",
                                        "if it gets {n} degrees colder, what will it be?", "if it gets {n} degrees colder, what is the temperature?",
                                        "if it cools down by {n} degrees, what will it be?", "if the temperature falls by {n} degrees, what is it then?",
                                        "what will the temperature be if it falls by {n} degrees?", "what will the thermometer show if it gets {n} degrees colder?",
                                        "what is the temperature after a fall of {n} degrees?", "what does the thermometer show after a fall of {n} degrees?",
                                        "what is it if it cools down by {n} degrees?", "what is it if you take away {n} degrees?", "what is the temperature with {n} degrees less?",
                                        "what temperature would {n} degrees less be?", "what would the temperature be {n} degrees colder?", "take away {n} degrees. what is the temperature?",
                                        "take away {n} degrees from the temperature.", "it falls by {n} degrees: what will it be?", "it falls by {n} degrees; what does the thermometer show then?",
                                        "it cools down by {n} degrees. what is the temperature then?", "{n} degrees colder: what is it then?",
                                        "after it cools down by {n} degrees, what is the temperature?",
                                        "tell me the temperature after a fall of {n} degrees.", "tell me what it will be if it gets {n} degrees colder.",
                                        "how many degrees would it be if it were {n} degrees colder?", "how many degrees is it with {n} degrees less?"};
constexpr std::string_view kLength[] = {"how long is the {thing}?", "what is the length of the {thing}?", "measure the {thing}.", "how many centimetres long is the {thing}?", "length of the {thing}?", "how long is it in cm?",
                                        "read the length of the {thing}.", "tell me how long the {thing} is.",
                                        "{thing}: how long?", "{thing}: length in cm?", "the {thing} is how long?", "the {thing} is how many centimetres long?",
                                        "the length of the {thing} is what?", "what length does the {thing} have?", "what is the length in cm?",
                                        "what is the length of the {thing} in centimetres?", "what does the {thing} measure in cm?", "how long is the {thing} in centimetres?",
                                        "how long is the {thing} in cm?", "how many cm long is the {thing}?", "how many centimetres does the {thing} measure?", "measure how long the {thing} is.",
                                        "measure the length of the {thing}.", "read how long the {thing} is.", "read off the length of the {thing}.", "tell me the length of the {thing}.",
                                        "tell me how many centimetres long the {thing} is.", "give the length of the {thing} in cm.", "can you measure the {thing}?",
                                        "can you read how long the {thing} is?", "please measure how long it is."};
constexpr std::string_view kEnd[] = {"where does the {thing} end?", "at which mark does the {thing} end?", "at which number is the right end of the {thing}?", "the {thing} ends at which mark?", "up to which number does the {thing} reach?",
                                     "what is the mark at the right end?", "which number is at the right end of the {thing}?", "where is its right end?",
                                     "the {thing} ends where?", "the {thing} ends at which number?", "the {thing} reaches up to which mark?",
                                     "the right end of the {thing} is where?", "where is the right end of the {thing}?",
                                     "where is the end of the {thing} on the right?", "at which mark is the right end of the {thing}?", "at which number does the {thing} end?",
                                     "at what number does the {thing} end?", "up to which mark does the {thing} reach?", "up to which number does the {thing} go?",
                                     "up to where does the {thing} reach?", "which mark does the {thing} reach?", "which mark does the {thing} end at?", "which mark is at the right end?",
                                     "what number is at the right end of the {thing}?", "read the number at the right end of the {thing}.", "read the mark where the {thing} ends.",
                                     "tell me where the {thing} ends.", "tell me the mark at its right end.", "tell me up to which number the {thing} reaches.",
                                     "find the right end of the {thing}: at which number is it?", "can you tell me at which mark the {thing} ends?"};
constexpr std::string_view kStart[] = {"where does the {thing} begin?", "at which mark does the {thing} start?", "at which number is the left end of the {thing}?", "the {thing} begins at which mark?", "from which number on does the {thing} lie?",
                                       "what is the mark at the left end?", "which number is at the left end of the {thing}?", "where is its left end?",
                                       "the {thing} begins where?", "the {thing} begins at which number?", "the {thing} starts at which mark?", "the {thing} starts at which number?",
                                       "the left end of the {thing} is where?", "where is the left end of the {thing}?",
                                       "where is the end of the {thing} on the left?", "where does the {thing} start?", "at which mark is the left end of the {thing}?",
                                       "at which mark does the {thing} begin?", "at which number does the {thing} begin?", "at what number does the {thing} start?",
                                       "from which mark on does the {thing} lie?", "from which number does the {thing} start?", "which mark is at the left end?",
                                       "which mark does the {thing} begin at?", "what number is at the left end of the {thing}?", "read the number at the left end of the {thing}.",
                                       "read the mark where the {thing} begins.", "tell me where the {thing} starts.", "tell me the mark at its left end.",
                                       "tell me from which number on the {thing} lies.", "find the left end of the {thing}: at which number is it?", "can you tell me at which mark the {thing} starts?"};
constexpr std::string_view kPointer[] = {"which number does the arrow show?", "where is the arrow?", "which number is marked?", "to which number does the arrow point?", "what number is at the arrow?", "read the number at the arrow.",
                                         "the arrow is at which number?", "name the marked number.",
                                         "arrow: which number?", "the arrow shows which number?", "the arrow points to which number?", "the arrow points where?", "the arrow marks which number?",
                                         "the marked number is which one?", "the number at the arrow is what?", "where does the arrow point?",
                                         "where is the arrow on the number line?", "which number is at the arrow?",
                                         "which number does the arrow mark?", "which number does the arrow point to?", "which number is marked by the arrow?",
                                         "at which number is the arrow?", "what number is marked?", "what number does the arrow show?",
                                         "what is the marked number?", "read the marked number.", "read the number that the arrow shows.", "name the number at the arrow.",
                                         "name the number to which the arrow points.", "tell me which number is marked.", "tell me where the arrow is on the line.", "tell me the number at the arrow.",
                                         "can you read the number at the arrow?"};
constexpr std::string_view kWhere[] = {"which number is at {a}?", "where is {a} on the number line?", "what number does {a} mark?", "{a} stands at which number?", "read the number at {a}.", "which number belongs to {a}?",
                                       "what is the value of {a}?", "{a} is at which number?",
                                       "{a}: which number?", "{a}: what is the value?", "{a} is where on the number line?", "{a} marks which number?",
                                       "at which number is {a}?", "at which number does {a} stand?", "at {a}, which number is there?",
                                       "where does {a} stand on the number line?", "which number does {a} mark?", "which number does {a} stand at?",
                                       "which number is marked by {a}?", "which value does {a} have?", "which value belongs to {a}?", "what number is at {a}?", "what number belongs to {a}?",
                                       "what value does {a} mark?", "the number at {a} is what?", "the value of {a} is what?", "read the value of {a}.", "tell me the number at {a}.",
                                       "tell me which number {a} marks.", "tell me the number that belongs to {a}.", "name the number at {a}.", "find {a} on the number line: which number is it?",
                                       "can you read the number at {a}?"};
constexpr std::string_view kApart[] = {"how far apart are {a} and {b}?", "what is the distance between {a} and {b}?", "how far is it from {a} to {b}?", "how many steps lie between {a} and {b}?", "distance between {a} and {b}?",
                                       "how far is {b} from {a}?", "what is the gap between {a} and {b}?", "from {a} to {b}, how far is it?",
                                       "{a} to {b}: what is the distance?", "{a} and {b}: how far apart?", "{a} and {b} are how far apart?", "{a} is how far from {b}?",
                                       "from {a} to {b} it is how far?", "from {a} to {b}, how many steps are there?", "from {a} to {b}, what is the distance?",
                                       "between {a} and {b}, how big is the gap?", "how far is {a} from {b}?", "how far do {a} and {b} lie apart?",
                                       "how far is it between {a} and {b}?", "how big is the gap between {a} and {b}?", "how big is the distance from {a} to {b}?",
                                       "how many steps is it from {a} to {b}?", "what is the gap from {a} to {b}?", "what is the distance from {a} to {b}?",
                                       "the gap between {a} and {b} is what?", "the distance of {a} and {b} is how much?", "tell me the distance between {a} and {b}.",
                                       "tell me how far apart {a} and {b} are.", "tell me how many steps lie between {a} and {b}.", "work out the gap between {a} and {b}.",
                                       "work out how far {a} is from {b}.", "can you work out the distance between {a} and {b}?"};

std::string number(int64_t value) { return std::to_string(value); }

void answer(Plan* plan, int64_t value, std::string unit = "") {
  plan->answer = number(value);
  plan->unit = std::move(unit);
  plan->grader = "number";
}

void subtract(Plan* plan, int64_t a, int64_t b, const std::string& unit = "") {
  plan->expression = number(a) + '-' + number(b);
  plan->steps = number(a) + " - " + number(b) + " = " + number(a - b);
  answer(plan, a - b, unit);
}

void ask_over(Asker* ask, Plan* plan, int64_t value, int64_t low, int64_t high) {
  const bool yes = ask->chance(0.5) ? value > low : value >= high;
  const int64_t limit = yes ? ask->between(low, value - 1) : ask->between(value + 1, std::max(high, value + 1));
  plan->question = ask->word(kOver, {{"v", number(limit)}});
  plan->working = compared(number(value), number(limit), value, limit);
  plan->answer = value > limit ? "yes" : "no";
}

constexpr std::string_view kThings[] = {"pencil", "bar", "line", "stick", "ribbon", "key", "pen", "worm"};

}  // namespace

Plan plan_gauge(Asker* ask, std::string_view question) {
  Plan plan;
  constexpr int64_t kMost[] = {10, 10, 50, 100, 100, 200};
  const int64_t most = ask->one_of(kMost);
  const int64_t step = most / 10;
  const int64_t level = ask->between(0, 10);
  const int64_t value = level * step;
  const double half = ask->chance(0.6) ? std::numbers::pi / 2 : std::numbers::pi * 0.72;  // of the arc
  const bool tidy = ask->tidy();
  const double radius = tidy ? 23 : static_cast<double>(ask->between(22, 28));
  const double width = tidy ? 80 : 2 * radius + 30;
  const double tall = 12 + radius + std::max(5.0, 6 - (radius + 7) * std::cos(half));
  const double height = tidy ? up_to_ten(tall) : tall;
  const Style style = plan.style = pick_style(ask->rng(), width, height, tidy);
  const bool zones = question == "zone" || ask->chance(0.4);
  const auto first = static_cast<double>(ask->between(3, 5));
  const auto second = static_cast<double>(ask->between(6, 8));
  // A needle between two zones has no colour: borders lie between two levels.
  const bool rising = ask->chance(0.5);
  const std::vector<NamedColour> colours = {shade_of(ask->rng(), rising ? 1 : 0), shade_of(ask->rng(), 3), shade_of(ask->rng(), rising ? 0 : 1)};
  plan.sees = number(value);
  plan.combination = number(value) + '/' + number(most) + '/' + number(ask->between(0, 3));
  if (question == "zone") {
    const double at = static_cast<double>(level);
    plan.question = ask->word(kZone);
    plan.answer = colours[at < first + 0.5 ? 0 : at < second + 0.5 ? 1 : 2].name;
  } else if (question == "to_top") {
    plan.question = ask->word(kToTop);
    plan.sees = number(value) + " of " + number(most);
    subtract(&plan, most, value);
  } else if (question == "over") {
    ask_over(ask, &plan, value, 0, most);
  } else {
    CHECK(question == "value");
    plan.question = ask->word(kGauge);
    answer(&plan, value);
  }
  plan.draw = [=](Rng* rng) {
    Canvas canvas = canvas_of(style, width, height);
    const double x = width / 2;
    const double y = radius + 12;
    const auto at = [&](double share, double length) {
      const double angle = -half + 2 * half * share;
      return Point{x + length * std::sin(angle), y - length * std::cos(angle)};
    };
    if (zones) {
      const double one = -half + 2 * half * (first + 0.5) / 10;
      const double two = -half + 2 * half * (second + 0.5) / 10;
      canvas.sector(x, y, radius - 5, radius, -half, one, colours[0].colour);
      canvas.sector(x, y, radius - 5, radius, one, two, colours[1].colour);
      canvas.sector(x, y, radius - 5, radius, two, half, colours[2].colour);
    } else {
      canvas.sector(x, y, radius - 1.5, radius, -half, half, style.ink);
    }
    for (int i = 0; i <= 10; ++i) {
      canvas.line(at(i / 10.0, radius), at(i / 10.0, radius - (i % 5 == 0 ? 5 : 3)), 1, style.ink);
      if (i % 5 == 0) {
        const Point p = at(i / 10.0, radius + 7);
        canvas.text_centred(p.x, p.y - kText / 2, number(i * step), kText, style.ink, style.lettering);
      }
    }
    canvas.line({x, y}, at(static_cast<double>(level) / 10, radius - 6), 2, style.dark ? style.ink : Colour{200, 20, 20});
    canvas.circle(x, y, 2.5, style.ink);
    canvas.mark(x, y + 1, number(value));  // all of the needle lies above
    return weathered(std::move(canvas), style, rng);
  };
  return plan;
}

Plan plan_thermometer(Asker* ask, std::string_view question) {
  Plan plan;
  const int64_t low = ask->chance(0.6) ? -20 : 0;
  const int64_t high = low + 60;
  const int64_t step = ask->chance(0.5) ? 10 : 5;
  int64_t value = low + step * ask->between(1, 60 / step - 1);
  while (question == "over" && value <= 0) value = low + step * ask->between(1, 60 / step - 1);  // limits are numbers without a sign
  const std::string unit = " degrees";
  const int64_t shift = ask->between(2, 15);
  plan.sees = number(value);
  plan.combination = number(value) + '|' + number(shift) + '|' + number(low);
  if (question == "change") {
    const bool warmer = ask->chance(0.5);
    plan.question = ask->word(warmer ? Words(kWarmer) : Words(kColder), {{"n", number(shift)}});
    plan.expression = number(value) + (warmer ? '+' : '-') + number(shift);
    answer(&plan, warmer ? value + shift : value - shift, unit);
    plan.steps = number(value) + (warmer ? " + " : " - ") + number(shift) + " = " + plan.answer;
  } else if (question == "over") {
    ask_over(ask, &plan, value, std::max<int64_t>(0, low), high);
  } else {
    CHECK(question == "value");
    plan.question = ask->word(kTemperature);
    answer(&plan, value, unit);
  }
  const bool tidy = ask->tidy();
  const double pixel = tidy ? 1 : static_cast<double>(ask->between(9, 12)) / 10;  // units per degree
  const double top = tidy ? 5 : 6;
  const double foot = top + 60 * pixel;
  const double width = tidy ? 40 : static_cast<double>(ask->between(38, 50));
  const double height = foot + (tidy ? 15 : 14);
  const Style style = plan.style = pick_style(ask->rng(), width, height, tidy);
  const Colour liquid = shade_of(ask->rng(), ask->chance(0.7) ? 0 : 2).colour;
  plan.draw = [=](Rng* rng) {
    Canvas canvas = canvas_of(style, width, height);
    const double x = width - (tidy ? 6 : 11);
    const auto y_of = [&](int64_t degrees) { return foot - static_cast<double>(degrees - low) * pixel; };
    canvas.rectangle(x - 4, top - 4, x + 4, foot + 4, style.ink);
    canvas.rectangle(x - 3, top - 3, x + 3, foot + 4, style.paper);
    canvas.circle(x, foot + 6, 6, style.ink);
    canvas.circle(x, foot + 6, 5, liquid);
    canvas.rectangle(x - 3, y_of(value), x + 3, foot + 4, liquid);
    canvas.mark(x, y_of(value) + 1, number(value));
    for (int64_t degrees = low; degrees <= high; degrees += 5) {
      const bool big = degrees % 10 == 0;
      canvas.rectangle(x - (big ? 9 : 7), y_of(degrees) - 0.5, x - 4, y_of(degrees) + 0.5, style.ink);
      const double text_x = x - (tidy ? 9.5 : 11) - Canvas::text_width(number(degrees), kText);
      if (big) canvas.text(tidy ? down_to_five(text_x) : text_x, y_of(degrees) - kText / 2, number(degrees), kText, style.ink, style.lettering);
    }
    return weathered(std::move(canvas), style, rng);
  };
  return plan;
}

Plan plan_ruler(Asker* ask, std::string_view question) {
  Plan plan;
  const bool tidy = ask->tidy();
  const int64_t marks = ask->between(6, tidy ? 9 : 10);
  const int64_t from = question == "length" && ask->chance(0.5) ? 0 : ask->between(0, marks - 2);
  const int64_t to = ask->between(from + 1, marks);
  const std::string thing(ask->one_of(kThings));
  plan.sees = "from " + number(from) + " to " + number(to);
  plan.combination = number(from) + '|' + number(to) + '|' + number(marks);
  if (question == "length") {
    plan.question = ask->word(kLength, {{"thing", thing}});
    subtract(&plan, to, from, " cm");
  } else {
    CHECK(question == "end");
    const bool end = ask->chance(0.5);
    plan.question = ask->word(end ? Words(kEnd) : Words(kStart), {{"thing", thing}});
    answer(&plan, end ? to : from);
  }
  const double pitch = tidy ? 10 : static_cast<double>(ask->between(9, 12));
  const double width = pitch * static_cast<double>(marks) + (tidy ? 10 : 14);
  const double height = tidy ? 30 : static_cast<double>(ask->between(34, 42));
  const Style style = plan.style = pick_style(ask->rng(), width, height, tidy);
  const Colour body = pick_colours(ask->rng(), style, 1)[0].colour;
  const double thick = static_cast<double>(ask->between(4, 7));
  const bool fine = ask->chance(0.5);
  const bool pointed = ask->chance(0.4);
  plan.draw = [=](Rng* rng) {
    Canvas canvas = canvas_of(style, width, height);
    const double top = tidy ? 11 : 16;
    const auto x_of = [&](double mark) { return (tidy ? 5 : 6) + pitch * mark; };
    canvas.frame(1, top, width - 1, height - 1, 1, style.ink);
    for (int64_t i = 0; i <= marks; ++i) {
      const auto mark = static_cast<double>(i);
      canvas.rectangle(x_of(mark) - 0.5, top, x_of(mark) + 0.5, top + 6, style.ink);
      if (fine && i < marks) canvas.rectangle(x_of(mark + 0.5) - 0.4, top, x_of(mark + 0.5) + 0.4, top + 3, style.ink);
      canvas.text_centred(x_of(mark), top + (tidy ? 9 : 8), number(i), kText, style.ink, style.lettering);
      if (i == from || i == to) canvas.mark(x_of(mark) + 1, top + 14, i == from ? " from" : " to");
    }
    const double left = x_of(static_cast<double>(from));
    const double right = x_of(static_cast<double>(to));
    const double y = top - 3;
    canvas.mark(left + 1, y - 1, number(from));
    canvas.mark(right - 1, y - 1, number(to));
    if (pointed) {
      const std::array<Point, 5> corners = {Point{left, y - thick}, Point{right - 3, y - thick}, Point{right, y - thick / 2}, Point{right - 3, y}, Point{left, y}};
      canvas.polygon(corners, body);
    } else {
      canvas.rectangle(left, y - thick, right, y, body);
    }
    return weathered(std::move(canvas), style, rng);
  };
  return plan;
}

Plan plan_number_line(Asker* ask, std::string_view question) {
  Plan plan;
  const bool tidy = ask->tidy();
  const int64_t marks = ask->between(5, tidy ? 9 : 10);
  constexpr int64_t kSteps[] = {1, 1, 1, 2, 5, 10};
  const int64_t step = ask->one_of(kSteps);
  const int64_t first = step == 1 && ask->chance(0.4) ? -ask->between(1, 5) : step == 1 && ask->chance(0.3) ? ask->between(1, 20) : 0;
  const bool pair = question != "value" || ask->chance(0.4);
  const std::vector<size_t> at = ask->some_of(2, static_cast<size_t>(marks) + 1);
  const auto value_of = [&](size_t mark) { return first + step * static_cast<int64_t>(mark); };
  std::vector<size_t> order = {std::min(at[0], at[1]), std::max(at[0], at[1])};
  const std::vector<std::string> names = {"A", "B"};
  plan.sees = pair ? "A " + number(value_of(order[0])) + ", B " + number(value_of(order[1])) : number(value_of(at[0]));
  plan.combination = plan.sees + '/' + number(first) + '/' + number(marks);
  if (!pair) {
    plan.question = ask->word(kPointer);
    answer(&plan, value_of(at[0]));
  } else if (question == "value") {
    const size_t asked = ask->index(2);
    plan.question = ask->word(kWhere, {{"a", names[asked]}});
    answer(&plan, value_of(order[asked]));
  } else {
    CHECK(question == "distance");
    const bool swapped = ask->chance(0.5);
    plan.question = ask->word(kApart, {{"a", names[swapped ? 1 : 0]}, {"b", names[swapped ? 0 : 1]}});
    const int64_t a = value_of(order[0]);
    const int64_t b = value_of(order[1]);
    subtract(&plan, b, a);
    if (a < 0) {
      plan.expression = number(b) + "-(" + number(a) + ')';
      plan.steps = number(b) + " - (" + number(a) + ") = " + number(b - a);
    }
  }
  // Numbers at every mark, or at every second or fifth where they would touch.
  const double pitch = tidy ? 10 : static_cast<double>(ask->between(9, 12));
  double widest = 0;
  for (const int64_t end : {first, first + step * marks}) widest = std::max(widest, Canvas::text_width(number(end), kText));
  const int64_t every = widest + 1 < pitch ? (ask->chance(0.7) ? 1 : 2) : widest + 1 < 2 * pitch ? 2 : 5;
  const double width = pitch * static_cast<double>(marks) + (tidy ? 10 : 20);
  const double height = tidy ? 40 : 36;
  const Style style = plan.style = pick_style(ask->rng(), width, height, tidy);
  const Colour red = shade_of(ask->rng(), ask->index(3)).colour;
  plan.draw = [=](Rng* rng) {
    Canvas canvas = canvas_of(style, width, height);
    const double y = tidy ? 25 : 22;
    const auto x_of = [&](size_t mark) { return (tidy ? 5 : 10) + pitch * static_cast<double>(mark); };
    canvas.rectangle(3, y - 0.6, width - 3, y + 0.6, style.ink);
    for (size_t i = 0; i <= static_cast<size_t>(marks); ++i) {
      canvas.rectangle(x_of(i) - 0.5, y - 3, x_of(i) + 0.5, y + 3, style.ink);
      const std::string text = number(first + step * static_cast<int64_t>(i));
      if (static_cast<int64_t>(i) % every == 0) canvas.text_centred(x_of(i), y + (tidy ? 6.5 : 5), text, kText, style.ink, style.lettering);
      const bool here = pair ? i == order[0] || i == order[1] : i == at[0];
      if (here) canvas.mark(x_of(i) + 1, y + 12, pair ? (i == order[0] ? " A" : " B") : text);
    }
    const auto mark = [&](size_t where, const std::string& name) {
      const double x = x_of(where);
      const std::array<Point, 3> arrow = {Point{x - 3.5, y - 10}, Point{x + 3.5, y - 10}, Point{x, y - 3.5}};
      canvas.polygon(arrow, style.dark ? style.ink : red);
      canvas.text_centred(x, y - (tidy ? 23.5 : 18), name, kText, style.ink, style.lettering);
    };
    if (pair) {
      mark(order[0], "A");
      mark(order[1], "B");
    } else {
      mark(at[0], "");
    }
    return weathered(std::move(canvas), style, rng);
  };
  return plan;
}

}  // namespace firesteel::pictures
