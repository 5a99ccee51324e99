// Operators, comparison, containers and look-up, with Python's meaning. Integers are 64 bits wide: beyond that is an error, never a
// wrong number.
#include <algorithm>
#include <cmath>

#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_runtime.h"

namespace firesteel::jinja {
namespace {

constexpr int kValueDepthMax = 200;  // lists of lists of ...; a list can contain itself

bool fail_depth(Runtime* rt) { return rt->fail(ErrorCode::kResourceExhausted, "data nested deeper than " + std::to_string(kValueDepthMax)); }

// <0, 0, >0; 2 when not ordered (NaN). Exact for integers and doubles.
int compare_numbers(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return a.integer() < b.integer() ? -1 : a.integer() > b.integer() ? 1 : 0;
  const auto wide = [](const Value& v) {
    return v.is_integral() ? static_cast<long double>(v.integer()) : static_cast<long double>(v.real());
  };
  const long double x = wide(a);
  const long double y = wide(b);
  return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
}

bool equal_at(Runtime* rt, const Value& a, const Value& b, int depth, bool* out);

bool equal_dicts(Runtime* rt, DictObject& a, DictObject& b, int depth, bool* out) {
  *out = a.items.size() == b.items.size();
  for (size_t i = 0; *out && i < a.items.size(); ++i) {
    const auto& [key, value] = a.items[i];
    bool found = false;
    // Usually the same order; the scan is for the rest.
    for (size_t n = 0; !found && n < b.items.size(); ++n) {
      const auto& [other_key, other_value] = b.items[(i + n) % b.items.size()];
      if (!equal_at(rt, key, other_key, depth + 1, &found)) return false;
      if (found && !equal_at(rt, value, other_value, depth + 1, out)) return false;
    }
    if (!found) *out = false;
  }
  return true;
}

bool equal_at(Runtime* rt, const Value& a, const Value& b, int depth, bool* out) {
  if (depth > kValueDepthMax) return fail_depth(rt);
  if (!rt->tick()) return false;
  *out = false;
  if (a.is_number() && b.is_number()) {
    *out = compare_numbers(a, b) == 0;
    return true;
  }
  if (a.kind() != b.kind()) return true;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone: *out = true; return true;
    case Kind::kString: *out = a.bytes() == b.bytes(); return rt->tick_bytes(std::min(a.bytes().size(), b.bytes().size()));
    case Kind::kList:
    case Kind::kTuple: {
      const auto& x = a.items();
      const auto& y = b.items();
      *out = x.size() == y.size();
      for (size_t i = 0; *out && i < x.size(); ++i) {
        if (!equal_at(rt, x[i], y[i], depth + 1, out)) return false;
      }
      return true;
    }
    case Kind::kDict: return equal_dicts(rt, a.as<DictObject>(), b.as<DictObject>(), depth, out);
    case Kind::kRange: {
      const auto& x = a.as<RangeObject>();
      const auto& y = b.as<RangeObject>();
      *out = x.n == y.n && (x.n == 0 || (x.start == y.start && (x.n == 1 || x.step == y.step)));
      return true;
    }
    case Kind::kFunction: *out = a.integer() == b.integer(); return true;
    default: *out = a.is_object() && a.object() == b.object(); return true;
  }
}

bool less_at(Runtime* rt, const Value& a, const Value& b, int depth, bool* out) {
  if (depth > kValueDepthMax) return fail_depth(rt);
  if (!rt->tick()) return false;
  if (a.is_number() && b.is_number()) {
    *out = compare_numbers(a, b) == -1;
    return true;
  }
  if (a.is_string() && b.is_string()) {  // UTF-8 sorts as its characters do
    *out = a.bytes() < b.bytes();
    return rt->tick_bytes(std::min(a.bytes().size(), b.bytes().size()));
  }
  if (a.is_list_or_tuple() && a.kind() == b.kind()) {
    const auto& x = a.items();
    const auto& y = b.items();
    for (size_t i = 0; i < x.size() && i < y.size(); ++i) {
      bool same = false;
      if (!equal_at(rt, x[i], y[i], depth + 1, &same)) return false;
      if (!same) return less_at(rt, x[i], y[i], depth + 1, out);
    }
    *out = x.size() < y.size();
    return true;
  }
  if (a.is_undefined() || b.is_undefined()) return rt->fail_undefined(a.is_undefined() ? a : b);
  return rt->fail(std::string("cannot order ") + type_name(a) + " and " + type_name(b));
}

bool is_hashable_at(const Value& value, int depth) {
  if (!value.is(Kind::kTuple)) return !value.is(Kind::kList) && !value.is(Kind::kDict);
  const auto& items = value.items();
  return depth < kValueDepthMax && std::all_of(items.begin(), items.end(), [&](const Value& v) { return is_hashable_at(v, depth + 1); });
}

// Position of a key, or size().
bool find_key(Runtime* rt, const DictObject& dict, const Value& key, size_t* out) {
  if (!is_hashable(key)) return rt->fail(std::string("unhashable type: '") + type_name(key) + "'");
  if (!rt->tick(1 + dict.items.size() / 8)) return false;
  for (size_t i = 0; i < dict.items.size(); ++i) {
    const Value& candidate = dict.items[i].first;
    bool same = false;
    if (key.is_string() && candidate.is_string()) {
      same = key.bytes() == candidate.bytes();
    } else if (key.is_string() != candidate.is_string()) {
      continue;
    } else if (!equal(rt, key, candidate, &same)) {
      return false;
    }
    if (same) {
      *out = i;
      return true;
    }
  }
  *out = dict.items.size();
  return true;
}

bool fail_operands(Runtime* rt, const char* op, const Value& a, const Value& b) {
  if (a.is_undefined() || b.is_undefined()) return rt->fail_undefined(a.is_undefined() ? a : b);
  return rt->fail(std::string("cannot apply '") + op + "' to " + type_name(a) + " and " + type_name(b));
}

bool fail_overflow(Runtime* rt) { return rt->fail(ErrorCode::kUnsupported, "integer beyond 64 bits"); }

bool repeat(Runtime* rt, const Value& value, int64_t times, Value* out) {
  const uint64_t n = times < 0 ? 0 : static_cast<uint64_t>(times);
  if (value.is_string()) {
    const TextView text = value.text();
    if (text.size() > 0 && n > rt->text_bytes_max() / text.size()) return rt->fail_too_large();
    if (!rt->tick_bytes(text.size() * n)) return false;
    Text result = rt->new_text();
    for (uint64_t i = 0; i < n && !text.empty(); ++i) result.append(text);
    return rt->finish(std::move(result), out);
  }
  const auto& items = value.items();
  if (!items.empty() && n > rt->list_items_max() / items.size()) return rt->fail_too_large();
  if (!rt->tick(1 + items.size() * n / 8)) return false;
  std::vector<Value> result;
  result.reserve(items.size() * n);
  for (uint64_t i = 0; i < n && !items.empty(); ++i) result.insert(result.end(), items.begin(), items.end());
  return rt->finish(std::move(result), out, value.kind());
}

bool integer_power(Runtime* rt, int64_t base, int64_t exponent, Value* out) {
  int64_t result = 1;
  while (true) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return fail_overflow(rt);
    exponent >>= 1;
    if (exponent == 0) break;
    if (__builtin_mul_overflow(base, base, &base)) return fail_overflow(rt);
  }
  *out = Value::integer(result);
  return true;
}

