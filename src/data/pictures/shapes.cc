#include "data/pictures/shapes.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace firesteel::pictures {

namespace {

constexpr std::array<std::string_view, 4> kForms = {"empty", "circle", "square", "triangle"};
constexpr std::array<std::string_view, 3> kColourWords = {"red", "green", "blue"};
struct RelationWords {
  std::string_view program;
  std::string_view text;
  int row;
  int column;
};
constexpr std::array<RelationWords, 4> kRelations = {
    {{"above", "above", -1, 0}, {"below", "below", 1, 0}, {"left_of", "left of", 0, -1}, {"right_of", "right of", 0, 1}}};

// The programs of the published val part: never in training, so that its score is one on unseen questions as well.
constexpr std::array<std::string_view, 16> kValPrograms = {
    "(is blue (above green))",     "(is blue (right_of circle))",        "(is blue (right_of red))",
    "(is blue red)",               "(is circle (below (below red)))",    "(is circle (below square))",
    "(is green (above (below square)))", "(is green (above square))",    "(is green (below blue))",
    "(is green (right_of (right_of green)))", "(is green red)",          "(is green triangle)",
    "(is red red)",                "(is square (left_of (right_of green)))", "(is triangle (above (right_of square)))",
    "(is triangle (above blue))"};

const RelationWords& words_of(Relation relation) { return kRelations[static_cast<size_t>(relation)]; }
std::string_view word_of(ShapeForm form) { return kForms[static_cast<size_t>(form)]; }
std::string_view word_of(ShapeColour colour) { return kColourWords[static_cast<size_t>(colour)]; }

std::string describe(const ShapeCell& cell) {
  if (cell.form == ShapeForm::kNone) return "empty";
  return std::string(word_of(cell.colour)) + ' ' + std::string(word_of(cell.form));
}

// "red", "circle", "red circle".
std::string noun_program(const ShapeNoun& noun) {
  std::string text;
  if (noun.colour) text = word_of(*noun.colour);
  if (noun.form) text += (text.empty() ? "" : " ") + std::string(word_of(*noun.form));
  return text;
}

// "a red shape", "a circle", "a red circle".
std::string noun_phrase(const ShapeNoun& noun, std::string_view article = "a ") {
  return std::string(article) + noun_program(noun) + (noun.form ? "" : " shape");
}

char cell_letter(size_t cell) { return static_cast<char>('A' + cell); }

std::optional<size_t> moved(size_t cell, Relation relation) {
  const int row = static_cast<int>(cell / 3) + words_of(relation).row;
  const int column = static_cast<int>(cell % 3) + words_of(relation).column;
  if (row < 0 || row > 2 || column < 0 || column > 2) return std::nullopt;
  return static_cast<size_t>(row * 3 + column);
}

std::vector<size_t> cells_of(const ShapeNoun& noun, const ShapeGrid& grid) {
  std::vector<size_t> cells;
  for (size_t i = 0; i < grid.size(); ++i) {
    if (noun.fits(grid[i])) cells.push_back(i);
  }
  return cells;
}

std::vector<size_t> moved(const std::vector<size_t>& cells, Relation relation) {
  std::vector<size_t> out;
  for (const size_t cell : cells) {
    if (const auto to = moved(cell, relation)) out.push_back(*to);
  }
  return out;
}

std::string cell_list(const std::vector<size_t>& cells, const ShapeGrid* contents) {
  std::vector<std::string> parts;
  for (const size_t cell : cells) {
    parts.push_back(std::string(1, cell_letter(cell)) + (contents != nullptr ? ' ' + describe((*contents)[cell]) : ""));
  }
  return parts.empty() ? "none" : joined(parts, ", ");
}

// A colour or a form word.
Result<ShapeNoun> parse_noun(std::string_view word) {
  for (size_t i = 0; i < kColourWords.size(); ++i) {
    if (word == kColourWords[i]) return ShapeNoun{.colour = static_cast<ShapeColour>(i), .form = std::nullopt};
  }
  for (size_t i = 1; i < kForms.size(); ++i) {
    if (word == kForms[i]) return ShapeNoun{.colour = std::nullopt, .form = static_cast<ShapeForm>(i)};
  }
  return Error{ErrorCode::kDataLoss, "SHAPES program: expected a colour or a form, found '" + std::string(word) + "'"};
}

ShapeGrid random_grid(Rng* rng) {
  ShapeGrid grid;
  for (ShapeCell& cell : grid) {
    if (rng->below(5) == 0) continue;
    cell = {static_cast<ShapeForm>(1 + rng->below(3)), static_cast<ShapeColour>(rng->below(3))};
  }
  return grid;
}

ShapeNoun random_noun(Asker* ask, double both) {
  ShapeNoun noun;
  const bool compound = ask->chance(both);
  const bool colour = ask->chance(0.5);
  if (compound || colour) noun.colour = static_cast<ShapeColour>(ask->index(3));
  if (compound || !colour) noun.form = static_cast<ShapeForm>(1 + ask->index(3));
  return noun;
}

ShapeQuery random_query(Asker* ask, size_t n_relations) {
  ShapeQuery query;
  query.subject = random_noun(ask, n_relations == 0 ? 0 : 0.2);
  query.object = random_noun(ask, n_relations == 0 ? 0 : 0.2);
  for (size_t i = 0; i < n_relations; ++i) query.relations.push_back(static_cast<Relation>(ask->index(4)));
  if (n_relations == 0) {
    // "is red red" and "is red blue" are asked, too, but seldom: one is nearly always true, the other never.
    while (query.subject.colour.has_value() == query.object.colour.has_value() && !ask->chance(0.08)) query.object = random_noun(ask, 0);
  }
  return query;
}

// A grid in which the answer is as wished, where there is one.
ShapeGrid grid_for(Asker* ask, const ShapeQuery& query, bool wished) {
  ShapeGrid grid = random_grid(ask->rng());
  for (int i = 0; i < 300 && shape_answer(query, grid) != wished; ++i) grid = random_grid(ask->rng());
  return grid;
}

constexpr std::string_view kPlain[] = {
    "is there {a} {rel} {b}?", "is {a} directly {rel} {b}?", "do you see {a} {rel} {b}?", "can you find {a} {rel} {b}?",
    "{a} {rel} {b}: yes or no?", "does the picture have {a} {rel} {b}?", "is there {a} in the cell {rel} {b}?", "look at the cell {rel} {b}: is it {a}?",
    "in this picture, is {a} {rel} {b}?", "is any shape {rel} {b} {a}?",
    "{a} {rel} {b}?", "is there any place where {a} is {rel} {b}?", "is there {a} directly {rel} {b}?", "is there, in this picture, {a} {rel} {b}?", "is {a} {rel} {b} in this picture?",
    "is {a} in the cell directly {rel} {b}?", "is {a} in any cell {rel} {b}?", "is {a} to be found directly {rel} {b}?", "is it true that {a} is {rel} {b}?",
    "does this picture have {a} directly {rel} {b}?", "does the picture show {a} {rel} {b}?", "does any cell {rel} {b} show {a}?", "do you find {a} {rel} {b}?", "do you see {a} directly {rel} {b}?",
    "do you see {a} in the cell {rel} {b}?", "can you find {a} in the cell {rel} {b}?", "can you see {a} {rel} {b}?", "look {rel} {b}: is there {a}?", "look for {a} {rel} {b}: yes or no?",
    "tell me whether there is {a} {rel} {b}.", "tell me whether {a} is {rel} {b}.", "yes or no: is there {a} {rel} {b}?"};
constexpr std::string_view kNested[] = {
    "is there {a} {rel} the cell {rel2} {b}?", "is {a} {rel} what is {rel2} {b}?", "do you see {a} {rel} the cell that is {rel2} {b}?",
    "take the cell {rel2} {b}. is {a} {rel} it?", "go to the cell {rel2} {b}: is there {a} {rel} that cell?", "{a} {rel} the cell {rel2} {b}: yes or no?",
    "can you find {a} {rel} the place {rel2} {b}?", "does the picture have {a} {rel} the cell {rel2} {b}?",
    "{a} {rel} what is {rel2} {b}?", "{a} {rel} the cell that is {rel2} {b}: yes or no?", "is there {a} {rel} what is {rel2} {b}?", "is there {a} {rel} the place {rel2} {b}?",
    "is {a} {rel} the cell {rel2} {b}?", "is {a} {rel} the place that is {rel2} {b}?", "take the place {rel2} {b}. is there {a} {rel} it?", "take what is {rel2} {b}: is {a} {rel} it?",
    "take the cell {rel2} {b}: do you see {a} {rel} that cell?", "go to the place {rel2} {b}. do you see {a} {rel} it?", "go to the cell {rel2} {b}: can you find {a} {rel} it?",
    "look at the cell {rel2} {b}: is there {a} {rel} it?", "look at the place {rel2} {b}. is {a} {rel} that place?", "do you see {a} {rel} the place {rel2} {b}?",
    "do you find {a} {rel} the cell {rel2} {b}?", "does the picture have {a} {rel} what is {rel2} {b}?", "does the picture show {a} {rel} the cell {rel2} {b}?",
    "can you find {a} {rel} the cell that is {rel2} {b}?", "tell me whether {a} is {rel} the cell {rel2} {b}.", "tell me whether there is {a} {rel} the place {rel2} {b}.",
    "is it true that {a} is {rel} the cell {rel2} {b}?", "yes or no: is there {a} {rel} the cell {rel2} {b}?"};
constexpr std::string_view kExists[] = {
    "is there {ab}?", "do you see {ab}?", "does the picture show {ab}?", "can you find {ab} here?", "is {ab} in the picture?", "{ab}: yes or no?",
    "is any of the shapes {ab}?", "does this picture have {ab}?", "is {ab} shown?",
    "{ab} here: yes or no?", "{ab}: is it there?", "is there {ab} here?", "is there {ab} in the picture?", "is there {ab} in any cell?", "is there {ab} among the shapes?", "is {ab} here?",
    "is {ab} among the shapes?", "is {ab} shown in the picture?", "is {ab} to be seen in any of the cells?", "do you see {ab} here?",
    "do you see {ab} in this picture?", "do you find {ab}?", "do you find {ab} among the shapes?", "does any of the cells show {ab}?", "does this picture show {ab}?", "does it have {ab}?",
    "can you find {ab}?", "can you see {ab} in the picture?", "tell me whether there is {ab}.", "tell me whether {ab} is shown.", "yes or no: is there {ab}?", "look at the cells: is there {ab}?"};
constexpr std::string_view kCountWords[] = {
    "how many {n} are there?", "count the {n}.", "how many {n} do you see?", "what is the number of {n}?", "how many {n} does the picture have?",
    "how many {n} are in the picture?", "tell me the number of {n}.", "number of {n}?",
    "{n}: how many?", "{n}: what is their number?", "how many {n} are shown?", "how many {n} can you count?", "how many {n} can you find?", "how many {n} does the picture show?",
    "how many of the cells have {n}?", "count all {n}.", "count the {n} in the picture.", "count how many {n} there are.", "tell me how many {n} there are.", "tell me how many {n} you see.",
    "give the number of {n}.", "give the number of {n} in the picture.", "what number of {n} do you see?", "the number of {n} is what?", "the picture has how many {n}?",
    "the picture shows how many {n}?", "there are how many {n}?", "can you count the {n}?", "please count the {n}."};
constexpr std::string_view kWhat[] = {
    "what is in {cell}?", "what do you see in {cell}?", "which shape in which colour is in {cell}?", "describe {cell}.", "what is shown in {cell}?",
    "colour and shape in {cell}?", "name what is in {cell}.", "tell me what {cell} holds.",
    "{cell}: what is there?", "{cell}: which shape in which colour?", "{cell}: shape and colour?", "{cell} holds what?", "{cell} shows what?", "what does {cell} hold?", "what does {cell} show?",
    "what shape and what colour does {cell} hold?", "which colour and which shape are in {cell}?", "which shape do you see in {cell}, and in which colour?",
    "which shape is shown in {cell}, and in which colour?", "in {cell}, what is shown?", "in {cell}, what do you see?", "tell me what is in {cell}.", "tell me what you see in {cell}.",
    "tell me the shape and the colour in {cell}.", "name the colour and the shape in {cell}.", "name what {cell} holds.", "describe what is in {cell}.", "describe what you see in {cell}.",
    "look at {cell}: what is there?", "can you describe {cell}?"};
constexpr std::string_view kColourOf[] = {
    "what colour is the shape in {cell}?", "which colour does the shape in {cell} have?", "colour of the shape in {cell}?", "name the colour in {cell}.",
    "in {cell}, what is the colour?", "the shape in {cell} has which colour?", "tell me the colour of the shape in {cell}.", "what is the colour of {cell}?",
    "{cell}: which colour?", "{cell}: what is the colour of the shape?", "{cell} has which colour?", "which colour does {cell} have?", "which colour is in {cell}?",
    "which colour is the shape in {cell}?", "which colour do you see in {cell}?", "what colour do you see in {cell}?", "what colour is in {cell}?", "what colour does the shape in {cell} have?",
    "what is the colour in {cell}?", "what is the colour of the shape in {cell}?", "in {cell}, which colour do you see?", "in {cell}, which colour does the shape have?",
    "in {cell}, what colour is the shape?", "in which colour is the shape in {cell}?", "the colour of the shape in {cell} is what?", "name the colour of the shape in {cell}.",
    "tell me the colour in {cell}.", "tell me what colour the shape in {cell} has.", "look at {cell}: which colour is it?", "can you name the colour of the shape in {cell}?"};
constexpr std::string_view kFormOf[] = {
    "which shape is in {cell}?", "what shape do you see in {cell}?", "is it a circle, a square or a triangle in {cell}?", "name the shape in {cell}.",
    "in {cell}, what is the shape?", "what kind of shape is in {cell}?", "tell me the shape in {cell}.", "shape in {cell}?",
    "{cell}: which shape?", "{cell}: circle, square or triangle?", "{cell} holds which shape?", "{cell} has what kind of shape?", "which shape do you see in {cell}?", "which shape does {cell} hold?",
    "which kind of shape is in {cell}?", "what kind of shape do you see in {cell}?", "what shape is in {cell}?", "what shape is it in {cell}?",
    "what shape does {cell} hold?", "what is the shape in {cell}?", "is there a circle, a square or a triangle in {cell}?", "in {cell}, is it a circle, a square or a triangle?",
    "in {cell}, which shape do you see?", "circle, square or triangle: which is in {cell}?", "the shape in {cell} is what?", "the shape in {cell} is of which kind?",
    "name the kind of shape in {cell}.", "tell me which shape is in {cell}.", "look at {cell}: which shape is it?", "can you name the shape in {cell}?"};
constexpr std::array<std::string_view, 9> kPlaces = {"the top left cell",    "the top middle cell",    "the top right cell",
                                                     "the middle left cell", "the centre cell",        "the middle right cell",
                                                     "the bottom left cell", "the bottom middle cell", "the bottom right cell"};

void ask_cell(Asker* ask, Plan* plan, const ShapeGrid& grid) {
  size_t cell = ask->index(9);
  const size_t form = ask->index(3);
  while (form != 0 && grid[cell].form == ShapeForm::kNone) cell = ask->index(9);
  const std::string place = ask->chance(0.5) ? std::string(kPlaces[cell])
                                             : "row " + std::to_string(cell / 3 + 1) + ", column " + std::to_string(cell % 3 + 1);
  plan->question = ask->word(form == 0 ? Words(kWhat) : form == 1 ? Words(kColourOf) : Words(kFormOf), {{"cell", place}});
  plan->working = cell_list({cell}, &grid);
  plan->answer = form == 0 ? describe(grid[cell]) : std::string(form == 1 ? word_of(grid[cell].colour) : word_of(grid[cell].form));
}

void ask_count(Asker* ask, Plan* plan, const ShapeGrid& grid) {
  const ShapeNoun noun = random_noun(ask, 0.25);
  const std::string plural = noun_phrase(noun, "") + 's';
  const std::vector<size_t> cells = cells_of(noun, grid);
  plan->question = ask->word(kCountWords, {{"n", plural}});
  std::vector<std::string> letters;
  for (const size_t cell : cells) letters.emplace_back(1, cell_letter(cell));
  plan->working = noun_program(noun) + ": " + counted(letters);
  plan->answer = std::to_string(cells.size());
  plan->grader = "number";
}

}  // namespace

