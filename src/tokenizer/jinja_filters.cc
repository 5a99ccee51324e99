// Jinja's filters: "value | name(arguments)".
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_runtime.h"

namespace firesteel::jinja {
namespace {

using Filter = bool (*)(Runtime* rt, const Value& value, const Arguments& arguments, Value* out);

bool given(const Value& value) { return !value.is(Kind::kMissing); }
bool given_and_not_none(const Value& value) { return given(value) && !value.is(Kind::kNone); }

bool integer_or(Runtime* rt, const Value& value, int64_t otherwise, int64_t* out) {
  *out = otherwise;
  if (!given(value)) return true;
  if (!value.is_integral()) return rt->fail(std::string("expected an integer, found ") + type_name(value));
  *out = value.integer();
  return true;
}

// --- text

template <CaseRule kRule>
bool change_case(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  if (!bind_arguments(rt, "the filter", arguments, {}, nullptr)) return false;
  Value text;
  if (!to_text(rt, value, &text) || !rt->tick_bytes(text.bytes().size() * 4)) return false;
  Text result = rt->new_text();
  append_case(text.text(), kRule, &result);
  return rt->finish(std::move(result), out);
}

bool trim(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value chars;
  Value text;
  if (!bind_arguments(rt, "filter 'trim'", arguments, {"chars"}, &chars) || !to_text(rt, value, &text)) return false;
  if (given_and_not_none(chars) && !chars.is_string()) return rt->fail("filter 'trim' wants a string of characters");
  const std::string_view set = chars.is_string() ? chars.bytes() : std::string_view();
  if (!rt->tick_bytes(text.bytes().size() + set.size())) return false;
  Text result = rt->new_text();
  result.append(strip(text.text(), chars.is_string() ? &set : nullptr, true, true));
  return rt->finish(std::move(result), out);
}

bool replace(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value slots[3];
  if (!bind_arguments(rt, "filter 'replace'", arguments, {"old", "new", "count"}, slots)) return false;
  if (!given(slots[0]) || !given(slots[1])) return rt->fail("filter 'replace' needs old and new text");
  Value text;
  Value old;
  Value fresh;
  int64_t count = -1;
  if (!to_text(rt, value, &text) || !to_text(rt, slots[0], &old) || !to_text(rt, slots[1], &fresh)) return false;
  if (given_and_not_none(slots[2]) && !integer_or(rt, slots[2], -1, &count)) return false;
  if (!rt->tick_bytes(text.bytes().size() * 4)) return false;
  Text result = rt->new_text();
  append_replaced(text.text(), old.bytes(), fresh.text(), count, &result);
  return rt->finish(std::move(result), out);
}

bool escape_html(Runtime* rt, const Value& value, const Arguments&, Value* out) {
  Value text;
  if (!to_text(rt, value, &text) || !rt->tick_bytes(text.bytes().size() * 4)) return false;
  Text result = rt->new_text();
  text.text().for_each_run([&](std::string_view bytes, bool user) {
    for (const char& c : bytes) {
      switch (c) {
        case '&': result.append("&amp;", user); break;
        case '<': result.append("&lt;", user); break;
        case '>': result.append("&gt;", user); break;
        case '\'': result.append("&#39;", user); break;
        case '"': result.append("&#34;", user); break;
        default: result.append(std::string_view(&c, 1), user);
      }
    }
  });
  return rt->finish(std::move(result), out);
}

bool string(Runtime* rt, const Value& value, const Arguments&, Value* out) { return to_text(rt, value, out); }

bool indent(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value slots[3];
  if (!bind_arguments(rt, "filter 'indent'", arguments, {"width", "first", "blank"}, slots)) return false;
  if (!value.is_string()) return value.is_undefined() ? rt->fail_undefined(value) : rt->fail("filter 'indent' needs a string");
  int64_t width = 4;
  if (!slots[0].is_string() && !integer_or(rt, slots[0], 4, &width)) return false;
  if (width > static_cast<int64_t>(std::min<size_t>(rt->text_bytes_max(), 1u << 30))) return rt->fail_too_large();
  const std::string spaces(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  const TextView margin = slots[0].is_string() ? slots[0].text() : TextView(spaces, false);
  const TextView text = value.text();
  std::vector<Range> lines;
  if (!rt->tick_bytes(text.size() * 4)) return false;
  if (!split_lines(text.bytes(), false, rt->heap.headroom_bytes() / sizeof(Range), &lines)) return rt->fail_too_large();
  // Python adds a newline before it splits, so text that ends in a line break has an empty last line; "\r" becomes one with it.
  const bool ends_line = lines.empty() || lines.back().second != text.size();
  if (ends_line && (text.empty() || text.bytes().back() != '\r')) lines.emplace_back(text.size(), text.size());
  Text result = rt->new_text();
  if (truth(slots[1])) result.append(margin);
  for (size_t i = 0; i < lines.size() && !result.overflowed(); ++i) {
    if (i > 0) result.append("\n", text.any_user(lines[i].first - 1, lines[i].first));
    if (i > 0 && (truth(slots[2]) || lines[i].first != lines[i].second)) result.append(margin);
    result.append(text.substr(lines[i].first, lines[i].second));
  }
  return rt->finish(std::move(result), out);
}

bool center(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value width;
  Value text;
  int64_t n = 80;
  if (!bind_arguments(rt, "filter 'center'", arguments, {"width"}, &width) || !integer_or(rt, width, 80, &n)) return false;
  if (!to_text(rt, value, &text)) return false;
  const Arguments passed{{Value::integer(n)}, {}};
  return call_method(rt, find_method("center"), text, passed, out);
}

bool truncate(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value slots[4];
  if (!bind_arguments(rt, "filter 'truncate'", arguments, {"length", "killwords", "end", "leeway"}, slots)) return false;
  int64_t n = 0;
  if (!length(rt, value, &n)) return false;
  int64_t n_max = 255;
  int64_t leeway = 5;
  if (!integer_or(rt, slots[0], 255, &n_max)) return false;
  if (given_and_not_none(slots[3]) && !integer_or(rt, slots[3], 5, &leeway)) return false;
  const TextView end = slots[2].is_string() ? slots[2].text() : TextView("...", false);
  const int64_t n_end = static_cast<int64_t>(count_code_points(end.bytes()));
  if (n_max < n_end || leeway < 0 || n_max > INT64_MAX / 2 || leeway > INT64_MAX / 2) return rt->fail("filter 'truncate': bad length or leeway");
  if (n <= n_max + leeway) {
    *out = value;
    return true;
  }
  if (!value.is_string()) return rt->fail("filter 'truncate' needs a string");
  size_t cut = byte_offset(value.bytes(), static_cast<size_t>(n_max - n_end));
  if (!truth(slots[1])) {
    const size_t space = value.bytes().substr(0, cut).rfind(' ');
    if (space != std::string_view::npos) cut = space;
  }
  Text result = rt->new_text();
  result.append(value.text().substr(0, cut));
  result.append(end);
  return rt->finish(std::move(result), out);
}

bool word_count(Runtime* rt, const Value& value, const Arguments&, Value* out) {
  Value text;
  if (!to_text(rt, value, &text) || !rt->tick_bytes(text.bytes().size())) return false;
  int64_t n = 0;
  bool in_word = false;
  for_each_char(text.bytes(), [&](const Utf8Char& c, size_t) {
    const bool word = c.valid && (is_alphabetic(c.code_point) || is_digit(c.code_point) || c.code_point == '_');
    n += word && !in_word ? 1 : 0;
    in_word = word;
  });
  *out = Value::integer(n);
  return true;
}

bool format(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value text;
  if (!to_text(rt, value, &text)) return false;
  if (!arguments.positional.empty() && !arguments.named.empty()) return rt->fail("filter 'format' takes positional or keyword arguments, not both");
  Value passed;
  if (arguments.named.empty()) {
    passed = rt->heap.list(arguments.positional, Kind::kTuple);
  } else {
    auto* dict = rt->heap.make<DictObject>(Kind::kDict);
    passed = Value(dict);
    for (const auto& [name, item, user] : arguments.named) rt->heap.append(dict, rt->heap.string(name, user), item);
  }
  return percent_format(rt, text.text(), passed, out);
}

bool to_json(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value slots[4];
  if (!bind_arguments(rt, "filter 'tojson'", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}, slots)) return false;
  JsonStyle style;
  style.ensure_ascii = truth(slots[0]);
  style.sort_keys = truth(slots[3]);
  if (given_and_not_none(slots[1])) {
    style.multi_line = true;
    style.item_separator = ",";
    if (slots[1].is_string()) {
      style.indent = slots[1].bytes();
    } else {
      int64_t width = 0;
      if (!integer_or(rt, slots[1], 0, &width)) return false;
      if (width > 1000) return rt->fail_too_large();
      style.indent.assign(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
    }
  }
  if (given_and_not_none(slots[2])) {
    const Value& pair = slots[2];
    if (!pair.is_list_or_tuple() || pair.items().size() != 2 || !pair.items()[0].is_string() || !pair.items()[1].is_string()) {
      return rt->fail("filter 'tojson': separators are two strings");
    }
    style.item_separator = pair.items()[0].bytes();
    style.key_separator = pair.items()[1].bytes();
  }
  Text text = rt->new_text();
  return append_json(rt, value, style, &text) && rt->finish(std::move(text), out);
}

// --- numbers

// Text of a Python number: spaces around and single underscores between digits are allowed.
bool clean_number(std::string_view text, std::string* out) {
  text = strip(TextView(text, false), nullptr, true, true).bytes();
  if (text.empty() || text.size() > 400) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out->push_back(text[i]);
    } else if (i == 0 || i + 1 == text.size() || !std::isalnum(static_cast<uint8_t>(text[i - 1])) || !std::isalnum(static_cast<uint8_t>(text[i + 1]))) {
      return false;
    }
  }
  if ((*out)[0] == '+') out->erase(0, 1);
  return !out->empty() && (*out)[0] != '+';
}

bool parse_real(std::string_view text, double* out) {
  std::string clean;
  if (!clean_number(text, &clean)) return false;
  const auto [end, code] = std::from_chars(clean.data(), clean.data() + clean.size(), *out);
  if (code == std::errc::result_out_of_range) *out = std::strtod(clean.c_str(), nullptr);  // 0 or infinity
  return code != std::errc::invalid_argument && end == clean.data() + clean.size();
}

// 1: parsed; 0: not a number; -1: too big.
int parse_integer(std::string_view text, int64_t base, int64_t* out) {
  std::string clean;
  if (!clean_number(text, &clean)) return 0;
  const size_t sign = clean[0] == '-' ? 1 : 0;
  if (clean.size() > sign + 2 && clean[sign] == '0') {
    const char prefix = static_cast<char>(clean[sign + 1] | 0x20);
    const int64_t announced = prefix == 'x' ? 16 : prefix == 'o' ? 8 : prefix == 'b' ? 2 : 0;
    if (announced != 0 && (base == announced || base == 0)) {
      clean.erase(sign, 2);
      base = announced;
    }
  }
  if (base == 0) base = 10;
  const auto [end, code] = std::from_chars(clean.data(), clean.data() + clean.size(), *out, static_cast<int>(base));
  if (code == std::errc::result_out_of_range) return -1;
  return code == std::errc() && end == clean.data() + clean.size() ? 1 : 0;
}

bool fits_integer(double value) { return value > -0x1p63 && value < 0x1p63; }

bool to_integer(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value slots[2];
  int64_t base = 10;
  if (!bind_arguments(rt, "filter 'int'", arguments, {"default", "base"}, slots) || !integer_or(rt, slots[1], 10, &base)) return false;
  if (value.is_undefined()) return rt->fail_undefined(value);
  *out = given(slots[0]) ? slots[0] : Value::integer(0);
  if (base != 0 && (base < 2 || base > 36)) return true;
  double real = 0;
  if (value.is_string()) {
    int64_t integer = 0;
    const int parsed = parse_integer(value.bytes(), base, &integer);
    if (parsed < 0) return rt->fail(ErrorCode::kUnsupported, "integer beyond 64 bits");
    if (parsed > 0) *out = Value::integer(integer);
    if (parsed > 0 || !parse_real(value.bytes(), &real)) return true;
  } else if (value.is_integral()) {
    *out = Value::integer(value.integer());
    return true;
  } else if (value.is(Kind::kFloat)) {
    real = value.real();
  } else {
    return true;
  }
  if (fits_integer(real)) *out = Value::integer(static_cast<int64_t>(real));
  else if (std::isfinite(real)) return rt->fail(ErrorCode::kUnsupported, "integer beyond 64 bits");
  return true;
}

bool to_real(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value otherwise;
  if (!bind_arguments(rt, "filter 'float'", arguments, {"default"}, &otherwise)) return false;
  if (value.is_undefined()) return rt->fail_undefined(value);
  double real = 0;
  if (value.is_number()) {
    *out = Value::real(value.real());
  } else if (value.is_string() && parse_real(value.bytes(), &real)) {
    *out = Value::real(real);
  } else {
    *out = given(otherwise) ? otherwise : Value::real(0);
  }
  return true;
}

bool absolute(Runtime* rt, const Value& value, const Arguments&, Value* out) {
  if (!value.is_number()) return value.is_undefined() ? rt->fail_undefined(value) : rt->fail("filter 'abs' needs a number");
  if (value.real() < 0 || (value.is(Kind::kFloat) && std::signbit(value.real()))) return negate(rt, value, out);
  *out = value.is_integral() ? Value::integer(value.integer()) : value;
  return true;
}

// Half to even at a decimal place, from the exact binary value, as Python rounds.
double round_at(double value, int64_t places) {
  if (!std::isfinite(value) || places > 300) return value;
  if (places < -308) return 0.0 * value;
  if (places < 0) {
    const double unit = std::pow(10.0, static_cast<double>(-places));
    return std::nearbyint(value / unit) * unit;
  }
  char buffer[700];  // 309 digits, the point, 300 digits
  std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(places), value);
  return std::strtod(buffer, nullptr);
}

