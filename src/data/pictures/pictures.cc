#include "data/pictures/pictures.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/number_literals.h"
#include "data/compose.h"
#include "data/pictures/kinds.h"
#include "data/pictures/shapes.h"

namespace firesteel::pictures {

namespace {

using PlanFunction = Plan (*)(Asker*, std::string_view);

struct Family {
  PictureKind kind;
  PlanFunction plan;
};

constexpr Family kFamilies[] = {
    {{"pictures/first/colour", 0.08}, plan_first},
    {{"pictures/first/shape", 0.08}, plan_first},
    {{"pictures/first/shapes", 0.12}, plan_first},
    {{"pictures/first/sign", 0.2}, plan_first},
    {{"pictures/first/signs", 0.2}, plan_first},
    {{"pictures/easy/digit", 1}, plan_easy},
    {{"pictures/easy/word", 1}, plan_easy},
    {{"pictures/easy/colour", 1}, plan_easy},
    {{"pictures/easy/dots", 1}, plan_easy},
    {{"pictures/easy/bar", 1}, plan_easy},
    {{"pictures/reading/number", 2}, plan_reading},
    {{"pictures/reading/handwriting", 1.5}, plan_reading},
    {{"pictures/reading/letter", 1}, plan_reading},
    {{"pictures/reading/word", 2}, plan_reading},
    {{"pictures/reading/colour", 1}, plan_reading},
    {{"pictures/reading/line", 1.5}, plan_reading},
    {{"pictures/reading/sum", 1}, plan_reading},
    {{"pictures/reading/larger", 1}, plan_reading},
    {{"pictures/reading/task", 1}, plan_reading},
    {{"pictures/shapes/cell", 3}, plan_shapes},
    {{"pictures/shapes/count", 1}, plan_shapes},
    {{"pictures/shapes/exists", 3}, plan_shapes},
    {{"pictures/shapes/one_relation", 5}, plan_shapes},
    {{"pictures/shapes/two_relations", 5}, plan_shapes},
    {{"pictures/bars/highest", 2}, plan_bars},
    {{"pictures/bars/lowest", 2}, plan_bars},
    {{"pictures/bars/second", 1}, plan_bars},
    {{"pictures/bars/value", 2}, plan_bars},
    {{"pictures/bars/which", 1}, plan_bars},
    {{"pictures/bars/difference", 1.5}, plan_bars},
    {{"pictures/bars/sum", 1}, plan_bars},
    {{"pictures/bars/total", 0.7}, plan_bars},
    {{"pictures/bars/count_above", 1}, plan_bars},
    {{"pictures/bars/count", 0.7}, plan_bars},
    {{"pictures/bars/compare", 1}, plan_bars},
    {{"pictures/bars/colour", 1}, plan_bars},
    {{"pictures/clock/full_hour", 1}, plan_clock},
    {{"pictures/clock/analog", 2.5}, plan_clock},
    {{"pictures/clock/digital", 1}, plan_clock},
    {{"pictures/clock/hand", 1}, plan_clock},
    {{"pictures/clock/later", 0.7}, plan_clock},
    {{"pictures/clock/earlier", 0.5}, plan_clock},
    {{"pictures/clock/minutes", 0.7}, plan_clock},
    {{"pictures/lines/highest", 1.2}, plan_lines},
    {{"pictures/lines/lowest", 1.2}, plan_lines},
    {{"pictures/lines/second", 0.5}, plan_lines},
    {{"pictures/lines/value", 1.2}, plan_lines},
    {{"pictures/lines/which", 0.5}, plan_lines},
    {{"pictures/lines/difference", 0.8}, plan_lines},
    {{"pictures/lines/count_above", 0.5}, plan_lines},
    {{"pictures/lines/trend", 1}, plan_lines},
    {{"pictures/lines/compare", 0.7}, plan_lines},
    {{"pictures/pie/highest", 1.2}, plan_pie},
    {{"pictures/pie/lowest", 1}, plan_pie},
    {{"pictures/pie/second", 0.5}, plan_pie},
    {{"pictures/pie/value", 1}, plan_pie},
    {{"pictures/pie/which", 0.5}, plan_pie},
    {{"pictures/pie/colour", 1}, plan_pie},
    {{"pictures/pie/count", 0.5}, plan_pie},
    {{"pictures/pie/sum", 0.7}, plan_pie},
    {{"pictures/pie/compare", 0.7}, plan_pie},
    {{"pictures/gauge/value", 1}, plan_gauge},
    {{"pictures/gauge/zone", 0.5}, plan_gauge},
    {{"pictures/gauge/to_top", 0.5}, plan_gauge},
    {{"pictures/gauge/over", 0.5}, plan_gauge},
    {{"pictures/thermometer/value", 1}, plan_thermometer},
    {{"pictures/thermometer/change", 0.5}, plan_thermometer},
    {{"pictures/thermometer/over", 0.5}, plan_thermometer},
    {{"pictures/ruler/length", 1}, plan_ruler},
    {{"pictures/ruler/end", 0.7}, plan_ruler},
    {{"pictures/number_line/value", 1}, plan_number_line},
    {{"pictures/number_line/distance", 0.7}, plan_number_line},
    {{"pictures/scene/count", 1.5}, plan_scene},
    {{"pictures/scene/colour", 1}, plan_scene},
    {{"pictures/scene/form", 1}, plan_scene},
    {{"pictures/scene/exists", 1}, plan_scene},
    {{"pictures/scene/next", 1}, plan_scene},
    {{"pictures/scene/place", 0.7}, plan_scene},
    {{"pictures/scene/largest", 0.7}, plan_scene},
    {{"pictures/scene/more", 0.7}, plan_scene},
    {{"pictures/dots/count", 1}, plan_dots},
    {{"pictures/dots/coloured", 0.7}, plan_dots},
    {{"pictures/dice/one", 0.7}, plan_dice},
    {{"pictures/dice/sum", 0.7}, plan_dice},
    {{"pictures/dice/highest", 0.5}, plan_dice},
    {{"pictures/table/cell", 1.2}, plan_table},
    {{"pictures/table/highest", 1}, plan_table},
    {{"pictures/table/row_sum", 0.5}, plan_table},
    {{"pictures/table/column_sum", 0.5}, plan_table},
    {{"pictures/table/difference", 0.5}, plan_table},
    {{"pictures/plane/position", 1}, plan_plane},
    {{"pictures/plane/at", 0.7}, plan_plane},
    {{"pictures/plane/one", 0.7}, plan_plane},
    {{"pictures/plane/side", 0.7}, plan_plane},
    {{"pictures/general/kind", 1.5}, plan_general},
    {{"pictures/general/describe", 1.5}, plan_general},
};

// As people type: American spelling in a third, now and then a few words in front; with_noise() takes away a question mark or a capital.
std::string typed(std::string question, Rng* rng) {
  if (rng->below(3) == 0) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kAmerican = {{{"olour", "olor"}, {"centre", "center"}, {"centimetres", "centimeters"}}};
    for (const auto& [from, to] : kAmerican) {
      for (size_t at = question.find(from); at != std::string::npos; at = question.find(from, at + to.size())) question.replace(at, from.size(), to);
    }
  }
  if (rng->below(12) == 0) {
    constexpr std::array<std::string_view, 6> kBefore = {"Look at the picture. ", "Please look at this. ", "A question about the picture: ", "Here is a picture. ", "See the image. ", "From the picture: "};
    question.insert(0, kBefore[rng->below(kBefore.size())]);
  }
  return with_noise(std::move(question), rng);
}

bool below(std::string_view kind, std::string_view prefix) {
  return kind.substr(0, prefix.size()) == prefix && (kind.size() == prefix.size() || kind[prefix.size()] == '/');
}

const Family& pick_family(Rng* rng, std::string_view prefix) {
  double total = 0;
  for (const Family& family : kFamilies) total += below(family.kind.kind, prefix) ? family.kind.weight : 0;
  CHECK(total > 0);
  double left = rng->uniform() * total;
  const Family* last = nullptr;
  for (const Family& family : kFamilies) {
    if (!below(family.kind.kind, prefix)) continue;
    last = &family;
    left -= family.kind.weight;
    if (left < 0) break;
  }
  return *last;
}

// A plan of the split: nothing held out in training, something held out in evaluation.
Plan plan_for(Rng* rng, Split split, const Family& family) {
  const std::string_view kind = family.kind.kind;
  const std::string_view question = kind.substr(kind.rfind('/') + 1);
  for (;;) {
    Asker ask(rng, split == Split::kEval && rng->below(2) == 0);
    Plan plan = family.plan(&ask, question);
    const bool held_out = ask.used_held_out() || is_reserved(plan.combination);
    if (held_out == (split == Split::kEval)) return plan;
  }
}

std::string call_of(const std::string& expression) {
  return "<tool_call>\n{\"name\": \"calculator\", \"arguments\": {\"expression\": \"" + expression + "\"}}\n</tool_call>";
}

// What the model writes: a thought with all lines that are there, then the call or the answer.
std::string thinking_target(const Plan& plan, bool call) {
  std::string thought = plan.sees;
  const auto add = [&thought](const std::string& line) {
    if (!line.empty()) thought += (thought.empty() ? "" : "\n") + line;
  };
  add(plan.working);
  if (!call) add(plan.steps);
  if (thought.empty()) thought = plan.answer;
  return "<think>\n" + thought + "\n</think>\n\n" + (call ? call_of(plan.expression) : "Answer: " + plan.answer + plan.unit);
}

}  // namespace

