#include "eval/answer_text.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/ascii.h"
#include "base/number_literals.h"

namespace firesteel {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_word(char c) { return is_digit(c) || is_letter(c) || (static_cast<unsigned char>(c) & 0x80) != 0; }

size_t skip_blanks(std::string_view text, size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
  return at;
}

// A minus sign that ends at `at`; its length, 0 if there is none. A dash between two words is none.
size_t minus_before(std::string_view text, size_t at) {
  size_t length = 0;
  if (at >= 1 && text[at - 1] == '-') length = 1;
  if (at >= 3 && text.substr(at - 3, 3) == "\xE2\x88\x92") length = 3;
  if (length == 0) return 0;
  const size_t before = at - length;
  if (before > 0 && (is_word(text[before - 1]) || text[before - 1] == ')')) return 0;
  return length;
}

constexpr std::array<std::string_view, 4> kCurrencySigns = {"$", "\xE2\x82\xAC", "\xC2\xA3", "\xC2\xA5"};

// The length of a currency sign that ends at `at`.
size_t currency_before(std::string_view text, size_t at) {
  for (const std::string_view sign : kCurrencySigns) {
    if (at >= sign.size() && text.substr(at - sign.size(), sign.size()) == sign) return sign.size();
  }
  return 0;
}

// What stands after the number as a power of ten: "e5", " x 10^5", "*10**-3", " \times 10^{5}". One past it and the exponent, or 0.
std::pair<size_t, int> power_of_ten(std::string_view text, size_t at) {
  const auto read_exponent = [&](size_t from) -> std::pair<size_t, int> {
    size_t i = from;
    const bool brace = i < text.size() && text[i] == '{';
    if (brace) ++i;
    int sign = 1;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) sign = text[i++] == '-' ? -1 : 1;
    if (text.substr(i, 3) == "\xE2\x88\x92") {
      sign = -1;
      i += 3;
    }
    const size_t digits = i;
    int value = 0;
    while (i < text.size() && is_digit(text[i]) && i - digits < 3) value = value * 10 + (text[i++] - '0');
    if (i == digits || (i < text.size() && is_digit(text[i]))) return {0, 0};
    if (brace) {
      if (i >= text.size() || text[i] != '}') return {0, 0};
      ++i;
    }
    return {i, sign * value};
  };
  if (at + 1 < text.size() && (text[at] == 'e' || text[at] == 'E')) return text[at + 1] == '{' ? std::pair<size_t, int>{0, 0} : read_exponent(at + 1);
  size_t i = skip_blanks(text, at);
  size_t sign = 0;
  for (const std::string_view one : {"\xC3\x97", "x", "*", "\\times", "\xC2\xB7"}) {
    if (text.substr(i, one.size()) == one) sign = std::max(sign, one.size());
  }
  if (sign == 0) return {0, 0};
  i = skip_blanks(text, i + sign);
  if (text.substr(i, 2) != "10") return {0, 0};
  i += 2;
  if (text.substr(i, 2) == "**") return read_exponent(i + 2);
  if (i < text.size() && text[i] == '^') return read_exponent(i + 1);
  return {0, 0};
}