bool round(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value slots[2];
  int64_t places = 0;
  if (!bind_arguments(rt, "filter 'round'", arguments, {"precision", "method"}, slots) || !integer_or(rt, slots[0], 0, &places)) return false;
  if (!value.is_number()) return value.is_undefined() ? rt->fail_undefined(value) : rt->fail("filter 'round' needs a number");
  const std::string_view method = slots[1].is_string() ? slots[1].bytes() : "common";
  if (method == "common") {
    if (value.is_integral()) {
      double rounded = 0;
      if (places < 0) rounded = round_at(value.real(), places);
      *out = Value::integer(places < 0 && fits_integer(rounded) ? static_cast<int64_t>(rounded) : value.integer());
    } else {
      *out = Value::real(round_at(value.real(), places));
    }
    return true;
  }
  if (method != "ceil" && method != "floor") return rt->fail("filter 'round': method is common, ceil or floor");
  const double unit = std::pow(10.0, static_cast<double>(places));
  const double scaled = value.real() * unit;
  if (!std::isfinite(scaled)) return rt->fail("filter 'round': not a finite number");
  *out = Value::real(((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) + 0.0) / unit);  // never -0.0
  return true;
}

// --- sequences

bool length_of(Runtime* rt, const Value& value, const Arguments&, Value* out) {
  int64_t n = 0;
  if (!length(rt, value, &n)) return false;
  *out = Value::integer(n);
  return true;
}

