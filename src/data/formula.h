// Expressions of the curriculum language: over numbers (exact fractions) and strings. Parsed once, evaluated for every sample.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/decimal.h"
#include "base/result.h"

namespace firesteel {

using Value = std::variant<Decimal, std::string>;

inline const Decimal* number_of(const Value& value) { return std::get_if<Decimal>(&value); }
std::string text_of(const Value& value);  // numbers by Decimal's print rule

// A variable of a story, or a column of the row that it picked.
struct VariableRef {
  int variable = -1;
  int column = -1;  // -1: the variable itself (for a pick: its first column)
  bool operator==(const VariableRef&) const = default;
};

class Formula {
 public:
  enum class Op : uint8_t {
    kNumber, kString, kRef, kNegate, kAdd, kSubtract, kMultiply, kDivide, kPower,
    kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kAnd, kOr, kNot, kIf,
    kMin, kMax, kAbs, kSqrt, kRound, kFloor, kCeil, kMod, kGcd, kLcm, kWhole,
  };
  struct Node {
    Op op = Op::kNumber;
    Decimal number = {};
    std::string text = {};      // of a string; the name of a function; "pi"
    VariableRef ref = {};
    std::vector<int> arguments = {};
  };
  // What a name stands for ("had", "e.mass"); an error names it.
  using Resolve = std::function<Result<VariableRef>(std::string_view name)>;
  using Lookup = std::function<const Value&(VariableRef)>;

  // kInvalidArgument: what was expected and found, with the column. Nesting is limited.
  static Result<Formula> parse(std::string_view text, const Resolve& resolve);

  // nullopt where there is no value: division by zero, the root of a negative number, text where a number is needed.
  std::optional<Value> evaluate(const Lookup& lookup) const { return evaluate(root_, lookup); }
  std::optional<Value> evaluate(int node, const Lookup& lookup) const;
  // A condition; what has no value does not hold.
  bool holds(const Lookup& lookup) const;

  int root() const { return root_; }
  const Node& node(int index) const { return nodes_[static_cast<size_t>(index)]; }
  const std::vector<Node>& nodes() const { return nodes_; }

 private:
  friend class FormulaParser;
  std::optional<Decimal> number(int node, const Lookup& lookup) const;
  std::optional<Decimal> arithmetic(const Node& node, const Lookup& lookup) const;

  std::vector<Node> nodes_;
  int root_ = 0;
};

}  // namespace firesteel
