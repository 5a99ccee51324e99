#include "base/number_literals.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace firesteel {
namespace {

std::string joined(std::string_view text) {
  std::string out;
  for (const NumberLiteral& literal : find_number_literals(text)) {
    out += (out.empty() ? "" : " ") + literal.value;
    EXPECT_GE(literal.length, literal.value.size());
    EXPECT_LE(literal.offset + literal.length, text.size());
  }
  return out;
}

TEST(NumberLiterals, TakesDecimalsAndThousands) {
  EXPECT_EQ(joined("A shop sells 3 pens for 2.40."), "3 2.40");
  EXPECT_EQ(joined("1,234,567.80 m and 12,000"), "1234567.80 12000");
  EXPECT_EQ(joined("-5, +7 and $9"), "5 7 9");
  EXPECT_EQ(joined("7"), "7");
  EXPECT_EQ(joined(""), "");
  EXPECT_EQ(joined("no number"), "");
}

TEST(NumberLiterals, TakesPunctuationOnlyInsideNumbers) {
  EXPECT_EQ(joined("It is 5. Then 6, and 7"), "5 6 7");
  EXPECT_EQ(joined(".5 5."), "5 5");
  EXPECT_EQ(joined("1.2.3 and 1..2"), "1.2 3 1 2");
  EXPECT_EQ(joined("3x4 m2 10:30 24/7"), "3 4 2 10 30 24 7");
}

TEST(NumberLiterals, CommasThatSeparateNoThousandsSeparateNumbers) {
  EXPECT_EQ(joined("1,2,3"), "1 2 3");
  EXPECT_EQ(joined("12,3456"), "12 3456");
  EXPECT_EQ(joined("1999,200"), "1999 200");
  EXPECT_EQ(joined("1,234,56"), "1234 56");
  EXPECT_EQ(joined("1,234,"), "1234");
  EXPECT_EQ(joined("1,234.5,678"), "1234.5 678");
}

TEST(NumberLiterals, KnowsOnlyAsciiDigits) { EXPECT_EQ(joined("\xD9\xA3 \xC2\xB2 5\xC2\xB2"), "5"); }

// The rule as a grammar over whole texts, without regard to speed.
bool is_literal(std::string_view text) {
  const size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction = point == std::string_view::npos ? "0" : text.substr(point + 1);
  const auto digits = [](std::string_view part) {
    return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (!digits(fraction)) return false;
  if (digits(whole)) return true;
  const size_t n_first = whole.find(',');
  if (n_first < 1 || n_first > 3 || !digits(whole.substr(0, n_first))) return false;
  for (size_t at = n_first; at < whole.size(); at += 4) {
    if (whole[at] != ',' || whole.size() - at < 4 || !digits(whole.substr(at + 1, 3))) return false;
  }
  return true;
}

TEST(NumberLiterals, AreTheLongestThatTheGrammarTakes) {
  constexpr uint64_t kSeed = 20;
  for (uint64_t round = 0; round < 5000; ++round) {
    Rng rng(kSeed + round);
    std::string text;
    for (uint64_t n = rng.below(14); n > 0; --n) text += "00123456,,,..a "[rng.below(15)];
    std::string expected;
    for (size_t at = 0; at < text.size();) {
      size_t n = text.size() - at;
      const auto cuts_digits = [&] { return at + n < text.size() && is_literal(text.substr(at + n, 1)); };
      while (n > 0 && (!is_literal(text.substr(at, n)) || cuts_digits())) --n;
      if (n > 0) {
        std::string value = text.substr(at, n);
        std::erase(value, ',');
        expected += (expected.empty() ? "" : " ") + value;
      }
      at += n > 0 ? n : 1;
    }
    ASSERT_EQ(joined(text), expected) << "\"" << text << "\", seed " << kSeed + round;
  }
}

}  // namespace
}  // namespace firesteel