bool default_value(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value slots[2];
  if (!bind_arguments(rt, "filter 'default'", arguments, {"default_value", "boolean"}, slots)) return false;
  if (value.is_undefined() || (truth(slots[1]) && !truth(value))) {
    *out = given(slots[0]) ? slots[0] : rt->heap.string("", false);
  } else {
    *out = value;
  }
  return true;
}

bool join(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value slots[2];
  Value separator = rt->heap.string("", false);
  std::vector<Value> items;
  if (!bind_arguments(rt, "filter 'join'", arguments, {"d", "attribute"}, slots)) return false;
  if (given(slots[0]) && !to_text(rt, slots[0], &separator)) return false;
  if (!iterate(rt, value, &items)) return false;
  Text text = rt->new_text();
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text.append(separator.text());
    Value item;
    if (!get_path(rt, items[i], slots[1], &item) || !append_str(rt, item, &text)) return false;
    if (text.overflowed()) return rt->fail_too_large();
  }
  return rt->finish(std::move(text), out);
}

bool first(Runtime* rt, const Value& value, const Arguments&, Value* out) {
  if (value.is_string() || value.is_list_or_tuple() || value.is(Kind::kRange)) return get_item(rt, value, Value::integer(0), out);
  std::vector<Value> items;
  if (!iterate(rt, value, &items)) return false;
  *out = items.empty() ? Value() : items.front();
  return true;
}

