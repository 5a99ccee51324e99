// The expression half of the interpreter.
#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_interpreter.h"

namespace firesteel::jinja {

bool Interpreter::evaluate(const Expression& expression, Value* out) {
  if (!rt_.tick()) return false;
  switch (expression.kind) {
    case Expression::Kind::kNone: *out = Value::none(); return true;
    case Expression::Kind::kBool: *out = Value::boolean(expression.integer != 0); return true;
    case Expression::Kind::kInt: *out = Value::integer(expression.integer); return true;
    case Expression::Kind::kFloat: *out = Value::real(expression.real); return true;
    case Expression::Kind::kString: {
      Value& literal = literals_[expression.index];
      if (literal.is(Kind::kMissing)) literal = rt_.heap.borrowed_string(program_.strings[expression.index], false);
      *out = literal;
      return true;
    }
    case Expression::Kind::kName: *out = lookup(expression.index); return true;
    default: break;
  }
  if (!rt_.enter()) return false;
  rt_.set_line(expression.line);
  const bool ok = evaluate_nested(expression, out);
  rt_.leave();
  return ok;
}

bool Interpreter::evaluate_nested(const Expression& expression, Value* out) {
  const auto& items = expression.items;
  switch (expression.kind) {
    case Expression::Kind::kSuffixed: return evaluate_suffixed(expression, out);
    case Expression::Kind::kArithmetic: return evaluate_arithmetic(expression, out);
    case Expression::Kind::kCompare: return evaluate_compare(expression, out);
    case Expression::Kind::kConcatenate: return evaluate_concatenate(expression, out);
    case Expression::Kind::kDict: return evaluate_dict(expression, out);
    case Expression::Kind::kList:
    case Expression::Kind::kTuple: {
      std::vector<Value> values;
      if (!evaluate_items(items, &values)) return false;
      *out = rt_.heap.list(std::move(values), expression.kind == Expression::Kind::kTuple ? Kind::kTuple : Kind::kList);
      return true;
    }
    case Expression::Kind::kNot:
      if (!evaluate(*items[0], out)) return false;
      *out = Value::boolean(!truth(*out));
      return true;
    case Expression::Kind::kNegate:
    case Expression::Kind::kPositive: {
      Value value;
      if (!evaluate(*items[0], &value)) return false;
      if (expression.kind == Expression::Kind::kNegate) return negate(&rt_, value, out);
      if (!value.is_number()) return value.is_undefined() ? rt_.fail_undefined(value) : rt_.fail("'+' needs a number");
      *out = value.is_integral() ? Value::integer(value.integer()) : value;
      return true;
    }
    case Expression::Kind::kAnd:
    case Expression::Kind::kOr:
      for (const ExpressionPtr& item : items) {
        if (!evaluate(*item, out)) return false;
        if (truth(*out) == (expression.kind == Expression::Kind::kOr)) return true;
      }
      return true;
    case Expression::Kind::kConditional: {
      Value condition;
      if (!evaluate(*items[1], &condition)) return false;
      if (truth(condition)) return evaluate(*items[0], out);
      if (items.size() > 2) return evaluate(*items[2], out);
      *out = Value();
      return true;
    }
    default: return rt_.fail(ErrorCode::kInternal, "unknown expression");
  }
}

bool Interpreter::evaluate_items(const std::vector<ExpressionPtr>& items, std::vector<Value>* out) {
  out->resize(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    if (!evaluate(*items[i], &(*out)[i])) return false;
  }
  return true;
}

bool Interpreter::evaluate_dict(const Expression& expression, Value* out) {
  auto* dict = rt_.heap.make<DictObject>(Kind::kDict);
  const Value result(dict);
  for (size_t i = 0; i + 1 < expression.items.size(); i += 2) {
    Value key;
    Value value;
    if (!evaluate(*expression.items[i], &key) || !evaluate(*expression.items[i + 1], &value)) return false;
    if (!set_item(&rt_, dict, key, std::move(value))) return false;
  }
  *out = result;
  return true;
}

bool Interpreter::evaluate_arithmetic(const Expression& expression, Value* out) {
  Value left;
  if (!evaluate(*expression.items[0], &left)) return false;
  for (size_t i = 0; i < expression.operators.size(); ++i) {
    Value right;
    Value result;
    if (!evaluate(*expression.items[i + 1], &right)) return false;
    if (!arithmetic(&rt_, expression.operators[i], left, right, &result)) return false;
    left = std::move(result);
  }
  *out = std::move(left);
  return true;
}

bool Interpreter::compare(Operator op, const Value& a, const Value& b, bool* out) {
  bool other = false;
  switch (op) {
    case Operator::kEq: return equal(&rt_, a, b, out);
    case Operator::kLt: return less(&rt_, a, b, out);
    case Operator::kGt: return less(&rt_, b, a, out);
    case Operator::kIn: return contains(&rt_, b, a, out);
    case Operator::kNe:
    case Operator::kNotIn:
      if (!(op == Operator::kNe ? equal(&rt_, a, b, out) : contains(&rt_, b, a, out))) return false;
      *out = !*out;
      return true;
    case Operator::kLe:
    case Operator::kGe:
      if (!(op == Operator::kLe ? less(&rt_, a, b, &other) : less(&rt_, b, a, &other)) || !equal(&rt_, a, b, out)) return false;
      *out = *out || other;
      return true;
    default: return rt_.fail(ErrorCode::kInternal, "unknown comparison");
  }
}

bool Interpreter::evaluate_compare(const Expression& expression, Value* out) {
  Value left;
  if (!evaluate(*expression.items[0], &left)) return false;
  for (size_t i = 0; i < expression.operators.size(); ++i) {
    Value right;
    bool holds = false;
    if (!evaluate(*expression.items[i + 1], &right) || !compare(expression.operators[i], left, right, &holds)) return false;
    if (!holds) {
      *out = Value::boolean(false);
      return true;
    }
    left = std::move(right);
  }
  *out = Value::boolean(true);
  return true;
}

bool Interpreter::evaluate_concatenate(const Expression& expression, Value* out) {
  Text text = rt_.new_text();
  for (const ExpressionPtr& item : expression.items) {
    Value value;
    if (!evaluate(*item, &value) || !append_str(&rt_, value, &text)) return false;
    if (text.overflowed()) return rt_.fail_too_large();
  }
  return rt_.finish(std::move(text), out);
}

// --- suffixes

bool Interpreter::evaluate_suffixed(const Expression& expression, Value* out) {
  Value value;
  if (!evaluate(*expression.items[0], &value)) return false;
  if (!apply_suffixes(expression, expression.suffixes.size(), &value, nullptr)) return false;
  *out = std::move(value);
  return true;
}

bool Interpreter::apply_suffixes(const Expression& expression, size_t to, Value* value, const Value* caller) {
  for (size_t i = 0; i < to; ++i) {
    const Suffix& suffix = expression.suffixes[i];
    rt_.set_line(suffix.line);
    if (!rt_.tick()) return false;
    Value result;
    switch (suffix.kind) {
      case Suffix::Kind::kAttribute: {
        // A method called at once needs no object of its own.
        const bool called = i + 1 < to && expression.suffixes[i + 1].kind == Suffix::Kind::kCall;
        if (called && method_applies(suffix.builtin, value->kind())) {
          Arguments arguments;
          if (!evaluate_arguments(expression.suffixes[++i].arguments, &arguments)) return false;
          if (!call_method(&rt_, suffix.builtin, *value, arguments, &result)) return false;
        } else if (!get_attribute(&rt_, *value, suffix.name, suffix.builtin, &result)) {
          return false;
        }
        break;
      }
      case Suffix::Kind::kSubscript:
      case Suffix::Kind::kSlice:
        if (!evaluate_subscript(suffix, value)) return false;
        continue;
      case Suffix::Kind::kCall: {
        Arguments arguments;
        if (!evaluate_arguments(suffix.arguments, &arguments)) return false;
        if (caller != nullptr && i + 1 == to) arguments.named.push_back({"caller", *caller, false});
        if (!call(*value, std::move(arguments), &result)) return false;
        break;
      }
      case Suffix::Kind::kFilter:
        if (!apply_filter(suffix, value)) return false;
        continue;
      case Suffix::Kind::kTest:
        if (!apply_test(suffix, value)) return false;
        continue;
    }
    *value = std::move(result);
  }
  return true;
}

bool Interpreter::evaluate_subscript(const Suffix& suffix, Value* value) {
  Value index = Value::missing();
  Value stop = Value::missing();
  Value step = Value::missing();
  Value result;
  if (suffix.index != nullptr && !evaluate(*suffix.index, &index)) return false;
  if (suffix.stop != nullptr && !evaluate(*suffix.stop, &stop)) return false;
  if (suffix.step != nullptr && !evaluate(*suffix.step, &step)) return false;
  if (suffix.kind == Suffix::Kind::kSlice) {
    if (!get_slice(&rt_, *value, index, stop, step, &result)) return false;
  } else if (!get_item(&rt_, *value, index, &result)) {
    return false;
  }
  *value = std::move(result);
  return true;
}

bool Interpreter::apply_filter(const Suffix& suffix, Value* value) {
  Arguments arguments;
  Value result;
  if (!evaluate_arguments(suffix.arguments, &arguments)) return false;
  if (!call_filter(&rt_, suffix.builtin, *value, arguments, &result)) return false;
  *value = std::move(result);
  return true;
}

bool Interpreter::apply_filters(const std::vector<Suffix>& filters, Value* value) {
  for (const Suffix& filter : filters) {
    rt_.set_line(filter.line);
    if (!rt_.tick() || !apply_filter(filter, value)) return false;
  }
  return true;
}

bool Interpreter::apply_test(const Suffix& suffix, Value* value) {
  Arguments arguments;
  bool holds = false;
  if (!evaluate_arguments(suffix.arguments, &arguments)) return false;
  if (!call_test(&rt_, suffix.builtin, *value, arguments, &holds)) return false;
  *value = Value::boolean(holds != suffix.negated);
  return true;
}

bool Interpreter::evaluate_arguments(const std::vector<Argument>& arguments, Arguments* out) {
  for (const Argument& argument : arguments) {
    Value value;
    if (!evaluate(*argument.value, &value)) return false;
    switch (argument.kind) {
      case Argument::Kind::kPositional: out->positional.push_back(std::move(value)); break;
      case Argument::Kind::kKeyword: out->named.push_back({argument.keyword, std::move(value), false}); break;
      case Argument::Kind::kSpreadList: {
        std::vector<Value> items;
        if (!iterate(&rt_, value, &items)) return false;
        for (Value& item : items) out->positional.push_back(std::move(item));
        break;
      }
      case Argument::Kind::kSpreadDict:
        if (!value.is(Kind::kDict)) return rt_.fail(std::string("'**' needs a dict, found ") + type_name(value));
        for (const auto& [key, item] : value.as<DictObject>().items) {
          if (!key.is_string()) return rt_.fail("'**' needs string keys");
          out->named.push_back({std::string(key.bytes()), item, key.text().any_user()});
          if (!rt_.tick()) return false;
        }
        break;
    }
  }
  return true;
}

}  // namespace firesteel::jinja
