// MAWPS (Koncel-Kedziorski et al. 2016, MIT): only the answers are given, so the expression is searched for among all that the numbers of
// the text allow. A problem is dropped when two different ones give the answer: such labels would be guesses.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "data/real/json_lines.h"
#include "data/real/number_words.h"
#include "data/real/problem.h"

namespace firesteel {
namespace {

using Op = Formula::Op;

// A partial expression: its value, and its values for two other sets of numbers, which tell different expressions apart.
struct Term {
  double value = 0;
  double probe1 = 0, probe2 = 0;
  int left = -1, right = -1;  // nodes; -1, -1: a number
  Op op = Op::kNumber;
  int number = -1;
};

class Search {
 public:
  Search(const std::vector<double>& values, double target) : values_(values), target_(target) {}

  // The only expression that uses exactly the numbers `chosen`, or a subset of that size if `chosen` is empty ...
  void over(const std::vector<int>& chosen) {
    std::vector<Term> terms;
    for (const int k : chosen) {
      const double x = values_[static_cast<size_t>(k)];
      terms.push_back({x, 3.1415 + 1.7321 * k, 7.3891 + 2.2361 * k * k + k, -1, -1, Op::kNumber, k});
    }
    nodes_.clear();
    combine(terms);
  }

  struct Found {
    std::vector<Term> nodes;
    int root = 0;
  };
  // By probes, rounded: one entry for each different expression.
  const std::map<std::pair<int64_t, int64_t>, Found>& found() const { return found_; }

 private:
  void combine(const std::vector<Term>& terms) {
    if (terms.size() == 1) {
      if (std::abs(terms[0].value - target_) > 1e-6) return;
      const auto rounded = [](double x) { return static_cast<int64_t>(std::llround(x * 1e6)); };
      Found found;
      found.nodes = nodes_;
      found.nodes.push_back(terms[0]);
      found.root = static_cast<int>(found.nodes.size()) - 1;
      found_.emplace(std::pair(rounded(terms[0].probe1), rounded(terms[0].probe2)), std::move(found));
      return;
    }
    for (size_t i = 0; i < terms.size(); ++i) {
      for (size_t k = 0; k < terms.size(); ++k) {
        if (i == k) continue;
        for (const Op op : {Op::kAdd, Op::kSubtract, Op::kMultiply, Op::kDivide}) {
          if ((op == Op::kAdd || op == Op::kMultiply) && i > k) continue;
          const Term& a = terms[i];
          const Term& b = terms[k];
          if (op == Op::kSubtract && a.value < b.value) continue;
          if (op == Op::kDivide && b.value == 0) continue;
          const size_t n_nodes = nodes_.size();
          nodes_.push_back(a);
          nodes_.push_back(b);
          const auto apply = [op](double x, double y) {
            return op == Op::kAdd ? x + y : op == Op::kSubtract ? x - y : op == Op::kMultiply ? x * y : x / y;
          };
          Term term{apply(a.value, b.value), apply(a.probe1, b.probe1), apply(a.probe2, b.probe2), static_cast<int>(n_nodes), static_cast<int>(n_nodes) + 1, op, -1};
          std::vector<Term> rest = {term};
          for (size_t j = 0; j < terms.size(); ++j) {
            if (j != i && j != k) rest.push_back(terms[j]);
          }
          combine(rest);
          nodes_.resize(n_nodes);
        }
      }
    }
  }