bool last(Runtime* rt, const Value& value, const Arguments&, Value* out) {
  if (value.is_string() || value.is_list_or_tuple() || value.is(Kind::kRange)) return get_item(rt, value, Value::integer(-1), out);
  std::vector<Value> items;
  if (!iterate(rt, value, &items)) return false;
  *out = items.empty() ? Value() : items.back();
  return true;
}

bool to_list(Runtime* rt, const Value& value, const Arguments&, Value* out) {
  std::vector<Value> items;
  return iterate(rt, value, &items) && rt->finish(std::move(items), out);
}

bool items_of(Runtime* rt, const Value& value, const Arguments&, Value* out) {
  if (value.is_undefined()) return rt->finish(std::vector<Value>(), out);
  if (!value.is(Kind::kDict)) return rt->fail(std::string("filter 'items' needs a dict, found ") + type_name(value));
  return call_method(rt, find_method("items"), value, {}, out);
}

bool reverse(Runtime* rt, const Value& value, const Arguments&, Value* out) {
  if (value.is_string()) return get_slice(rt, value, Value::none(), Value::none(), Value::integer(-1), out);
  std::vector<Value> items;
  if (!iterate(rt, value, &items)) return false;
  std::reverse(items.begin(), items.end());
  return rt->finish(std::move(items), out);
}

