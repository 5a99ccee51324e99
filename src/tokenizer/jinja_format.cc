// Values as text: str, repr, JSON, "%" formatting and dates, byte for byte as Python prints them.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "tokenizer/jinja_runtime.h"

namespace firesteel::jinja {
namespace {

constexpr int kPrintDepthMax = 200;

bool fail_print_depth(Runtime* rt) {
  return rt->fail(ErrorCode::kResourceExhausted, "data nested deeper than " + std::to_string(kPrintDepthMax));
}

void append_hex(uint32_t value, int n_digits, bool user, Text* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (int shift = 4 * (n_digits - 1); shift >= 0; shift -= 4) out->append(1, kHex[(value >> shift) & 15], user);
}

// Python picks the quotes that need no escape, single ones by preference.
void append_string_repr(std::string_view text, Text* out) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  out->append(1, quote, false);
  for_each_char(text, [&](const Utf8Char& c, size_t offset) {
    const uint32_t cp = c.code_point;
    if (cp == static_cast<uint8_t>(quote) || cp == '\\') {
      out->append(1, '\\', false);
      out->append(1, static_cast<char>(cp), false);
    } else if (cp == '\n') {
      out->append("\\n", false);
    } else if (cp == '\r') {
      out->append("\\r", false);
    } else if (cp == '\t') {
      out->append("\\t", false);
    } else if (is_printable(cp)) {
      out->append(text.substr(offset, c.n_bytes), false);
    } else {
      const int n_digits = cp < 0x100 ? 2 : cp < 0x10000 ? 4 : 8;
      out->append(n_digits == 2 ? "\\x" : n_digits == 4 ? "\\u" : "\\U", false);
      append_hex(cp, n_digits, false, out);
    }
  });
  out->append(1, quote, false);
}

// Repr of anything but a whole text's taint: *user becomes true when any string in it came from a user.
bool append_repr_at(Runtime* rt, const Value& value, int depth, Text* out, bool* user) {
  if (depth > kPrintDepthMax) return fail_print_depth(rt);
  if (!rt->tick()) return false;
  if (out->overflowed()) return rt->fail_too_large();
  const auto sequence = [&](const std::vector<Value>& items) {
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out->append(", ", false);
      if (!append_repr_at(rt, items[i], depth + 1, out, user)) return false;
    }
    return true;
  };
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined: out->append("Undefined", false); return true;
    case Kind::kNone: out->append("None", false); return true;
    case Kind::kBool: out->append(value.integer() != 0 ? "True" : "False", false); return true;
    case Kind::kInt: out->append(std::to_string(value.integer()), false); return true;
    case Kind::kFloat: out->append(float_repr(value.real()), false); return true;
    case Kind::kString:
      *user = *user || value.text().any_user();
      append_string_repr(value.bytes(), out);
      return rt->tick_bytes(value.bytes().size());
    case Kind::kList:
      out->append("[", false);
      if (!sequence(value.items())) return false;
      out->append("]", false);
      return true;
    case Kind::kTuple:
      out->append("(", false);
      if (!sequence(value.items())) return false;
      out->append(value.items().size() == 1 ? ",)" : ")", false);
      return true;
    case Kind::kNamespace:
    case Kind::kDict: {
      out->append(value.is(Kind::kDict) ? "{" : "<Namespace {", false);
      bool first = true;
      for (const auto& [key, item] : value.as<DictObject>().items) {
        if (!first) out->append(", ", false);
        first = false;
        if (!append_repr_at(rt, key, depth + 1, out, user)) return false;
        out->append(": ", false);
        if (!append_repr_at(rt, item, depth + 1, out, user)) return false;
      }
      out->append(value.is(Kind::kDict) ? "}" : "}>", false);
      return true;
    }
    case Kind::kRange: {
      const auto& range = value.as<RangeObject>();
      out->append("range(" + std::to_string(range.start) + ", " + std::to_string(range.stop), false);
      out->append(range.step == 1 ? ")" : ", " + std::to_string(range.step) + ")", false);
      return true;
    }
    default:
      out->append("<", false);
      out->append(type_name(value), false);
      out->append(">", false);
      return true;
  }
}