bool integer_arithmetic(Runtime* rt, Operator op, int64_t a, int64_t b, Value* out) {
  int64_t result = 0;
  switch (op) {
    case Operator::kAdd:
      if (__builtin_add_overflow(a, b, &result)) return fail_overflow(rt);
      break;
    case Operator::kSub:
      if (__builtin_sub_overflow(a, b, &result)) return fail_overflow(rt);
      break;
    case Operator::kMul:
      if (__builtin_mul_overflow(a, b, &result)) return fail_overflow(rt);
      break;
    case Operator::kFloorDiv:
    case Operator::kMod: {
      if (b == 0) return rt->fail("division by zero");
      if (b == -1) {  // INT64_MIN / -1 traps
        if (op == Operator::kFloorDiv && __builtin_sub_overflow(int64_t{0}, a, &result)) return fail_overflow(rt);
        break;
      }
      const int64_t remainder = a % b;
      const bool adjust = remainder != 0 && (remainder < 0) != (b < 0);
      result = op == Operator::kMod ? remainder + (adjust ? b : 0) : a / b - (adjust ? 1 : 0);
      break;
    }
    default: return fail_overflow(rt);
  }
  *out = Value::integer(result);
  return true;
}

bool real_arithmetic(Runtime* rt, Operator op, double a, double b, Value* out) {
  double result = 0;
  switch (op) {
    case Operator::kAdd: result = a + b; break;
    case Operator::kSub: result = a - b; break;
    case Operator::kMul: result = a * b; break;
    case Operator::kDiv:
      if (b == 0) return rt->fail("division by zero");
      result = a / b;
      break;
    case Operator::kFloorDiv:
    case Operator::kMod: {
      if (b == 0) return rt->fail("division by zero");
      double remainder = std::fmod(a, b);
      double quotient = (a - remainder) / b;
      if (remainder != 0 && (remainder < 0) != (b < 0)) {
        remainder += b;
        quotient -= 1;
      } else if (remainder == 0) {
        remainder = std::copysign(0.0, b);
      }
      if (op == Operator::kMod) {
        result = remainder;
      } else if (quotient == 0) {
        result = std::copysign(0.0, a / b);
      } else {
        result = std::floor(quotient);
        if (quotient - result > 0.5) result += 1;
      }
      break;
    }
    case Operator::kPow:
      if (a == 0 && b < 0) return rt->fail("0.0 cannot be raised to a negative power");
      if (a < 0 && std::isfinite(b) && b != std::floor(b)) return rt->fail(ErrorCode::kUnsupported, "complex numbers");
      result = std::pow(a, b);
      if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) return rt->fail("result of '**' too large");
      break;
    default: break;
  }
  *out = Value::real(result);
  return true;
}