bool lower_key(Runtime* rt, bool case_sensitive, Value* key) {
  if (case_sensitive || !key->is_string()) return true;
  if (!rt->tick_bytes(key->bytes().size() * 4)) return false;
  Text text = rt->new_text();
  append_case(key->text(), CaseRule::kLower, &text);
  Value lowered;
  if (!rt->finish(std::move(text), &lowered)) return false;
  *key = std::move(lowered);
  return true;
}

// Orders `items` by `keys`, keeping the order of equals.
bool sort_by(Runtime* rt, std::vector<Value>* items, const std::vector<Value>& keys, bool reversed) {
  std::vector<size_t> order(items->size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  bool ok = true;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    bool is_less = false;
    ok = ok && (reversed ? less(rt, keys[b], keys[a], &is_less) : less(rt, keys[a], keys[b], &is_less));
    return ok && is_less;
  });
  if (!ok) return false;
  std::vector<Value> sorted;
  sorted.reserve(items->size());
  for (const size_t i : order) sorted.push_back((*items)[i]);
  *items = std::move(sorted);
  return true;
}

bool sort(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value slots[3];
  std::vector<Value> items;
  if (!bind_arguments(rt, "filter 'sort'", arguments, {"reverse", "case_sensitive", "attribute"}, slots)) return false;
  if (!iterate(rt, value, &items)) return false;
  // "a,b" sorts by a, then by b.
  std::vector<Value> paths;
  if (slots[2].is_string()) {
    std::vector<Range> parts;
    const std::string_view comma = ",";
    if (!split(slots[2].bytes(), &comma, -1, false, 64, &parts)) return rt->fail_too_large();
    for (const auto& [from, to] : parts) paths.push_back(rt->heap.string(slots[2].bytes().substr(from, to - from), false));
  } else {
    paths.push_back(slots[2]);
  }
  std::vector<Value> keys;
  for (const Value& item : items) {
    std::vector<Value> key(paths.size());
    for (size_t i = 0; i < paths.size(); ++i) {
      if (!get_path(rt, item, paths[i], &key[i]) || !lower_key(rt, truth(slots[1]), &key[i])) return false;
    }
    keys.push_back(rt->heap.list(std::move(key)));  // a list even of one: lists compare equal items first
  }
  return sort_by(rt, &items, keys, truth(slots[0])) && rt->finish(std::move(items), out);
}

bool dict_sort(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value slots[3];
  Value pairs;
  if (!bind_arguments(rt, "filter 'dictsort'", arguments, {"case_sensitive", "by", "reverse"}, slots)) return false;
  if (!value.is(Kind::kDict)) return value.is_undefined() ? rt->fail_undefined(value) : rt->fail("filter 'dictsort' needs a dict");
  const std::string_view by = slots[1].is_string() ? slots[1].bytes() : "key";
  if (by != "key" && by != "value") return rt->fail("filter 'dictsort': by is \"key\" or \"value\"");
  if (!items_of(rt, value, {}, &pairs)) return false;
  std::vector<Value> items = pairs.items();
  std::vector<Value> keys;
  for (const Value& pair : items) {
    Value key = pair.items()[by == "key" ? 0 : 1];
    if (!lower_key(rt, truth(slots[0]), &key)) return false;
    keys.push_back(std::move(key));
  }
  return sort_by(rt, &items, keys, truth(slots[2])) && rt->finish(std::move(items), out);
}