  const std::vector<double>& values_;
  double target_;
  std::vector<Term> nodes_;
  std::map<std::pair<int64_t, int64_t>, Found> found_;
};

struct Number {
  Decimal value;
  std::string text;   // token or digits
  std::string label;
};

Calculation tree(const Search::Found& found, int node, const std::vector<Number>& numbers) {
  const Term& term = found.nodes[static_cast<size_t>(node)];
  if (term.op == Op::kNumber) {
    const Number& number = numbers[static_cast<size_t>(term.number)];
    return {.value = number.value, .text = number.text, .label = number.label};
  }
  Calculation c;
  c.op = term.op;
  c.arguments = {tree(found, term.left, numbers), tree(found, term.right, numbers)};
  const Decimal& a = c.arguments[0].value;
  const Decimal& b = c.arguments[1].value;
  c.value = term.op == Op::kAdd ? a + b : term.op == Op::kSubtract ? a - b : term.op == Op::kMultiply ? a * b : a.divided_by(b).value_or(Decimal(0));
  return c;
}

// What the question asks for, in a word for the plan.
std::string asked(std::string_view text) {
  const size_t last = text.rfind(". ");
  const std::string_view question = last == std::string_view::npos ? text : text.substr(last);
  struct Cue {
    std::string_view cue, word;
  };
  static constexpr Cue kCues[] = {{" left", "left"},       {"remain", "left"},   {" altogether", "total"}, {" in all", "total"}, {" total", "total"},
                                  {" together", "total"},  {" each", "each"},    {" more", "more"},        {" now", "now"},      {" start", "at first"},
                                  {" begin", "at first"},  {" change", "change"}, {" cost", "cost"},       {" spend", "cost"},   {" longer", "more"}};
  for (const Cue& cue : kCues) {
    if (question.find(cue.cue) != std::string_view::npos) return std::string(cue.word);
  }
  return "answer";
}

std::optional<RealProblem> solve(const std::string& text, const Decimal& target, bool two_steps) {
  std::vector<Number> numbers;
  const std::vector<TextLiteral> literals = literals_with_labels(text);
  for (size_t k = 0; k < literals.size(); ++k) numbers.push_back({literals[k].value, fmt::format("<|n{}|>", k), literals[k].label});
  for (const Decimal& value : numbers_in_words(text, false)) numbers.push_back({value, value.to_string(), value.to_string()});
  const size_t n = numbers.size();
  if (n < 2 || n > 5 || literals.empty()) return std::nullopt;
  std::vector<double> values;
  for (const Number& number : numbers) values.push_back(number.value.to_double());
  // All numbers first; then all but one ... At each size there must be one expression only.
  for (size_t size = std::min<size_t>(n, 4); size >= (two_steps ? 3u : 2u); --size) {
    Search search(values, target.to_double());
    for (uint32_t mask = 1; mask < (1u << n); ++mask) {
      std::vector<int> chosen;
      for (size_t k = 0; k < n; ++k) {
        if ((mask >> k) & 1) chosen.push_back(static_cast<int>(k));
      }
      if (chosen.size() == size) search.over(chosen);
    }
    if (search.found().empty()) continue;
    if (search.found().size() > 1) return std::nullopt;
    RealProblem problem;
    const Search::Found& found = search.found().begin()->second;
    problem.text = text;
    problem.calculation = tree(found, found.root, numbers);
    problem.answer = target;
    problem.plan = asked(text) + " = " + plan_text(problem.calculation);
    if (problem.calculation.value != target) return std::nullopt;
    return problem;
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<RealProblem>> read_mawps(const std::string& path) {
  std::vector<RealProblem> problems;
  const Status read = for_each_json_line(path, [&](const Json& object, size_t line) -> Status {
    FS_TRY(const std::string input, string_member(object, "input", path, line));
    FS_TRY(const std::string type, string_member(object, "type", path, line));
    const Json* target = object.find("target");
    if (target == nullptr || !target->is_number()) return Error{ErrorCode::kDataLoss, fmt::format("{}:{}: expected a number \"target\"", path, line)};
    const std::optional<Decimal> value = Decimal::parse(fmt::format("{}", target->as_double()));
    if (!value || value->sign() <= 0) return {};
    if (std::optional<RealProblem> problem = solve(tidied(input), *value, type == "multiarith")) problems.push_back(std::move(*problem));
    return {};
  });
  if (!read.ok()) return read.error();
  return problems;
}

}  // namespace firesteel
