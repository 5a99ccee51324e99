// MAWPS (Koncel-Kedziorski et al. 2016, MIT): only the answers are given, so the expression is searched for among all that the numbers of
// the text allow. Where several give the answer ("(9-6)*6" with two sixes), the one of the most similar sentences counts, if they are similar
// enough and no other's are; else the problem is dropped: such labels would be guesses.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "data/real/json_lines.h"
#include "data/real/number_words.h"
#include "data/real/problem.h"
#include "data/renderer.h"

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
  // sums_only: only + and -.
  Search(const std::vector<double>& values, double target, bool sums_only) : values_(values), target_(target), sums_only_(sums_only) {}

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
          if (sums_only_ && (op == Op::kMultiply || op == Op::kDivide)) continue;
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
  bool sums_only_;
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

// Whether the answer of the file, with ten digits, is this value.
bool is_answer(const Decimal& value, const Decimal& target) {
  const Decimal difference = value - target;
  return std::abs(difference.to_double()) <= 1e-6 * std::max(1.0, std::abs(target.to_double()));
}

// All expressions over as many of the numbers as can be.
std::vector<RealProblem> solve(const std::string& text, const Decimal& target, std::string_view type) {
  std::vector<Number> numbers;
  const std::vector<TextLiteral> literals = literals_with_labels(text);
  for (size_t k = 0; k < literals.size(); ++k) numbers.push_back({literals[k].value, fmt::format("<|n{}|>", k), literals[k].label});
  for (const Decimal& value : numbers_in_words(text, false)) numbers.push_back({value, value.to_string(), value.to_string()});
  const size_t n = numbers.size();
  if (n < 2 || n > 5 || literals.empty()) return {};
  std::vector<double> values;
  for (const Number& number : numbers) values.push_back(number.value.to_double());
  // All numbers first; then all but one ...
  for (size_t size = std::min<size_t>(n, 4); size >= (type == "multiarith" ? 3u : 2u); --size) {
    Search search(values, target.to_double(), type == "addsub");
    for (uint32_t mask = 1; mask < (1u << n); ++mask) {
      std::vector<int> chosen;
      for (size_t k = 0; k < n; ++k) {
        if ((mask >> k) & 1) chosen.push_back(static_cast<int>(k));
      }
      if (chosen.size() == size) search.over(chosen);
    }
    std::vector<RealProblem> problems;
    for (const auto& [probes, found] : search.found()) {
      RealProblem problem;
      problem.text = text;
      problem.calculation = tree(found, found.root, numbers);
      problem.answer = problem.calculation.value;
      problem.plan = asked(text) + " = " + plan_text(problem.calculation);
      if (is_answer(problem.answer, target)) problems.push_back(std::move(problem));
    }
    if (!search.found().empty()) return problems;
  }
  return {};
}

std::set<std::string, std::less<>> words_of(std::string_view text) {
  const std::string skeleton = sentence_skeleton(text);
  std::set<std::string, std::less<>> words;
  for (size_t at = 0; at < skeleton.size();) {
    const size_t end = std::min(skeleton.find(' ', at), skeleton.size());
    words.insert(skeleton.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

double jaccard(const std::set<std::string, std::less<>>& a, const std::set<std::string, std::less<>>& b) {
  size_t both = 0;
  for (const std::string& word : a) both += b.count(word);
  return static_cast<double>(both) / static_cast<double>(a.size() + b.size() - both);
}

// The one of `several` whose expression the most similar of `known` has; nullopt when that is a guess.
std::optional<RealProblem> most_similar(std::vector<RealProblem>* several, const std::vector<std::pair<std::string, std::set<std::string, std::less<>>>>& known) {
  constexpr double kSimilar = 0.4, kAhead = 0.05;
  const auto words = words_of(several->front().text);
  double best = 0, second = 0;
  RealProblem* chosen = nullptr;
  for (RealProblem& candidate : *several) {
    const std::string form = calculator_text(candidate.calculation);
    double score = 0;
    for (const auto& [other_form, other_words] : known) {
      if (other_form == form) score = std::max(score, jaccard(words, other_words));
    }
    if (score > best) {
      second = std::exchange(best, score);
      chosen = &candidate;
    } else {
      second = std::max(second, score);
    }
  }
  if (best < kSimilar || best - second < kAhead) return std::nullopt;
  return std::move(*chosen);
}

}  // namespace

Result<std::vector<RealProblem>> read_mawps(const std::string& path) {
  std::vector<std::vector<RealProblem>> found;
  const Status read = for_each_json_line(path, [&](const Json& object, size_t line) -> Status {
    FS_TRY(const std::string input, string_member(object, "input", path, line));
    FS_TRY(const std::string type, string_member(object, "type", path, line));
    const Json* target = object.find("target");
    if (target == nullptr || !target->is_number()) return Error{ErrorCode::kDataLoss, fmt::format("{}:{}: expected a number \"target\"", path, line)};
    const std::optional<Decimal> value = Decimal::parse(fmt::format("{}", target->as_double()));
    if (!value || value->sign() <= 0) return {};
    found.push_back(solve(tidied(input), *value, type));
    return {};
  });
  if (!read.ok()) return read.error();
  std::vector<std::pair<std::string, std::set<std::string, std::less<>>>> known;
  for (const std::vector<RealProblem>& candidates : found) {
    if (candidates.size() == 1) known.emplace_back(calculator_text(candidates[0].calculation), words_of(candidates[0].text));
  }
  std::vector<RealProblem> problems;
  for (std::vector<RealProblem>& candidates : found) {
    if (candidates.size() == 1) {
      problems.push_back(std::move(candidates[0]));
    } else if (!candidates.empty()) {
      if (std::optional<RealProblem> one = most_similar(&candidates, known)) problems.push_back(*std::move(one));
    }
  }
  return problems;
}

}  // namespace firesteel