std::string told_kind(std::string_view picture_kind) {
  constexpr std::array<std::string_view, 8> kTold = {"bars", "lines", "pie", "table", "scene", "shapes", "plane", "dice"};
  const std::string_view rest = picture_kind.substr(std::string_view("pictures/").size());
  const bool told = std::find(kTold.begin(), kTold.end(), rest.substr(0, rest.find('/'))) != kTold.end();
  return told ? "lists/" + std::string(rest) : "";
}

Sample make_told_sample(Rng* rng, std::string_view kind, Split split) {
  CHECK(!told_kind(kind).empty());
  Sample sample;
  sample.kind = told_kind(kind);
  const Plan plan = plan_for(rng, split, pick_family(rng, kind));
  sample.thinking = true;
  sample.tools = rng->below(2) == 0;
  const std::string question = typed(plan.question, rng);
  const bool lines = plan.sees.find('\n') != std::string::npos;
  sample.messages.push_back({.role = "user", .text = rng->below(4) == 0 ? question + '\n' + plan.sees : plan.sees + (lines || rng->below(2) == 0 ? "\n" : ". ") + question});
  sample.answer = plan.answer;
  sample.grader = plan.grader;
  sample.target = thinking_target(plan, sample.tools && !plan.expression.empty());
  return sample;
}

