#include "base/decimal.h"

#include <cmath>

#include <gtest/gtest.h>

#include "base/rng.h"

namespace firesteel {
namespace {

Decimal of(std::string_view text) {
  const auto value = Decimal::parse(text);
  EXPECT_TRUE(value.has_value()) << text;
  return value.value_or(Decimal());
}

TEST(Decimal, PrintsByTheRule) {
  EXPECT_EQ(of("5.60").to_string(), "5.6");
  EXPECT_EQ(of("282").to_string(), "282");
  EXPECT_EQ(of("-0.5").to_string(), "-0.5");
  EXPECT_EQ(of("-0").to_string(), "0");
  EXPECT_EQ(of("1,234,567.50").to_string(), "1234567.5");
  EXPECT_EQ(Decimal::fraction(1, 3)->to_string(), "0.3333333333");
  EXPECT_EQ(Decimal::fraction(2, 3)->to_string(), "0.6666666667");
  EXPECT_EQ(Decimal::fraction(-200, 3)->to_string(), "-66.66666667");
  EXPECT_EQ(Decimal::fraction(1, 3000)->to_string(), "0.0003333333333");
  EXPECT_EQ(of("0.99999999999").to_string(), "1");
  EXPECT_EQ(of("9999999999.9").to_string(), "10000000000");
  EXPECT_EQ(of("12345678901234").to_string(), "12345678901234");  // a whole part is complete
  EXPECT_EQ(of("12345678901.5").to_string(), "12345678902");
  EXPECT_EQ(of("100").to_string(), "100");
}

TEST(Decimal, PrintsWhatIsHugeOrTinyByPowersOfTen) {
  EXPECT_EQ(Decimal(10).power(29)->to_string(), "1" + std::string(29, '0'));
  EXPECT_EQ(Decimal(10).power(30)->to_string(), "1e30");
  EXPECT_EQ(Decimal(2).power(200)->to_string(), "1.606938044e60");
  EXPECT_EQ(of("1e-15").to_string(), "0.000000000000001");
  EXPECT_EQ(of("1.25e-17").to_string(), "1.25e-17");
  EXPECT_EQ(of("-1.25e-17").to_string(), "-1.25e-17");
  EXPECT_EQ(Decimal(10).power(400)->to_string(), "inf");
}

TEST(Decimal, DoublesPrintLikeExactValues) {
  EXPECT_EQ(Decimal(2).square_root()->to_string(), "1.414213562");
  EXPECT_EQ((*Decimal(2).square_root() * Decimal(1000000)).to_string(), "1414213.562");
  EXPECT_EQ(Decimal::from_double(0.1 + 0.2).to_string(), "0.3");
  EXPECT_EQ(Decimal::from_double(1.5e-7).to_string(), "0.00000015");
  EXPECT_EQ(Decimal::from_double(-42.0).to_string(), "-42");
  EXPECT_EQ(Decimal::from_double(-1e300).to_string(), "-1e300");
  EXPECT_EQ(Decimal::from_double(1e20 / 3).to_string(), "33333333333333332000");
}

TEST(Decimal, FixedDecimalsRoundHalfAwayFromZero) {
  EXPECT_EQ(of("5.6").to_fixed(2), "5.60");
  EXPECT_EQ(of("2.345").to_fixed(2), "2.35");
  EXPECT_EQ(of("-2.345").to_fixed(2), "-2.35");
  EXPECT_EQ(of("-0.001").to_fixed(2), "0.00");
  EXPECT_EQ(of("9.995").to_fixed(2), "10.00");
  EXPECT_EQ(of("7").to_fixed(0), "7");
  EXPECT_EQ(Decimal::from_double(2.25).to_fixed(1), "2.2");  // a double is rounded as the library does
}

TEST(Decimal, ArithmeticIsExact) {
  EXPECT_EQ(of("0.1") + of("0.2"), of("0.3"));
  EXPECT_EQ(*Decimal(1).divided_by(3) * 3, Decimal(1));
  EXPECT_EQ(*(of("2.40").divided_by(3)) * 7, of("5.6"));
  EXPECT_EQ(Decimal(54) - 28, Decimal(26));
  EXPECT_FALSE(Decimal(1).divided_by(0).has_value());
  EXPECT_EQ(Decimal(2).power(-2)->to_string(), "0.25");
  EXPECT_EQ(Decimal(2).power(100)->to_string(), "1.2676506e30");
  EXPECT_EQ(Decimal(0).power(0)->to_string(), "1");
  EXPECT_FALSE(Decimal(0).power(-1).has_value());
  EXPECT_FALSE(Decimal(-8).power(*Decimal::fraction(1, 2)).has_value());
  EXPECT_EQ(Decimal::fraction(9, 4)->square_root()->to_string(), "1.5");
  EXPECT_FALSE(Decimal(-1).square_root().has_value());
  EXPECT_EQ(of("-2.5").floor(), Decimal(-3));
  EXPECT_EQ(of("-2.5").ceil(), Decimal(-2));
  EXPECT_EQ(of("-2.5").round(), Decimal(-3));
  EXPECT_EQ(of("1.005").round(2), of("1.01"));
  EXPECT_EQ(Decimal(1250).round(-2), Decimal(1300));
  EXPECT_EQ(of("7").to_int(), 7);
  EXPECT_EQ(of("7.5").to_int(), std::nullopt);
}

TEST(Decimal, OrderIsByValue) {
  EXPECT_LT(of("9.9"), of("9.11") + 1);
  EXPECT_LT(*Decimal::fraction(1, 3), of("0.3333333334"));
  EXPECT_GT(Decimal(-1), Decimal(-2));
  EXPECT_EQ(Decimal::from_double(0.5), of("0.5"));
}

TEST(Decimal, RefusesWhatIsNoNumber) {
  for (const char* text : {"", "-", ".", "5.", "1,23", ",123", "1234,567", "1,234,56", "1.2.3", "1e", "1e999", "--1", "+1", " 1", "1 ", "0x10", "inf", "nan", "1,234.5,6", "e5"}) {
    EXPECT_FALSE(Decimal::parse(text).has_value()) << text;
  }
  EXPECT_FALSE(Decimal::parse(std::string(401, '1')).has_value());
  EXPECT_TRUE(Decimal::parse(std::string(400, '1')).has_value());
}

// Against long double on random small fractions, and the field's laws on large ones that leave the exact range now and then.
TEST(Decimal, AgreesWithFloatingPointOnRandomValues) {
  Rng rng(20);
  for (int i = 0; i < 20'000; ++i) {
    const int64_t a = rng.between(-9999, 9999), b = rng.between(1, 9999), c = rng.between(-9999, 9999), d = rng.between(1, 9999);
    const Decimal x = *Decimal::fraction(a, b), y = *Decimal::fraction(c, d);
    const double p = static_cast<double>(a) / static_cast<double>(b), q = static_cast<double>(c) / static_cast<double>(d);
    EXPECT_NEAR((x + y).to_double(), p + q, 1e-9);
    EXPECT_NEAR((x * y).to_double(), p * q, 1e-6);
    EXPECT_TRUE((x + y).exact() && (x * y).exact());
    if (c != 0) {
      EXPECT_EQ(*(x * y).divided_by(y), x);
    }
    EXPECT_EQ(x + y - y, x);
  }
}

TEST(Decimal, LargeValuesFallBackToDoublesAndNeverWrap) {
  Rng rng(21);
  for (int i = 0; i < 2000; ++i) {
    Decimal x = 1;
    double p = 1;
    for (int k = 0; k < 40; ++k) {
      const int64_t a = rng.between(-1'000'000'000, 1'000'000'000), b = rng.between(1, 1'000'000'000);
      const Decimal y = *Decimal::fraction(a, b);
      const double q = static_cast<double>(a) / static_cast<double>(b);
      if (rng.below(2) == 0) {
        x = x * y;
        p = p * q;
      } else {
        x = x + y;
        p = p + q;
      }
      ASSERT_NEAR(x.to_double(), p, 1e-6 * std::fmax(1, std::fabs(p)) + 1e-3) << "round " << i << " step " << k;
    }
  }
}

}  // namespace
}  // namespace firesteel