bool ShapeNoun::fits(const ShapeCell& cell) const {
  return cell.form != ShapeForm::kNone && (!colour || *colour == cell.colour) && (!form || *form == cell.form);
}

Result<ShapeQuery> parse_shape_query(std::string_view program) {
  std::vector<std::string_view> words;
  int depth = 0;
  for (size_t i = 0; i < program.size();) {
    const char c = program[i];
    if (c == '(' || c == ')') {
      depth += c == '(' ? 1 : -1;
      ++i;
    } else if (c == ' ') {
      ++i;
    } else {
      const size_t end = std::min(program.find_first_of("() ", i), program.size());
      words.push_back(program.substr(i, end - i));
      i = end;
    }
  }
  if (depth != 0 || words.size() < 3 || words.size() > 8 || words[0] != "is") {
    return Error{ErrorCode::kDataLoss, "SHAPES program: expected '(is NOUN ...)', found '" + std::string(program) + "'"};
  }
  ShapeQuery query;
  FS_TRY(query.subject, parse_noun(words[1]));
  for (size_t i = 2; i + 1 < words.size(); ++i) {
    const auto* relation = std::find_if(kRelations.begin(), kRelations.end(), [&](const auto& r) { return r.program == words[i]; });
    if (relation == kRelations.end()) {
      return Error{ErrorCode::kDataLoss, "SHAPES program: expected a relation, found '" + std::string(words[i]) + "'"};
    }
    query.relations.push_back(static_cast<Relation>(relation - kRelations.begin()));
  }
  FS_TRY(query.object, parse_noun(words.back()));
  return query;
}

