#include "data/formula.h"

#include <fmt/format.h>

#include <numeric>
#include <utility>

namespace firesteel {

std::string text_of(const Value& value) {
  const Decimal* number = number_of(value);
  return number != nullptr ? number->to_string() : std::get<std::string>(value);
}

namespace {

using Op = Formula::Op;

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Function {
  std::string_view name;
  Op op;
  size_t min_arguments;
  size_t max_arguments;
};

constexpr Function kFunctions[] = {
    {"min", Op::kMin, 2, 8},     {"max", Op::kMax, 2, 8},     {"abs", Op::kAbs, 1, 1}, {"sqrt", Op::kSqrt, 1, 1},
    {"round", Op::kRound, 1, 2}, {"floor", Op::kFloor, 1, 1}, {"ceil", Op::kCeil, 1, 1}, {"mod", Op::kMod, 2, 2},
    {"gcd", Op::kGcd, 2, 2},     {"lcm", Op::kLcm, 2, 2},     {"whole", Op::kWhole, 1, 1},
};

}  // namespace

class FormulaParser {
 public:
  FormulaParser(std::string_view text, const Formula::Resolve& resolve) : text_(text), resolve_(resolve) {}

  Result<Formula> parse() {
    FS_TRY(formula_.root_, choice(0));
    skip_blanks();
    if (position_ < text_.size()) return expected("the end");
    return std::move(formula_);
  }

 private:
  Error expected(std::string_view what) const {
    const std::string found = position_ < text_.size() ? fmt::format("'{}'", text_.substr(position_, 12)) : std::string("the end");
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("expression '{}', column {}: expected {}, found {}", text_, position_ + 1, what, found)};
  }
  void skip_blanks() {
    while (position_ < text_.size() && text_[position_] == ' ') ++position_;
  }
  bool take(std::string_view symbol) {
    skip_blanks();
    if (text_.substr(position_, symbol.size()) != symbol) return false;
    const size_t end = position_ + symbol.size();
    if (is_name_start(symbol[0]) && end < text_.size() && (is_name_start(text_[end]) || is_digit(text_[end]))) return false;
    position_ = end;
    return true;
  }
  int add(Formula::Node node) {
    formula_.nodes_.push_back(std::move(node));
    return static_cast<int>(formula_.nodes_.size()) - 1;
  }
  int add(Op op, std::vector<int> arguments) { return add({.op = op, .arguments = std::move(arguments)}); }

