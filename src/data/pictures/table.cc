// Small tables with a head line and named rows, and points in a plane of coordinates.
#include <algorithm>
#include <array>

#include "base/check.h"
#include "data/pictures/kinds.h"
#include "data/pictures/series.h"

namespace firesteel::pictures {

namespace {

constexpr double kText = 7;

constexpr std::string_view kCell[] = {"what is the value of {r} in {c}?", "how much has {r} in {c}?", "read {c} for {r}.", "what stands in row {r}, column {c}?", "which number belongs to {r} and {c}?", "what does {r} have under {c}?",
                                      "{r}, {c}: what is the value?", "what is the entry for {r} in column {c}?", "tell me the number of {r} in {c}.",
                                      "{r} in {c}: how much?", "row {r}, column {c}: which number?", "which number is in row {r} under {c}?", "what is the entry of {r} under {c}?",
                                      "what entry does {r} have in {c}?", "which entry stands in row {r} and column {c}?", "what stands under {c} for {r}?", "what stands in {c} for {r}?",
                                      "the value of {r} in {c} is what?", "read the entry for {r} in {c}.", "read row {r}, column {c}.", "give the value of {r} under {c}.",
                                      "tell me the value that belongs to {r} in column {c}.", "what belongs in row {r} under {c}?", "how much is {r} in {c}?", "in {c}, how much has {r}?",
                                      "find row {r} and column {c}: what is the number?", "can you tell me the entry of row {r} in column {c}?", "what number does {r} have in {c}?"};
constexpr std::string_view kTopRow[] = {"which row has the highest value in {c}?", "who or what is highest in {c}?", "which row is highest in {c}?", "name the row with the largest number in {c}.", "what has the most in {c}?",
                                        "in column {c}, which row is highest?", "which row leads in {c}?", "for {c}, which row has the maximum?",
                                        "who or what leads in {c}?", "in {c}, who or what has the most?", "which row has the most in {c}?", "the maximum of {c} is in which row?",
                                        "the maximum in column {c} belongs to which row?", "the highest value in {c} belongs to which row?", "the largest number in column {c} is in which row?",
                                        "tell me which row is highest in {c}.", "tell me who or what leads in {c}.", "which row comes first in {c}?", "find the row with the highest value in {c}.",
                                        "find the maximum of column {c}. which row is it in?", "name the row with the most in {c}.", "give the row that leads in {c}.", "highest row in {c}?",
                                        "in {c}, which row has the largest value?", "which row has the largest number under {c}?", "look down the column {c}: which row has the highest number?",
                                        "i look for the row with the highest value in {c}. which is it?",
                                        "tell me which row comes first in {c}.", "in {c}, which row comes first?", "under {c}, which row is highest?", "what row leads under {c}?"};
constexpr std::string_view kLowRow[] = {"which row has the lowest value in {c}?", "who or what is lowest in {c}?", "which row is lowest in {c}?", "name the row with the smallest number in {c}.", "what has the least in {c}?",
                                        "in column {c}, which row is lowest?", "which row comes last in {c}?", "for {c}, which row has the minimum?",
                                        "who or what comes last in {c}?", "in {c}, who or what has the least?", "which row has the least in {c}?", "the minimum of {c} is in which row?",
                                        "the minimum in column {c} belongs to which row?", "the lowest value in {c} belongs to which row?", "the smallest number in column {c} is in which row?",
                                        "tell me which row is lowest in {c}.", "tell me who or what comes last in {c}.", "which row is last in {c}?", "find the row with the lowest value in {c}.",
                                        "find the minimum of column {c}. which row is it in?", "name the row with the least in {c}.", "give the row that is last in {c}.", "lowest row in {c}?",
                                        "in {c}, which row has the smallest value?", "which row has the smallest number under {c}?", "look down the column {c}: which row has the lowest number?",
                                        "i look for the row with the lowest value in {c}. which is it?",
                                        "under {c}, which row is lowest?", "what row comes last under {c}?"};
constexpr std::string_view kRowSum[] = {"what is the sum of {r}?", "what is the total of row {r}?", "add up the row {r}.", "how much does {r} have in total?", "what do the numbers of {r} add up to?", "total for {r}?",
                                        "how much is it for {r} altogether?", "sum of the row {r}?",
                                        "{r}: total?", "{r}: what is the sum of the row?", "row {r} in total: how much?", "the total of {r} is what?", "what is the total for {r}?",
                                        "what is the sum of the row {r}?", "what is the sum of the numbers of {r}?", "altogether, how much does {r} have?", "how much does {r} have altogether?",
                                        "how much is the row {r} altogether?", "add up all the numbers in row {r}.", "add all values of {r}.", "add the numbers of {r}: what is the total?",
                                        "what does row {r} add up to?", "the row {r} adds up to how much?", "all values of {r} together are how much?",
                                        "how much do the numbers in row {r} make together?", "tell me the sum of row {r}.", "work out the total of row {r}.", "work out what {r} has in total.",
                                        "what do all values of {r} make together?", "can you work out the sum of row {r}?"};
constexpr std::string_view kColumnSum[] = {"what is the sum of the column {c}?", "what is the total of {c}?", "add up the column {c}.", "how much is in {c} in total?", "what do the numbers in {c} add up to?", "total for {c}?",
                                           "how much is it in {c} altogether?", "sum of {c}?",
                                           "{c}: total?", "{c}: what is the sum of the column?", "column {c} in total: how much?", "the total of {c} is what?", "what is the total for {c}?",
                                           "what is the sum of the numbers in {c}?", "what is the total of column {c}?", "altogether, how much is in {c}?", "how much is the column {c} altogether?",
                                           "add up all the numbers in column {c}.", "add all values in {c}.", "add the numbers under {c}: what is the total?", "what does column {c} add up to?",
                                           "the column {c} adds up to how much?", "all values in {c} together are how much?", "how much do the numbers in column {c} make together?",
                                           "what do the numbers under {c} make together?", "tell me the sum of column {c}.", "work out the total of column {c}.",
                                           "work out the sum of the numbers under {c}.", "what do all values in {c} make together?", "can you work out the sum of column {c}?"};
constexpr std::string_view kDifference[] = {"in {c}, what is the difference between {a} and {b}?", "by how much do {a} and {b} differ in {c}?", "how far apart are {a} and {b} in {c}?", "what is the gap between {a} and {b} in {c}?",
                                            "difference of {a} and {b} in {c}?", "{a} and {b} in {c}: how large is the difference?", "how big is the difference between {a} and {b} in column {c}?", "for {c}, how much lies between {a} and {b}?",
                                            "in {c}, how much do {a} and {b} differ?", "in {c}, by how much does {a} differ from {b}?", "{a} and {b} differ in {c} by how much?",
                                            "{c}: what is the difference between {a} and {b}?", "{c}: how far apart are {a} and {b}?", "{a} and {b} are how far apart in {c}?",
                                            "{a} and {b} in {c}: how big is the gap?", "how large is the gap between {a} and {b} in column {c}?", "how large is the difference of {a} and {b} in {c}?",
                                            "tell me the difference between {a} and {b} in {c}.", "tell me the gap between {a} and {b} under {c}.", "in column {c}, how much lies between {a} and {b}?",
                                            "how much lies between {a} and {b} in {c}?", "work out the difference of {a} and {b} in {c}.", "find the gap between {a} and {b} in {c}.",
                                            "compare {a} and {b} in {c}: how big is the difference?", "for {c}, how far apart are {a} and {b}?",
                                            "under {c}, what is the difference between {a} and {b}?", "can you work out by how much {a} and {b} differ in {c}?"};
constexpr std::string_view kPosition[] = {"what are the coordinates of {a}?", "where is {a}?", "at which coordinates is {a}?", "give the coordinates of {a}.", "what is the position of {a}?", "{a} is at which point?", "coordinates of {a}?",
                                          "read the coordinates of {a}.",
                                          "{a}: coordinates?", "{a} has which coordinates?", "which coordinates does {a} have?", "which coordinates belong to {a}?", "where does {a} lie?",
                                          "where is point {a}?", "where does point {a} lie in the plane?", "at which point of the plane does {a} lie?", "tell me the coordinates of {a}.",
                                          "tell me where {a} is.", "the position of {a} is what?", "which position does {a} have?", "give the position of point {a}.", "read the position of {a}.",
                                          "find {a}: what are its coordinates?", "find the coordinates of point {a}.", "{a} lies at which coordinates?", "{a} is at which position?",
                                          "can you give the coordinates of point {a}?", "where in the plane is {a}?", "position of {a}?"};
constexpr std::string_view kAt[] = {"which point is at ({x}, {y})?", "what is at ({x}, {y})?", "which point has the coordinates ({x}, {y})?", "name the point at ({x}, {y}).", "who sits at ({x}, {y})?", "({x}, {y}) is which point?",
                                    "find the point at ({x}, {y}).", "which letter is at ({x}, {y})?",
                                    "({x}, {y}): which point?", "({x}, {y}) belongs to which point?", "({x}, {y}): which letter is it?", "which letter has the coordinates ({x}, {y})?",
                                    "which letter stands at ({x}, {y})?", "which point stands at ({x}, {y})?", "who is at ({x}, {y})?", "who or what sits at ({x}, {y})?",
                                    "which point sits at ({x}, {y})?", "which point lies at ({x}, {y})?", "what lies at ({x}, {y})?", "at ({x}, {y}), which point is there?",
                                    "at ({x}, {y}) lies which point?", "tell me which point is at ({x}, {y}).", "tell me the letter at ({x}, {y}).", "name the letter at ({x}, {y}).",
                                    "name the point with the coordinates ({x}, {y}).", "the coordinates ({x}, {y}) belong to which point?", "find the letter that sits at ({x}, {y}).",
                                    "look at ({x}, {y}): which point is there?", "to which point do the coordinates ({x}, {y}) belong?"};
constexpr std::string_view kOne[] = {"what is the {axis} coordinate of {a}?", "what is {axis} for {a}?", "read the {axis} value of {a}.", "which {axis} does {a} have?", "the {axis} coordinate of {a} is what?", "{axis} of {a}?",
                                     "tell me the {axis} value of {a}.", "how large is {axis} at {a}?",
                                     "{a}: what is {axis}?", "what is the {axis} value of {a}?", "what is the value of {axis} at {a}?", "{axis} at {a}?", "the {axis} value of {a} is what?",
                                     "the {axis} value at {a} is how large?", "how large is the {axis} coordinate of {a}?", "how large is the {axis} value of {a}?", "how much is {axis} for {a}?",
                                     "how much is {axis} at {a}?", "give the {axis} coordinate of {a}.", "read the {axis} coordinate of {a}.", "read {axis} at the point {a}.",
                                     "tell me {axis} for {a}.", "tell me the {axis} coordinate of point {a}.", "which {axis} coordinate does {a} have?", "which {axis} value belongs to {a}?",
                                     "which {axis} belongs to point {a}?", "for {a}, what is {axis}?", "find {a}: how large is {axis} there?", "can you read the {axis} value of point {a}?"};
constexpr std::string_view kSide[] = {"is {a} {rel} {b}?", "does {a} lie {rel} {b}?", "is point {a} {rel} point {b}?", "{a} {rel} {b}: yes or no?", "would you say that {a} is {rel} {b}?", "is it true that {a} is {rel} {b}?",
                                      "in the plane, is {a} {rel} {b}?", "can {a} be found {rel} {b}?",
                                      "{a} {rel} {b}?", "is {a} found {rel} {b}?", "is {a} to be found {rel} {b}?", "can you find {a} {rel} {b}?", "is it true that {a} lies {rel} {b}?",
                                      "does the point {a} lie {rel} the point {b}?", "does point {a} lie {rel} {b}?", "tell me whether {a} is {rel} {b}.", "tell me whether {a} lies {rel} {b}.",
                                      "yes or no: is {a} {rel} {b}?", "yes or no: does {a} lie {rel} {b}?", "point {a} {rel} point {b}: true?",
                                      "in the plane, does {a} lie {rel} {b}?", "would you say that {a} lies {rel} {b}?", "say whether {a} is {rel} {b}.", "look at {a} and {b}: is {a} {rel} {b}?",
                                      "compared with {b}, is {a} {rel} it?", "does one find {a} {rel} {b}?",
                                      "look in the plane: is {a} {rel} {b}?"};

std::string number(int64_t value) { return std::to_string(value); }

struct Table {
  std::vector<std::string> rows;
  std::vector<std::string> columns;
  std::vector<std::vector<int64_t>> values;  // [row][column], all different within a column
  double first_width = 0;
  double column_width = 0;
  double line = 11;
  bool grid = true;
  bool shaded = false;
};

std::string describe(const Table& table) {
  // The column's name at each number: to find a cell is to find two words.
  std::string text;
  for (size_t r = 0; r < table.rows.size(); ++r) {
    std::vector<std::string> cells;
    for (size_t c = 0; c < table.columns.size(); ++c) cells.push_back(table.columns[c] + ' ' + number(table.values[r][c]));
    text += (r > 0 ? "\n" : "") + table.rows[r] + ": " + joined(cells, ", ");
  }
  return text;
}

void add_up(Plan* plan, const std::vector<int64_t>& values) {
  int64_t total = values[0];
  plan->expression = number(total);
  for (size_t i = 1; i < values.size(); ++i) {
    plan->steps += (i > 1 ? ", " : "") + number(total) + " + " + number(values[i]) + " = " + number(total + values[i]);
    plan->expression += '+' + number(values[i]);
    total += values[i];
  }
  plan->answer = number(total);
  plan->grader = "number";
}

void ask_table(Asker* ask, Plan* plan, const Table& table, std::string_view question) {
  const std::vector<size_t> rows = ask->some_of(2, table.rows.size());
  const size_t r = rows[0];
  const size_t c = ask->index(table.columns.size());
  const auto in_column = [&](size_t row) { return table.values[row][c]; };
  if (question == "cell") {
    plan->question = ask->word(kCell, {{"r", table.rows[r]}, {"c", table.columns[c]}});
    plan->working = table.rows[r] + ": " + table.columns[c] + ' ' + number(table.values[r][c]);
    plan->answer = number(table.values[r][c]);
    plan->grader = "number";
  } else if (question == "highest") {
    const bool high = ask->chance(0.6);
    size_t best = 0;
    std::vector<std::string> seen;
    std::vector<int64_t> values;
    for (size_t i = 0; i < table.rows.size(); ++i) {
      values.push_back(in_column(i));
      if (high ? in_column(i) > in_column(best) : in_column(i) < in_column(best)) best = i;
      seen.push_back(table.rows[i] + ' ' + number(in_column(i)));
    }
    plan->question = ask->word(high ? Words(kTopRow) : Words(kLowRow), {{"c", table.columns[c]}});
    plan->working = table.columns[c] + ": " + joined(seen, ", ") + (high ? "\nhighest: " : "\nlowest: ") + best_so_far(seen, values, high);
    plan->answer = table.rows[best];
  } else if (question == "row_sum") {
    plan->question = ask->word(kRowSum, {{"r", table.rows[r]}});
    std::vector<std::string> seen;
    for (const int64_t value : table.values[r]) seen.push_back(number(value));
    plan->working = table.rows[r] + ": " + joined(seen, ", ");
    add_up(plan, table.values[r]);
  } else if (question == "column_sum") {
    std::vector<int64_t> values;
    std::vector<std::string> seen;
    for (size_t i = 0; i < table.rows.size(); ++i) {
      values.push_back(in_column(i));
      seen.push_back(number(in_column(i)));
    }
    plan->question = ask->word(kColumnSum, {{"c", table.columns[c]}});
    plan->working = table.columns[c] + ": " + joined(seen, ", ");
    add_up(plan, values);
  } else {
    CHECK(question == "difference");
    plan->question = ask->word(kDifference, {{"a", table.rows[r]}, {"b", table.rows[rows[1]]}, {"c", table.columns[c]}});
    const int64_t high = std::max(in_column(r), in_column(rows[1]));
    const int64_t low = std::min(in_column(r), in_column(rows[1]));
    plan->working = table.columns[c] + ": " + table.rows[r] + ' ' + number(in_column(r)) + ", " + table.rows[rows[1]] + ' ' + number(in_column(rows[1]));
    plan->expression = number(high) + '-' + number(low);
    plan->steps = number(high) + " - " + number(low) + " = " + number(high - low);
    plan->answer = number(high - low);
    plan->grader = "number";
  }
}

}  // namespace

Plan plan_table(Asker* ask, std::string_view question) {
  Plan plan;
  Table table;
  Series names;
  Series heads;
  const bool tidy = ask->tidy();
  const auto n_rows = static_cast<size_t>(ask->between(2, 4));
  const auto n_columns = static_cast<size_t>(ask->between(question == "row_sum" ? 2 : 1, 3));
  pick_labels(ask, &names, n_rows, 5);
  do {
    pick_labels(ask, &heads, n_columns, tidy ? 3 : 4);
  } while (heads.noun == names.noun);
  table.rows = names.labels;
  table.columns = heads.labels;
  table.values.assign(n_rows, std::vector<int64_t>(n_columns));
  const bool small = ask->chance(0.4);
  for (size_t c = 0; c < n_columns; ++c) {
    Series column;
    column.labels = table.rows;
    pick_values(ask, &column, small ? 0 : 1, small ? 9 : 99, 1);
    for (size_t r = 0; r < n_rows; ++r) table.values[r][c] = column.values[r];
  }
  for (const std::string& name : table.rows) table.first_width = std::max(table.first_width, Canvas::text_width(name, kText) + 6);
  for (const std::string& name : table.columns) table.column_width = std::max(table.column_width, Canvas::text_width(name, kText) + 6);
  table.column_width = std::max(table.column_width, 17.0);
  table.grid = ask->chance(0.7);
  table.shaded = ask->chance(0.4);
  table.line = tidy ? 10 : static_cast<double>(ask->between(11, 14));
  if (tidy) {
    table.first_width = up_to_ten(table.first_width - 5);
    table.column_width = 20;
  }
  const double width = table.first_width + table.column_width * static_cast<double>(n_columns) + (tidy ? 0 : 1);
  const double height = table.line * static_cast<double>(n_rows + 1) + (tidy ? 0 : 1);
  const Style style = plan.style = pick_style(ask->rng(), width, height, tidy);
  ask_table(ask, &plan, table, question);
  plan.sees = describe(table);
  plan.combination = plan.sees;
  plan.draw = [=](Rng* rng) {
    Canvas canvas = canvas_of(style, width, height);
    if (table.shaded) canvas.rectangle(0, 0, width, table.line, style.faint);
    for (size_t r = 0; r <= n_rows; ++r) {
      const double y = table.line * static_cast<double>(r);
      if (table.grid || r == 1) canvas.rectangle(0, y, width, y + 1, table.grid && r != 1 ? style.faint : style.ink);
      const double text_y = y + (table.line - kText) / 2 + (tidy ? 0 : 0.5);
      if (r > 0) canvas.text(tidy ? 0 : 3, text_y, table.rows[r - 1], kText, style.ink, style.lettering);
      for (size_t c = 0; c < n_columns; ++c) {
        const std::string text = r == 0 ? table.columns[c] : number(table.values[r - 1][c]);
        const double column = table.first_width + table.column_width * static_cast<double>(c);
        const double x = column + (table.column_width - Canvas::text_width(text, kText)) / 2;
        const double left = tidy ? column + 5 : x;
        canvas.text(left, text_y, text, kText, style.ink, style.lettering);
        if (r == 0) continue;
        const double last = left + (static_cast<double>(text.size()) - 0.3) * 5;  // whose number it is
        canvas.mark(last, text_y + 0.8 * kText, ' ' + table.rows[r - 1]);
        canvas.mark(last, text_y + 0.8 * kText, ' ' + table.columns[c]);
      }
    }
    for (size_t c = 0; table.grid && c < n_columns; ++c) {
      const double x = table.first_width + table.column_width * static_cast<double>(c);
      canvas.rectangle(x, 0, x + 1, height, style.faint);
    }
    return weathered(std::move(canvas), style, rng);
  };
  return plan;
}

Plan plan_plane(Asker* ask, std::string_view question) {
  Plan plan;
  const bool tidy = ask->tidy();
  const int64_t most = ask->between(tidy ? 3 : 4, tidy ? 5 : 6);
  const auto n = static_cast<size_t>(ask->between(2, 4));
  // Different columns and rows: then left, right, above and below are clear.
  const std::vector<size_t> xs = ask->some_of(n, static_cast<size_t>(most) + 1);
  const std::vector<size_t> ys = ask->some_of(n, static_cast<size_t>(most) + 1);
  std::vector<std::string> seen;
  std::vector<std::string> names;
  for (size_t i = 0; i < n; ++i) {
    names.emplace_back(1, static_cast<char>('A' + i));
    seen.push_back(names[i] + " (" + std::to_string(xs[i]) + ", " + std::to_string(ys[i]) + ')');
  }
  plan.sees = joined(seen, ", ");
  plan.combination = plan.sees + '/' + number(most);
  const std::vector<size_t> two = ask->some_of(2, n);
  const std::string& a = names[two[0]];
  if (question == "position") {
    plan.question = ask->word(kPosition, {{"a", a}});
    plan.answer = seen[two[0]].substr(2);
  } else if (question == "at") {
    plan.question = ask->word(kAt, {{"x", std::to_string(xs[two[0]])}, {"y", std::to_string(ys[two[0]])}});
    plan.working = seen[two[0]].substr(2) + ": " + a;
    plan.answer = a;
  } else if (question == "one") {
    const bool x = ask->chance(0.5);
    plan.question = ask->word(kOne, {{"axis", x ? "x" : "y"}, {"a", a}});
    plan.working = seen[two[0]];
    plan.answer = std::to_string(x ? xs[two[0]] : ys[two[0]]);
    plan.grader = "number";
  } else {
    CHECK(question == "side");
    constexpr std::array<std::string_view, 4> kSides = {"left of", "right of", "above", "below"};
    const size_t side = ask->index(4);
    const auto& line = side < 2 ? xs : ys;
    plan.question = ask->word(kSide, {{"a", a}, {"b", names[two[1]]}, {"rel", std::string(kSides[side])}});
    const bool lower = line[two[0]] < line[two[1]];
    plan.answer = lower == (side == 0 || side == 3) ? "yes" : "no";
    plan.working = std::string(side < 2 ? "x: " : "y: ") +
                   asked_and_seen(a, names[two[1]], side == 1 || side == 2, static_cast<int64_t>(line[two[0]]), static_cast<int64_t>(line[two[1]]));
  }
  const double pitch = tidy ? 10 : static_cast<double>(ask->between(10, 13));
  const double room = tidy ? 15 : 11;
  const double below = tidy ? 15 : 13;
  const double width = room + pitch * static_cast<double>(most) + (tidy ? 15 : 10);
  const double height = (tidy ? 15 : 10) + pitch * static_cast<double>(most) + below;
  const Style style = plan.style = pick_style(ask->rng(), width, height, tidy);
  const std::vector<NamedColour> colours = pick_colours(ask->rng(), style, n);
  const bool colourful = ask->chance(0.5);
  plan.draw = [=](Rng* rng) {
    Canvas canvas = canvas_of(style, width, height);
    const double foot = height - below;
    for (int64_t i = 0; i <= most; ++i) {
      const double x = room + pitch * static_cast<double>(i);
      const double y = foot - pitch * static_cast<double>(i);
      canvas.rectangle(x - 0.5, foot - pitch * static_cast<double>(most), x + 0.5, foot, i == 0 ? style.ink : style.faint);
      canvas.rectangle(room, y - 0.5, room + pitch * static_cast<double>(most), y + 0.5, i == 0 ? style.ink : style.faint);
      canvas.text_centred(x, foot + (tidy ? 6.5 : 3), number(i), kText, style.ink, style.lettering);
      if (i > 0) canvas.text(room - (tidy ? 10 : 3 + Canvas::text_width(number(i), kText)), y - kText / 2, number(i), kText, style.ink, style.lettering);
    }
    for (size_t i = 0; i < n; ++i) {
      const double x = room + pitch * static_cast<double>(xs[i]);
      const double y = foot - pitch * static_cast<double>(ys[i]);
      canvas.circle(x, y, 2.2, colourful ? colours[i].colour : style.ink);
      canvas.mark(x, y, std::to_string(xs[i]) + std::to_string(ys[i]));
      canvas.text(x + 2.5, y - 8.5, names[i], kText, style.ink, style.lettering);
    }
    return weathered(std::move(canvas), style, rng);
  };
  return plan;
}

}  // namespace firesteel::pictures
