// GSM8K (Cobbe et al. 2021, MIT): the worked answers carry annotations "<<48/2=24>>", which are put together to one expression.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "data/real/json_lines.h"
#include "data/real/number_words.h"
#include "data/real/problem.h"

namespace firesteel {
namespace {

using Op = Formula::Op;

constexpr size_t kMaxOperations = 11;

// A result of the worked answer, which later steps may use.
struct Step {
  Calculation calculation;
  std::string name;
  std::string plan;
  bool used = false;
};

// "1/2", ".5", "20%", "$3", "2x3" as the formula language has them.
std::string cleaned(std::string_view expression) {
  std::string out;
  for (size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    const bool after_digit = !out.empty() && out.back() >= '0' && out.back() <= '9';
    if (c == '$' || c == ',' || c == ' ') continue;
    if (c == '.' && !after_digit) {
      out += "0.";
    } else if (c == '%') {
      out += "/100";
    } else if (c == 'x' || c == 'X') {
      out += '*';
    } else {
      out += c;
    }
  }
  return out;
}

class Composer {
 public:
  explicit Composer(std::string_view text) : literals_(literals_with_labels(text)), used_(literals_.size(), false), words_(numbers_in_words(text, true)) {}

  // false: it cannot be expressed.
  bool add(std::string_view expression, std::string name) {
    const Result<Formula> formula = Formula::parse(
        cleaned(expression), [](std::string_view word) { return Result<VariableRef>(Error{ErrorCode::kNotFound, std::string(word)}); });
    if (!formula.ok()) return false;
    Step step;
    std::optional<Calculation> calculation = build(*formula, formula->root());
    if (!calculation) return false;
    step.calculation = std::move(*calculation);
    // In the plan a result goes by its name; expressions are printed before results are put in.
    std::optional<Calculation> named = plan_ ? std::move(plan_) : std::nullopt;
    step.name = std::move(name);
    step.plan = step.name + " = " + (named ? plan_text(*named) : plan_text(step.calculation));
    if (n_operations(step.calculation) > kMaxOperations) return false;
    steps_.push_back(std::move(step));
    return true;
  }

  const std::vector<Step>& steps() const { return steps_; }
  bool ambiguous() const { return ambiguous_; }

 private:
  struct Part {
    Calculation full;
    Calculation named;
  };

  std::optional<Calculation> build(const Formula& formula, int index) {
    std::optional<Part> part = build_part(formula, index);
    if (!part) return std::nullopt;
    plan_ = std::move(part->named);
    return std::move(part->full);
  }

  std::optional<Part> build_part(const Formula& formula, int index, bool is_factor = false) {
    const Formula::Node& node = formula.node(index);
    if (node.op == Op::kNumber) return number(node.number, is_factor);
    if (node.op != Op::kAdd && node.op != Op::kSubtract && node.op != Op::kMultiply && node.op != Op::kDivide) return std::nullopt;
    std::optional<Part> left = build_part(formula, node.arguments[0], node.op == Op::kMultiply);
    if (!left) return std::nullopt;
    std::optional<Part> right = build_part(formula, node.arguments[1], node.op == Op::kMultiply || node.op == Op::kDivide);
    if (!right) return std::nullopt;
    const Decimal& a = left->full.value;
    const Decimal& b = right->full.value;
    const std::optional<Decimal> value = node.op == Op::kAdd        ? std::optional(a + b)
                                         : node.op == Op::kSubtract ? std::optional(a - b)
                                         : node.op == Op::kMultiply ? std::optional(a * b)
                                                                    : a.divided_by(b);
    if (!value || value->sign() < 0) return std::nullopt;
    Part part;
    part.full = {.op = node.op, .value = *value, .arguments = {std::move(left->full), std::move(right->full)}};
    part.named = {.op = node.op, .value = *value, .arguments = {std::move(left->named), std::move(right->named)}};
    return part;
  }

  static Part leaf(const Decimal& value, std::string text, std::string label) {
    const Calculation c{.value = value, .text = std::move(text), .label = std::move(label)};
    return {c, c};
  }

  // Where a number comes from: an earlier result, a literal of the text, a percentage of it, a word, or common knowledge.
  std::optional<Part> number(const Decimal& value, bool is_factor) {
    const bool in_words = std::find(words_.begin(), words_.end(), value) != words_.end();
    Step* result = nullptr;
    for (auto step = steps_.rbegin(); step != steps_.rend() && result == nullptr; ++step) {
      if (step->calculation.value == value && !step->used) result = &*step;
    }
    for (auto step = steps_.rbegin(); step != steps_.rend() && result == nullptr; ++step) {
      if (step->calculation.value == value) result = &*step;
    }
    std::optional<size_t> literal;
    for (size_t k = 0; k < literals_.size() && k < 32; ++k) {
      if (literals_[k].value == value && (!literal || (used_[*literal] && !used_[k]))) literal = k;
    }
    if (literal && (result != nullptr || in_words)) ambiguous_ = true;
    // "half of them" divides by two, whatever else there are two of.
    if (result == nullptr && literal && in_words && is_factor) literal.reset();
    if (result != nullptr && (!literal || !result->used)) {
      result->used = true;
      Calculation name{.value = value, .text = {}, .label = result->name};
      return Part{result->calculation, std::move(name)};
    }
    if (literal) {
      used_[*literal] = true;
      return leaf(value, fmt::format("<|n{}|>", *literal), literals_[*literal].label);
    }
    for (size_t k = 0; k < literals_.size() && k < 32; ++k) {
      if (!literals_[k].percent) continue;
      const bool share = literals_[k].value == value * Decimal(100);
      const bool rest = !share && Decimal(100) - literals_[k].value == value * Decimal(100);
      if (!share && !rest) continue;
      used_[k] = true;
      Part percent = leaf(literals_[k].value, fmt::format("<|n{}|>", k), literals_[k].label);
      Part hundred = leaf(100, "100", "100");
      if (rest) percent = combine(Op::kSubtract, hundred, percent, Decimal(100) - literals_[k].value);
      return combine(Op::kDivide, percent, hundred, value);
    }
    static const std::vector<Decimal> kCommon = {1, 2, 3, 100};
    const bool known = in_words || std::find(kCommon.begin(), kCommon.end(), value) != kCommon.end();
    const bool fraction = !value.is_whole() && value < Decimal(1) && (value * Decimal(4)).is_whole();
    if (!known && !fraction) return std::nullopt;
    return leaf(value, value.to_string(), value.to_string());
  }