std::string shape_program(const ShapeQuery& query) {
  std::string text = "(is " + noun_program(query.subject) + ' ';
  for (const Relation relation : query.relations) text += '(' + std::string(words_of(relation).program) + ' ';
  return text + noun_program(query.object) + std::string(query.relations.size() + 1, ')');
}

bool shape_answer(const ShapeQuery& query, const ShapeGrid& grid) {
  std::vector<size_t> cells = cells_of(query.object, grid);
  for (auto relation = query.relations.rbegin(); relation != query.relations.rend(); ++relation) cells = moved(cells, *relation);
  return std::any_of(cells.begin(), cells.end(), [&](size_t cell) { return query.subject.fits(grid[cell]); });
}

ShapeGrid read_shapes(const RgbImage& image) {
  CHECK(image.width == 30 && image.height == 30);
  ShapeGrid grid;
  for (int cell = 0; cell < 9; ++cell) {
    std::array<double, 3> sums{};
    double brightest = 0;
    const auto at = [&](int x, int y, size_t channel) {
      return double{static_cast<double>(image.pixels[image.offset(cell % 3 * 10 + x, cell / 3 * 10 + y) + channel])};
    };
    for (int i = 0; i < 100; ++i) {
      for (size_t channel = 0; channel < 3; ++channel) sums[channel] += at(i % 10, i / 10, channel);
    }
    const auto channel = static_cast<size_t>(std::max_element(sums.begin(), sums.end()) - sums.begin());
    if (sums[channel] <= 0) continue;
    for (int i = 0; i < 100; ++i) brightest = std::max(brightest, at(i % 10, i / 10, channel));
    double top = 0;
    double bottom = 0;
    double width = 0;
    double height = 0;
    for (int a = 0; a < 10; ++a) {
      double widest = 0;
      double highest = 0;
      for (int b = 0; b < 10; ++b) {
        (a < 5 ? top : bottom) += at(b, a, channel);
        widest = std::max(widest, at(b, a, channel));
        highest = std::max(highest, at(a, b, channel));
      }
      height += widest;
      width += highest;
    }
    const double filled = (top + bottom) * brightest / (width * height);  // of the box around it: 1, pi / 4 or about a half
    const ShapeForm form = bottom > 1.4 * top ? ShapeForm::kTriangle : filled > 0.9 ? ShapeForm::kSquare : ShapeForm::kCircle;
    grid[static_cast<size_t>(cell)] = {form, static_cast<ShapeColour>(channel)};
  }
  return grid;
}

