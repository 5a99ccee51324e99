#include "tools/calculator.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

#include "tools/units.h"
#include "base/decimal.h"

namespace firesteel {
namespace {

constexpr size_t kBytesMax = 1000;
constexpr int kDepthMax = 64;
constexpr int kRoundDecimalsMax = 30;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// A number, or a number of a dimension's base unit.
struct Quantity {
  Decimal value;
  Dimension dimension = Dimension::kNone;
  const Unit* unit = nullptr;  // in which it was written
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<std::string> run() {
    FS_TRY(Quantity value, sum());
    const Unit* unit = nullptr;
    std::string_view unit_name;
    if (take_word("in") || take_word("to")) {
      skip_space();
      const size_t at = at_;
      if (take_word("fraction") || take_word("fractions")) return as_fraction(value, at);
      unit = read_unit();
      if (unit == nullptr) return fail(at, "expected a unit");
      unit_name = text_.substr(at, at_ - at);
      if (unit->dimension != value.dimension) return fail(at, "'" + std::string(unit_name) + "' does not fit what is to be converted");
      value.value = from_base_unit(value.value, *unit);
    }
    skip_space();
    if (at_ < text_.size()) return fail(at_, "expected an operator or the end" + found());
    if (value.dimension != Dimension::kNone && unit == nullptr) return fail(at_, "expected 'in' and a unit for the result");
    if (!value.value.finite()) return Error{ErrorCode::kInvalidArgument, "the result is too large"};
    return value.value.to_string() + (unit == nullptr ? "" : " " + std::string(unit_name));
  }

 private:
  static Error fail(size_t at, const std::string& what) {
    return {ErrorCode::kInvalidArgument, "at character " + std::to_string(at + 1) + ": " + what};
  }

  // "7/12", "-3/2"; whole numbers stay whole.
  Result<std::string> as_fraction(const Quantity& value, size_t at) {
    skip_space();
    if (at_ < text_.size()) return fail(at_, "expected the end" + found());
    if (value.dimension != Dimension::kNone) return fail(at, "a number with a unit is no fraction");
    if (!value.value.exact()) return fail(at, "this number is not exact, so it has no fraction");
    // Convergents of the continued fraction, which ends at the value itself because the value is a fraction.
    Decimal rest = value.value.abs(), num = rest.floor(), den = 1, earlier_num = 1, earlier_den = 0;
    for (rest = rest - rest.floor(); rest.sign() != 0; rest = rest - rest.floor()) {
      rest = *Decimal(1).divided_by(rest);
      const Decimal term = rest.floor();
      earlier_num = std::exchange(num, term * num + earlier_num);
      earlier_den = std::exchange(den, term * den + earlier_den);
      if (!num.exact() || !den.exact()) return fail(at, "the fraction has too many digits");
    }
    const std::string text = (value.value.sign() < 0 ? "-" : "") + num.to_string();
    return den == Decimal(1) ? text : text + "/" + den.to_string();
  }

  std::string found() const {
    if (at_ >= text_.size()) return ", found the end";
    const char c = text_[at_];
    return c > ' ' && c < 0x7F ? std::string(", found '") + c + "'" : ", found something else";
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) ++at_;
  }

  bool take(std::string_view token) {
    skip_space();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }

  // A whole word: "in", not the beginning of "inch".
  bool take_word(std::string_view word) {
    skip_space();
    if (text_.substr(at_, word.size()) != word || (at_ + word.size() < text_.size() && is_letter(text_[at_ + word.size()]))) return false;
    at_ += word.size();
    return true;
  }

  // The longest unit that stands here as whole words ("km/h" before "km"), or nullptr and nothing read.
  const Unit* read_unit() {
    size_t end = at_;
    while (end < text_.size() && is_letter(text_[end])) ++end;
    if (end > at_ && end < text_.size() && (text_[end] == '2' || text_[end] == '3')) {  // m2, cm3
      const Unit* unit = end + 1 == text_.size() || !(is_letter(text_[end + 1]) || is_digit(text_[end + 1])) ? find_unit(text_.substr(at_, end + 1 - at_)) : nullptr;
      if (unit != nullptr) {
        at_ = end + 1;
        return unit;
      }
    }
    const size_t short_end = end;
    if (end > at_ && end + 1 < text_.size() && text_[end] == '/' && is_letter(text_[end + 1])) {
      ++end;
      while (end < text_.size() && is_letter(text_[end])) ++end;
    }
    for (const size_t stop : {end, short_end}) {
      const Unit* unit = stop > at_ ? find_unit(text_.substr(at_, stop - at_)) : nullptr;
      if (unit == nullptr) continue;
      at_ = stop;
      return unit;
    }
    return nullptr;
  }

