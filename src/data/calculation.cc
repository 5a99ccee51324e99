#include "data/calculation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace firesteel {
namespace {

using Op = Formula::Op;

struct Symbol {
  std::string_view tight, wide;
  int precedence;
};

// Precedence: sums 1, products 2, signs 3, powers 4, the rest 5.
Symbol symbol_of(Op op) {
  switch (op) {
    case Op::kAdd: return {"+", " + ", 1};
    case Op::kSubtract: return {"-", " - ", 1};
    case Op::kMultiply: return {"*", " * ", 2};
    case Op::kDivide: return {"/", " / ", 2};
    case Op::kPower: return {"^", "^", 4};
    default: return {"", "", 5};
  }
}

class Builder {
 public:
  Builder(const Draw& draw, const std::function<Shown(VariableRef)>& shown) : draw_(draw), shown_(shown) {}

  Result<Calculation> build(const Formula& formula, int index, int depth) {
    const Formula::Node& node = formula.node(index);
    if (depth > 60) return bad("nested too deeply");
    switch (node.op) {
      case Op::kNumber: {
        const std::string text = node.text.empty() ? node.number.to_string() : node.text;
        return number(node.number, text, text);
      }
      case Op::kRef: return reference(node, depth);
      case Op::kIf: {
        const std::optional<Value> condition = formula.evaluate(node.arguments[0], draw_.lookup());
        if (!condition || number_of(*condition) == nullptr) return bad("a condition has no value");
        return build(formula, node.arguments[number_of(*condition)->sign() != 0 ? 1 : 2], depth + 1);
      }
      case Op::kString: case Op::kEqual: case Op::kNotEqual: case Op::kLess: case Op::kLessEqual: case Op::kGreater:
      case Op::kGreaterEqual: case Op::kAnd: case Op::kOr: case Op::kNot: case Op::kWhole:
        return bad("it is no calculation");
      default: break;
    }
    Calculation result;
    result.op = node.op;
    result.function = node.text;
    for (const int argument : node.arguments) {
      FS_TRY(Calculation part, build(formula, argument, depth + 1));
      result.arguments.push_back(std::move(part));
    }
    const std::optional<Value> value = formula.evaluate(index, draw_.lookup());
    if (!value || number_of(*value) == nullptr) return bad("it has no value");
    result.value = *number_of(*value);
    return simplified(std::move(result));
  }

 private:
  Error bad(std::string_view why) const { return Error{ErrorCode::kInvalidArgument, fmt::format("{}: {}", draw_.story().kind, why)}; }

  static Calculation number(Decimal value, std::string text, std::string label) {
    return {.value = std::move(value), .text = std::move(text), .label = std::move(label)};
  }

  Result<Calculation> reference(const Formula::Node& node, int depth) {
    const Value& value = draw_.value(node.ref);
    const Decimal* decimal = number_of(value);
    if (decimal == nullptr) return bad(fmt::format("'{}' is no number", node.text));
    const Variable& variable = draw_.story().variables[static_cast<size_t>(node.ref.variable)];
    std::string label = variable.label;
    if (variable.kind == Variable::Kind::kPick && node.ref.column >= 0) {
      label = variable.table->columns[static_cast<size_t>(node.ref.column)];
      std::replace(label.begin(), label.end(), '_', ' ');
    }
    VariableRef ref = node.ref;
    if (variable.kind == Variable::Kind::kPick && ref.column < 0) ref.column = 0;
    const Shown shown = shown_(ref);
    if (shown.as == Shown::As::kToken) return number(*decimal, decimal->sign() < 0 ? "-" + shown.token : shown.token, label);
    if (shown.as == Shown::As::kNot) {
      if (variable.kind == Variable::Kind::kLet) return build(*variable.formula, variable.formula->root(), depth + 1);
      if (variable.kind == Variable::Kind::kNumber) return bad(fmt::format("'{}' is used but the text does not show it", node.text));
    }
    return number(*decimal, decimal->to_string(), label);
  }

  static Calculation simplified(Calculation result) {
    const auto is_constant_one = [](const Calculation& part) { return part.is_number() && part.text == "1" && part.value == Decimal(1); };
    if ((result.op == Op::kMultiply || result.op == Op::kDivide) && is_constant_one(result.arguments[1])) {
      return std::move(result.arguments[0]);
    }
    if (result.op == Op::kMultiply && is_constant_one(result.arguments[0])) return std::move(result.arguments[1]);
    return result;
  }