RgbImage draw_shapes(Rng* rng, const ShapeGrid& grid) {
  Canvas canvas(30, 30, 1, {0, 0, 0});
  for (size_t i = 0; i < grid.size(); ++i) {
    if (grid[i].form == ShapeForm::kNone) continue;
    const double x = 10 * static_cast<double>(i % 3) + 5;
    const double y = 10 * static_cast<double>(i / 3) + 5;
    const double radius = (rng->below(2) == 0 ? 2.5 : 3.75) * (0.9 + 0.2 * rng->uniform());
    std::array<uint8_t, 3> rgb{};
    for (size_t channel = 0; channel < 3; ++channel) {
      const double base = channel == static_cast<size_t>(grid[i].colour) ? 1.0 : 0.0;
      rgb[channel] = static_cast<uint8_t>(std::clamp(base + 0.4 * rng->uniform() - 0.2, 0.0, 1.0) * 255);
    }
    const Colour colour = {rgb[0], rgb[1], rgb[2]};
    if (grid[i].form == ShapeForm::kCircle) canvas.circle(x, y, radius, colour);
    if (grid[i].form == ShapeForm::kSquare) canvas.rectangle(x - radius, y - radius, x + radius, y + radius, colour);
    if (grid[i].form == ShapeForm::kTriangle) {
      const std::array<Point, 3> corners = {Point{x - radius, y + radius}, Point{x, y - radius}, Point{x + radius, y + radius}};
      canvas.polygon(corners, colour);
    }
  }
  return canvas.take();
}

