// Jinja's tests: "value is name(arguments)".
#include <algorithm>
#include <iterator>

#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_runtime.h"

namespace firesteel::jinja {
namespace {

enum class Test {
  kBoolean, kCallable, kDefined, kDivisibleBy, kEq, kEven, kFalse, kFilter, kFloat, kGe, kGt, kIn, kInteger, kIterable, kLe, kLower, kLt,
  kMapping, kNe, kNone, kNumber, kOdd, kSameAs, kSequence, kString, kTest, kTrue, kUndefined, kUpper, kEscaped,
};

struct Entry {
  const char* name;
  Test test;
  int n_arguments;
};

constexpr Entry kTests[] = {
    {"!=", Test::kNe, 1},
    {"<", Test::kLt, 1},
    {"<=", Test::kLe, 1},
    {"==", Test::kEq, 1},
    {">", Test::kGt, 1},
    {">=", Test::kGe, 1},
    {"boolean", Test::kBoolean, 0},
    {"callable", Test::kCallable, 0},
    {"defined", Test::kDefined, 0},
    {"divisibleby", Test::kDivisibleBy, 1},
    {"eq", Test::kEq, 1},
    {"equalto", Test::kEq, 1},
    {"escaped", Test::kEscaped, 0},
    {"even", Test::kEven, 0},
    {"false", Test::kFalse, 0},
    {"filter", Test::kFilter, 0},
    {"float", Test::kFloat, 0},
    {"ge", Test::kGe, 1},
    {"greaterthan", Test::kGt, 1},
    {"gt", Test::kGt, 1},
    {"in", Test::kIn, 1},
    {"integer", Test::kInteger, 0},
    {"iterable", Test::kIterable, 0},
    {"le", Test::kLe, 1},
    {"lessthan", Test::kLt, 1},
    {"lower", Test::kLower, 0},
    {"lt", Test::kLt, 1},
    {"mapping", Test::kMapping, 0},
    {"ne", Test::kNe, 1},
    {"none", Test::kNone, 0},
    {"number", Test::kNumber, 0},
    {"odd", Test::kOdd, 0},
    {"sameas", Test::kSameAs, 1},
    {"sequence", Test::kSequence, 0},
    {"string", Test::kString, 0},
    {"test", Test::kTest, 0},
    {"true", Test::kTrue, 0},
    {"undefined", Test::kUndefined, 0},
    {"upper", Test::kUpper, 0},
};

// value % divisor == 0
bool divides(Runtime* rt, const Value& value, const Value& divisor, bool* out) {
  if (!value.is_number() || !divisor.is_number()) {
    const Value& culprit = value.is_number() ? divisor : value;
    return culprit.is_undefined() ? rt->fail_undefined(culprit) : rt->fail(std::string("a number is needed, found ") + type_name(culprit));
  }
  Value remainder;
  return arithmetic(rt, Operator::kMod, value, divisor, &remainder) && equal(rt, remainder, Value::integer(0), out);
}

// str.isupper / islower: there are letters with case, and all are of this one.
bool all_cased(Runtime* rt, const Value& value, bool upper, bool* out) {
  Value text;
  if (!to_text(rt, value, &text)) return false;
  bool any = false;
  bool all = true;
  for_each_char(text.bytes(), [&](const Utf8Char& c, size_t) {
    const bool wanted = upper ? is_upper(c.code_point) : is_lower(c.code_point);
    any = any || wanted;
    all = all && (wanted || !(upper ? is_lower(c.code_point) : is_upper(c.code_point)));
  });
  *out = any && all;
  return rt->tick_bytes(text.bytes().size() * 4);
}

bool same(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  if (a.is_object()) return a.object() == b.object();
  return a.is_undefined() || a.is(Kind::kNone) || (a.is(Kind::kFloat) ? a.real() == b.real() : a.integer() == b.integer());
}

}  // namespace

int find_test(std::string_view name) {
  for (size_t i = 0; i < std::size(kTests); ++i) {
    if (name == kTests[i].name) return static_cast<int>(i);
  }
  return -1;
}

bool call_test(Runtime* rt, int test, const Value& value, const Arguments& arguments, bool* out) {
  const Entry& entry = kTests[test];
  if (!arguments.named.empty() || static_cast<int>(arguments.positional.size()) != entry.n_arguments) {
    return rt->fail(std::string("test '") + entry.name + "' takes " + std::to_string(entry.n_arguments) + " arguments");
  }
  const Value none;
  const Value& argument = entry.n_arguments > 0 ? arguments.positional[0] : none;
  bool is_less = false;
  switch (entry.test) {
    case Test::kBoolean: *out = value.is(Kind::kBool); return true;
    case Test::kCallable: *out = value.is(Kind::kMacro) || value.is(Kind::kMethod) || value.is(Kind::kFunction) || value.is(Kind::kJoiner); return true;
    case Test::kDefined: *out = !value.is_undefined(); return true;
    case Test::kDivisibleBy: return divides(rt, value, argument, out);
    case Test::kEq: return equal(rt, value, argument, out);
    case Test::kNe:
      if (!equal(rt, value, argument, out)) return false;
      *out = !*out;
      return true;
    case Test::kEven: return divides(rt, value, Value::integer(2), out);
    case Test::kOdd: {  // value % 2 == 1, which no fraction satisfies
      Value remainder;
      if (!divides(rt, value, Value::integer(2), out)) return false;
      return arithmetic(rt, Operator::kMod, value, Value::integer(2), &remainder) && equal(rt, remainder, Value::integer(1), out);
    }
    case Test::kTrue: *out = value.is(Kind::kBool) && value.integer() != 0; return true;
    case Test::kFalse: *out = value.is(Kind::kBool) && value.integer() == 0; return true;
    case Test::kFilter: *out = value.is_string() && find_filter(value.bytes()) >= 0; return true;
    case Test::kTest: *out = value.is_string() && find_test(value.bytes()) >= 0; return true;
    case Test::kFloat: *out = value.is(Kind::kFloat); return true;
    case Test::kGt: return less(rt, argument, value, out);
    case Test::kLt: return less(rt, value, argument, out);
    case Test::kGe:
    case Test::kLe:
      if (!(entry.test == Test::kGe ? less(rt, argument, value, &is_less) : less(rt, value, argument, &is_less))) return false;
      if (!equal(rt, value, argument, out)) return false;
      *out = *out || is_less;
      return true;
    case Test::kIn: return contains(rt, argument, value, out);
    case Test::kInteger: *out = value.is(Kind::kInt); return true;
    case Test::kIterable: *out = is_iterable(value); return true;
    case Test::kLower: return all_cased(rt, value, false, out);
    case Test::kUpper: return all_cased(rt, value, true, out);
    case Test::kMapping: *out = value.is(Kind::kDict); return true;
    case Test::kNone: *out = value.is(Kind::kNone); return true;
    case Test::kNumber: *out = value.is_number(); return true;
    case Test::kSameAs: *out = same(value, argument); return true;
    case Test::kSequence: *out = is_iterable(value); return true;
    case Test::kString: *out = value.is_string(); return true;
    case Test::kUndefined: *out = value.is_undefined(); return true;
    case Test::kEscaped: *out = false; return true;
  }
  return true;
}

}  // namespace firesteel::jinja