// --- JSON

void append_json_text(std::string_view text, bool ensure_ascii, Text* out) {
  out->append(1, '"', false);
  for_each_char(text, [&](const Utf8Char& c, size_t offset) {
    const uint32_t cp = c.code_point;
    switch (cp) {
      case '"': return out->append("\\\"", false);
      case '\\': return out->append("\\\\", false);
      case '\n': return out->append("\\n", false);
      case '\r': return out->append("\\r", false);
      case '\t': return out->append("\\t", false);
      case '\b': return out->append("\\b", false);
      case '\f': return out->append("\\f", false);
      default: break;
    }
    if (cp >= 0x20 && (cp < 0x7F || !ensure_ascii)) return out->append(text.substr(offset, c.n_bytes), false);
    const auto escape = [&](uint32_t unit) {
      out->append("\\u", false);
      append_hex(unit, 4, false, out);
    };
    if (cp < 0x10000) return escape(cp);
    escape(0xD800 + ((cp - 0x10000) >> 10));  // UTF-16, as JSON wants it
    escape(0xDC00 + ((cp - 0x10000) & 0x3FF));
  });
  out->append(1, '"', false);
}

std::string json_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return float_repr(value);
}

class JsonWriter {
 public:
  JsonWriter(Runtime* rt, const JsonStyle& style, Text* out) : rt_(rt), style_(style), out_(out) {}

  bool write(const Value& value, int depth) {
    if (depth > kPrintDepthMax) return fail_print_depth(rt_);
    if (!rt_->tick()) return false;
    if (out_->overflowed()) return rt_->fail_too_large();
    switch (value.kind()) {
      case Kind::kNone: out_->append("null", false); return true;
      case Kind::kBool: out_->append(value.integer() != 0 ? "true" : "false", false); return true;
      case Kind::kInt: out_->append(std::to_string(value.integer()), false); return true;
      case Kind::kFloat: out_->append(json_float(value.real()), false); return true;
      case Kind::kString:
        user = user || value.text().any_user();
        append_json_text(value.bytes(), style_.ensure_ascii, out_);
        return rt_->tick_bytes(value.bytes().size());
      case Kind::kList:
      case Kind::kTuple: return write_list(value.items(), depth);
      case Kind::kDict: return write_dict(value.as<DictObject>(), depth);
      default:
        if (value.is_undefined()) return rt_->fail_undefined(value);
        return rt_->fail(std::string("a ") + type_name(value) + " cannot be written as JSON");
    }
  }

  bool user = false;

 private:
  void new_line(int depth) {
    if (!style_.multi_line) return;
    out_->append("\n", false);
    for (int i = 0; i < depth && !out_->overflowed(); ++i) out_->append(style_.indent, false);
  }

  bool write_list(const std::vector<Value>& items, int depth) {
    out_->append("[", false);
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_->append(style_.item_separator, false);
      new_line(depth + 1);
      if (!write(items[i], depth + 1)) return false;
    }
    if (!items.empty()) new_line(depth);
    out_->append("]", false);
    return true;
  }

  bool write_key(const Value& key) {
    if (key.is_string()) return write(key, 0);
    if (!key.is_number() && !key.is(Kind::kNone)) return rt_->fail(std::string("a ") + type_name(key) + " cannot be a JSON key");
    out_->append("\"", false);
    if (!write(key, 0)) return false;
    out_->append("\"", false);
    return true;
  }

  bool write_dict(const DictObject& dict, int depth) {
    std::vector<const std::pair<Value, Value>*> members;
    for (const auto& member : dict.items) members.push_back(&member);
    bool ordered = true;
    if (style_.sort_keys) {
      if (!rt_->tick(1 + members.size())) return false;
      std::stable_sort(members.begin(), members.end(), [&](const auto* a, const auto* b) {
        bool is_less = false;
        ordered = ordered && less(rt_, a->first, b->first, &is_less);
        return ordered && is_less;
      });
      if (!ordered) return false;
    }
    out_->append("{", false);
    for (size_t i = 0; i < members.size(); ++i) {
      if (i > 0) out_->append(style_.item_separator, false);
      new_line(depth + 1);
      if (!write_key(members[i]->first)) return false;
      out_->append(style_.key_separator, false);
      if (!write(members[i]->second, depth + 1)) return false;
    }
    if (!members.empty()) new_line(depth);
    out_->append("}", false);
    return true;
  }

  Runtime* rt_;
  const JsonStyle& style_;
  Text* out_;
};