// Python's slice.indices: where a slice starts and how many items it has.
bool slice_range(Runtime* rt, int64_t n, const Value& start, const Value& stop, const Value& step, int64_t* first, int64_t* stride, int64_t* count) {
  const auto read = [&](const Value& v, bool* given, int64_t* out) {
    *given = !v.is(Kind::kMissing) && !v.is(Kind::kNone);
    if (!*given) return true;
    if (!v.is_integral()) return v.is_undefined() ? rt->fail_undefined(v) : rt->fail("slice indices must be integers or none");
    *out = v.integer();
    return true;
  };
  bool has_start = false;
  bool has_stop = false;
  bool has_step = false;
  int64_t from = 0;
  int64_t to = 0;
  *stride = 1;
  if (!read(start, &has_start, &from) || !read(stop, &has_stop, &to) || !read(step, &has_step, stride)) return false;
  if (*stride == 0) return rt->fail("slice step cannot be zero");
  *stride = std::clamp<int64_t>(*stride, -(n + 1), n + 1);  // longer strides take the same items
  const bool forward = *stride > 0;
  const auto place = [&](bool given, int64_t i, int64_t absent) {
    if (!given) return absent;
    if (i < 0) i = i < -n ? -1 : i + n;
    if (forward) return std::clamp<int64_t>(i, 0, n);
    return std::clamp<int64_t>(i, -1, n - 1);
  };
  from = place(has_start, from, forward ? 0 : n - 1);
  to = place(has_stop, to, forward ? n : -1);
  *first = from;
  *count = forward ? (to > from ? (to - from - 1) / *stride + 1 : 0) : (from > to ? (from - to - 1) / -*stride + 1 : 0);
  return true;
}