  Result<int> choice(int depth) {
    if (depth > 40) return expected("less nesting");
    FS_TRY(const int condition, either(depth));
    if (!take("?")) return condition;
    FS_TRY(const int yes, choice(depth + 1));
    if (!take(":")) return expected("':'");
    FS_TRY(const int no, choice(depth + 1));
    return add(Op::kIf, {condition, yes, no});
  }
  Result<int> either(int depth) {
    FS_TRY(int left, both(depth));
    while (take("or")) {
      FS_TRY(const int right, both(depth));
      left = add(Op::kOr, {left, right});
    }
    return left;
  }
  Result<int> both(int depth) {
    FS_TRY(int left, comparison(depth));
    while (take("and")) {
      FS_TRY(const int right, comparison(depth));
      left = add(Op::kAnd, {left, right});
    }
    return left;
  }
  Result<int> comparison(int depth) {
    if (take("not")) {
      FS_TRY(const int argument, comparison(depth));
      return add(Op::kNot, {argument});
    }
    FS_TRY(const int left, sum(depth));
    constexpr std::pair<std::string_view, Op> kOperators[] = {{"==", Op::kEqual},     {"!=", Op::kNotEqual},     {"<=", Op::kLessEqual},
                                                              {">=", Op::kGreaterEqual}, {"<", Op::kLess}, {">", Op::kGreater}};
    for (const auto& [symbol, op] : kOperators) {
      if (!take(symbol)) continue;
      FS_TRY(const int right, sum(depth));
      return add(op, {left, right});
    }
    return left;
  }
  Result<int> sum(int depth) {
    FS_TRY(int left, product(depth));
    for (;;) {
      const bool plus = take("+");
      if (!plus && !take("-")) return left;
      FS_TRY(const int right, product(depth));
      left = add(plus ? Op::kAdd : Op::kSubtract, {left, right});
    }
  }
  Result<int> product(int depth) {
    FS_TRY(int left, sign(depth));
    for (;;) {
      const bool times = take("*");
      if (!times && !take("/")) return left;
      FS_TRY(const int right, sign(depth));
      left = add(times ? Op::kMultiply : Op::kDivide, {left, right});
    }
  }
  Result<int> sign(int depth) {
    if (depth > 40) return expected("less nesting");
    if (!take("-")) return power(depth);
    FS_TRY(const int argument, sign(depth + 1));
    return add(Op::kNegate, {argument});
  }
  Result<int> power(int depth) {
    FS_TRY(const int base, primary(depth));
    if (!take("^")) return base;
    FS_TRY(const int exponent, sign(depth + 1));
    return add(Op::kPower, {base, exponent});
  }
  Result<int> primary(int depth) {
    skip_blanks();
    if (take("(")) {
      FS_TRY(const int inner, choice(depth + 1));
      if (!take(")")) return expected("')'");
      return inner;
    }
    if (position_ >= text_.size()) return expected("a number, a name or '('");
    const char c = text_[position_];
    if (is_digit(c)) return number();
    if (c == '"') return string();
    if (is_name_start(c)) return name(depth);
    return expected("a number, a name or '('");
  }
  Result<int> number() {
    const size_t begin = position_;
    while (position_ < text_.size() &&
           (is_digit(text_[position_]) || (text_[position_] == '.' && position_ + 1 < text_.size() && is_digit(text_[position_ + 1])))) {
      ++position_;
    }
    const std::optional<Decimal> value = Decimal::parse(text_.substr(begin, position_ - begin));
    if (!value) return expected("a number");
    return add({.op = Op::kNumber, .number = *value});
  }
  Result<int> string() {
    const size_t end = text_.find('"', position_ + 1);
    if (end == std::string_view::npos) return expected("a closing '\"'");
    std::string value(text_.substr(position_ + 1, end - position_ - 1));
    position_ = end + 1;
    return add({.op = Op::kString, .text = std::move(value)});
  }
  Result<int> name(int depth) {
    const size_t begin = position_;
    while (position_ < text_.size() &&
           (is_name_start(text_[position_]) || is_digit(text_[position_]) ||
            (text_[position_] == '.' && position_ + 1 < text_.size() && is_name_start(text_[position_ + 1])))) {
      ++position_;
    }
    const std::string_view word = text_.substr(begin, position_ - begin);
    // As many digits as the calculator's.
    if (word == "pi") return add({.op = Op::kNumber, .number = *Decimal::parse("3.14159265358979323846"), .text = "pi"});
    for (const Function& function : kFunctions) {
      if (function.name != word || !take("(")) continue;
      std::vector<int> arguments;
      do {
        FS_TRY(const int argument, choice(depth + 1));
        arguments.push_back(argument);
      } while (take(","));
      if (!take(")")) return expected("',' or ')'");
      if (arguments.size() < function.min_arguments || arguments.size() > function.max_arguments) {
        return expected(fmt::format("{} to {} arguments of {}", function.min_arguments, function.max_arguments, word));
      }
      return add({.op = function.op, .text = std::string(word), .arguments = std::move(arguments)});
    }
    FS_TRY(const VariableRef ref, resolve_(word));
    return add({.op = Op::kRef, .text = std::string(word), .ref = ref});
  }

  std::string_view text_;
  const Formula::Resolve& resolve_;
  size_t position_ = 0;
  Formula formula_;
};

Result<Formula> Formula::parse(std::string_view text, const Resolve& resolve) { return FormulaParser(text, resolve).parse(); }

bool Formula::holds(const Lookup& lookup) const {
  const std::optional<Value> value = evaluate(lookup);
  if (!value) return false;
  const Decimal* decimal = number_of(*value);
  return decimal != nullptr && decimal->sign() != 0;
}

std::optional<Decimal> Formula::number(int index, const Lookup& lookup) const {
  const std::optional<Value> value = evaluate(index, lookup);
  if (!value) return std::nullopt;
  const Decimal* decimal = number_of(*value);
  if (decimal == nullptr || !decimal->finite()) return std::nullopt;
  return *decimal;
}

