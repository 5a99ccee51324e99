// Coloured shapes in a grid, dots and dice.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <optional>

#include "base/check.h"
#include "data/pictures/kinds.h"

namespace firesteel::pictures {

namespace {

constexpr std::array<std::string_view, 6> kForms = {"circle", "square", "triangle", "star", "diamond", "cross"};

struct Item {
  bool there = false;
  size_t form = 0;
  NamedColour colour;
  bool big = false;
  Point shift;

  bool is(const std::optional<std::string_view>& colour_name, const std::optional<size_t>& wanted) const {
    return there && (!colour_name || *colour_name == colour.name) && (!wanted || *wanted == form);
  }
};

struct Scene {
  size_t rows = 2;
  size_t columns = 2;
  bool sizes = false;  // big and small ones, and both are named
  double cell = 15;
  std::vector<Item> items;

  size_t n_there() const {
    return static_cast<size_t>(std::count_if(items.begin(), items.end(), [](const Item& item) { return item.there; }));
  }
};

constexpr std::string_view kHowMany[] = {"how many {n} are there?", "count the {n}.", "how many {n} do you see?", "what is the number of {n}?", "how many {n} does the picture have?", "how many {n} are in the picture?",
                                         "tell me the number of {n}.", "number of {n}?", "how many {n} can you find?",
                                         "{n}: how many?", "{n}: what is their number?", "how many {n} are shown?", "how many {n} can you count?", "how many {n} can you see?",
                                         "how many {n} does the picture show?", "how many of the shapes are {n}?", "count all {n}.", "count the {n} in the picture.", "count how many {n} you see.",
                                         "find all {n}: how many are there?", "find out how many {n} there are.", "tell me how many {n} there are.", "tell me how many {n} you can find.",
                                         "give the number of {n}.", "give the number of {n} in the picture.", "what number of {n} do you see?", "the number of {n} is what?",
                                         "the picture has how many {n}?", "the picture shows how many {n}?", "there are how many {n}?", "can you count the {n}?", "please count the {n}."};
constexpr std::string_view kColourOf[] = {"what colour is the {n}?", "which colour does the {n} have?", "name the colour of the {n}.", "the {n} has which colour?", "colour of the {n}?", "what is the colour of the {n}?",
                                          "tell me the colour of the {n}.", "in which colour is the {n}?",
                                          "{n}: which colour?", "the {n} is which colour?", "the {n} is in which colour?", "the {n} is what colour?", "the colour of the {n} is what?",
                                          "what colour does the {n} have?", "which colour is the {n}?", "which colour is the {n} in?", "in what colour is the {n}?",
                                          "in what colour is the {n} shown?", "in which colour is the {n} shown?", "the {n} is shown in which colour?", "name the colour that the {n} has.",
                                          "tell me what colour the {n} is.", "tell me which colour the {n} has.", "find the {n}: what colour is it?", "find the {n}. which colour does it have?",
                                          "look for the {n}: what colour does it have?", "can you name the colour of the {n}?", "give the colour of the {n}."};
constexpr std::string_view kFormOf[] = {"which shape is {c}?", "what shape is the {c} one?", "name the shape that is {c}.", "what is the {c} thing?", "the {c} one has which shape?", "which form does the {c} one have?",
                                        "what kind of shape is {c}?", "tell me the shape of the {c} one.",
                                        "{c}: which shape?", "{c} is which shape?", "the {c} one is which shape?", "the {c} one is what kind of shape?", "the {c} thing is what?",
                                        "the {c} thing has which shape?", "the {c} thing has which form?", "the shape of the {c} one is what?", "what form does the {c} one have?",
                                        "what form is the {c} shape?", "what is the shape of the {c} one?", "what is the form of the {c} thing?",
                                        "what shape does the {c} thing have?", "which kind of shape is {c}?", "what kind of shape is the {c} one?", "which shape is the one that is {c}?",
                                        "which shape has the colour {c}?", "name the shape of the {c} one.", "name the {c} shape.", "tell me which shape is {c}.", "tell me the form of the {c} one.",
                                        "find the {c} one: which shape is it?", "can you name the shape that is {c}?"};
constexpr std::string_view kExists[] = {"is there {a}?", "do you see {a}?", "does the picture show {a}?", "can you find {a}?", "is {a} in the picture?", "{a}: yes or no?", "does the picture have {a}?", "is {a} to be seen?",
                                        "{a}: is it there?", "{a}: do you see it?", "{a} in the picture: yes or no?", "is there {a} in the picture?", "is there {a} to be found?",
                                        "is there {a} to be seen?", "is {a} there?", "is {a} shown?", "is {a} shown in the picture?", "is {a} to be found in the picture?", "is {a} among the shapes?",
                                        "do you see {a} in the picture?", "do you find {a}?", "do you find {a} among the shapes?", "can {a} be found?", "can {a} be seen?", "can you see {a}?",
                                        "does the picture contain {a}?", "does it show {a}?", "does it contain {a}?", "tell me whether there is {a}.",
                                        "tell me whether you see {a}.", "is any of the shapes {a}?", "yes or no: is there {a}?", "look for {a}: is it there?",
                                        "among all the shapes, is there {a}?", "does this picture contain {a}?"};
constexpr std::string_view kNext[] = {"what is directly {rel} the {n}?", "what is {rel} the {n}?", "which shape is right {rel} the {n}?", "name what is {rel} the {n}.", "what do you see {rel} the {n}?",
                                      "directly {rel} the {n}, what is there?", "what stands {rel} the {n}?", "tell me what is {rel} the {n}.",
                                      "what is right {rel} the {n}?", "what shape is directly {rel} the {n}?", "what shape stands {rel} the {n}?", "which shape is {rel} the {n}?",
                                      "which shape is directly {rel} the {n}?", "which shape stands directly {rel} the {n}?", "which shape do you see {rel} the {n}?", "what do you find {rel} the {n}?",
                                      "what do you see directly {rel} the {n}?", "right {rel} the {n}, what is there?", "right {rel} the {n}, what do you see?", "{rel} the {n}, what is there?",
                                      "name the shape {rel} the {n}.", "name what stands {rel} the {n}.", "tell me which shape is {rel} the {n}.",
                                      "tell me what stands right {rel} the {n}.", "find the {n}: what is {rel} it?", "find the {n}. what do you see directly {rel} it?",
                                      "look {rel} the {n}: what is there?", "look at the {n}. which shape is {rel} it?", "can you tell me what is {rel} the {n}?"};
constexpr std::string_view kPlace[] = {"what is in the {p}?", "which shape is in the {p}?", "what do you see in the {p}?", "name what is in the {p}.", "describe the {p}.", "tell me what is in the {p}.", "in the {p}, what is there?",
                                       "what does the {p} hold?",
                                       "{p}: what is there?", "{p}: which shape?", "the {p} holds what?", "the {p} holds which shape?", "the {p} shows what?", "in the {p}, what do you see?",
                                       "in the {p}, which shape is there?", "what stands in the {p}?", "what is to be seen in the {p}?", "what shape is in the {p}?",
                                       "what shape do you see in the {p}?", "what does the {p} show?", "which shape stands in the {p}?", "which shape does the {p} hold?",
                                       "which shape do you find in the {p}?", "tell me what you see in the {p}.", "tell me what the {p} holds.", "name the shape in the {p}.",
                                       "describe what is in the {p}.", "describe what you see in the {p}.", "look at the {p}: what is there?", "look in the {p}. what do you find?",
                                       "can you describe the {p}?", "what do you find in the {p}?"};
constexpr std::string_view kBiggest[] = {"which shape is the largest?", "what is the biggest shape?", "name the largest shape.", "which one is the biggest?", "what shape is largest?", "find the biggest one.", "tell me the largest shape.",
                                         "which thing is the biggest?",
                                         "largest shape?", "biggest thing?", "largest thing?", "which is the largest shape?", "which is the biggest one?", "which one is largest?",
                                         "which one of the shapes is the biggest?", "which shape is the biggest?", "which thing is the largest?", "what is the largest thing?",
                                         "what is the largest shape?", "what is the biggest one?", "of all the shapes, which is the largest?", "of all things, which is the biggest?",
                                         "the largest one is which?", "the biggest shape is which one?", "find the largest shape.", "find the biggest thing: what is it?", "find the largest thing.",
                                         "name the biggest shape.", "name the largest one.", "tell me the biggest one.", "tell me which shape is the biggest.", "can you find the largest one?"};
constexpr std::string_view kBiggestColour[] = {"what colour is the largest shape?", "which colour does the biggest shape have?", "colour of the largest shape?", "name the colour of the biggest one.", "the largest shape has which colour?",
                                               "what is the colour of the biggest shape?", "tell me the colour of the largest one.", "in which colour is the largest shape?",
                                               "biggest shape: which colour?", "the biggest shape is which colour?", "the biggest one has which colour?", "the largest one is in which colour?",
                                               "the largest one is what colour?", "the colour of the largest shape is what?", "what is the colour of the largest one?",
                                               "what colour does the largest shape have?", "what colour does the biggest one have?", "what colour is the biggest shape?",
                                               "which colour is the largest one?", "which colour is the biggest shape?", "in which colour is the biggest one?",
                                               "in which colour is the biggest shape?", "name the colour of the largest shape.", "name the colour that the biggest shape has.",
                                               "tell me the colour of the biggest shape.", "tell me what colour the largest shape is.", "find the largest shape: which colour is it?",
                                               "find the biggest one. what colour does it have?", "can you name the colour of the largest one?", "give the colour of the biggest shape."};
constexpr std::string_view kMoreOf[] = {"are there more {a} than {b}?", "is the number of {a} larger than that of {b}?", "do you see more {a} than {b}?", "more {a} than {b}: yes or no?", "does the picture have more {a} than {b}?",
                                        "are the {a} more than the {b}?", "are there more of the {a} than of the {b}?", "do the {a} outnumber the {b}?",
                                        "more {a} than {b}?", "more {a} than {b}: is that true?", "is it true that there are more {a} than {b}?", "is it true that the {a} outnumber the {b}?",
                                        "is the number of {a} greater than that of {b}?", "is the number of {a} greater than the number of {b}?", "is the number of {a} higher than that of {b}?",
                                        "is the number of {a} larger than the number of {b}?", "does the picture show more {a} than {b}?", "does the picture have more of the {a} than of the {b}?",
                                        "do you find more {a} than {b}?", "do you count more {a} than {b}?", "do you see more of the {a} than of the {b}?", "count both: are there more {a} than {b}?",
                                        "count the {a} and the {b}. do the {a} outnumber the {b}?", "yes or no: are there more {a} than {b}?",
                                        "yes or no: do the {a} outnumber the {b}?", "tell me whether there are more {a} than {b}.", "tell me whether the {a} are more than the {b}.",
                                        "compare {a} and {b}: are there more {a}?", "are there more {a} in the picture than {b}?", "compared with the {b}, are there more {a}?",
                                        "is there a greater number of {a} than of {b}?", "tell me whether the number of {a} is higher than that of {b}.",
                                        "compare the number of {a} with that of {b}: is it higher?", "compared with the number of {b}, is that of {a} larger?"};
constexpr std::string_view kDots[] = {"how many {n} are there?", "count the {n}.", "how many {n} do you see?", "what is the number of {n}?", "number of {n}?", "how many {n} are in the picture?", "tell me how many {n} there are.",
                                      "how many {n} can you count?",
                                      "{n}: how many?", "{n}: what is their number?", "how many {n} are shown?", "how many {n} can you see?", "how many {n} does the picture have?",
                                      "how many {n} does the picture show?", "count all {n}.", "count the {n} in the picture.", "count how many {n} there are.", "tell me the number of {n}.",
                                      "tell me how many {n} you see.", "give the number of {n}.", "what number of {n} do you see?", "the number of {n} is what?", "the picture has how many {n}?",
                                      "there are how many {n}?", "can you count the {n}?", "please count the {n}.", "find out how many {n} there are.", "find the number of {n}."};
constexpr std::string_view kDie[] = {"which number does the die show?", "what does the die show?", "read the die.", "how many dots does the die show?", "what number was rolled?", "which number is on top?", "count the dots on the die.",
                                     "what was thrown?",
                                     "die: which number?", "the die shows what?", "the die shows which number?", "what number does the die show?", "what number was thrown?",
                                     "what number is on the die?", "what number is on top of the die?", "which number was rolled?", "which number was thrown?", "which number is on the die?",
                                     "which number do you see on top?", "what was rolled?", "what was rolled with the die?", "what is on top of the die?", "how many dots are on the die?",
                                     "how many dots are on top?", "how many dots do you see on the die?", "how many dots can you count on the die?", "count the dots.",
                                     "count how many dots the die shows.", "read the number on the die.", "read the dots of the die.", "tell me the number on the die.", "tell me what was rolled.",
                                     "tell me what was thrown.", "can you read the die?"};
constexpr std::string_view kDiceSum[] = {"what is the sum of the dice?", "how much do the dice show together?", "add up the dice.", "how many dots do the dice show in total?", "what is the total of the dice?", "what do the dice add up to?",
                                         "sum of the dice?", "how much was rolled altogether?",
                                         "the dice together show how much?", "the dice add up to what?", "the sum of the dice is what?", "the total on the dice is what?",
                                         "what do the dice make together?", "what do the dice show in total?", "what do the dice show altogether?",
                                         "what was rolled in total?", "what is the sum of what was rolled?", "what is the sum of the dots on the dice?",
                                         "how many dots do you count in total?", "how many dots are on the dice altogether?", "how many dots are on all dice together?",
                                         "how much is on the dice in total?", "how much do the dice add up to?", "how much do the dice make altogether?", "add the dice: what is the sum?",
                                         "add up the dots on the dice.", "add all dice together.", "tell me the total of the dice.", "tell me the sum of the dice.", "work out the total of the dice.",
                                         "can you add up the dice?", "total of the dice?"};
constexpr std::string_view kDiceTop[] = {"what is the highest die?", "which is the largest number rolled?", "what is the highest number on the dice?", "name the highest number shown.", "highest die?", "which number is the largest?",
                                         "what is the biggest number on the dice?", "tell me the highest number rolled.",
                                         "highest number?", "largest number on the dice?", "biggest number rolled?", "the highest number on the dice is which one?", "the largest number shown is what?",
                                         "the highest die shows which number?", "what does the highest die show?", "what number does the highest die show?", "what is the largest number on the dice?",
                                         "what is the largest number shown?", "what is the highest number rolled?", "what is the biggest number that was rolled?",
                                         "what is the most that one die shows?", "which number on the dice is the highest?",
                                         "which number is the highest?", "which number is the biggest?", "which is the biggest number on the dice?",
                                         "of all numbers rolled, which is the largest?", "name the largest number on the dice.", "name the number on the highest die.",
                                         "tell me the largest number on the dice.", "tell me the biggest number shown.", "find the highest die: what does it show?",
                                         "how much does the highest die show?", "the most that one die shows is what?",
                                         "the most that was rolled with one die: which number?"};

std::string letter_of(size_t i) { return std::string(1, static_cast<char>('A' + i)); }

std::string describe(const Item& item, bool sizes) {
  if (!item.there) return "empty";
  return std::string(sizes ? (item.big ? "big " : "small ") : "") + std::string(item.colour.name) + ' ' + std::string(kForms[item.form]);
}

std::string describe(const Scene& scene) {
  std::string text;
  for (size_t i = 0; i < scene.items.size(); ++i) {
    if (i > 0) text += i % scene.columns == 0 ? "\n" : ", ";
    text += letter_of(i) + ' ' + describe(scene.items[i], scene.sizes);
  }
  return text;
}

std::vector<std::string> letters_of(const std::vector<size_t>& which) {
  std::vector<std::string> letters;
  for (const size_t i : which) letters.push_back(letter_of(i));
  return letters;
}

void draw_form(Canvas* canvas, size_t form, double x, double y, double r, Colour colour) {
  const auto around = [&](int n, double radius, double turn, std::vector<Point>* points) {
    for (int i = 0; i < n; ++i) {
      const double angle = turn + 2 * std::numbers::pi * i / n;
      points->push_back({x + radius * std::sin(angle), y - radius * std::cos(angle)});
    }
  };
  std::vector<Point> points;
  switch (form) {
    case 0: canvas->circle(x, y, r, colour); return;
    case 1: canvas->rectangle(x - 0.88 * r, y - 0.88 * r, x + 0.88 * r, y + 0.88 * r, colour); return;
    case 2: points = {{x - r, y + 0.85 * r}, {x, y - r}, {x + r, y + 0.85 * r}}; break;
    case 3:
      for (int i = 0; i < 10; ++i) {
        const double angle = std::numbers::pi * i / 5;
        const double radius = i % 2 == 0 ? 1.15 * r : 0.46 * r;
        points.push_back({x + radius * std::sin(angle), y - radius * std::cos(angle)});
      }
      break;
    case 4: around(4, 1.1 * r, 0, &points); break;
    default:
      canvas->rectangle(x - r, y - 0.3 * r, x + r, y + 0.3 * r, colour);
      canvas->rectangle(x - 0.3 * r, y - r, x + 0.3 * r, y + r, colour);
      return;
  }
  canvas->polygon(points, colour);
}

Scene random_scene(Asker* ask, const Style& style, bool tidy, double filled) {
  Scene scene;
  scene.rows = static_cast<size_t>(ask->between(1, 3));
  scene.columns = static_cast<size_t>(ask->between(scene.rows == 1 ? 2 : 1, 4));
  scene.sizes = ask->chance(0.25);
  scene.cell = tidy ? (scene.sizes || ask->chance(0.3) ? 20 : 10) : static_cast<double>(ask->between(13, 18));
  const std::vector<NamedColour> colours = pick_colours(ask->rng(), style, static_cast<size_t>(ask->between(2, 5)));
  const std::vector<size_t> forms = ask->some_of(static_cast<size_t>(ask->between(2, 4)), kForms.size());
  scene.items.resize(scene.rows * scene.columns);
  for (Item& item : scene.items) {
    item.there = ask->chance(filled);
    if (!item.there) continue;
    item.form = ask->one_of(forms);
    item.colour = ask->one_of(colours);
    item.big = ask->chance(0.5);
    if (!tidy) item.shift = {ask->rng()->uniform() * 2 - 1, ask->rng()->uniform() * 2 - 1};
  }
  return scene;
}

// Items that no other one equals in colour and form.
std::vector<size_t> unique_items(const Scene& scene) {
  std::vector<size_t> out;
  for (size_t i = 0; i < scene.items.size(); ++i) {
    const Item& item = scene.items[i];
    const auto same = std::count_if(scene.items.begin(), scene.items.end(), [&](const Item& other) { return other.is(item.colour.name, item.form); });
    if (item.there && same == 1) out.push_back(i);
  }
  return out;
}

std::string noun_of(const std::optional<std::string_view>& colour, const std::optional<size_t>& form) {
  return (colour ? std::string(*colour) + ' ' : "") + std::string(form ? kForms[*form] : "shape");
}

std::string plural(const std::string& noun) { return noun + (noun.ends_with("cross") ? "es" : "s"); }

std::string article(const std::string& noun) { return (noun[0] == 'o' ? "an " : "a ") + noun; }

struct Wanted {
  std::optional<std::string_view> colour;
  std::optional<size_t> form;
};

// Colour, form or both of one item of the scene.
Wanted wanted_like(Asker* ask, const Item& item) {
  const size_t kind = ask->index(3);
  Wanted wanted;
  if (kind != 1) wanted.colour = item.colour.name;
  if (kind != 0) wanted.form = item.form;
  return wanted;
}

std::vector<size_t> matching(const Scene& scene, const Wanted& wanted) {
  std::vector<size_t> out;
  for (size_t i = 0; i < scene.items.size(); ++i) {
    if (scene.items[i].is(wanted.colour, wanted.form)) out.push_back(i);
  }
  return out;
}

// False: the question cannot be asked of this scene.
bool ask_scene(Asker* ask, Plan* plan, Scene* scene, std::string_view question) {
  const std::vector<size_t> there = matching(*scene, {});
  if (there.empty()) return false;
  const Item& item = scene->items[ask->one_of(there)];
  if (question == "count") {
    Wanted wanted;
    if (ask->chance(0.8)) wanted = wanted_like(ask, item);
    if (ask->chance(0.1)) wanted.form = ask->index(kForms.size());
    const std::vector<size_t> hits = matching(*scene, wanted);
    const std::string noun = noun_of(wanted.colour, wanted.form);
    plan->question = ask->word(kHowMany, {{"n", plural(noun)}});
    plan->working = noun + ": " + counted(letters_of(hits));
    plan->answer = std::to_string(hits.size());
    plan->grader = "number";
    return true;
  }
  if (question == "colour" || question == "form") {
    const bool colour = question == "colour";
    Wanted wanted;
    if (colour) {
      wanted.form = item.form;
    } else {
      wanted.colour = item.colour.name;
    }
    const std::vector<size_t> hits = matching(*scene, wanted);
    if (hits.size() != 1) return false;
    plan->question = colour ? ask->word(kColourOf, {{"n", noun_of({}, item.form)}}) : ask->word(kFormOf, {{"c", std::string(item.colour.name)}});
    plan->working = std::string(colour ? kForms[item.form] : item.colour.name) + ": " + letter_of(hits[0]) + ' ' + describe(item, scene->sizes);
    plan->answer = colour ? item.colour.name : kForms[item.form];
    return true;
  }
  if (question == "exists") {
    // Half of the absent ones have a colour and a form that are both there, only not together.
    const bool yes = ask->chance(0.5);
    Wanted wanted = {item.colour.name, item.form};
    if (!yes) {
      for (int i = 0; i < 40 && !matching(*scene, wanted).empty(); ++i) {
        wanted = {scene->items[ask->one_of(there)].colour.name, i < 20 ? scene->items[ask->one_of(there)].form : ask->index(kForms.size())};
      }
      if (!matching(*scene, wanted).empty()) return false;
    }
    const std::string noun = noun_of(wanted.colour, wanted.form);
    plan->question = ask->word(kExists, {{"a", article(noun)}});
    const std::vector<std::string> letters = letters_of(matching(*scene, wanted));
    plan->working = noun + ": " + (letters.empty() ? "none" : joined(letters, ", "));
    plan->answer = yes ? "yes" : "no";
    return true;
  }
  if (question == "next") {
    const std::vector<size_t> candidates = unique_items(*scene);
    if (candidates.empty()) return false;
    const size_t from = ask->one_of(candidates);
    struct Step {
      std::string_view text;
      int row;
      int column;
    };
    constexpr std::array<Step, 4> kSteps = {{{"above", -1, 0}, {"below", 1, 0}, {"left of", 0, -1}, {"right of", 0, 1}}};
    const Step& step = ask->one_of(kSteps);
    const int row = static_cast<int>(from / scene->columns) + step.row;
    const int column = static_cast<int>(from % scene->columns) + step.column;
    if (row < 0 || column < 0 || row >= static_cast<int>(scene->rows) || column >= static_cast<int>(scene->columns)) return false;
    const size_t to = static_cast<size_t>(row) * scene->columns + static_cast<size_t>(column);
    const Item& target = scene->items[to];
    if (!target.there) return false;
    plan->question = ask->word(kNext, {{"rel", std::string(step.text)}, {"n", noun_of(scene->items[from].colour.name, scene->items[from].form)}});
    plan->working = letter_of(from) + ' ' + std::string(step.text) + ": " + letter_of(to) + ' ' + describe(target, scene->sizes);
    plan->answer = describe(target, false);
    return true;
  }
  if (question == "place") {
    if (scene->rows < 2 || scene->columns < 2) return false;
    const bool top = ask->chance(0.5);
    const bool left = ask->chance(0.5);
    const size_t at = (top ? 0 : (scene->rows - 1) * scene->columns) + (left ? 0 : scene->columns - 1);
    const std::string corner = std::string(top ? "top" : "bottom") + (left ? " left" : " right") + " corner";
    plan->question = ask->word(kPlace, {{"p", corner}});
    plan->working = letter_of(at) + ' ' + describe(scene->items[at], scene->sizes);
    plan->answer = describe(scene->items[at], false);
    return true;
  }
  if (question == "largest") {
    if (there.size() < 2) return false;
    scene->sizes = true;
    for (Item& each : scene->items) each.big = false;
    const size_t at = ask->one_of(there);
    scene->items[at].big = true;
    const bool colour = ask->chance(0.5);
    plan->question = colour ? ask->word(kBiggestColour) : ask->word(kBiggest);
    plan->working = letter_of(at) + ' ' + describe(scene->items[at], true);
    plan->answer = colour ? std::string(scene->items[at].colour.name) : describe(scene->items[at], false);
    return true;
  }
  CHECK(question == "more");
  const Item& other = scene->items[ask->one_of(there)];
  const bool colours = ask->chance(0.5);
  if (colours ? item.colour.name == other.colour.name : item.form == other.form) return false;
  const Wanted a = colours ? Wanted{item.colour.name, {}} : Wanted{{}, item.form};
  const Wanted b = colours ? Wanted{other.colour.name, {}} : Wanted{{}, other.form};
  const std::vector<std::string> hits_a = letters_of(matching(*scene, a));
  const std::vector<std::string> hits_b = letters_of(matching(*scene, b));
  const size_t n_a = hits_a.size();
  const size_t n_b = hits_b.size();
  if (n_a == n_b && ask->chance(0.7)) return false;
  plan->question = ask->word(kMoreOf, {{"a", plural(noun_of(a.colour, a.form))}, {"b", plural(noun_of(b.colour, b.form))}});
  plan->working = noun_of(a.colour, a.form) + ": " + counted(hits_a) + '\n' + noun_of(b.colour, b.form) + ": " + counted(hits_b) + '\n' +
                  compared(std::to_string(n_a), std::to_string(n_b), static_cast<int64_t>(n_a), static_cast<int64_t>(n_b));
  plan->answer = n_a > n_b ? "yes" : "no";
  return true;
}

void draw_die(Canvas* canvas, double x, double y, double side, int64_t eyes, Colour body, Colour dots) {
  canvas->rectangle(x, y, x + side, y + side, dots);
  canvas->rectangle(x + 1, y + 1, x + side - 1, y + side - 1, body);
  const double a = side * 0.25;
  const double b = side * 0.5;
  const double c = side * 0.75;
  const double r = side * 0.09 + 0.3;
  const auto dot = [&](double dx, double dy) { canvas->circle(x + dx, y + dy, r, dots); };
  if (eyes % 2 == 1) dot(b, b);
  if (eyes >= 2) dot(a, a), dot(c, c);
  if (eyes >= 4) dot(c, a), dot(a, c);
  if (eyes == 6) dot(a, b), dot(c, b);
}

}  // namespace

Plan plan_scene(Asker* ask, std::string_view question) {
  for (;;) {
    Plan plan;
    const bool tidy = ask->tidy();
    plan.style = pick_style(ask->rng(), 60, 45, tidy);
    Scene scene = random_scene(ask, plan.style, tidy, question == "next" || question == "place" ? 0.9 : 0.8);
    if (!ask_scene(ask, &plan, &scene, question)) continue;
    plan.sees = describe(scene);
    plan.combination = plan.sees;
    const double width = scene.cell * static_cast<double>(scene.columns);
    const double height = scene.cell * static_cast<double>(scene.rows);
    const bool lines = ask->chance(0.3);
    plan.draw = [scene, width, height, lines, style = plan.style](Rng* rng) {
      Canvas canvas = canvas_of(style, width, height);
      for (size_t i = 0; i < scene.items.size(); ++i) {
        const double x = scene.cell * static_cast<double>(i % scene.columns);
        const double y = scene.cell * static_cast<double>(i / scene.columns);
        if (lines) canvas.frame(x, y, x + scene.cell, y + scene.cell, 0.6, style.faint);
        const Item& item = scene.items[i];
        const double radius = scene.cell * (scene.sizes ? (item.big ? 0.4 : 0.21) : item.big ? 0.4 : 0.36);
        if (item.there && scene.sizes) canvas.mark(x + 0.7 * scene.cell, y + 0.7 * scene.cell, item.big ? " big" : " small");
        if (item.there) canvas.mark(x + 0.7 * scene.cell, y + 0.7 * scene.cell, ' ' + std::string(item.colour.name));
        canvas.mark(x + 0.7 * scene.cell, y + 0.7 * scene.cell, ' ' + std::string(item.there ? kForms[item.form] : "empty"));
        if (item.there) draw_form(&canvas, item.form, x + scene.cell / 2 + item.shift.x, y + scene.cell / 2 + item.shift.y, radius, item.colour.colour);
      }
      return weathered(std::move(canvas), style, rng);
    };
    return plan;
  }
}

Plan plan_dots(Asker* ask, std::string_view question) {
  Plan plan;
  const bool tidy = ask->tidy();
  const double side = tidy ? 10 * static_cast<double>(ask->between(4, 5)) : static_cast<double>(ask->between(40, 60));
  const Style style = plan.style = pick_style(ask->rng(), side, side, tidy);
  const bool two = question == "coloured";
  const std::vector<NamedColour> colours = pick_colours(ask->rng(), style, two ? 2 : 1);
  const auto n = static_cast<size_t>(ask->between(two ? 2 : 1, 10));
  std::vector<Point> dots;
  const auto columns = static_cast<size_t>(side / 10);
  for (const size_t cell : ask->some_of(tidy ? n : 0, columns * columns)) {  // one in a patch, a little off its middle
    dots.push_back({10 * static_cast<double>(cell % columns) + 4 + 2 * ask->rng()->uniform(), 10 * static_cast<double>(cell / columns) + 4 + 2 * ask->rng()->uniform()});
  }
  for (int n_tries = 0; dots.size() < n; ++n_tries) {
    if (n_tries % 200 == 199) dots.clear();
    const Point dot = {4 + ask->rng()->uniform() * (side - 8), 4 + ask->rng()->uniform() * (side - 8)};
    if (std::all_of(dots.begin(), dots.end(), [&](const Point& other) { return std::hypot(dot.x - other.x, dot.y - other.y) > 8; })) dots.push_back(dot);
  }
  std::vector<size_t> ink(n, 0);
  std::array<size_t, 2> counts{};
  for (size_t i = 0; i < n; ++i) {
    ink[i] = two ? ask->index(2) : 0;
    ++counts[ink[i]];
  }
  // Row by row from the top, as one reads: the thought counts them.
  const std::string noun = two ? std::string(colours[0].name) + " dots" : "dots";
  plan.question = ask->word(kDots, {{"n", noun}});
  if (two) plan.sees = std::string(colours[0].name) + ' ' + std::to_string(counts[0]) + ", " + std::string(colours[1].name) + ' ' + std::to_string(counts[1]);
  plan.answer = std::to_string(counts[0]);
  plan.grader = "number";
  plan.combination = std::to_string(n) + '/' + std::to_string(counts[0]) + '/' + std::string(colours[0].name) + '/' + std::to_string(ask->index(5));
  const double radius = 2.2 + 0.8 * ask->rng()->uniform();
  plan.draw = [=](Rng* rng) {
    Canvas canvas = canvas_of(style, side, side);
    for (size_t i = 0; i < dots.size(); ++i) {
      canvas.circle(dots[i].x, dots[i].y, radius, colours[ink[i]].colour);
      // How many of its colour there are up to this one, row by row: what counting is.
      const auto before = [&](const Point& a, const Point& b) { return std::floor(a.y / 10) != std::floor(b.y / 10) ? a.y < b.y : a.x < b.x; };
      size_t count = 1;
      for (size_t k = 0; k < dots.size(); ++k) count += ink[k] == ink[i] && before(dots[k], dots[i]) ? 1U : 0U;
      canvas.mark(dots[i].x, dots[i].y, std::to_string(count));
    }
    return weathered(std::move(canvas), style, rng);
  };
  return plan;
}

Plan plan_dice(Asker* ask, std::string_view question) {
  Plan plan;
  const auto n = static_cast<size_t>(question == "one" ? 1 : ask->between(2, 4));
  std::vector<int64_t> eyes;
  std::vector<std::string> texts;
  int64_t total = 0;
  for (size_t i = 0; i < n; ++i) {
    eyes.push_back(ask->between(1, 6));
    texts.push_back(std::to_string(eyes.back()));
    if (i > 0) plan.steps += (i > 1 ? ", " : "") + std::to_string(total) + " + " + texts.back() + " = " + std::to_string(total + eyes.back());
    total += eyes.back();
  }
  plan.sees = joined(texts, ", ");
  plan.combination = plan.sees + '/' + std::to_string(ask->index(10));
  plan.grader = "number";
  if (question == "one") {
    plan.question = ask->word(kDie);
    plan.answer = texts[0];
  } else if (question == "sum") {
    plan.question = ask->word(kDiceSum);
    plan.expression = joined(texts, "+");
    plan.answer = std::to_string(total);
  } else {
    CHECK(question == "highest");
    plan.question = ask->word(kDiceTop);
    plan.steps.clear();
    plan.working = "highest: " + best_so_far(texts, eyes, true);
    plan.answer = std::to_string(*std::max_element(eyes.begin(), eyes.end()));
  }
  const bool tidy = ask->tidy();
  const double side = tidy ? 18 : static_cast<double>(ask->between(17, 24));
  const double gap = tidy ? 2 : static_cast<double>(ask->between(2, 6));
  const double edge = tidy ? gap / 2 : gap;
  const double width = 2 * edge - gap + (side + gap) * static_cast<double>(n);
  const Style style = plan.style = pick_style(ask->rng(), width, side + 2 * edge, tidy);
  const bool coloured = ask->chance(0.3);
  const Colour body = coloured ? shade_of(ask->rng(), ask->index(3)).colour : Colour{255, 255, 255};
  const Colour dots = coloured ? Colour{255, 255, 255} : Colour{10, 10, 10};
  plan.draw = [=](Rng* rng) {
    Canvas canvas = canvas_of(style, width, side + 2 * edge);
    for (size_t i = 0; i < n; ++i) {
      const double x = edge + (side + gap) * static_cast<double>(i);
      draw_die(&canvas, x, edge, side, eyes[i], body, dots);
      canvas.mark(x + 0.8 * side, edge + 0.8 * side, std::to_string(eyes[i]));
    }
    return weathered(std::move(canvas), style, rng);
  };
  return plan;
}

}  // namespace firesteel::pictures