  Result<Quantity> sum() {
    if (++depth_ > kDepthMax) return fail(at_, "nested too deeply (at most " + std::to_string(kDepthMax) + " levels)");
    FS_TRY(Quantity left, product());
    for (;;) {
      skip_space();
      const size_t at = at_;
      const bool plus = take("+");
      if (!plus && !take("-") && !take("\xE2\x88\x92")) break;
      FS_TRY(const Quantity right, product());
      if (left.dimension != right.dimension) return fail(at, "the two sides have different units");
      if (left.dimension == Dimension::kTemperature) return fail(at, "temperatures can only be converted");
      left.value = plus ? left.value + right.value : left.value - right.value;
    }
    --depth_;
    return left;
  }

  Result<Quantity> product() {
    FS_TRY(Quantity left, signed_value());
    for (;;) {
      skip_space();
      const size_t at = at_;
      const bool times = text_.substr(at_, 2) != "**" && (take("*") || take("\xC3\x97"));
      if (!times && !take("/") && !take("\xC3\xB7")) return left;
      FS_TRY(const Quantity right, signed_value());
      if (left.dimension == Dimension::kTemperature || right.dimension == Dimension::kTemperature) {
        return fail(at, "temperatures can only be converted");
      }
      if (times) {
        if (left.dimension != Dimension::kNone && right.dimension != Dimension::kNone) return fail(at, "units cannot be multiplied");
        left.value = left.value * right.value;
        if (left.dimension == Dimension::kNone) left.dimension = right.dimension;
        continue;
      }
      if (right.dimension != Dimension::kNone && right.dimension != left.dimension) return fail(at, "the units cannot be divided");
      const auto quotient = left.value.divided_by(right.value);
      if (!quotient) return fail(at, "division by zero");
      left.value = *quotient;
      if (right.dimension != Dimension::kNone) left.dimension = Dimension::kNone;
    }
  }

  Result<Quantity> signed_value() {
    int n_minus = 0;
    for (;;) {
      if (take("-") || take("\xE2\x88\x92")) {
        ++n_minus;
      } else if (!take("+")) {
        break;
      }
    }
    FS_TRY(Quantity value, power());
    if (n_minus % 2 == 0) return value;
    // "-40 F" is forty degrees below zero, not the opposite of 277.6 kelvin.
    value.value = value.unit == nullptr ? -value.value : to_base_unit(-from_base_unit(value.value, *value.unit), *value.unit);
    return value;
  }

  Result<Quantity> power() {
    FS_TRY(Quantity base, postfix());
    skip_space();
    const size_t at = at_;
    if (!take("^") && !take("**")) return base;
    if (++depth_ > kDepthMax) return fail(at, "nested too deeply (at most " + std::to_string(kDepthMax) + " levels)");
    FS_TRY(const Quantity exponent, signed_value());
    --depth_;
    if (base.dimension != Dimension::kNone || exponent.dimension != Dimension::kNone) return fail(at, "powers of units are not supported");
    const auto value = base.value.power(exponent.value);
    if (!value) return fail(at, "this power is no real number");
    return Quantity{*value};
  }

  Result<Quantity> postfix() {
    FS_TRY(Quantity value, primary());
    if (take("%")) {
      if (value.dimension != Dimension::kNone) return fail(at_ - 1, "expected no unit before '%'");
      value.value = *value.value.divided_by(100);
    }
    skip_space();
    const size_t before = at_;
    if (take_word("in") || take_word("to")) {  // "5 in" is no unit here: inches are written "inch"
      at_ = before;
      return value;
    }
    if (const Unit* unit = read_unit()) {
      if (value.dimension != Dimension::kNone) return fail(before, "expected one unit");
      value = {to_base_unit(value.value, *unit), unit->dimension, unit};
    }
    return value;
  }

  Result<Quantity> primary() {
    skip_space();
    const size_t at = at_;
    if (take("(")) {
      const int n_functions = std::exchange(n_functions_, 0);
      FS_TRY(const Quantity value, sum());
      n_functions_ = n_functions;
      if (!take(")")) return fail(at_, "expected ')' for the '(' at character " + std::to_string(at + 1) + found());
      return value;
    }
    if (at_ < text_.size() && (is_digit(text_[at_]) || text_[at_] == '.')) return number();
    if (at_ < text_.size() && is_letter(text_[at_])) return function();
    return fail(at_, "expected a number" + found());
  }

  Result<Quantity> number() {
    const size_t begin = at_;
    while (at_ < text_.size() && (is_digit(text_[at_]) || text_[at_] == '.' || (text_[at_] == ',' && n_functions_ == 0))) ++at_;
    const size_t e = at_;
    if (e + 1 < text_.size() && (text_[e] == 'e' || text_[e] == 'E')) {  // 1.5e3, 2e-4
      size_t end = e + 1;
      if (end + 1 < text_.size() && (text_[end] == '-' || text_[end] == '+')) ++end;
      if (is_digit(text_[end])) {
        while (end < text_.size() && is_digit(text_[end])) ++end;
        at_ = end;
      }
    }
    const auto value = Decimal::parse(text_.substr(begin, at_ - begin));
    if (!value) return fail(begin, "expected a number, found '" + std::string(text_.substr(begin, std::min<size_t>(at_ - begin, 24))) + "'");
    return Quantity{*value};
  }