bool slice_text(Runtime* rt, const TextView& text, const Value& start, const Value& stop, const Value& step, Value* out) {
  if (!rt->tick_bytes(text.size())) return false;
  const bool ascii = is_ascii(text.bytes());
  std::vector<uint32_t> offsets;  // of characters, when they are not bytes
  if (!ascii) {
    if (text.size() >= UINT32_MAX || !rt->heap.fits(text.size() * sizeof(uint32_t))) return rt->fail_too_large();
    for_each_char(text.bytes(), [&](const Utf8Char&, size_t offset) { offsets.push_back(static_cast<uint32_t>(offset)); });
    offsets.push_back(static_cast<uint32_t>(text.size()));
  }
  const int64_t n = static_cast<int64_t>(ascii ? text.size() : offsets.size() - 1);
  int64_t first = 0;
  int64_t stride = 1;
  int64_t count = 0;
  if (!slice_range(rt, n, start, stop, step, &first, &stride, &count)) return false;
  const auto offset = [&](int64_t i) { return ascii ? static_cast<size_t>(i) : size_t{offsets[static_cast<size_t>(i)]}; };
  Text result = rt->new_text();
  if (count > 0 && stride == 1) {
    result.append(text.substr(offset(first), offset(first + count)));
  } else {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = first + i * stride;
      result.append(text.substr(offset(at), offset(at + 1)));
    }
  }
  return rt->finish(std::move(result), out);
}

bool make_method(Runtime* rt, const Value& self, int method, Value* out) {
  auto* object = rt->heap.make<MethodObject>();
  object->self = self;
  object->method = method;
  *out = Value(object);
  return true;
}

bool loop_attribute(Runtime* rt, const Value& value, std::string_view name, Value* out) {
  const auto& loop = value.as<LoopObject>();
  const auto& items = loop.items.items();
  const int64_t n = static_cast<int64_t>(items.size());
  const int64_t i = static_cast<int64_t>(loop.index);
  if (name == "index") *out = Value::integer(i + 1);
  else if (name == "index0") *out = Value::integer(i);
  else if (name == "revindex") *out = Value::integer(n - i);
  else if (name == "revindex0") *out = Value::integer(n - i - 1);
  else if (name == "first") *out = Value::boolean(i == 0);
  else if (name == "last") *out = Value::boolean(i + 1 == n);
  else if (name == "length") *out = Value::integer(n);
  else if (name == "depth") *out = Value::integer(loop.depth0 + 1);
  else if (name == "depth0") *out = Value::integer(loop.depth0);
  else if (name == "previtem") *out = i > 0 ? items[loop.index - 1] : Value();
  else if (name == "nextitem") *out = i + 1 < n ? items[loop.index + 1] : Value();
  else if (name == "cycle" || name == "changed") return make_method(rt, value, find_method(name), out);
  else *out = Value();
  return true;
}

}  // namespace

const char* type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined: return "undefined";
    case Kind::kNone: return "none";
    case Kind::kBool: return "bool";
    case Kind::kInt: return "int";
    case Kind::kFloat: return "float";
    case Kind::kString: return "str";
    case Kind::kList: return "list";
    case Kind::kTuple: return "tuple";
    case Kind::kDict: return "dict";
    case Kind::kRange: return "range";
    case Kind::kNamespace: return "namespace";
    case Kind::kLoop: return "loop";
    case Kind::kMacro: return "macro";
    case Kind::kMethod:
    case Kind::kFunction: return "function";
    case Kind::kCycler: return "cycler";
    case Kind::kJoiner: return "joiner";
  }
  return "value";
}

bool truth(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone: return false;
    case Kind::kBool:
    case Kind::kInt: return value.integer() != 0;
    case Kind::kFloat: return value.real() != 0;
    case Kind::kString: return !value.text().empty();
    case Kind::kList:
    case Kind::kTuple: return !value.items().empty();
    case Kind::kDict: return !value.as<DictObject>().items.empty();
    case Kind::kRange: return value.as<RangeObject>().n > 0;
    default: return true;
  }
}

bool is_hashable(const Value& value) { return is_hashable_at(value, 0); }

bool equal(Runtime* rt, const Value& a, const Value& b, bool* out) { return equal_at(rt, a, b, 0, out); }
bool less(Runtime* rt, const Value& a, const Value& b, bool* out) { return less_at(rt, a, b, 0, out); }

