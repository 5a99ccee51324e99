// Digits, numbers and words to read, and the easy steps for the start of training.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "data/pictures/kinds.h"

namespace firesteel::pictures {

namespace {

constexpr std::string_view kDigit[] = {"what digit do you see?", "read the digit.", "which digit is shown?", "what number is written here?",
                                       "name the digit.", "what does it say?", "which number do you see?", "tell me the digit.", "digit?",
                                       "which digit do you see?", "which digit do you read?", "which digit is written here?", "what digit is written here?", "what digit is this?",
                                       "what digit is shown?", "which number is written here?", "which number is shown?", "what number do you see?", "what number is it?",
                                       "tell me which digit is shown.", "tell me the number that is written.", "tell me what it says.", "name the number.", "name the digit that you see.",
                                       "read the digit in the picture.", "read the number.", "please read the digit.", "the digit is which one?", "the picture shows which digit?",
                                       "it says which number?", "can you read the digit?", "what is the digit?", "say the digit."};
constexpr std::string_view kLetter[] = {"which letter is this?", "what letter do you see?", "read the letter.", "which letter is shown?", "what is written here?",
                                        "name the letter.", "what does it say?", "tell me the letter.", "letter?",
                                        "which letter do you see?", "which letter do you read?", "which letter is written here?", "what letter is written here?", "what letter is this?",
                                        "what letter is shown?", "what letter does it say?", "tell me which letter is shown.", "tell me what it says.", "tell me what is written.",
                                        "name the letter that you see.", "name the letter shown in the picture.", "read the letter in the picture.", "read what is written.", "please read the letter.",
                                        "the letter is which one?", "the picture shows which letter?", "it says which letter?", "can you read the letter?", "what is the letter?", "say the letter."};
constexpr std::string_view kNumber[] = {"what number is written here?", "read the number.", "which number do you see?", "what does it say?", "what is the number?",
                                        "which number is shown in the picture?", "tell me the number.", "what number is this?", "write down the number.", "what is written?",
                                        "number?", "which number is written here?", "which number is it?", "which number do you read?", "which number does the picture show?", "what number do you see?",
                                        "what number is shown?", "what number does it say?", "it says which number?", "here is a number. which one?", "the number is what?",
                                        "tell me what number is written.", "tell me which number you see.", "read the number in the picture.", "read what is written here.", "read out the number.",
                                        "write down the number that is shown.", "write down what is written.", "write the number that you see.", "please read the number.", "can you read the number?",
                                        "name the number.", "give the number that is written here."};
constexpr std::string_view kWord[] = {"what is written here?", "read the word.", "which word do you see?", "what does it say?", "what word is this?",
                                      "which word is shown in the picture?", "tell me the word.", "what is the word?", "write down the word.", "what does the sign say?",
                                      "word?", "which word is written here?", "which word is this?", "which word do you read?", "which word does the picture show?", "what word do you see?",
                                      "what word is shown?", "it says which word?", "the sign says what?", "the sign says which word?", "which word is on the sign?",
                                      "what is written on the sign?", "read the sign.", "tell me what is written.", "tell me which word you see.", "read the word in the picture.",
                                      "read what is written here.", "write down the word that is shown.", "write down what it says.", "write the word that you read.", "please read the word.",
                                      "can you read the word?", "name the word."};
constexpr std::string_view kInk[] = {"what colour is the {what}?", "which colour does the {what} have?", "in which colour is the {what} written?", "name the colour of the {what}.",
                                     "the {what} is in which colour?", "what is the colour of the {what}?", "tell me the colour of the {what}.", "colour of the {what}?",
                                     "{what}: which colour?", "the {what} has which colour?", "the {what} is written in which colour?", "the {what} is what colour?",
                                     "what colour does the {what} have?", "what colour is the {what} written in?", "which colour is the {what}?", "which colour is the {what} written in?",
                                     "in what colour is the {what} written?", "in what colour do you see the {what}?", "in which colour is the {what}?",
                                     "tell me in which colour the {what} is written.", "tell me what colour the {what} has.", "name the colour that the {what} has.",
                                     "name the colour in which the {what} is written.", "look at the {what}: what colour is it?", "can you name the colour of the {what}?",
                                     "give the colour of the {what}.", "the colour of the {what} is what?"};
constexpr std::string_view kLine[] = {"what is written in line {n}?", "read line {n}.", "what does line {n} say?", "which word is in line {n}?", "tell me what stands in line {n}.",
                                      "line {n} says what?", "what do you read in line {n}?", "what is in line {n}?",
                                      "line {n}: what does it say?", "line {n}: what is written there?", "what stands in line {n}?", "what stands written in line {n}?", "what does it say in line {n}?",
                                      "which word do you read in line {n}?", "which word is written in line {n}?", "which word stands in line {n}?", "in line {n}, what is written?",
                                      "in line {n}, what do you read?", "in line {n}, what is there?", "read what is written in line {n}.", "read out line {n}.", "please read line {n}.",
                                      "can you read line {n}?", "tell me what line {n} says.", "tell me what is written in line {n}.", "give the text of line {n}.", "find line {n}: what does it say?",
                                      "write down what stands in line {n}.", "what is the text in line {n}?", "what text does line {n} have?"};
constexpr std::string_view kSum[] = {"what is the sum of the two numbers?", "add the numbers.", "what do the numbers add up to?", "how much are both together?", "sum of the two numbers?",
                                     "what do you get when you add them?", "work out the sum.", "how much is it in total?",
                                     "the two numbers together are how much?", "the two numbers add up to what?", "the numbers together: how much?", "the sum is what?",
                                     "the total of both numbers is what?", "add both numbers.", "add the two numbers: what do you get?", "add them: how much is it?",
                                     "what do you get when both are added?", "what do you get as the sum?", "what do the two numbers make together?", "what is the total of the two numbers?",
                                     "what is the total?", "how much do you get in total?", "how much are the two numbers together?", "how much is the sum of both?",
                                     "how much is it when you add both numbers?", "work out the total.", "work out what both numbers make together.", "tell me the sum of the two numbers.",
                                     "tell me how much both are together.", "can you add up the two numbers?", "please add the numbers."};
constexpr std::string_view kLarger[] = {"which number is larger?", "what is the bigger number?", "name the larger number.", "which of the two numbers is greater?", "larger number?",
                                        "which one is the biggest?", "tell me the greater number.", "what is the higher of the numbers?",
                                        "which is the larger number?", "which is the greater number?", "which number is bigger?", "which number is greater?", "which number is higher?",
                                        "which of the numbers is the biggest?", "which of the two is larger?", "which of the two is bigger?", "what is the larger of the two numbers?",
                                        "what is the greater of the two?", "what is the higher number?", "of the two numbers, which is larger?", "of the two numbers, which is bigger?",
                                        "of both numbers, which one is greater?", "the larger of both numbers is which one?", "the bigger of the two is which number?", "greater number?",
                                        "name the bigger one.", "name the higher of both numbers.", "tell me which number is larger.", "tell me the biggest number.", "find the larger number.",
                                        "compare the numbers: which is the greater one?", "compare both numbers: which one is higher?"};
constexpr std::string_view kTask[] = {"what is the result?", "work it out.", "solve this.", "what is the answer?", "calculate what is written.", "how much is it?", "compute the result.",
                                      "what comes out?",
                                      "result?", "answer?", "the result is what?", "the answer is what?", "what do you get?", "what does it come to?",
                                      "what comes out when you work it out?", "what comes out when you calculate it?", "what result comes out?",
                                      "solve it: what is the answer?", "solve the task.", "work out the task.", "work out the result.",
                                      "calculate the result.", "calculate it.", "compute it.", "compute what is written.", "tell me the result.", "tell me how much it is.", "how much do you get?",
                                      "how much comes out?", "can you solve the task?", "please work out the answer.", "give the answer.",
                                      "which result do you get?", "calculate what is written here."};
constexpr std::string_view kDots[] = {"how many dots are there?", "count the dots.", "how many dots do you see?", "what is the number of dots?", "number of dots?",
                                      "how many points are in the picture?", "tell me how many dots there are.", "how many circles do you see?",
                                      "dots: how many?", "how many dots are in the picture?", "how many dots does the picture show?", "how many dots can you count?", "how many points are there?",
                                      "how many points do you see?", "how many points can you count?", "how many circles are there?", "how many circles are in the picture?", "count the points.",
                                      "count the circles.", "count all the dots in the picture.", "count how many dots you see.", "tell me the number of dots.", "tell me how many points you see.",
                                      "tell me how many circles there are.", "what is the number of points?", "what is the number of circles?", "number of points?", "the picture has how many dots?",
                                      "there are how many dots?", "can you count the dots?", "give the number of dots."};
constexpr std::string_view kSquare[] = {"what colour is the square?", "which colour does the square have?", "name the colour.", "what is the colour of the square?", "colour of the square?",
                                        "which colour do you see?", "tell me the colour of the square.", "what colour is shown?",
                                        "square: which colour?", "the square has which colour?", "the square is what colour?", "the square is shown in which colour?", "which colour is the square?",
                                        "which colour is it?", "which colour is shown?", "what colour does the square have?", "what colour do you see?",
                                        "what is the colour?", "in which colour is the square?", "in which colour do you see the square?", "in what colour is the square shown?",
                                        "name the colour of the square.", "name the colour that you see.", "tell me what colour the square is.", "tell me which colour you see.",
                                        "can you name the colour of the square?", "give the colour of the square.", "look at the square: which colour does it have?"};
constexpr std::string_view kBar[] = {"how high is the bar?", "what is the value of the bar?", "which number does the bar reach?", "read the bar.", "height of the bar?",
                                     "up to which number does the bar go?", "what value does the bar show?", "how tall is the bar?",
                                     "bar: how high?", "the bar is how high?", "the bar is how tall?", "the bar reaches which number?", "the bar goes up to which number?",
                                     "the bar shows which value?", "the height of the bar is what?", "the value of the bar is what?", "what is the height of the bar?",
                                     "how high does the bar go?", "how high does the bar reach?", "how tall is it?",
                                     "tell me how tall the bar is.", "tell me how high the bar goes.", "tell me the value of the bar.", "up to which value does the bar go?",
                                     "up to what number does the bar reach?", "read the value of the bar.", "read the height of the bar.", "which value does the bar show?",
                                     "what number does the bar show?", "what value does the bar have?", "can you read the bar?"};

constexpr std::array<std::string_view, 120> kWordList = {
    "apple", "arm",   "bag",   "ball",  "bank",  "bed",   "bell",  "bird",  "blue",  "boat",  "book",  "box",   "boy",   "bread", "bus",   "cake",  "car",   "cat",   "chair", "city",
    "clock", "coat",  "corn",  "cow",   "cup",   "day",   "desk",  "dog",   "door",  "duck",  "egg",   "exit",  "eye",   "farm",  "fire",  "fish",  "flag",  "food",  "foot",  "fork",
    "fox",   "frog",  "game",  "gas",   "gold",  "goat",  "green", "hand",  "hat",   "help",  "home",  "horse", "house", "ice",   "ink",   "jam",   "jar",   "juice", "key",   "king",
    "lake",  "lamp",  "leaf",  "left",  "lemon", "light", "lion",  "map",   "milk",  "moon",  "mouse", "music", "nest",  "nine",  "nose",  "nut",   "ocean", "onion", "open",  "oven",
    "owl",   "paper", "park",  "pear",  "pen",   "pig",   "queen", "quiet", "rain",  "red",   "rice",  "right", "ring",  "river", "road",  "rope",  "sale",  "salt",  "school", "sea",
    "ship",  "shoe",  "shop",  "snow",  "soap",  "sock",  "spoon", "star",  "stop",  "sun",   "table", "taxi",  "tea",   "tent",  "tiger", "train", "tree",  "wall",  "water", "zoo"};

std::string shouted(std::string_view word) {
  std::string out(word);
  for (char& c : out) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return out;
}

std::string random_word(Asker* ask) {
  const std::string word(ask->one_of(kWordList));
  const size_t form = ask->index(3);
  return form == 0 ? word : form == 1 ? capital(word) : shouted(word);
}

std::string random_number(Asker* ask) {
  switch (ask->index(6)) {
    case 0: return std::to_string(ask->between(10, 99)) + '.' + std::to_string(ask->between(0, 9));
    case 1: return std::to_string(ask->between(100, 9999));
    case 2: return std::to_string(ask->between(0, 99));
    case 3: return std::to_string(ask->between(0, 9)) + '.' + std::to_string(ask->between(10, 99));
    default: return std::to_string(ask->between(10, 999));
  }
}

// Letters one by one: what a word is read from.
std::string spelled(std::string_view word) {
  std::string out;
  for (const char c : word) {
    if (!out.empty()) out += ' ';
    out += c;
  }
  return out;
}

struct Line {
  std::string text;
  NamedColour ink;
};

// The lines of text, at a place and in a size drawn at random.
void write_lines(Asker* ask, Plan* plan, std::vector<Line> lines, std::vector<double> sizes) {
  const bool tidy = ask->tidy();
  double size = ask->one_of(sizes);
  if (tidy) size = size < 11 ? 7 : 14;  // print of 7 has lines of 10, so that each line is a row of patches; of 14, two rows
  double widest = 0;
  for (const Line& line : lines) widest = std::max(widest, Canvas::text_width(line.text, size));
  const auto free = [&](int64_t low, int64_t high) { return static_cast<double>(ask->between(low, high)); };
  const double left = tidy ? 10 * free(0, 2) : free(3, 12);
  const double top = tidy ? 10 * free(0, 2) + size / 7 : free(3, 10);
  const double line_height = tidy ? size * 10 / 7 : size * 9 / 7 + 4;
  const double right = left + widest + (tidy ? 10 * free(0, 1) : free(3, 12));
  const double bottom = top + line_height * static_cast<double>(lines.size()) + (tidy ? 10 * free(0, 1) - size / 7 : free(0, 8));
  const double width = tidy ? up_to_ten(right) : std::max(20.0, right);
  const double height = tidy ? up_to_ten(bottom) : bottom;
  const bool boxed = !tidy && ask->chance(0.3);
  const Style style = plan->style = pick_style(ask->rng(), width, height, tidy);
  if (style.dark) {
    for (Line& line : lines) {
      if (line.ink.name == "black") line.ink = {"white", style.ink};
    }
  }
  plan->draw = [=](Rng* rng) {
    Canvas canvas = canvas_of(style, width, height);
    if (boxed) canvas.frame(1, 1, width - 1, height - 1, 1, style.ink);
    for (size_t i = 0; i < lines.size(); ++i) canvas.text(left, top + line_height * static_cast<double>(i), lines[i].text, size, lines[i].ink.colour, style.lettering);
    return weathered(std::move(canvas), style, rng);
  };
}

NamedColour ink_of(Asker* ask) {
  // Dark colours only: they stand out on every light paper, and pale ones are for filled shapes.
  constexpr std::array<size_t, 8> kInks = {0, 1, 2, 4, 5, 7, 8, 8};
  return shade_of(ask->rng(), ask->one_of(kInks));
}

NamedColour plain_ink(Asker* ask) { return ask->chance(0.6) ? NamedColour{"black", shade_of(ask->rng(), 8).colour} : ink_of(ask); }

// A digit as a hand writes it: a usual way to write it, its points moved a little, turned, leaned and squeezed; about 20 of 28 units high.
std::vector<Stroke> handwritten(Asker* ask, int digit) {
  std::vector<PenPath> paths = ask->one_of(written_digits(digit));
  const auto spread = [&](double by) { return (ask->rng()->uniform() * 2 - 1) * by; };
  const double turn = spread(0.26);
  const double lean = 0.12 + spread(0.35);
  const double wide = 0.85 + spread(0.3);
  for (PenPath& path : paths) {
    path.curved = path.curved || ask->chance(0.25);
    for (auto& point : path.points) {
      const double x = (static_cast<double>(point[0]) - 2.2 + spread(0.3)) * wide;
      const double y = static_cast<double>(point[1]) - 3.5 + spread(0.3);
      const double leaned = x - lean * y;
      point = {static_cast<float>(leaned * std::cos(turn) - y * std::sin(turn)), static_cast<float>(leaned * std::sin(turn) + y * std::cos(turn))};
    }
  }
  return strokes_of(paths);
}

void write_by_hand(Asker* ask, Plan* plan, const std::vector<int>& digits) {
  const double width = 24 * static_cast<double>(digits.size()) + 4;
  plan->style = pick_style(ask->rng(), width, 28, ask->tidy());
  if (ask->chance(0.5)) plan->style.paper = {255, 255, 255}, plan->style.ink = {0, 0, 0}, plan->style.dark = false;
  if (ask->chance(0.6)) plan->style.scale = 1;
  struct Written {
    std::vector<Stroke> strokes;
    double x;
    double y;
    double unit;
  };
  std::vector<Written> all;
  for (size_t i = 0; i < digits.size(); ++i) {
    const double unit = 2.3 + 0.7 * ask->rng()->uniform();
    all.push_back({handwritten(ask, digits[i]), 14 + 24 * static_cast<double>(i) + ask->rng()->uniform() * 3 - 1.5, 14 + ask->rng()->uniform() * 3 - 1.5, unit});
  }
  const double pen = 1.4 + 2 * ask->rng()->uniform();
  const Style style = plan->style;
  plan->draw = [=](Rng* rng) {
    Canvas canvas = canvas_of(style, width, 28);
    for (size_t i = 0; i < all.size(); ++i) {
      canvas.strokes(all[i].x, all[i].y, all[i].strokes, all[i].unit, pen, style.ink);
      canvas.mark(all[i].x + 4, all[i].y + 5, std::to_string(digits[i]));
    }
    return weathered(std::move(canvas), style, rng);
  };
}

}  // namespace

Plan plan_reading(Asker* ask, std::string_view question) {
  Plan plan;
  const std::vector<double> sizes = {7, 7, 8, 10, 14, 14, 21, 28};
  if (question == "handwriting") {
    // One digit as a rule; now and then a number of two.
    std::vector<int> digits = {static_cast<int>(ask->index(10))};
    if (ask->chance(0.2)) digits.insert(digits.begin(), static_cast<int>(ask->between(1, 9)));
    for (const int digit : digits) plan.answer += std::to_string(digit);
    plan.question = digits.size() == 1 ? (ask->chance(0.3) ? "Which digit is this?" : ask->word(kDigit)) : ask->word(kNumber);
    plan.grader = "number";
    plan.combination = plan.answer + '/' + std::to_string(ask->index(40));
    write_by_hand(ask, &plan, digits);
  } else if (question == "number") {
    const std::string number = random_number(ask);
    const size_t decoration = ask->index(8);
    const std::string text = decoration == 0 ? "$" + number : decoration == 1 ? number + "%" : number;
    plan.question = ask->word(kNumber);
    plan.answer = text;
    plan.grader = text == number ? "number" : "exact";
    plan.combination = number;
    write_lines(ask, &plan, {{text, plain_ink(ask)}}, sizes);
  } else if (question == "letter") {
    const auto letter = std::string(1, static_cast<char>('A' + ask->index(26)));
    plan.question = ask->word(kLetter);
    plan.answer = letter;
    plan.combination = letter + std::to_string(ask->index(40));
    write_lines(ask, &plan, {{letter, plain_ink(ask)}}, sizes);
  } else if (question == "word") {
    const std::string word = random_word(ask);
    plan.question = ask->word(kWord);
    plan.sees = spelled(word);
    plan.answer = word;
    plan.combination = word;
    write_lines(ask, &plan, {{word, plain_ink(ask)}}, {7, 7, 8, 10, 14});
  } else if (question == "colour") {
    const bool is_number = ask->chance(0.5);
    const std::string text = is_number ? random_number(ask) : random_word(ask);
    const NamedColour ink = ink_of(ask);
    plan.question = ask->word(kInk, {{"what", is_number ? "number" : "word"}});
    plan.combination = text + std::string(ink.name);
    write_lines(ask, &plan, {{text, ink}}, {10, 14, 14, 21});
    plan.answer = plan.style.dark && ink.name == "black" ? "white" : std::string(ink.name);
  } else if (question == "line") {
    const auto n = static_cast<size_t>(ask->between(2, 4));
    std::vector<Line> lines;
    std::vector<std::string> texts;
    for (size_t i = 0; i < n; ++i) {
      texts.push_back(ask->chance(0.5) ? std::to_string(ask->between(1, 999)) : random_word(ask));
      lines.push_back({texts.back(), plain_ink(ask)});
      plan.sees += std::string(i > 0 ? ", " : "") + std::to_string(i + 1) + ' ' + texts.back();
    }
    const size_t asked = ask->index(n);
    plan.question = ask->word(kLine, {{"n", std::to_string(asked + 1)}});
    plan.working = "line " + std::to_string(asked + 1) + ": " + texts[asked];
    plan.answer = texts[asked];
    plan.combination = joined(texts, "|");
    write_lines(ask, &plan, lines, {7, 7, 8, 10});
  } else if (question == "sum" || question == "larger") {
    const int64_t a = ask->between(1, 99);
    int64_t b = ask->between(1, 99);
    while (b == a) b = ask->between(1, 99);
    plan.grader = "number";
    plan.combination = std::to_string(a) + '|' + std::to_string(b);
    plan.sees = std::to_string(a) + ", " + std::to_string(b);
    if (question == "sum") {
      plan.question = ask->word(kSum);
      plan.expression = std::to_string(a) + '+' + std::to_string(b);
      plan.steps = std::to_string(a) + " + " + std::to_string(b) + " = " + std::to_string(a + b);
      plan.answer = std::to_string(a + b);
    } else {
      plan.question = ask->word(kLarger);
      plan.working = compared(std::to_string(a), std::to_string(b), a, b);
      plan.answer = std::to_string(std::max(a, b));
    }
    if (ask->chance(0.5)) {
      write_lines(ask, &plan, {{std::to_string(a), plain_ink(ask)}, {std::to_string(b), plain_ink(ask)}}, {7, 8, 10, 14});
    } else {
      write_lines(ask, &plan, {{std::to_string(a) + "   " + std::to_string(b), plain_ink(ask)}}, {7, 8, 10, 14});
    }
  } else {
    CHECK(question == "task");
    const bool minus = ask->chance(0.5);
    int64_t a = ask->between(2, 99);
    int64_t b = ask->between(2, 99);
    if (minus && a < b) std::swap(a, b);
    plan.question = ask->word(kTask);
    plan.expression = std::to_string(a) + (minus ? '-' : '+') + std::to_string(b);
    plan.sees = std::to_string(a) + (minus ? " - " : " + ") + std::to_string(b);
    plan.answer = std::to_string(minus ? a - b : a + b);
    plan.steps = plan.sees + " = " + plan.answer;
    plan.grader = "number";
    plan.combination = plan.sees;
    write_lines(ask, &plan, {{plan.sees + (ask->chance(0.5) ? " =" : ""), plain_ink(ask)}}, {7, 8, 10, 14});
  }
  return plan;
}

Plan plan_easy(Asker* ask, std::string_view question) {
  Plan plan;
  plan.combination = std::to_string(ask->index(40));  // there are too few digits and colours to hold any out: their wordings are
  if (question == "digit") {
    const auto digit = std::to_string(ask->between(0, 9));
    plan.question = ask->word(kDigit);
    plan.answer = digit;
    plan.grader = "number";
    write_lines(ask, &plan, {{digit, plain_ink(ask)}}, {7, 10, 14, 14, 21, 21, 28});
    return plan;
  }
  if (question == "word") {
    const std::string word = random_word(ask);
    plan.question = ask->word(kWord);
    plan.sees = spelled(word);
    plan.answer = word;
    write_lines(ask, &plan, {{word, {"black", {0, 0, 0}}}}, {7, 14});
    return plan;
  }
  const bool tidy = ask->tidy();
  const double width = tidy ? 10 * static_cast<double>(ask->between(2, 4)) : static_cast<double>(ask->between(30, 50));
  const double height = tidy ? 10 * static_cast<double>(ask->between(2, 4)) : static_cast<double>(ask->between(30, 50));
  const Style style = plan.style = pick_style(ask->rng(), width, height, tidy);
  const NamedColour colour = pick_colours(ask->rng(), style, 1)[0];
  if (question == "colour") {
    const double side = tidy ? 10 : static_cast<double>(ask->between(9, 18));
    const auto place = [&](double room) { return tidy ? 10 * static_cast<double>(ask->between(0, static_cast<int64_t>(room / 10))) : ask->rng()->uniform() * room; };
    const double x = place(width - side);
    const double y = place(height - side);
    plan.question = ask->word(kSquare);
    plan.answer = colour.name;
    plan.draw = [=](Rng* rng) {
      Canvas canvas = canvas_of(style, width, height);
      canvas.rectangle(x, y, x + side, y + side, colour.colour);
      canvas.mark(x + 0.7 * side, y + 0.7 * side, ' ' + std::string(colour.name));
      return weathered(std::move(canvas), style, rng);
    };
  } else if (question == "dots") {
    const auto columns = static_cast<size_t>(width / 10);
    const auto rows = static_cast<size_t>(height / 10);
    const size_t n = 1 + ask->index(std::min<size_t>(6, columns * rows));
    const double radius = 2.2 + ask->rng()->uniform();
    // At most one in each patch of the grid, a little off its middle.
    std::vector<Point> dots;
    for (const size_t cell : ask->some_of(n, columns * rows)) {
      dots.push_back({10 * static_cast<double>(cell % columns) + 4 + 2 * ask->rng()->uniform(), 10 * static_cast<double>(cell / columns) + 4 + 2 * ask->rng()->uniform()});
    }
    plan.question = ask->word(kDots);
    plan.answer = std::to_string(n);
    plan.grader = "number";
    plan.draw = [=](Rng* rng) {
      Canvas canvas = canvas_of(style, width, height);
      for (size_t i = 0; i < dots.size(); ++i) {
        canvas.circle(dots[i].x, dots[i].y, radius, colour.colour);
        const auto before = [&](const Point& a, const Point& b) { return std::floor(a.y / 10) != std::floor(b.y / 10) ? a.y < b.y : a.x < b.x; };
        const auto count = 1 + std::count_if(dots.begin(), dots.end(), [&](const Point& other) { return before(other, dots[i]); });
        canvas.mark(dots[i].x, dots[i].y, std::to_string(count));
      }
      return weathered(std::move(canvas), style, rng);
    };
  } else {
    CHECK(question == "bar");
    const int64_t value = ask->between(1, 10);
    plan.question = ask->word(kBar);
    plan.answer = std::to_string(value);
    plan.grader = "number";
    plan.style = pick_style(ask->rng(), 40, 60, tidy);
    plan.draw = [value, colour, style = plan.style](Rng* rng) {
      Canvas canvas = canvas_of(style, 40, 60);
      for (int i = 0; i <= 10; i += 2) {
        const double y = 55 - 5.0 * i;
        const std::string tick = std::to_string(i);
        canvas.rectangle(10, y - 0.5, 40, y + 0.5, style.faint);
        canvas.text(10 - 5 * static_cast<double>(tick.size()), y - 3.5, tick, 7, style.ink, style.lettering);
      }
      canvas.rectangle(20, 55 - 5.0 * static_cast<double>(value), 30, 55, colour.colour);
      canvas.mark(25, 56 - 5.0 * static_cast<double>(value), std::to_string(value));
      canvas.rectangle(10, 54.5, 40, 55.5, style.ink);
      return weathered(std::move(canvas), style, rng);
    };
  }
  return plan;
}

}  // namespace firesteel::pictures
