#include "data/real/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/number_literals.h"
#include "data/reading.h"
#include "data/real/reword.h"
#include "data/renderer.h"
#include "data/story_sample.h"

namespace firesteel {
namespace {

using Op = Formula::Op;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string token(size_t k) { return fmt::format("<|n{}|>", k); }

// The literal of "<|nK|>", or -1.
int literal_index(const std::string& text) {
  if (!text.starts_with("<|n")) return -1;
  int index = -1;
  std::from_chars(text.data() + 3, text.data() + text.size(), index);
  return index;
}

void count_uses(const Calculation& c, std::vector<int>* uses) {
  if (c.is_number()) {
    const int k = literal_index(c.text);
    if (k >= 0 && static_cast<size_t>(k) < uses->size()) ++(*uses)[static_cast<size_t>(k)];
  }
  for (const Calculation& part : c.arguments) count_uses(part, uses);
}

// Sets the values of all parts; false when a part has none, is negative, or stops being whole where it was.
bool revalue(Calculation* c, const std::vector<Decimal>& values) {
  const bool was_whole = c->value.is_whole();
  for (Calculation& part : c->arguments) {
    if (!revalue(&part, values)) return false;
  }
  const std::optional<Decimal> value = evaluate_with(*c, values);
  if (!value || !value->finite() || value->sign() < 0) return false;
  c->value = *value;
  return !was_whole || value->is_whole();
}

// A number of the same sort: as many digits, as many decimals, a percentage stays one.
Decimal similar(const TextLiteral& literal, Rng* rng) {
  const Decimal& old = literal.value;
  if (!old.is_whole()) {
    const int decimals = old.round(1) == old ? 1 : 2;
    const Decimal scale = decimals == 1 ? 10 : 100;
    const int64_t cents = (old * scale).round().to_int().value_or(100);
    return *Decimal(rng->between(std::max<int64_t>(1, cents / 2), cents * 2)).divided_by(scale);
  }
  const int64_t value = old.to_int().value_or(10);
  if (value <= 1) return old;
  if (literal.percent) return Decimal(value % 5 == 0 ? rng->between(1, 19) * 5 : rng->between(2, 98));
  if (value <= 12) return Decimal(rng->between(2, 12));
  const int64_t unit = value % 100 == 0 ? 50 : value % 10 == 0 && value > 50 ? 10 : 1;
  return Decimal(rng->between(std::max<int64_t>(1, value / 2 / unit), value * 2 / unit) * unit);
}

struct Version {
  std::string text;
  Calculation calculation;
  Decimal answer;
};

std::optional<Version> varied(const RealProblem& problem, Rng* rng) {
  const std::vector<TextLiteral> literals = literals_with_labels(problem.text);
  std::vector<int> uses(literals.size(), 0);
  count_uses(problem.calculation, &uses);
  for (int attempt = 0; attempt < 40; ++attempt) {
    std::vector<Decimal> values;
    for (size_t k = 0; k < literals.size(); ++k) values.push_back(uses[k] > 0 ? similar(literals[k], rng) : literals[k].value);
    // What was different stays different.
    bool fine = true;
    for (size_t i = 0; i < values.size() && fine; ++i) {
      for (size_t k = 0; k < i && fine; ++k) fine = (values[i] == values[k]) == (literals[i].value == literals[k].value);
    }
    if (!fine) continue;
    Version version{.text = {}, .calculation = problem.calculation, .answer = {}};
    if (!revalue(&version.calculation, values) || version.calculation.value.sign() <= 0) continue;
    version.answer = version.calculation.value;
    if (!is_short(version.answer)) continue;
    size_t at = 0;
    for (size_t k = 0; k < literals.size(); ++k) {
      version.text += problem.text.substr(at, literals[k].offset - at);
      const std::string old = problem.text.substr(literals[k].offset, literals[k].length);
      if (values[k] == literals[k].value) {
        version.text += old;
      } else {
        const size_t point = old.find('.');
        const std::string digits =
            point == std::string::npos ? values[k].to_string() : values[k].to_fixed(static_cast<int>(old.size() - point - 1));
        version.text += old.find(',') != std::string::npos ? with_commas(digits) : digits;
      }
      at = literals[k].offset + literals[k].length;
    }
    version.text += problem.text.substr(at);
    if (find_number_literals(version.text).size() == literals.size()) return version;
  }
  return std::nullopt;
}

RealProblem reworded(RealProblem problem, const OtherStories& others, Rng* rng) {
  if (rng->below(100) < 15) return problem;
  const uint64_t what = rng->below(100);
  std::optional<RealProblem> among;
  if (what < 26 && !others.asides.empty()) {
    among = with_aside(problem, others.asides[rng->below(others.asides.size())], rng);
  } else if (what < 38 && !others.facts.empty()) {
    among = with_other_story(problem, others.facts[rng->below(others.facts.size())], rng);
  }
  if (among) problem = *std::move(among);
  const std::vector<NumberLiteral> before = find_number_literals(problem.text);
  std::string text = problem.text;
  if (rng->below(100) < 50) text = with_other_sentences(text, rng);
  if (rng->below(100) < 80) text = with_other_names(text, rng);
  if (rng->below(100) < 80) text = with_other_phrases(text, rng);
  const std::vector<NumberLiteral> after = find_number_literals(text);
  const auto same = [](const NumberLiteral& a, const NumberLiteral& b) { return a.value == b.value; };
  if (std::equal(before.begin(), before.end(), after.begin(), after.end(), same)) problem.text = std::move(text);
  return problem;
}

}  // namespace

std::vector<TextLiteral> literals_with_labels(std::string_view text) {
  std::vector<TextLiteral> result;
  for (const NumberLiteral& literal : find_number_literals(text)) {
    TextLiteral one;
    one.offset = literal.offset;
    one.length = literal.length;
    one.value = Decimal::parse(literal.value).value_or(Decimal(0));
    size_t at = literal.offset + literal.length;
    const std::string_view after = text.substr(at);
    one.percent = after.starts_with("%") || after.starts_with(" %") || after.starts_with(" percent");
    if (after.starts_with("-")) ++at;
    if (one.percent) {
      one.label = "percent";
    } else {
      int words = 0;
      while (at < text.size() && words < 2) {
        if (text[at] == ' ') ++at;
        std::string word;
        while (at < text.size() && is_letter(text[at])) word += lower(text[at++]);
        if (word.empty()) break;
        static constexpr std::string_view kEnds[] = {"and", "of", "in", "on", "to", "for", "are", "is", "from", "at", "with", "a", "an", "the", "each", "per", "more", "by"};
        if (std::find(std::begin(kEnds), std::end(kEnds), word) != std::end(kEnds)) break;
        one.label += (one.label.empty() ? "" : " ") + word;
        ++words;
      }
    }
    if (one.label.empty()) one.label = literal.offset > 0 && text[literal.offset - 1] == '$' ? "dollars" : "number";
    result.push_back(std::move(one));
  }
  return result;
}

std::string tidied(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    std::string_view piece = text.substr(i, 1);
    if (text.substr(i).starts_with("\xe2\x80\x99") || text.substr(i).starts_with("\xe2\x80\x98")) {
      piece = "'";
      i += 2;
    } else if (text.substr(i).starts_with("\xe2\x80\x9c") || text.substr(i).starts_with("\xe2\x80\x9d")) {
      piece = "\"";
      i += 2;
    }
    if (piece == "\n" || piece == "\t" || piece == "\r") piece = " ";
    if (piece == " " && (out.empty() || out.back() == ' ')) continue;
    const bool closes = piece == "." || piece == "," || piece == "?" || piece == "!" || piece == ";";
    const bool before_digit = piece == "." && i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '9';
    if (closes && !before_digit && !out.empty() && out.back() == ' ') out.pop_back();
    out += piece;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string sentence_skeleton(std::string_view text) {
  const std::string tidy = tidied(text);
  std::string out;
  bool sentence_start = true;
  for (size_t i = 0; i < tidy.size();) {
    if (tidy[i] >= '0' && tidy[i] <= '9') {
      while (i < tidy.size() && ((tidy[i] >= '0' && tidy[i] <= '9') || tidy[i] == ',' || tidy[i] == '.')) ++i;
      out += "# ";
      sentence_start = false;
    } else if (is_letter(tidy[i])) {
      std::string word;
      const bool capital = tidy[i] >= 'A' && tidy[i] <= 'Z';
      while (i < tidy.size() && is_letter(tidy[i])) word += lower(tidy[i++]);
      // A capital inside of a sentence is a name; at its start it may be one, so what is not a common word counts as one.
      static constexpr std::string_view kStarts[] = {"a",   "an",  "the", "there", "how",  "if",  "what", "he",   "she", "it",   "they", "each", "in", "on",
                                                     "at",  "for", "of",  "one",   "his",  "her", "then", "when", "now", "after", "before", "some", "this", "so"};
      const bool common = std::find(std::begin(kStarts), std::end(kStarts), word) != std::end(kStarts);
      out += capital && !(sentence_start && common) ? "_ " : word + " ";
      sentence_start = false;
    } else {
      if (tidy[i] == '.' || tidy[i] == '?') sentence_start = true;
      ++i;
    }
  }
  return out;
}

bool is_held_out_skeleton(std::string_view text, uint64_t percent) { return stable_hash(sentence_skeleton(text)) % 100 < percent; }

std::optional<Decimal> evaluate_with(const Calculation& c, const std::vector<Decimal>& values) {
  if (c.is_number()) {
    const int k = literal_index(c.text);
    if (k < 0) return c.value;
    if (static_cast<size_t>(k) >= values.size()) return std::nullopt;
    return values[static_cast<size_t>(k)];
  }
  const std::optional<Decimal> left = evaluate_with(c.arguments[0], values);
  if (!left) return std::nullopt;
  if (c.op == Op::kNegate) return -*left;
  const std::optional<Decimal> right = evaluate_with(c.arguments[1], values);
  if (!right) return std::nullopt;
  switch (c.op) {
    case Op::kAdd: return *left + *right;
    case Op::kSubtract: return *left - *right;
    case Op::kMultiply: return *left * *right;
    case Op::kDivide: return left->divided_by(*right);
    default: return std::nullopt;
  }
}

Sample make_real_sample(const RealProblem& original, std::string_view kind, Split split, const OtherStories& others, Rng* rng) {
  const RealProblem problem = split == Split::kTrain ? reworded(original, others, rng) : original;
  Version version{problem.text, problem.calculation, problem.answer};
  if (split == Split::kTrain && problem.may_vary && rng->below(100) < 70) {
    if (std::optional<Version> other = varied(problem, rng)) version = std::move(*other);
  }
  Sample sample;
  sample.kind = std::string(kind);
  sample.messages.push_back({"user", version.text});
  sample.answer = version.answer.to_string();
  sample.grader = "number";
  const uint64_t mode = rng->below(100);
  const bool small = hand_sized(version.calculation);
  const std::string expression = calculator_text(version.calculation);
  if (small && mode < 5 && n_operations(version.calculation) <= 2) {
    sample.target = "Answer: " + sample.answer;
  } else if (small && mode < 22) {
    sample.thinking = true;
    const std::string read = reading(version.text, expression);
    sample.target = think_block(fmt::format("{}{}{}", read, read.empty() ? "" : "\n", fmt::join(step_texts(version.calculation), "\n"))) + "Answer: " + sample.answer;
  } else {
    sample.thinking = mode < 94;
    sample.tools = true;
    if (rng->below(100) < 88) {
      sample.target = (sample.thinking ? think_block(reading(version.text, expression)) : std::string()) + calculator_call(expression);
      return sample;
    }
    const std::vector<NumberLiteral> literals = find_number_literals(version.text);
    std::string plain = expression;
    for (size_t k = 0; k < literals.size(); ++k) {
      for (size_t at = plain.find(token(k)); at != std::string::npos; at = plain.find(token(k))) plain.replace(at, token(k).size(), literals[k].value);
    }
    sample.messages.push_back({"assistant", calculator_call(plain)});
    sample.messages.push_back({"tool", sample.answer});
    sample.target = "Answer: " + (literals.size() < 32 ? token(literals.size()) : sample.answer);
  }
  return sample;
}

}  // namespace firesteel
