#include "base/decimal.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"

namespace firesteel {
namespace {

constexpr int kSignificantDigits = 10;
constexpr int kDecimalsMax = 30;
constexpr int kPlainDigitsMax = 30;   // whole parts up to 10^30 are printed in full
constexpr int kPlainZerosMax = 15;    // so are values down to 10^-15
constexpr size_t kTextMax = 400;
constexpr Int128 kOne = 1;
constexpr Int128 kLimit = kOne << 120;

Int128 magnitude(Int128 value) { return value < 0 ? -value : value; }
bool fits(Int128 value) { return magnitude(value) < kLimit; }

// The product if it stays below 2^126. (Not __builtin_mul_overflow: clang calls a function for it that libgcc does not have.)
std::optional<Int128> multiply(Int128 a, Int128 b) {
  const Int128 x = magnitude(a), y = magnitude(b);
  constexpr Int128 kSmall = kOne << 62;
  if (x < kSmall && y < kSmall) return a * b;
  if (x != 0 && y > (kOne << 126) / x) return std::nullopt;
  return a * b;
}

Int128 gcd(Int128 a, Int128 b) {
  constexpr Int128 kSmall = kOne << 63;
  while (b != 0) {
    if (a < kSmall && b < kSmall) return std::gcd(static_cast<int64_t>(a), static_cast<int64_t>(b));
    a %= b;
    std::swap(a, b);
  }
  return a;
}

Int128 floor_div(Int128 num, Int128 den) {
  const Int128 quotient = num / den;
  return num % den < 0 ? quotient - 1 : quotient;
}

// The largest x with x*x <= value.
Int128 whole_root(Int128 value) {
  auto x = static_cast<Int128>(std::sqrt(static_cast<double>(value)));
  while (x * x > value) --x;
  while ((x + 1) * (x + 1) <= value) ++x;
  return x;
}

std::string whole_text(Int128 value) {
  std::string text;
  for (Int128 rest = magnitude(value); rest > 0; rest /= 10) text += static_cast<char>('0' + static_cast<int>(rest % 10));
  if (text.empty()) text = "0";
  std::reverse(text.begin(), text.end());
  return text;
}

// One more in the last place of a decimal text without sign: "9.99" becomes "10.00".
void increment(std::string* text) {
  for (size_t i = text->size(); i-- > 0;) {
    char& c = (*text)[i];
    if (c == '.') continue;
    if (c != '9') {
      ++c;
      return;
    }
    c = '0';
  }
  text->insert(0, "1");
}

void cut_zeros(std::string* text) {
  if (text->find('.') == std::string::npos) return;
  while (text->back() == '0') text->pop_back();
  if (text->back() == '.') text->pop_back();
}

// What a double is in decimal: 0.digits x 10^point, without sign.
struct Scientific {
  std::string digits;
  int point = 0;
};

Scientific scientific(double value, int n_digits) {
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::fabs(value), std::chars_format::scientific, n_digits - 1);
  const std::string_view text(buffer.data(), static_cast<size_t>(end.ptr - buffer.data()));
  const size_t e = text.find('e');
  Scientific out;
  for (const char c : text.substr(0, e)) {
    if (c != '.') out.digits += c;
  }
  const size_t exponent_at = e + (text[e + 1] == '+' ? 2u : 1u);
  std::from_chars(text.data() + exponent_at, text.data() + text.size(), out.point);
  ++out.point;
  return out;
}

std::string power_of_ten_text(double value) {
  const Scientific s = scientific(value, kSignificantDigits);
  std::string text = s.digits.substr(0, 1) + "." + s.digits.substr(1);
  cut_zeros(&text);
  return text + "e" + std::to_string(s.point - 1);
}

// "1,234,567" but not "1,23": a comma stands before every group of three, or nowhere.
bool commas_are_right(std::string_view whole) {
  if (whole.find(',') == std::string_view::npos) return true;
  for (size_t i = 0; i < whole.size(); ++i) {
    const bool at_group = (whole.size() - i) % 4 == 0;
    if ((whole[i] == ',') != at_group || (i == 0 && at_group)) return false;
  }
  return true;
}

}  // namespace

Decimal Decimal::inexact(double value) {
  Decimal out;
  out.den_ = 0;
  out.real_ = value;
  return out;
}

Decimal Decimal::reduce(Int128 num, Int128 den) {
  const Int128 divisor = gcd(magnitude(num), den);
  num /= divisor;
  den /= divisor;
  if (!fits(num) || !fits(den)) return inexact(static_cast<double>(num) / static_cast<double>(den));
  Decimal out;
  out.num_ = num;
  out.den_ = den;
  return out;
}