std::optional<Value> Formula::evaluate(int index, const Lookup& lookup) const {
  const Node& n = node(index);
  switch (n.op) {
    case Op::kNumber: return n.number;
    case Op::kString: return n.text;
    case Op::kRef: return lookup(n.ref);
    case Op::kIf: {
      const std::optional<Decimal> condition = number(n.arguments[0], lookup);
      if (!condition) return std::nullopt;
      return evaluate(n.arguments[condition->sign() != 0 ? 1 : 2], lookup);
    }
    case Op::kAnd:
    case Op::kOr: {
      const std::optional<Decimal> left = number(n.arguments[0], lookup);
      if (!left) return std::nullopt;
      if ((left->sign() != 0) == (n.op == Op::kOr)) return Decimal(left->sign() != 0 ? 1 : 0);
      const std::optional<Decimal> right = number(n.arguments[1], lookup);
      if (!right) return std::nullopt;
      return Decimal(right->sign() != 0 ? 1 : 0);
    }
    case Op::kEqual:
    case Op::kNotEqual: {
      const std::optional<Value> left = evaluate(n.arguments[0], lookup);
      const std::optional<Value> right = evaluate(n.arguments[1], lookup);
      if (!left || !right) return std::nullopt;
      const bool both_numbers = number_of(*left) != nullptr && number_of(*right) != nullptr;
      const bool same = both_numbers ? *number_of(*left) == *number_of(*right) : text_of(*left) == text_of(*right);
      return Decimal(same == (n.op == Op::kEqual) ? 1 : 0);
    }
    default: {
      const std::optional<Decimal> result = arithmetic(n, lookup);
      if (!result || !result->finite()) return std::nullopt;
      return *result;
    }
  }
}

std::optional<Decimal> Formula::arithmetic(const Node& n, const Lookup& lookup) const {
  std::optional<Decimal> left = number(n.arguments[0], lookup);
  if (!left) return std::nullopt;
  std::optional<Decimal> right;
  if (n.arguments.size() > 1) {
    right = number(n.arguments[1], lookup);
    if (!right) return std::nullopt;
  }
  switch (n.op) {
    case Op::kNegate: return -*left;
    case Op::kAdd: return *left + *right;
    case Op::kSubtract: return *left - *right;
    case Op::kMultiply: return *left * *right;
    case Op::kDivide: return left->divided_by(*right);
    case Op::kPower: return left->power(*right);
    case Op::kLess: return Decimal(*left < *right ? 1 : 0);
    case Op::kLessEqual: return Decimal(*left <= *right ? 1 : 0);
    case Op::kGreater: return Decimal(*left > *right ? 1 : 0);
    case Op::kGreaterEqual: return Decimal(*left >= *right ? 1 : 0);
    case Op::kNot: return Decimal(left->sign() == 0 ? 1 : 0);
    case Op::kMin:
    case Op::kMax:
      for (size_t i = 1; i < n.arguments.size(); ++i) {
        right = number(n.arguments[i], lookup);
        if (!right) return std::nullopt;
        if ((*right < *left) == (n.op == Op::kMin)) left = right;
      }
      return left;
    case Op::kAbs: return left->abs();
    case Op::kSqrt: return left->square_root();
    case Op::kRound: {
      const int64_t digits = right ? right->to_int().value_or(0) : 0;
      if (digits < -30 || digits > 30) return std::nullopt;
      return left->round(static_cast<int>(digits));
    }
    case Op::kFloor: return left->floor();
    case Op::kCeil: return left->ceil();
    case Op::kWhole: return Decimal(left->is_whole() ? 1 : 0);
    case Op::kMod: {
      const std::optional<Decimal> quotient = left->divided_by(*right);
      if (!quotient) return std::nullopt;
      return *left - *right * quotient->floor();
    }
    case Op::kGcd:
    case Op::kLcm: {
      const std::optional<int64_t> a = left->to_int();
      const std::optional<int64_t> b = right->to_int();
      if (!a || !b || *a <= 0 || *b <= 0 || *a > 1'000'000'000 || *b > 1'000'000'000) return std::nullopt;
      return Decimal(n.op == Op::kGcd ? std::gcd(*a, *b) : std::lcm(*a, *b));
    }
    default: return std::nullopt;
  }
}

}  // namespace firesteel