bool contains(Runtime* rt, const Value& container, const Value& item, bool* out) {
  *out = false;
  switch (container.kind()) {
    case Kind::kUndefined: return true;
    case Kind::kString:
      if (!item.is_string()) {
        return item.is_undefined() ? rt->fail_undefined(item) : rt->fail(std::string("'in' a string needs a string, found ") + type_name(item));
      }
      *out = find_bytes(container.bytes(), item.bytes(), 0) != std::string_view::npos;
      return rt->tick_bytes(container.bytes().size());
    case Kind::kList:
    case Kind::kTuple:
      for (const Value& candidate : container.items()) {
        if (!equal(rt, item, candidate, out)) return false;
        if (*out) return true;
      }
      return true;
    case Kind::kDict: {
      size_t i = 0;
      if (!find_key(rt, container.as<DictObject>(), item, &i)) return false;
      *out = i < container.as<DictObject>().items.size();
      return true;
    }
    case Kind::kRange: {
      const auto& range = container.as<RangeObject>();
      if (!item.is_number() || item.real() != std::floor(item.real()) || std::abs(item.real()) > 0x1p62) return true;
      int64_t offset = 0;
      if (__builtin_sub_overflow(static_cast<int64_t>(item.real()), range.start, &offset)) return true;
      *out = offset % range.step == 0 && offset / range.step >= 0 && offset / range.step < range.n;
      return true;
    }
    default: return rt->fail(std::string("'in' needs a container, found ") + type_name(container));
  }
}

bool length(Runtime* rt, const Value& value, int64_t* out) {
  size_t n = 0;
  switch (value.kind()) {
    case Kind::kUndefined: break;
    case Kind::kString:
      if (!rt->tick_bytes(value.text().size())) return false;
      n = count_code_points(value.bytes());
      break;
    case Kind::kList:
    case Kind::kTuple: n = value.items().size(); break;
    case Kind::kDict: n = value.as<DictObject>().items.size(); break;
    case Kind::kRange: n = static_cast<size_t>(value.as<RangeObject>().n); break;
    case Kind::kLoop: n = value.as<LoopObject>().items.items().size(); break;
    default: return rt->fail(std::string("a ") + type_name(value) + " has no length");
  }
  *out = static_cast<int64_t>(n);
  return true;
}

bool is_iterable(const Value& value) {
  return value.is_undefined() || value.is_string() || value.is_list_or_tuple() || value.is(Kind::kDict) || value.is(Kind::kRange);
}

bool iterate(Runtime* rt, const Value& value, std::vector<Value>* out) {
  out->clear();
  switch (value.kind()) {
    case Kind::kUndefined: return true;
    case Kind::kString: {
      const TextView text = value.text();
      if (text.size() > rt->heap.headroom_bytes() / (sizeof(StringObject) + sizeof(Value))) return rt->fail_too_large();
      if (!rt->tick(1 + text.size() / 8)) return false;
      for_each_char(text.bytes(), [&](const Utf8Char& c, size_t offset) {
        Text one;
        one.append(text.substr(offset, offset + c.n_bytes));
        out->push_back(rt->heap.string(std::move(one)));
      });
      return true;
    }
    case Kind::kList:
    case Kind::kTuple:
      if (value.items().size() > rt->list_items_max()) return rt->fail_too_large();
      *out = value.items();
      return rt->tick(1 + out->size() / 8);
    case Kind::kDict: {
      const auto& items = value.as<DictObject>().items;
      if (items.size() > rt->list_items_max()) return rt->fail_too_large();
      out->reserve(items.size());
      for (const auto& item : items) out->push_back(item.first);
      return rt->tick(1 + out->size() / 8);
    }
    case Kind::kRange: {
      const auto& range = value.as<RangeObject>();
      if (static_cast<uint64_t>(range.n) > rt->list_items_max()) return rt->fail_too_large();
      out->reserve(static_cast<size_t>(range.n));
      for (int64_t i = 0; i < range.n; ++i) out->push_back(Value::integer(range.at(i)));
      return rt->tick(1 + out->size() / 8);
    }
    default: return rt->fail(std::string("a ") + type_name(value) + " cannot be iterated");
  }
}