Decimal Decimal::from_double(double value) {
  if (std::fabs(value) < 0x1p53 && value == std::floor(value)) return {static_cast<int64_t>(value)};
  return inexact(value);
}

std::optional<Decimal> Decimal::fraction(int64_t num, int64_t den) {
  if (den == 0) return std::nullopt;
  return den < 0 ? reduce(-Int128{num}, -Int128{den}) : reduce(num, den);
}

std::optional<Decimal> Decimal::parse(std::string_view text) {
  if (text.size() > kTextMax) return std::nullopt;
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  int64_t exponent = 0;
  if (const size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view digits = text.substr(e + 1);
    if (!digits.empty() && digits.front() == '+') digits.remove_prefix(1);
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
    if (end.ec != std::errc{} || end.ptr != digits.data() + digits.size() || exponent < -400 || exponent > 400) return std::nullopt;
    text = text.substr(0, e);
  }
  const size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view decimals = point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  if ((point != std::string_view::npos && decimals.empty()) || (whole.empty() && decimals.empty()) || !commas_are_right(whole)) return std::nullopt;
  std::string digits;
  for (const char c : whole) {
    if (c == ',') continue;
    digits += c;
  }
  digits += decimals;
  Int128 num = 0;
  bool is_exact = true;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    const Int128 next = is_exact ? num * 10 + (c - '0') : 0;
    is_exact = is_exact && fits(next);
    num = next;
  }
  const int64_t scale = exponent - static_cast<int64_t>(decimals.size());
  Int128 den = 1;
  for (int64_t i = 0; is_exact && i < std::abs(scale); ++i) {
    Int128& grown = scale < 0 ? den : num;
    grown *= 10;
    is_exact = fits(grown);
  }
  if (is_exact) return reduce(negative ? -num : num, den);
  const std::string plain = digits + "e" + std::to_string(scale);
  double value = 0;
  const auto end = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  if (end.ec != std::errc{}) value = scale > 0 ? std::numeric_limits<double>::infinity() : 0;
  return inexact(negative ? -value : value);
}

bool Decimal::finite() const { return exact() || std::isfinite(real_); }
bool Decimal::is_whole() const { return den_ == 1; }

int Decimal::sign() const {
  if (exact()) return num_ < 0 ? -1 : num_ > 0 ? 1 : 0;
  return real_ < 0 ? -1 : real_ > 0 ? 1 : 0;
}

double Decimal::to_double() const { return exact() ? static_cast<double>(num_) / static_cast<double>(den_) : real_; }

std::optional<int64_t> Decimal::to_int() const {
  if (den_ != 1 || num_ < std::numeric_limits<int64_t>::min() || num_ > std::numeric_limits<int64_t>::max()) return std::nullopt;
  return static_cast<int64_t>(num_);
}

Decimal Decimal::operator-() const {
  Decimal out = *this;
  out.num_ = -num_;
  out.real_ = -real_;
  return out;
}

Decimal operator+(const Decimal& a, const Decimal& b) {
  if (a.exact() && b.exact()) {
    // Over the smallest common denominator, so that sums of money stay small.
    const Int128 divisor = gcd(a.den_, b.den_);
    const auto left = multiply(a.num_, b.den_ / divisor);
    const auto right = multiply(b.num_, a.den_ / divisor);
    const auto den = multiply(a.den_ / divisor, b.den_);
    if (left && right && den && magnitude(*left + *right) < (kOne << 126)) return Decimal::reduce(*left + *right, *den);
  }
  return Decimal::inexact(a.to_double() + b.to_double());
}

std::optional<Decimal> Decimal::exact_product(const Decimal& a, const Decimal& b) {
  if (!a.exact() || !b.exact()) return std::nullopt;
  const Int128 left = gcd(magnitude(a.num_), b.den_), right = gcd(magnitude(b.num_), a.den_);
  const auto num = multiply(a.num_ / left, b.num_ / right);
  const auto den = multiply(a.den_ / right, b.den_ / left);
  if (!num || !den) return std::nullopt;
  return reduce(*num, *den);
}

Decimal operator*(const Decimal& a, const Decimal& b) {
  if (auto product = Decimal::exact_product(a, b)) return *product;
  return Decimal::inexact(a.to_double() * b.to_double());
}

std::optional<Decimal> Decimal::divided_by(const Decimal& b) const {
  if (b.sign() == 0 && b.finite()) return std::nullopt;
  if (b.exact()) {
    Decimal inverse;
    inverse.num_ = b.num_ < 0 ? -b.den_ : b.den_;
    inverse.den_ = magnitude(b.num_);
    if (auto quotient = exact_product(*this, inverse)) return quotient;
  }
  return inexact(to_double() / b.to_double());
}