std::vector<ImageMark> mark_shapes(const ShapeGrid& grid, size_t n) {
  std::vector<ImageMark> marks;
  const size_t columns = std::min<size_t>(n, 3), rows = (n + 2) / 3;
  for (size_t i = 0; i < n; ++i) {
    const float x = (static_cast<float>(i % 3) + 0.7F) / static_cast<float>(columns), y = (static_cast<float>(i / 3) + 0.7F) / static_cast<float>(rows);
    if (grid[i].form != ShapeForm::kNone) marks.push_back({.x = x, .y = y, .text = ' ' + std::string(word_of(grid[i].colour))});
    marks.push_back({.x = x, .y = y, .text = ' ' + std::string(word_of(grid[i].form))});
  }
  return marks;
}

RgbImage shapes_image(std::span<const uint8_t> bgr) {
  CHECK(bgr.size() == 2700);
  RgbImage image{30, 30, std::vector<uint8_t>(bgr.begin(), bgr.end())};
  for (size_t i = 0; i < image.pixels.size(); i += 3) std::swap(image.pixels[i], image.pixels[i + 2]);
  return image;
}

std::string shapes_prompt(std::string_view query_str) { return capital(std::string(query_str)) + '?'; }

std::string describe_shapes(const ShapeGrid& grid) {
  std::string text;
  for (size_t i = 0; i < grid.size(); ++i) {
    if (i > 0) text += i % 3 == 0 ? "\n" : ", ";
    text += cell_letter(i);
    text += ' ' + describe(grid[i]);
  }
  return text;
}