// --- "%" formatting

struct Spec {
  bool left = false, zero = false, plus = false, space = false, alternative = false;
  int64_t width = 0;
  int64_t precision = -1;
};

// Pads to the width with spaces on the chosen side.
void append_padded(const TextView& text, const Spec& spec, Text* out) {
  const size_t n = count_code_points(text.bytes());
  const size_t width = static_cast<size_t>(spec.width);
  const size_t pad = width > n ? width - n : 0;
  if (!spec.left) out->append(pad, ' ', false);
  out->append(text);
  if (spec.left) out->append(pad, ' ', false);
}

void append_number(std::string digits, bool negative, std::string prefix, const Spec& spec, Text* out) {
  std::string sign = negative ? "-" : spec.plus ? "+" : spec.space ? " " : "";
  sign += prefix;
  const size_t width = static_cast<size_t>(spec.width);
  if (spec.zero && !spec.left && sign.size() + digits.size() < width) digits.insert(0, width - sign.size() - digits.size(), '0');
  append_padded(TextView(sign + digits, false), spec, out);
}

bool append_conversion(Runtime* rt, char type, const Spec& spec, const Value& value, Text* out) {
  switch (type) {
    case 's':
    case 'r': {
      Text text = rt->new_text();
      if (!(type == 's' ? append_str(rt, value, &text) : append_repr(rt, value, &text))) return false;
      TextView view = text.view();
      if (spec.precision >= 0) view = view.substr(0, byte_offset(view.bytes(), static_cast<size_t>(spec.precision)));
      append_padded(view, spec, out);
      return true;
    }
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o': {
      if (!value.is_number() || (!value.is_integral() && (!std::isfinite(value.real()) || std::abs(value.real()) >= 0x1p63))) {
        return rt->fail(std::string("%") + type + " needs an integer, found " + type_name(value));
      }
      if (!value.is_integral() && type != 'd' && type != 'i' && type != 'u') return rt->fail(std::string("%") + type + " needs an integer, found float");
      const int64_t number = value.is_integral() ? value.integer() : static_cast<int64_t>(value.real());
      const uint64_t magnitude = number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
      char buffer[32];
      const int base = type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : 10;
      std::string digits(buffer, std::to_chars(buffer, buffer + sizeof buffer, magnitude, base).ptr);
      if (type == 'X') std::transform(digits.begin(), digits.end(), digits.begin(), [](char c) { return static_cast<char>(c >= 'a' ? c - 32 : c); });
      if (spec.precision > static_cast<int64_t>(digits.size())) digits.insert(0, static_cast<size_t>(spec.precision) - digits.size(), '0');
      const char* prefix = !spec.alternative || base == 10 ? "" : type == 'o' ? "0o" : type == 'x' ? "0x" : "0X";
      append_number(std::move(digits), number < 0, prefix, spec, out);
      return true;
    }
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G': {
      if (!value.is_number()) return rt->fail(std::string("%") + type + " needs a number, found " + type_name(value));
      const double number = value.real();
      const double magnitude = std::abs(number);
      std::string digits;
      if (!std::isfinite(number)) {
        digits = std::isnan(number) ? "nan" : "inf";
        if (type < 'a') std::transform(digits.begin(), digits.end(), digits.begin(), [](char c) { return static_cast<char>(c - 32); });
      } else {
        const char format[] = {'%', '.', '*', type, '\0'};
        const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
        char buffer[512];  // 310 digits before the point and at most 100 behind it
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        const int n = std::snprintf(buffer, sizeof buffer, format, precision, magnitude);
#pragma GCC diagnostic pop
        digits.assign(buffer, n > 0 && n < static_cast<int>(sizeof buffer) ? static_cast<size_t>(n) : 0);
      }
      append_number(std::move(digits), std::signbit(number) && !std::isnan(number), "", spec, out);
      return true;
    }
    case 'c':
      if (value.is_string() && count_code_points(value.bytes()) == 1) {
        append_padded(value.text(), spec, out);
        return true;
      }
      if (value.is_integral() && value.integer() >= 0 && value.integer() < 0x110000 && (value.integer() < 0xD800 || value.integer() >= 0xE000)) {
        Text text;  // a number may be a user's, so the character counts as theirs
        text.append_code_point(static_cast<uint32_t>(value.integer()), true);
        append_padded(text.view(), spec, out);
        return true;
      }
      return rt->fail("%c needs a character");
    default: return rt->fail(std::string("unsupported format character '") + type + "'");
  }
}

}  // namespace

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[40];
  // Shortest digits that read back the same; Python writes them plainly for exponents in [-4, 16).
  const std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr);
  const size_t e = text.find('e');
  int exponent = 0;
  const size_t first = e + (text[e + 1] == '+' ? 2 : 1);  // from_chars takes no plus sign
  std::from_chars(text.data() + first, text.data() + text.size(), exponent);
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits.push_back(c);
  }
  const std::string sign = text[0] == '-' ? "-" : "";
  const int n = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    std::string mantissa = digits.substr(0, 1);
    if (n > 1) mantissa += "." + digits.substr(1);
    std::string power = std::to_string(std::abs(exponent));
    if (power.size() < 2) power.insert(0, "0");
    return sign + mantissa + (exponent < 0 ? "e-" : "e+") + power;
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  if (exponent + 1 >= n) return sign + digits + std::string(static_cast<size_t>(exponent + 1 - n), '0') + ".0";
  return sign + digits.substr(0, static_cast<size_t>(exponent + 1)) + "." + digits.substr(static_cast<size_t>(exponent + 1));
}