struct Synonyms {
  std::string_view name;
  std::array<std::string_view, 6> others;
};
constexpr Synonyms kUnits[] = {
    {"km/h", {"kph", "kmh", "km/hr"}}, {"m/s", {"mps"}}, {"mph", {}}, {"m/s^2", {"m/s2", "m/s\xC2\xB2"}},
    {"mm", {"millimetre", "millimeter"}}, {"cm", {"centimetre", "centimeter"}}, {"m", {"metre", "meter"}}, {"km", {"kilometre", "kilometer"}},
    {"mg", {"milligram"}}, {"g", {"gram"}}, {"kg", {"kilogram", "kilo"}}, {"ml", {"millilitre", "milliliter"}}, {"l", {"litre", "liter"}},
    {"s", {"second", "sec"}}, {"min", {"minute"}}, {"h", {"hour", "hr"}}, {"day", {}}, {"week", {}}, {"month", {}}, {"year", {}},
    {"%", {"percent"}}, {"EUR", {"euro", "\xE2\x82\xAC"}}, {"USD", {"dollar", "$"}}, {"GBP", {"pound", "\xC2\xA3"}}, {"cent", {"cents"}},
    {"\xC2\xB0" "C", {"celsius"}}, {"\xC2\xB0" "F", {"fahrenheit"}}, {"K", {"kelvin"}},
    {"J", {"joule"}}, {"kJ", {"kilojoule"}}, {"kcal", {"kilocalorie"}}, {"N", {"newton"}}, {"W", {"watt"}}, {"kW", {"kilowatt"}}, {"V", {"volt"}},
    {"A", {"ampere", "amp"}}, {"ohm", {"\xCE\xA9", "\xE2\x84\xA6"}}, {"Pa", {"pascal"}}, {"Hz", {"hertz"}}, {"mol", {"mole"}},
    {"cm^2", {"cm2", "cm\xC2\xB2"}}, {"m^2", {"m2", "m\xC2\xB2"}}, {"cm^3", {"cm3", "cm\xC2\xB3"}}, {"m^3", {"m3", "m\xC2\xB3"}},
};

}  // namespace

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<TextNumber> find_numbers(std::string_view text) {
  std::vector<TextNumber> out;
  const std::vector<NumberLiteral> literals = find_number_literals(text);
  for (size_t i = 0; i < literals.size(); ++i) {
    const NumberLiteral& literal = literals[i];
    size_t begin = literal.offset;
    std::string digits = literal.value;
    const bool leading_point = begin > 0 && text[begin - 1] == '.' && (begin == 1 || !is_word(text[begin - 2])) && digits.find('.') == std::string::npos;
    if (leading_point) {  // ".5"
      digits = "0." + digits;
      --begin;
    }
    if (begin > 0 && is_letter(text[begin - 1])) continue;  // H2O, B12
    auto value = Decimal::parse(digits);
    if (!value) continue;
    TextNumber number;
    number.value = *value;
    number.n_decimals = digits.find('.') == std::string::npos ? 0 : static_cast<int>(digits.size() - digits.find('.') - 1);
    number.end = literal.offset + literal.length;
    // "3/4", "1 1/2"; more than one slash is a date.
    const auto fraction_at = [&](size_t top) -> std::optional<Decimal> {
      if (top + 1 >= literals.size()) return std::nullopt;
      const NumberLiteral &a = literals[top], &b = literals[top + 1];
      const size_t slash = skip_blanks(text, a.offset + a.length);
      if (slash >= text.size() || text[slash] != '/' || skip_blanks(text, slash + 1) != b.offset) return std::nullopt;
      const size_t after = b.offset + b.length;
      if (after < text.size() && text[after] == '/') return std::nullopt;
      const auto x = Decimal::parse(a.value), y = Decimal::parse(b.value);
      return x && y ? x->divided_by(*y) : std::nullopt;
    };
    if (const auto fraction = fraction_at(i)) {
      number.value = *fraction;
      number.n_decimals = 30;  // exact
      number.end = literals[i + 1].offset + literals[i + 1].length;
      ++i;
    } else if (i + 2 < literals.size() && number.n_decimals == 0 && literals[i + 1].offset == number.end + 1 && text[number.end] == ' ') {
      if (const auto part = fraction_at(i + 1); part && *part < Decimal(1)) {
        number.value = number.value + *part;
        number.n_decimals = 30;
        number.end = literals[i + 2].offset + literals[i + 2].length;
        i += 2;
      }
    }
    if (const auto [end, exponent] = power_of_ten(text, number.end); end > 0) {
      if (const auto scale = Decimal(10).power(exponent)) number.value = number.value * *scale;
      number.n_decimals = std::clamp(number.n_decimals - exponent, 0, 30);
      number.end = end;
      while (i + 1 < literals.size() && literals[i + 1].offset < end) ++i;
    }
    const size_t sign_at = begin - currency_before(text, begin);
    if (const size_t length = minus_before(text, sign_at); length > 0) {
      number.value = -number.value;
      begin = sign_at - length;
    } else if (const size_t inner = minus_before(text, begin); inner > 0) {  // "$-5" is rare, "-$5" is not
      number.value = -number.value;
      begin -= inner;
    }
    number.begin = begin;
    out.push_back(number);
  }
  return out;
}

std::string_view unit_of(std::string_view text, const TextNumber& number) {
  size_t at = skip_blanks(text, number.end);
  if (at < text.size() && text[at] == '-') ++at;  // "5-km"
  size_t end = at;
  while (end < text.size() && (is_letter(text[end]) || (static_cast<unsigned char>(text[end]) & 0x80) != 0 || text[end] == '%' || text[end] == '$' ||
                               (end > at && (text[end] == '/' || text[end] == '^' || is_digit(text[end]))))) {
    ++end;
  }
  if (end > at) return text.substr(at, end - at);
  size_t begin = number.begin;
  while (begin < number.end && !is_digit(text[begin]) && text[begin] != '.') ++begin;
  const size_t sign = currency_before(text, begin);
  return text.substr(begin - sign, sign);
}