std::optional<Decimal> Decimal::power(const Decimal& exponent) const {
  if (sign() == 0 && exponent.sign() < 0) return std::nullopt;
  const auto whole = exponent.to_int();
  if (exact() && whole && std::abs(*whole) <= 1024) {
    Decimal out = 1, square = *this;
    for (auto rest = static_cast<uint64_t>(std::abs(*whole)); rest > 0; rest >>= 1) {
      if ((rest & 1) != 0) out = out * square;
      if (rest > 1) square = square * square;
    }
    if (out.exact()) return *whole < 0 ? Decimal(1).divided_by(out) : out;
  }
  const double value = std::pow(to_double(), exponent.to_double());
  if (std::isnan(value)) return std::nullopt;
  return inexact(value);
}

std::optional<Decimal> Decimal::square_root() const {
  if (sign() < 0) return std::nullopt;
  if (exact()) {
    Decimal out;
    out.num_ = whole_root(num_);
    out.den_ = whole_root(den_);
    if (out.num_ * out.num_ == num_ && out.den_ * out.den_ == den_) return out;
  }
  return inexact(std::sqrt(to_double()));
}

Decimal Decimal::floor() const {
  if (!exact()) return from_double(std::floor(real_));
  Decimal out;
  out.num_ = floor_div(num_, den_);
  return out;
}

Decimal Decimal::round(int n_decimals) const {
  CHECK(n_decimals >= -kDecimalsMax && n_decimals <= kDecimalsMax);
  if (!finite()) return *this;
  const Decimal scale = *Decimal(10).power(n_decimals);
  const Decimal scaled = abs() * scale;
  const Decimal half = *fraction(1, 2);
  const Decimal whole = (scaled + half).floor();
  const Decimal out = *whole.divided_by(scale);
  return sign() < 0 ? -out : out;
}

std::partial_ordering operator<=>(const Decimal& a, const Decimal& b) {
  if (a.exact() && b.exact()) {
    const auto left = multiply(a.num_, b.den_);
    const auto right = multiply(b.num_, a.den_);
    if (left && right) return *left < *right ? std::partial_ordering::less : *left > *right ? std::partial_ordering::greater : std::partial_ordering::equivalent;
    if (a.num_ == b.num_ && a.den_ == b.den_) return std::partial_ordering::equivalent;
  }
  return a.to_double() <=> b.to_double();
}

std::string Decimal::digits_text(int n_decimals) const {
  const Int128 num = magnitude(num_);
  std::string text = whole_text(num / den_);
  Int128 rest = num % den_;
  if (n_decimals > 0) text += '.';
  for (int i = 0; i < n_decimals; ++i) {
    rest *= 10;  // below 10 * 2^120
    text += static_cast<char>('0' + static_cast<int>(rest / den_));
    rest %= den_;
  }
  if (rest * 2 >= den_) increment(&text);
  return text;
}

std::string Decimal::to_fixed(int n_decimals) const {
  CHECK(n_decimals >= 0 && n_decimals <= kDecimalsMax);
  if (!finite()) return to_string();
  std::string text;
  if (exact()) {
    text = digits_text(n_decimals);
  } else {
    std::array<char, 400> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::fabs(real_), std::chars_format::fixed, n_decimals);
    text.assign(buffer.data(), end.ptr);
  }
  const bool is_zero = text.find_first_not_of("0.") == std::string::npos;
  return sign() < 0 && !is_zero ? "-" + text : text;
}

std::string Decimal::to_string() const {
  if (!finite()) return std::isnan(real_) ? "nan" : real_ < 0 ? "-inf" : "inf";
  const std::string minus = sign() < 0 ? "-" : "";
  const double value = std::fabs(to_double());
  if (value == 0) return "0";
  const int point = scientific(value, kSignificantDigits).point;  // digits of the whole part, or minus the zeros after the point
  if (point > kPlainDigitsMax || point <= -kPlainZerosMax) return minus + power_of_ten_text(value);
  std::string text;
  if (exact()) {
    text = digits_text(std::max(0, kSignificantDigits - std::max(point, -kPlainZerosMax)));
  } else {
    Scientific s = scientific(value, std::max(kSignificantDigits, std::min(point, 17)));
    if (s.point <= 0) {
      text = "0." + std::string(static_cast<size_t>(-s.point), '0') + s.digits;
    } else {
      const auto n_whole = static_cast<size_t>(s.point);
      if (s.digits.size() < n_whole) s.digits.append(n_whole - s.digits.size(), '0');
      text = s.digits.substr(0, n_whole) + (s.digits.size() > n_whole ? "." + s.digits.substr(n_whole) : "");
    }
  }
  cut_zeros(&text);
  return minus + text;
}

}  // namespace firesteel