  static Part combine(Op op, const Part& left, const Part& right, const Decimal& value) {
    Part part;
    part.full = {.op = op, .value = value, .arguments = {left.full, right.full}};
    part.named = {.op = op, .value = value, .arguments = {left.named, right.named}};
    return part;
  }

  std::vector<TextLiteral> literals_;
  std::vector<bool> used_;
  std::vector<Decimal> words_;
  std::vector<Step> steps_;
  std::optional<Calculation> plan_;
  bool ambiguous_ = false;
};

// The words after a result, as its name: "clips in May".
std::string name_after(std::string_view answer, size_t at, size_t step) {
  while (at < answer.size() && (answer[at] == ' ' || answer[at] == '$' || answer[at] == '.' || answer[at] == ',' || (answer[at] >= '0' && answer[at] <= '9'))) {
    if (answer[at] == '.' && at + 1 < answer.size() && (answer[at + 1] == '\n' || answer[at + 1] == ' ')) break;
    ++at;
  }
  std::string name;
  int words = 0;
  while (at < answer.size() && words < 4) {
    const char c = answer[at];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '\'' || c == '-';
    if (letter) {
      name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (c == ' ' && !name.empty()) {
      name += ' ';
      ++words;
    } else {
      break;
    }
    ++at;
  }
  while (!name.empty() && (name.back() == ' ' || name.back() == '-')) name.pop_back();
  static constexpr std::string_view kWeak[] = {" of", " in", " to", " for", " the", " a", " and", " on", " from", " at", " per", " that", " with", " than", " is", " so"};
  for (bool cut = true; cut;) {
    cut = false;
    for (const std::string_view weak : kWeak) {
      if (!name.ends_with(weak)) continue;
      name.resize(name.size() - weak.size());
      cut = true;
    }
  }
  return name.empty() ? fmt::format("step {}", step) : name;
}

std::optional<RealProblem> compose(std::string question, std::string_view answer) {
  const size_t end = answer.rfind("####");
  if (end == std::string_view::npos) return std::nullopt;
  std::string final_text(answer.substr(end + 4));
  std::erase_if(final_text, [](char c) { return c == ' ' || c == '\n' || c == '$'; });
  const std::optional<Decimal> final_value = Decimal::parse(final_text);
  if (!final_value || final_value->sign() <= 0) return std::nullopt;
  RealProblem problem;
  problem.text = tidied(question);
  problem.answer = *final_value;
  Composer composer(problem.text);
  for (size_t at = answer.find("<<"); at != std::string_view::npos && at < end; at = answer.find("<<", at)) {
    const size_t close = answer.find(">>", at);
    const std::string_view inner = answer.substr(at + 2, close - at - 2);
    const size_t equals = inner.rfind('=');
    if (close == std::string_view::npos || equals == std::string_view::npos) return std::nullopt;
    if (!composer.add(inner.substr(0, equals), name_after(answer, close + 2, composer.steps().size() + 1))) return std::nullopt;
    at = close;
  }
  if (composer.steps().empty()) return std::nullopt;
  const Step& last = composer.steps().back();
  if (last.calculation.is_number() || last.calculation.value != *final_value) return std::nullopt;
  if (calculator_text(last.calculation).find("<|n") == std::string::npos) return std::nullopt;
  problem.calculation = last.calculation;
  // Only steps that the result rests on.
  for (const Step& step : composer.steps()) {
    if (!step.used && &step != &last) continue;
    problem.plan += (problem.plan.empty() ? "" : "\n") + step.plan;
  }
  problem.may_vary = !composer.ambiguous();
  return problem;
}

}  // namespace

Result<std::vector<RealProblem>> read_gsm8k(const std::string& path) {
  std::vector<RealProblem> problems;
  const Status read = for_each_json_line(path, [&](const Json& object, size_t line) -> Status {
    FS_TRY(std::string question, string_member(object, "question", path, line));
    FS_TRY(const std::string answer, string_member(object, "answer", path, line));
    if (std::optional<RealProblem> problem = compose(std::move(question), answer)) problems.push_back(std::move(*problem));
    return {};
  });
  if (!read.ok()) return read.error();
  return problems;
}

}  // namespace firesteel
