// What a question computes, bound to the text: as the calculator's expression, as a plan in words, and as single steps.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/draw.h"

namespace firesteel {

struct Calculation {
  Formula::Op op = Formula::Op::kNumber;
  std::string function = {};        // "sqrt" ...
  Decimal value;
  std::string text = {};            // of a number: its token or digits
  std::string label = {};           // of a number, in the plan
  std::vector<Calculation> arguments = {};
  bool is_number() const { return op == Formula::Op::kNumber; }
};

// How the text shows a variable: its token, plain digits, or not at all.
struct Shown {
  enum class As { kToken, kWords, kNot } as = As::kNot;
  std::string token = {};
};

// kInvalidArgument when it is no calculation (strings, comparisons), or uses a number that the text does not show.
// Derived variables that are not shown are replaced by their formulas; branches of conditions are decided; factors of one vanish.
Result<Calculation> make_calculation(const Draw& draw, const Formula& formula, const std::function<Shown(VariableRef)>& shown);

std::string calculator_text(const Calculation& calculation);                     // "<|n0|>*(<|n1|>-3)"
std::string plan_text(const Calculation& calculation);                           // "price * (pens - 3)"
std::vector<std::string> step_texts(const Calculation& calculation);             // "54 - 28 = 26", one line per operation
size_t n_operations(const Calculation& calculation);
// Whether a person would do each step on paper: short exact numbers.
bool hand_sized(const Calculation& calculation);
// Whether the answer comes without any working: one operation below 1,000, or two below 100.
bool at_a_glance(const Calculation& calculation);
// Every part is positive or zero.
bool no_negative_part(const Calculation& calculation);

bool is_short(const Decimal& value);  // exact with at most four decimals

}  // namespace firesteel