std::string work_out_shapes(const ShapeQuery& query, const ShapeGrid& grid) {
  std::vector<size_t> cells = cells_of(query.object, grid);
  size_t left = query.relations.size();
  std::string text = noun_program(query.object) + ": " + cell_list(cells, left == 0 ? &grid : nullptr);
  while (left > 0) {
    const Relation relation = query.relations[--left];
    cells = moved(cells, relation);
    text += '\n' + std::string(words_of(relation).text) + ": " + cell_list(cells, left == 0 ? &grid : nullptr);
  }
  // Which of them are what was asked for: to say yes or no is then to see whether there is one.
  std::erase_if(cells, [&](size_t cell) { return !query.subject.fits(grid[cell]); });
  return text + '\n' + noun_program(query.subject) + ": " + cell_list(cells, nullptr);
}

Plan plan_shapes(Asker* ask, std::string_view question) {
  Plan plan;
  ShapeGrid grid;
  if (question == "cell" || question == "count") {
    grid = random_grid(ask->rng());
    plan.combination = describe_shapes(grid);
    if (question == "cell") {
      ask_cell(ask, &plan, grid);
    } else {
      ask_count(ask, &plan, grid);
    }
  } else {
    const size_t n_relations = question == "exists" ? 0 : question == "one_relation" ? 1 : 2;
    const ShapeQuery query = random_query(ask, n_relations);
    grid = grid_for(ask, query, ask->chance(0.5));
    const std::string program = shape_program(query);
    const bool published = std::find(kValPrograms.begin(), kValPrograms.end(), program) != kValPrograms.end();
    plan.combination = published ? '!' + program : program;
    plan.working = work_out_shapes(query, grid);
    plan.answer = shape_answer(query, grid) ? "yes" : "no";

    // The published wording in two of three, so that its form is well known.
    const std::string subject = noun_phrase(query.subject);
    const bool compatible = query.subject.colour.has_value() != query.object.colour.has_value();
    std::string relations;
    for (const Relation relation : query.relations) relations += std::string(words_of(relation).text) + ' ';
    if (ask->chance(0.65) || (n_relations == 0 && !compatible)) {
      const std::string object = n_relations == 0 && !query.object.form ? noun_program(query.object) : noun_phrase(query.object);
      plan.question = shapes_prompt("is " + subject + ' ' + relations + object);
    } else if (n_relations == 0) {
      const ShapeNoun both = {query.subject.colour ? query.subject.colour : query.object.colour, query.subject.form ? query.subject.form : query.object.form};
      plan.question = ask->word(kExists, {{"ab", noun_phrase(both)}});
    } else if (n_relations == 1) {
      plan.question = ask->word(kPlain, {{"a", subject}, {"rel", std::string(words_of(query.relations[0]).text)}, {"b", noun_phrase(query.object)}});
    } else {
      plan.question = ask->word(kNested, {{"a", subject}, {"rel", std::string(words_of(query.relations[0]).text)},
                                          {"rel2", std::string(words_of(query.relations[1]).text)}, {"b", noun_phrase(query.object)}});
    }
  }
  plan.sees = describe_shapes(grid);
  plan.draw = [grid](Rng* rng) { return Drawing{draw_shapes(rng, grid), mark_shapes(grid, grid.size())}; };
  return plan;
}

}  // namespace firesteel::pictures