bool append_repr(Runtime* rt, const Value& value, Text* out) {
  // Escapes and quotes mix with what they quote, so one user string in it makes all of it the user's.
  Text text = rt->new_text();
  bool user = false;
  if (!append_repr_at(rt, value, 0, &text, &user)) return false;
  if (text.overflowed()) return rt->fail_too_large();
  if (user) text.mark_user();
  out->append(text.view());
  return true;
}

bool append_str(Runtime* rt, const Value& value, Text* out) {
  switch (value.kind()) {
    case Kind::kString: out->append(value.text()); return rt->tick_bytes(value.text().size());
    case Kind::kUndefined:
    case Kind::kMissing: return true;
    default: return append_repr(rt, value, out);
  }
}

bool to_text(Runtime* rt, const Value& value, Value* out) {
  if (value.is_string()) {
    *out = value;
    return true;
  }
  Text text = rt->new_text();
  return append_str(rt, value, &text) && rt->finish(std::move(text), out);
}

bool append_json(Runtime* rt, const Value& value, const JsonStyle& style, Text* out) {
  Text text = rt->new_text();
  JsonWriter writer(rt, style, &text);
  if (!writer.write(value, 0)) return false;
  if (text.overflowed()) return rt->fail_too_large();
  if (writer.user) text.mark_user();
  out->append(text.view());
  return true;
}