std::string_view known_unit(std::string_view unit) {
  const auto same = [](std::string_view given, std::string_view name, bool word) {
    if (given == name) return true;
    if (!word || name.size() < 3) return false;
    std::string plain = lower_ascii(given);
    if (plain.size() > 3 && plain.back() == 's') plain.pop_back();
    return plain == lower_ascii(name);
  };
  for (const Synonyms& one : kUnits) {
    if (same(unit, one.name, true) || (unit.size() == 1 && lower_ascii(unit) == "l" && one.name == "l") || (unit == "mL" && one.name == "ml")) return one.name;
    for (const std::string_view other : one.others) {
      if (!other.empty() && same(unit, other, true)) return one.name;
    }
  }
  return {};
}

std::string plain_words(std::string_view text) {
  text = trim(text);
  constexpr std::string_view kDress = "\"'`*_.,;:!?";
  while (!text.empty() && kDress.substr(0, 5).find(text.front()) != std::string_view::npos) text.remove_prefix(1);
  while (!text.empty() && kDress.find(text.back()) != std::string_view::npos) text.remove_suffix(1);
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    while (at < text.size() && is_space(text[at])) ++at;
    size_t end = at;
    while (end < text.size() && !is_space(text[end])) ++end;
    const std::string word = lower_ascii(text.substr(at, end - at));
    at = end;
    if (word.empty() || word == "a" || word == "an" || word == "the") continue;
    if (!out.empty()) out += ' ';
    out += word;
  }
  // "A" alone is a word after all.
  return out.empty() ? lower_ascii(trim(text)) : out;
}

std::string plain_math(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '$' || is_space(c)) {
      ++i;
      continue;
    }
    if (c != '\\') {
      if (text.substr(i, 7) == "^{\\circ") {
        i += 7;
        if (i < text.size() && text[i] == '}') ++i;
      } else if (text.substr(i, 6) == "^\\circ") {
        i += 6;
      } else {
        out += c;
        ++i;
      }
      continue;
    }
    size_t end = i + 1;
    while (end < text.size() && is_letter(text[end])) ++end;
    const std::string_view name = text.substr(i + 1, end - i - 1);
    if (name.empty()) {  // "\!", "\,", "\$", "\%"
      if (i + 1 < text.size() && (text[i + 1] == '%' || text[i + 1] == '{' || text[i + 1] == '}')) out += text[i + 1];
      i += 2;
      continue;
    }
    i = end;
    if (name == "left" || name == "right" || name == "displaystyle" || name == "quad") continue;
    if (name == "cdot" || name == "times") {
      out += '*';
      continue;
    }
    if (name == "text" || name == "mbox" || name == "mathrm" || name == "textbf") {
      while (i < text.size() && text[i] != '{') ++i;
      const size_t close = text.find('}', i);
      const std::string_view inside = trim(text.substr(std::min(i + 1, text.size()), close == std::string_view::npos ? 0 : close - i - 1));
      // A unit after a number goes; a word that is the whole answer stays.
      if (out.empty()) out += lower_ascii(inside);
      i = close == std::string_view::npos ? text.size() : close + 1;
      continue;
    }
    if (name == "frac" || name == "dfrac" || name == "tfrac") {
      std::array<std::string, 2> parts;
      for (std::string& part : parts) {
        while (i < text.size() && is_space(text[i])) ++i;
        if (i >= text.size()) break;
        if (text[i] != '{') {  // \frac12
          part = text.substr(i++, 1);
          continue;
        }
        size_t close = i;
        for (int depth = 0; close < text.size(); ++close) {
          if (text[close] == '{') ++depth;
          if (text[close] == '}' && --depth == 0) break;
        }
        part = text.substr(i + 1, close - i - 1);
        i = std::min(close + 1, text.size());
      }
      const auto plain = [](const std::string& part) { return std::all_of(part.begin(), part.end(), [](char d) { return is_digit(d) || is_letter(d); }); };
      for (std::string& part : parts) {
        if (!plain(part)) part = "(" + part + ")";
      }
      out += parts[0] + "/" + parts[1];
      continue;
    }
    out += "\\" + std::string(name);
  }
  // "50,625" and "x=5": the value.
  std::string plain;
  for (size_t i = 0; i < out.size(); ++i) {
    const bool group = out[i] == ',' && i > 0 && is_digit(out[i - 1]) && i + 3 < out.size() + 0 && is_digit(out[i + 1]) && is_digit(out[i + 2]) && is_digit(out[i + 3]) &&
                       (i + 4 >= out.size() || !is_digit(out[i + 4]));
    if (!group) plain += out[i];
  }
  if (plain.size() > 2 && is_letter(plain[0]) && plain[1] == '=') plain.erase(0, 2);
  while (!plain.empty() && plain.back() == '.') plain.pop_back();
  return plain;
}

}  // namespace firesteel