std::span<const PictureKind> picture_kinds() {
  static const std::vector<PictureKind> kinds = [] {
    std::vector<PictureKind> all;
    for (const Family& family : kFamilies) all.push_back(family.kind);
    return all;
  }();
  return kinds;
}

bool has_picture_kind(std::string_view prefix) {
  return std::any_of(std::begin(kFamilies), std::end(kFamilies), [&](const Family& family) { return below(family.kind.kind, prefix); });
}

Sample make_picture_sample(Rng* rng, const PictureOptions& options) {
  const Family& family = pick_family(rng, options.prefix);
  Sample sample;
  sample.kind = family.kind.kind;
  const Plan plan = plan_for(rng, options.split, family);
  // In first steps there is nothing to think about: one in ten has the form, so that it is known.
  sample.thinking = rng->uniform() < (family.plan == plan_first ? options.thinking / 8 : options.thinking);
  sample.tools = rng->uniform() < options.tools;
  // An answer after a call needs no look at the picture: of training it gets little.
  const bool second_turn = rng->below(4) == 0 && (options.split == Split::kEval || rng->below(5) == 0);
  const std::string question = typed(plan.question, rng);
  sample.messages.push_back({.role = "user", .text = question, .images = {0}});
  Drawing drawing = plan.draw(rng);
  sample.images.push_back(std::move(drawing.image));
  sample.marks = std::move(drawing.marks);
  sample.answer = plan.answer;
  sample.grader = plan.grader;

  const std::string last_line = "Answer: " + plan.answer + plan.unit;
  const bool call = sample.tools && !plan.expression.empty();
  if (call && second_turn) {
    // The answer is the number that the tool gave: the next literal after those of the question. A sign is not part of it.
    const size_t n = find_number_literals(question).size();
    sample.messages.push_back({.role = "assistant", .text = call_of(plan.expression)});
    sample.messages.push_back({.role = "tool", .text = plan.answer});
    sample.target = std::string("Answer: ") + (plan.answer.front() == '-' ? "-" : "") + "<|n" + std::to_string(n) + "|>" + plan.unit;
    return sample;
  }
  if (!sample.thinking) {
    sample.target = call ? call_of(plan.expression) : last_line;
    return sample;
  }
  sample.target = thinking_target(plan, call);
  return sample;
}

}  // namespace firesteel::pictures