bool percent_format(Runtime* rt, const TextView& format, const Value& arguments, Value* out) {
  if (!rt->tick_bytes(format.size())) return false;
  Text text = rt->new_text();
  const std::string_view f = format.bytes();
  const bool is_tuple = arguments.is(Kind::kTuple);
  const size_t n_arguments = is_tuple ? arguments.items().size() : 1;
  size_t n_used = 0;
  bool by_name = false;
  const auto take = [&](Value* v) {
    if (n_used >= n_arguments) return rt->fail("not enough arguments for format string");
    *v = is_tuple ? arguments.items()[n_used] : arguments;
    ++n_used;
    return true;
  };
  for (size_t i = 0; i < f.size();) {
    const size_t percent = std::min(f.find('%', i), f.size());
    text.append(format.substr(i, percent));
    i = percent + 1;
    if (percent == f.size()) break;
    if (!rt->tick()) return false;
    Spec spec;
    Value value;
    bool have_value = false;
    if (i < f.size() && f[i] == '(') {
      const size_t close = f.find(')', i);
      if (close == std::string_view::npos || !arguments.is(Kind::kDict)) return rt->fail("format requires a mapping");
      const Value* found = arguments.as<DictObject>().find(f.substr(i + 1, close - i - 1));
      if (found == nullptr) return rt->fail("format: no such key");
      value = *found;
      have_value = true;
      by_name = true;
      i = close + 1;
    }
    for (; i < f.size(); ++i) {
      if (f[i] == '-') spec.left = true;
      else if (f[i] == '0') spec.zero = true;
      else if (f[i] == '+') spec.plus = true;
      else if (f[i] == ' ') spec.space = true;
      else if (f[i] == '#') spec.alternative = true;
      else break;
    }
    const auto read_size = [&](int64_t* size) {
      if (i < f.size() && f[i] == '*') {
        Value v;
        if (!take(&v)) return false;
        if (!v.is_integral()) return rt->fail("* wants an integer");
        *size = v.integer();
        ++i;
        return true;
      }
      for (*size = 0; i < f.size() && f[i] >= '0' && f[i] <= '9'; ++i) *size = std::min<int64_t>(*size * 10 + (f[i] - '0'), 1 << 30);
      return true;
    };
    if (!read_size(&spec.width)) return false;
    if (spec.width < 0) {
      spec.left = true;
      spec.width = spec.width == INT64_MIN ? INT64_MAX : -spec.width;
    }
    if (i < f.size() && f[i] == '.') {
      ++i;
      if (!read_size(&spec.precision)) return false;
      if (spec.precision < 0) spec.precision = 0;
    }
    while (i < f.size() && (f[i] == 'l' || f[i] == 'h' || f[i] == 'L')) ++i;
    if (i >= f.size()) return rt->fail("incomplete format");
    const char type = f[i++];
    if (type == '%') {
      text.append("%", format.any_user(i - 1, i));
      continue;
    }
    const bool number = type != 's' && type != 'r' && type != 'c';
    if (static_cast<uint64_t>(spec.width) > rt->text_bytes_max() || (number && spec.precision > 100)) return rt->fail_too_large();
    if (!have_value && !take(&value)) return false;
    if (!append_conversion(rt, type, spec, value, &text)) return false;
    if (text.overflowed()) return rt->fail_too_large();
  }
  if (n_used < n_arguments && !by_name && !(arguments.is(Kind::kDict) || arguments.is(Kind::kList))) {
    return rt->fail("not all arguments converted during string formatting");
  }
  return rt->finish(std::move(text), out);
}

