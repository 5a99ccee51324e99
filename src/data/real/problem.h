// A real word problem with the expression that solves it, over the numbers of its text: as read from GSM8K or MAWPS.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/decimal.h"
#include "base/result.h"
#include "base/rng.h"
#include "data/calculation.h"
#include "data/wording.h"
#include "schema/sample.h"

namespace firesteel {

struct RealProblem {
  std::string text;          // tidied; its literals are the numbers of the calculation
  Calculation calculation;   // numbers are "<|nK|>" or constants
  std::string plan;          // lines in words, for people: see make_real_sample
  Decimal answer;
  bool may_vary = true;      // new numbers keep the meaning, as far as can be told
};

struct TextLiteral {
  size_t offset = 0;
  size_t length = 0;
  Decimal value;
  bool percent = false;      // followed by % or "percent"
  std::string label;         // what it counts: the next word or two
};

// Literals with what stands after them. The k-th is "<|nk|>".
std::vector<TextLiteral> literals_with_labels(std::string_view text);

// Blanks before punctuation, doubled blanks and curly quotes go; nothing else changes.
std::string tidied(std::string_view text);

// What is left of a problem when its numbers and names are masked: "_ had # eggs . how many ...". Problems are split by it, since real
// sets repeat sentences with other numbers.
std::string sentence_skeleton(std::string_view text);
// By hash of the skeleton: `percent` of the skeletons are for evaluation only.
bool is_held_out_skeleton(std::string_view text, uint64_t percent);

// The share of MAWPS that is for evaluation.
constexpr uint64_t kMawpsHeldOutPercent = 22;
constexpr uint64_t kGsm8kHeldOutPercent = 4;

// The calculation with the numbers of `values` (by literal) in place of its tokens; nullopt when it has no value.
std::optional<Decimal> evaluate_with(const Calculation& calculation, const std::vector<Decimal>& values);

// kIo, kDataLoss with path and line. Problems that cannot be turned into one expression are left out.
Result<std::vector<RealProblem>> read_gsm8k(const std::string& path);
Result<std::vector<RealProblem>> read_mawps(const std::string& path);

// What may stand in between when training tells a problem in other words, from other problems of training (reword.h).
struct OtherStories {
  std::vector<std::string> asides, facts;
};

// A sample of one problem, without a plan: plans made from the words of these texts are poor, and a model that learnt them rambled (41 % of
// MAWPS's held-out half after 16M tokens). With new random numbers in up to 70 % of the draws of training, and in
// other words in most (reword.h); never in evaluation.
Sample make_real_sample(const RealProblem& problem, std::string_view kind, Split split, const OtherStories& others, Rng* rng);

}  // namespace firesteel