bool extreme(Runtime* rt, const Value& value, const Arguments& arguments, bool want_max, Value* out) {
  Value slots[2];
  std::vector<Value> items;
  if (!bind_arguments(rt, "filter 'min' or 'max'", arguments, {"case_sensitive", "attribute"}, slots)) return false;
  if (!iterate(rt, value, &items)) return false;
  *out = Value();
  Value best;
  for (size_t i = 0; i < items.size(); ++i) {
    Value key;
    if (!get_path(rt, items[i], slots[1], &key) || !lower_key(rt, truth(slots[0]), &key)) return false;
    bool better = i == 0;
    if (!better && !(want_max ? less(rt, best, key, &better) : less(rt, key, best, &better))) return false;
    if (!better) continue;
    best = std::move(key);
    *out = items[i];
  }
  return true;
}
bool minimum(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) { return extreme(rt, value, arguments, false, out); }
bool maximum(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) { return extreme(rt, value, arguments, true, out); }

bool unique(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value slots[2];
  std::vector<Value> items;
  if (!bind_arguments(rt, "filter 'unique'", arguments, {"case_sensitive", "attribute"}, slots)) return false;
  if (!iterate(rt, value, &items)) return false;
  std::vector<Value> seen;
  std::vector<Value> kept;
  for (const Value& item : items) {
    Value key;
    bool known = false;
    if (!get_path(rt, item, slots[1], &key) || !lower_key(rt, truth(slots[0]), &key)) return false;
    if (!is_hashable(key)) return rt->fail(std::string("unhashable type: '") + type_name(key) + "'");
    for (size_t i = 0; i < seen.size() && !known; ++i) {
      if (!equal(rt, seen[i], key, &known)) return false;
    }
    if (known) continue;
    seen.push_back(std::move(key));
    kept.push_back(item);
  }
  return rt->finish(std::move(kept), out);
}

bool sum(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value slots[2];
  std::vector<Value> items;
  if (!bind_arguments(rt, "filter 'sum'", arguments, {"attribute", "start"}, slots) || !iterate(rt, value, &items)) return false;
  Value total = given(slots[1]) ? slots[1] : Value::integer(0);
  for (const Value& item : items) {
    Value addend;
    Value next;
    if (!get_path(rt, item, slots[0], &addend)) return false;
    if (total.is_string() || addend.is_string()) return rt->fail("filter 'sum' cannot add strings");
    if (!arithmetic(rt, Operator::kAdd, total, addend, &next)) return false;
    total = std::move(next);
  }
  *out = std::move(total);
  return true;
}

bool batch(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value slots[2];
  int64_t n = 0;
  std::vector<Value> items;
  if (!bind_arguments(rt, "filter 'batch'", arguments, {"linecount", "fill_with"}, slots) || !integer_or(rt, slots[0], 0, &n)) return false;
  if (!iterate(rt, value, &items)) return false;
  if (n <= 0 || static_cast<uint64_t>(n) > rt->list_items_max()) return rt->fail("filter 'batch': bad line count");
  const size_t size = static_cast<size_t>(n);
  std::vector<Value> rows;
  for (size_t from = 0; from < items.size(); from += size) {
    const size_t to = std::min(from + size, items.size());
    std::vector<Value> row(items.begin() + static_cast<ptrdiff_t>(from), items.begin() + static_cast<ptrdiff_t>(to));
    if (given_and_not_none(slots[1])) row.resize(size, slots[1]);
    rows.push_back(rt->heap.list(std::move(row)));
    if (!rt->tick()) return false;
  }
  return rt->finish(std::move(rows), out);
}

// --- functions over sequences

bool attribute(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  Value name;
  if (!bind_arguments(rt, "filter 'attr'", arguments, {"name"}, &name)) return false;
  if (!name.is_string()) return rt->fail("filter 'attr' needs a name");
  // Only real attributes, not the keys of a dict.
  if (value.is(Kind::kDict) && !method_applies(find_method(name.bytes()), Kind::kDict)) {
    *out = Value();
    return true;
  }
  return get_item(rt, value, name, out);
}