bool arithmetic(Runtime* rt, Operator op, const Value& a, const Value& b, Value* out) {
  static constexpr const char* kNames[] = {"+", "-", "*", "/", "//", "%", "**"};
  const char* name = kNames[static_cast<size_t>(op)];
  if (a.is_number() && b.is_number()) {
    if (!a.is_integral() || !b.is_integral() || op == Operator::kDiv) return real_arithmetic(rt, op, a.real(), b.real(), out);
    if (op != Operator::kPow) return integer_arithmetic(rt, op, a.integer(), b.integer(), out);
    if (b.integer() >= 0) return integer_power(rt, a.integer(), b.integer(), out);
    return real_arithmetic(rt, op, a.real(), b.real(), out);
  }
  if (op == Operator::kMod && a.is_string()) return percent_format(rt, a.text(), b, out);
  if (op == Operator::kAdd && a.is_string() && b.is_string()) {
    if (!rt->tick_bytes(a.text().size() + b.text().size())) return false;
    Text text = rt->new_text();
    text.append(a.text());
    text.append(b.text());
    return rt->finish(std::move(text), out);
  }
  if (op == Operator::kAdd && a.is_list_or_tuple() && a.kind() == b.kind()) {
    const auto& x = a.items();
    const auto& y = b.items();
    if (x.size() + y.size() > rt->list_items_max()) return rt->fail_too_large();
    if (!rt->tick(1 + (x.size() + y.size()) / 8)) return false;
    std::vector<Value> items;
    items.reserve(x.size() + y.size());
    items.insert(items.end(), x.begin(), x.end());
    items.insert(items.end(), y.begin(), y.end());
    *out = rt->heap.list(std::move(items), a.kind());
    return true;
  }
  if (op == Operator::kMul) {
    if ((a.is_string() || a.is_list_or_tuple()) && b.is_integral()) return repeat(rt, a, b.integer(), out);
    if ((b.is_string() || b.is_list_or_tuple()) && a.is_integral()) return repeat(rt, b, a.integer(), out);
  }
  return fail_operands(rt, name, a, b);
}

bool negate(Runtime* rt, const Value& value, Value* out) {
  if (value.is_integral()) return integer_arithmetic(rt, Operator::kSub, 0, value.integer(), out);
  if (!value.is_number()) {
    return value.is_undefined() ? rt->fail_undefined(value) : rt->fail(std::string("cannot negate a ") + type_name(value));
  }
  *out = Value::real(-value.real());
  return true;
}

bool get_attribute(Runtime* rt, const Value& value, const std::string& name, int method, Value* out) {
  switch (value.kind()) {
    case Kind::kUndefined: return rt->fail_undefined(value);
    case Kind::kDict:
    case Kind::kNamespace: {
      if (value.is(Kind::kDict) && method_applies(method, Kind::kDict)) return make_method(rt, value, method, out);
      auto& dict = value.as<DictObject>();
      if (!rt->tick(1 + dict.items.size() / 8)) return false;
      const Value* found = dict.find(name);
      *out = found != nullptr ? Value(*found) : Value::undefined(&name);
      return true;
    }
    case Kind::kLoop: return loop_attribute(rt, value, name, out);
    default:
      if (method_applies(method, value.kind())) return make_method(rt, value, method, out);
      *out = Value::undefined(&name);
      return true;
  }
}