bool format_time(Runtime* rt, const TextView& format, int64_t unix_s, Value* out) {
  static constexpr const char* kDays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
  static constexpr const char* kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                            "July",    "August",   "September", "October", "November", "December"};
  unix_s = std::clamp<int64_t>(unix_s, -62135596800, 253402300799);  // years 1 to 9999
  const int64_t days = (unix_s >= 0 ? unix_s : unix_s - 86399) / 86400;
  const int64_t second_of_day = unix_s - days * 86400;
  // Civil date from days, with years that begin in March. Source: Howard Hinnant, "chrono-compatible low-level date algorithms".
  const int64_t z = days + 719468;
  const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const int64_t day_of_era = z - era * 146097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_march_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t march_month = (5 * day_of_march_year + 2) / 153;
  const int64_t day = day_of_march_year - (153 * march_month + 2) / 5 + 1;
  const int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  const int64_t weekday = ((days + 4) % 7 + 7) % 7;
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  static constexpr int kDaysBefore[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  const int64_t day_of_year = kDaysBefore[month - 1] + day + (leap && month > 2 ? 1 : 0);
  const int64_t hour = second_of_day / 3600;
  const int64_t minute = second_of_day / 60 % 60;
  const int64_t second = second_of_day % 60;

  if (!rt->tick_bytes(format.size())) return false;
  std::string text;
  const auto number = [&](int64_t value, size_t width, char pad) {
    const std::string digits = std::to_string(value);
    if (pad != '\0' && digits.size() < width) text.append(width - digits.size(), pad);
    text += digits;
  };
  const std::string_view f = format.bytes();
  for (size_t i = 0; i < f.size(); ++i) {
    if (text.size() > rt->text_bytes_max()) return rt->fail_too_large();
    if (f[i] != '%' || i + 1 == f.size()) {
      text.push_back(f[i]);
      continue;
    }
    char pad = '0';
    if (f[i + 1] == '-' && i + 2 < f.size()) {  // GNU: no padding
      pad = '\0';
      ++i;
    }
    switch (f[++i]) {
      case 'Y': number(year, 0, pad); break;
      case 'y': number(year % 100, 2, pad); break;
      case 'm': number(month, 2, pad); break;
      case 'd': number(day, 2, pad); break;
      case 'e': number(day, 2, pad == '\0' ? pad : ' '); break;
      case 'j': number(day_of_year, 3, pad); break;
      case 'H': number(hour, 2, pad); break;
      case 'I': number(hour % 12 == 0 ? 12 : hour % 12, 2, pad); break;
      case 'M': number(minute, 2, pad); break;
      case 'S': number(second, 2, pad); break;
      case 'f': number(0, 6, '0'); break;
      case 'p': text += hour < 12 ? "AM" : "PM"; break;
      case 'A': text += kDays[weekday]; break;
      case 'a': text.append(kDays[weekday], 3); break;
      case 'B': text += kMonths[month - 1]; break;
      case 'b':
      case 'h': text.append(kMonths[month - 1], 3); break;
      case 'w': number(weekday, 0, pad); break;
      case 'u': number(weekday == 0 ? 7 : weekday, 0, pad); break;
      case 'F':
        number(year, 4, '0');
        text += '-';
        number(month, 2, '0');
        text += '-';
        number(day, 2, '0');
        break;
      case 'D':
      case 'x':
        number(month, 2, '0');
        text += '/';
        number(day, 2, '0');
        text += '/';
        number(year % 100, 2, '0');
        break;
      case 'R':
      case 'T':
      case 'X':
        number(hour, 2, '0');
        text += ':';
        number(minute, 2, '0');
        if (f[i] == 'R') break;
        text += ':';
        number(second, 2, '0');
        break;
      case 's': number(unix_s, 0, pad); break;
      case 'Z':
      case 'z': break;  // Python's naive datetimes print nothing here
      case 'n': text += '\n'; break;
      case 't': text += '\t'; break;
      case '%': text += '%'; break;
      default: return rt->fail(ErrorCode::kUnsupported, std::string("strftime_now: directive '%") + f[i] + "'");
    }
  }
  Text result = rt->new_text();
  result.append(text, format.any_user());
  return rt->finish(std::move(result), out);
}

}  // namespace firesteel::jinja