  const Draw& draw_;
  const std::function<Shown(VariableRef)>& shown_;
};

struct Printed {
  std::string text;
  int precedence = 5;
};

Printed print(const Calculation& c, bool plan) {
  if (c.is_number()) {
    const std::string& text = plan ? c.label : c.text;
    return {text, text.starts_with('-') ? 0 : 5};
  }
  const auto in_parentheses = [](Printed part, bool needed) { return needed ? "(" + std::move(part.text) + ")" : std::move(part.text); };
  if (c.op == Op::kNegate) {
    Printed part = print(c.arguments[0], plan);
    const bool needed = part.precedence < 5;
    return {"-" + in_parentheses(std::move(part), needed), 0};
  }
  const Symbol symbol = symbol_of(c.op);
  if (symbol.tight.empty()) {
    std::string text = c.function + "(";
    for (size_t i = 0; i < c.arguments.size(); ++i) {
      if (i > 0) text += ", ";
      text += print(c.arguments[i], plan).text;
    }
    return {text + ")", 5};
  }
  Printed left = print(c.arguments[0], plan);
  Printed right = print(c.arguments[1], plan);
  const bool left_needs = left.precedence < symbol.precedence || (c.op == Op::kPower && left.precedence < 5);
  // A product of a product, a sum of a sum: the same value without parentheses.
  const bool strict = c.op == Op::kSubtract || c.op == Op::kDivide || c.op == Op::kPower;
  const bool right_needs = right.precedence < symbol.precedence || (strict && right.precedence == symbol.precedence);
  std::string text = in_parentheses(std::move(left), left_needs);
  text += plan ? symbol.wide : symbol.tight;
  text += in_parentheses(std::move(right), right_needs);
  return {std::move(text), symbol.precedence};
}

std::string value_text(const Calculation& c) { return c.is_number() ? c.text : c.value.to_string(); }

void add_steps(const Calculation& c, std::vector<std::string>* lines) {
  if (c.is_number()) return;
  for (const Calculation& part : c.arguments) add_steps(part, lines);
  const Symbol symbol = symbol_of(c.op);
  const auto operand = [](const Calculation& part) {
    std::string text = value_text(part);
    return text.starts_with('-') ? "(" + text + ")" : text;
  };
  std::string text;
  if (c.op == Op::kNegate) {
    return;
  } else if (symbol.tight.empty()) {
    text = c.function + "(";
    for (size_t i = 0; i < c.arguments.size(); ++i) text += (i > 0 ? ", " : "") + value_text(c.arguments[i]);
    text += ")";
  } else {
    text = operand(c.arguments[0]);
    text += symbol.wide;
    text += operand(c.arguments[1]);
  }
  lines->push_back(text + " = " + c.value.to_string());
}

// Digits that count: 1,200 has two, 0.25 two.
size_t n_significant(const Decimal& value) {
  std::string text = value.abs().to_string();
  std::string digits;
  for (const char c : text) {
    if (c >= '0' && c <= '9' && (c != '0' || !digits.empty())) digits += c;
  }
  digits.erase(digits.find_last_not_of('0') + 1);
  return digits.size();
}

}  // namespace

bool is_short(const Decimal& value) { return value.exact() && value.round(4) == value; }

Result<Calculation> make_calculation(const Draw& draw, const Formula& formula, const std::function<Shown(VariableRef)>& shown) {
  return Builder(draw, shown).build(formula, formula.root(), 0);
}

std::string calculator_text(const Calculation& calculation) { return print(calculation, false).text; }
std::string plan_text(const Calculation& calculation) { return print(calculation, true).text; }

std::vector<std::string> step_texts(const Calculation& calculation) {
  std::vector<std::string> lines;
  add_steps(calculation, &lines);
  return lines;
}

size_t n_operations(const Calculation& calculation) {
  if (calculation.is_number()) return 0;
  size_t n = 1;
  for (const Calculation& part : calculation.arguments) n += n_operations(part);
  return n;
}

bool hand_sized(const Calculation& c) {
  if (!is_short(c.value) || c.value.abs() >= Decimal(100'000)) return false;
  if (c.is_number()) return true;
  if (!std::all_of(c.arguments.begin(), c.arguments.end(), hand_sized)) return false;
  switch (c.op) {
    case Op::kAdd:
    case Op::kSubtract: return n_significant(c.arguments[0].value) <= 4 && n_significant(c.arguments[1].value) <= 4;
    case Op::kMultiply: {
      const size_t a = n_significant(c.arguments[0].value);
      const size_t b = n_significant(c.arguments[1].value);
      return a + b <= 3;
    }
    case Op::kDivide: return n_significant(c.arguments[1].value) + n_significant(c.value) <= 3;
    case Op::kSqrt: return c.value.is_whole() && c.value <= Decimal(20);
    case Op::kPower: return c.value <= Decimal(1000);
    case Op::kGcd:
    case Op::kLcm:
    case Op::kMod: return c.arguments[0].value < Decimal(60) && c.arguments[1].value < Decimal(60);
    default: return true;
  }
}

bool at_a_glance(const Calculation& calculation) {
  const size_t n = n_operations(calculation);
  const Decimal limit = n <= 1 ? 1000 : 100;
  const std::function<bool(const Calculation&)> below = [&](const Calculation& part) {
    return part.value.abs() < limit && std::all_of(part.arguments.begin(), part.arguments.end(), below);
  };
  return n <= 2 && below(calculation);
}

bool no_negative_part(const Calculation& calculation) {
  if (calculation.value.sign() < 0) return false;
  return std::all_of(calculation.arguments.begin(), calculation.arguments.end(), no_negative_part);
}

}  // namespace firesteel