bool map(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  std::vector<Value> items;
  if (truth(value) && !iterate(rt, value, &items)) return false;  // what is false is empty, none and 0 included
  std::vector<Value> results(items.size());
  if (arguments.positional.empty()) {
    Value slots[2];
    if (!bind_arguments(rt, "filter 'map'", arguments, {"attribute", "default"}, slots)) return false;
    if (!given(slots[0])) return rt->fail("filter 'map' needs the name of a filter or an attribute");
    for (size_t i = 0; i < items.size(); ++i) {
      if (!get_path(rt, items[i], slots[0], &results[i])) return false;
      if (results[i].is_undefined() && given_and_not_none(slots[1])) results[i] = slots[1];
    }
    return rt->finish(std::move(results), out);
  }
  if (!arguments.positional[0].is_string()) return rt->fail("filter 'map' needs the name of a filter");
  const int filter = find_filter(arguments.positional[0].bytes());
  if (filter < 0) return rt->fail(ErrorCode::kUnsupported, "there is no filter named '" + std::string(arguments.positional[0].bytes()) + "'");
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin());
  for (size_t i = 0; i < items.size(); ++i) {
    if (!rt->tick() || !call_filter(rt, filter, items[i], rest, &results[i])) return false;
  }
  return rt->finish(std::move(results), out);
}

bool select_items(Runtime* rt, const Value& value, const Arguments& arguments, bool by_attribute, bool wanted, Value* out) {
  std::vector<Value> items;
  if (truth(value) && !iterate(rt, value, &items)) return false;
  Arguments rest = arguments;
  Value path = Value::missing();
  if (by_attribute) {
    if (rest.positional.empty()) return rt->fail("the filter needs the name of an attribute");
    path = rest.positional[0];
    rest.positional.erase(rest.positional.begin());
  }
  int test = -1;
  if (!rest.positional.empty()) {
    if (!rest.positional[0].is_string()) return rt->fail("the filter needs the name of a test");
    test = find_test(rest.positional[0].bytes());
    if (test < 0) return rt->fail(ErrorCode::kUnsupported, "there is no test named '" + std::string(rest.positional[0].bytes()) + "'");
    rest.positional.erase(rest.positional.begin());
  }
  std::vector<Value> kept;
  for (Value& item : items) {
    Value subject;
    if (!rt->tick() || !get_path(rt, item, path, &subject)) return false;
    bool holds = truth(subject);
    if (test >= 0 && !call_test(rt, test, subject, rest, &holds)) return false;
    if (holds == wanted) kept.push_back(std::move(item));
  }
  return rt->finish(std::move(kept), out);
}

template <bool kByAttribute, bool kWanted>
bool selection(Runtime* rt, const Value& value, const Arguments& arguments, Value* out) {
  return select_items(rt, value, arguments, kByAttribute, kWanted, out);
}

struct Entry {
  const char* name;
  Filter filter;
};

constexpr Entry kFilters[] = {
    {"abs", absolute},
    {"attr", attribute},
    {"batch", batch},
    {"capitalize", change_case<CaseRule::kCapitalize>},
    {"center", center},
    {"count", length_of},
    {"d", default_value},
    {"default", default_value},
    {"dictsort", dict_sort},
    {"e", escape_html},
    {"escape", escape_html},
    {"first", first},
    {"float", to_real},
    {"forceescape", escape_html},
    {"format", format},
    {"indent", indent},
    {"int", to_integer},
    {"items", items_of},
    {"join", join},
    {"last", last},
    {"length", length_of},
    {"list", to_list},
    {"lower", change_case<CaseRule::kLower>},
    {"map", map},
    {"max", maximum},
    {"min", minimum},
    {"reject", selection<false, false>},
    {"rejectattr", selection<true, false>},
    {"replace", replace},
    {"reverse", reverse},
    {"round", round},
    {"safe", string},
    {"select", selection<false, true>},
    {"selectattr", selection<true, true>},
    {"sort", sort},
    {"string", string},
    {"sum", sum},
    {"title", change_case<CaseRule::kJinjaTitle>},
    {"tojson", to_json},
    {"trim", trim},
    {"truncate", truncate},
    {"unique", unique},
    {"upper", change_case<CaseRule::kUpper>},
    {"wordcount", word_count},
};

}  // namespace

int find_filter(std::string_view name) {
  for (size_t i = 0; i < std::size(kFilters); ++i) {
    if (name == kFilters[i].name) return static_cast<int>(i);
  }
  return -1;
}

bool call_filter(Runtime* rt, int filter, const Value& value, const Arguments& arguments, Value* out) {
  if (!rt->enter()) return false;  // map can call map
  const bool ok = kFilters[filter].filter(rt, value, arguments, out);
  rt->leave();
  return ok;
}

}  // namespace firesteel::jinja