bool get_item(Runtime* rt, const Value& value, const Value& key, Value* out) {
  if (value.is_undefined()) return rt->fail_undefined(value);
  const auto position = [&](int64_t n) {
    const int64_t i = key.integer() < 0 ? key.integer() + n : key.integer();
    return i >= 0 && i < n ? i : int64_t{-1};
  };
  if (key.is_integral() && value.is_list_or_tuple()) {
    const int64_t i = position(static_cast<int64_t>(value.items().size()));
    *out = i < 0 ? Value() : value.items()[static_cast<size_t>(i)];
    return true;
  }
  if (key.is_integral() && value.is(Kind::kRange)) {
    const auto& range = value.as<RangeObject>();
    const int64_t i = position(range.n);
    *out = i < 0 ? Value() : Value::integer(range.at(i));
    return true;
  }
  if (key.is_integral() && value.is_string()) {
    const TextView text = value.text();
    if (!rt->tick_bytes(text.size())) return false;
    const int64_t i = position(static_cast<int64_t>(count_code_points(text.bytes())));
    if (i < 0) {
      *out = Value();
      return true;
    }
    const size_t from = is_ascii(text.bytes()) ? static_cast<size_t>(i) : byte_offset(text.bytes(), static_cast<size_t>(i));
    Text one = rt->new_text();
    one.append(text.substr(from, from + decode_utf8(text.bytes(), from).n_bytes));
    return rt->finish(std::move(one), out);
  }
  if (value.is(Kind::kDict) && is_hashable(key)) {
    const auto& dict = value.as<DictObject>();
    size_t i = 0;
    if (!find_key(rt, dict, key, &i)) return false;
    if (i < dict.items.size()) {
      *out = Value(dict.items[i].second);
      return true;
    }
  }
  if (key.is_string()) {  // then an attribute of this name
    const int method = find_method(key.bytes());
    if (value.is(Kind::kLoop)) return loop_attribute(rt, value, key.bytes(), out);
    if (value.is(Kind::kNamespace)) {
      const Value* found = value.as<DictObject>().find(key.bytes());
      *out = found != nullptr ? Value(*found) : Value();
      return true;
    }
    if (method_applies(method, value.kind())) return make_method(rt, value, method, out);
  }
  *out = Value();
  return true;
}

bool get_slice(Runtime* rt, const Value& value, const Value& start, const Value& stop, const Value& step, Value* out) {
  if (value.is_string()) return slice_text(rt, value.text(), start, stop, step, out);
  if (value.is_undefined()) return rt->fail_undefined(value);
  if (!value.is_list_or_tuple() && !value.is(Kind::kRange)) return rt->fail(std::string("a ") + type_name(value) + " cannot be sliced");
  std::vector<Value> items;
  int64_t first = 0;
  int64_t stride = 1;
  int64_t count = 0;
  if (!iterate(rt, value, &items)) return false;
  if (!slice_range(rt, static_cast<int64_t>(items.size()), start, stop, step, &first, &stride, &count)) return false;
  std::vector<Value> result;
  result.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) result.push_back(items[static_cast<size_t>(first + i * stride)]);
  *out = rt->heap.list(std::move(result), value.is(Kind::kTuple) ? Kind::kTuple : Kind::kList);
  return true;
}

bool get_path(Runtime* rt, const Value& value, const Value& path, Value* out) {
  if (path.is(Kind::kMissing) || path.is(Kind::kNone)) {
    *out = value;
    return true;
  }
  if (!path.is_string()) return get_item(rt, value, path, out);
  const std::string_view text = path.bytes();
  Value at = value;
  for (size_t from = 0; from <= text.size();) {
    const size_t dot = std::min(text.find('.', from), text.size());
    const std::string_view part = text.substr(from, dot - from);
    Value key = rt->heap.string(part, false);
    if (!part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string_view::npos) {
      int64_t index = 0;
      for (const char c : part) index = index * 10 + (c - '0');
      key = Value::integer(index);
    }
    Value item;
    if (!rt->tick() || !get_item(rt, at, key, &item)) return false;
    at = std::move(item);
    from = dot + 1;
  }
  *out = std::move(at);
  return true;
}

bool set_item(Runtime* rt, DictObject* dict, const Value& key, Value value) {
  size_t i = 0;
  if (!find_key(rt, *dict, key, &i)) return false;
  if (i < dict->items.size()) {
    dict->items[i].second = std::move(value);
  } else {
    rt->heap.append(dict, key, std::move(value));
  }
  return true;
}

}  // namespace firesteel::jinja
