// Numbers of the calculator, of synthesis and of graders: exact fractions while they fit, doubles beyond, and one rule for printing.
//
// 0.1 + 0.2 is 0.3 and 1/3*3 is 1. A value is num/den in lowest terms with |num|, den < 2^120. What does not fit (2^200, sqrt(2)) becomes
// a double and stays one; operations never overflow, but a double may end up infinite or not a number: ask finite().
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace firesteel {

__extension__ using Int128 = __int128;

class Decimal {
 public:
  Decimal() = default;                              // 0
  Decimal(int64_t value) : num_(value) {}           // NOLINT: implicit on purpose, whole numbers are decimals
  Decimal(int value) : num_(value) {}               // NOLINT
  static Decimal from_double(double value);         // inexact, unless it is a whole number below 2^53
  // num/den; nullopt when den is 0.
  static std::optional<Decimal> fraction(int64_t num, int64_t den);
  // "12", "-3", "1,234.50", ".5", "1.5e3": nullopt for anything else (wrong thousands commas too) and beyond 400 characters.
  static std::optional<Decimal> parse(std::string_view text);

  bool exact() const { return den_ != 0; }
  bool finite() const;
  bool is_whole() const;      // exactly
  int sign() const;           // -1, 0, 1 (0 for not a number)
  double to_double() const;
  std::optional<int64_t> to_int() const;  // exact whole numbers that fit

  Decimal operator-() const;
  friend Decimal operator+(const Decimal& a, const Decimal& b);
  friend Decimal operator-(const Decimal& a, const Decimal& b) { return a + -b; }
  friend Decimal operator*(const Decimal& a, const Decimal& b);
  std::optional<Decimal> divided_by(const Decimal& b) const;  // nullopt when b is 0
  // Exact for whole exponents while it fits. nullopt where it is no real number: 0^-1, (-2)^0.5. 0^0 is 1.
  std::optional<Decimal> power(const Decimal& exponent) const;
  std::optional<Decimal> square_root() const;                 // exact for squares; nullopt for negative numbers
  Decimal abs() const { return sign() < 0 ? -*this : *this; }
  Decimal floor() const;
  Decimal ceil() const { return -(-*this).floor(); }
  Decimal round(int n_decimals = 0) const;                    // half away from zero; n_decimals from -30 to 30

  // By value, exactly where both are exact.
  friend bool operator==(const Decimal& a, const Decimal& b) { return (a <=> b) == std::partial_ordering::equivalent; }
  friend std::partial_ordering operator<=>(const Decimal& a, const Decimal& b);

  // The print rule: as a decimal with at most 10 significant digits (the whole part is always complete), half away from zero, trailing
  // zeros cut: "5.6", "282", "0.3333333333", "-0.5". From 10^30 on, and below 10^-15: "1.5e40". "inf", "nan" where not finite.
  std::string to_string() const;
  // With exactly n_decimals (0..30): "5.60".
  std::string to_fixed(int n_decimals) const;

 private:
  static Decimal inexact(double value);
  static Decimal reduce(Int128 num, Int128 den);  // den > 0, both below 2^126
  static std::optional<Decimal> exact_product(const Decimal& a, const Decimal& b);
  std::string digits_text(int n_decimals) const;  // of an exact value, rounded

  Int128 num_ = 0;
  Int128 den_ = 1;     // 0: the value is real_
  double real_ = 0;
};

}  // namespace firesteel