  Result<Quantity> function() {
    const size_t at = at_;
    while (at_ < text_.size() && is_letter(text_[at_])) ++at_;
    const std::string name(text_.substr(at, std::min<size_t>(at_ - at, 24)));
    if (name == "pi") return Quantity{*Decimal::parse("3.14159265358979323846")};
    constexpr std::array<std::string_view, 10> kNames = {"sqrt", "abs", "floor", "ceil", "round", "mod", "gcd", "lcm", "min", "max"};
    if (std::find(kNames.begin(), kNames.end(), name) == kNames.end()) {
      return fail(at, "there is no '" + name + "'; functions are sqrt, abs, floor, ceil, round, mod, gcd, lcm, min, max");
    }
    if (!take("(")) return fail(at_, "expected '(' after " + name + found());
    std::vector<Decimal> values;
    ++n_functions_;
    do {
      const size_t value_at = at_;
      FS_TRY(const Quantity value, sum());
      if (value.dimension != Dimension::kNone) return fail(value_at, "functions take numbers without units");
      values.push_back(value.value);
    } while (take(","));
    --n_functions_;
    if (!take(")")) return fail(at_, "expected ')' or ','" + found());
    return apply(name, values, at);
  }

  Result<Quantity> apply(const std::string& name, const std::vector<Decimal>& values, size_t at) {
    const Decimal& x = values.front();
    const auto takes = [&](size_t n) { return values.size() == n; };
    const auto wrong_count = [&] { return fail(at, name + " does not take " + std::to_string(values.size()) + " numbers"); };
    for (const Decimal& value : values) {
      if (!value.finite()) return fail(at, "a number for " + name + " is too large");
    }
    if (name == "min") return Quantity{*std::min_element(values.begin(), values.end())};
    if (name == "max") return Quantity{*std::max_element(values.begin(), values.end())};
    if (name == "mod" || name == "gcd" || name == "lcm") {
      if (!takes(2)) return wrong_count();
      const Decimal& y = values[1];
      if (name == "mod") {
        const auto quotient = x.divided_by(y);
        if (!quotient) return fail(at, "division by zero");
        return Quantity{x - quotient->floor() * y};
      }
      const auto a = x.abs().to_int(), b = y.abs().to_int();
      if (!a || !b) return fail(at, name + " takes whole numbers");
      const int64_t divisor = std::gcd(*a, *b);
      if (name == "gcd" || divisor == 0) return Quantity{divisor};
      return Quantity{Decimal(*a / divisor) * Decimal(*b)};
    }
    if (name == "round" && takes(2)) {
      const auto n_decimals = values[1].to_int();
      if (!n_decimals || *n_decimals < 0 || *n_decimals > kRoundDecimalsMax) return fail(at, "round takes 0 to 30 decimals");
      return Quantity{x.round(static_cast<int>(*n_decimals))};
    }
    if (!takes(1)) return wrong_count();
    if (name == "abs") return Quantity{x.abs()};
    if (name == "floor") return Quantity{x.floor()};
    if (name == "ceil") return Quantity{x.ceil()};
    if (name == "round") return Quantity{x.round()};
    const auto root = x.square_root();
    if (!root) return fail(at, "sqrt of a negative number");
    return Quantity{*root};
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  int n_functions_ = 0;  // open calls: there a comma separates
};

class Calculator final : public AgentTool {
 public:
  const std::string& name() const override { return name_; }
  const std::string& description() const override { return description_; }
  Json parameters() const override {
    const Json expression = Json::Object{{"type", "string"}, {"description", "for example (2.40 / 3) * 7"}};
    return Json::Object{{"type", "object"}, {"properties", Json::Object{{"expression", expression}}}, {"required", Json::Array{"expression"}}};
  }
  Result<ToolResult> run(const Json& arguments, const ToolContext&) const override {
    const Json* expression = arguments.find("expression");
    if (expression == nullptr || !expression->is_string()) return Error{ErrorCode::kInvalidArgument, "expected the text \"expression\""};
    FS_TRY(std::string value, calculate(expression->as_string()));
    return ToolResult(std::move(value));
  }

 private:
  const std::string name_ = "calculator";
  const std::string description_ = "Works out an arithmetic expression exactly: + - * / ^ ( ), sqrt, abs, min, max, round, units as in 5 km in m, 1/3 + 1/4 in fraction";
};

}  // namespace

Result<std::string> calculate(std::string_view expression) {
  if (expression.size() > kBytesMax) {
    return Error{ErrorCode::kInvalidArgument, "at most " + std::to_string(kBytesMax) + " bytes, found " + std::to_string(expression.size())};
  }
  return Parser(expression).run();
}

std::shared_ptr<const AgentTool> make_calculator() { return std::make_shared<Calculator>(); }

}  // namespace firesteel
