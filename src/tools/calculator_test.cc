#include "tools/calculator.h"

#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/rng.h"

namespace firesteel {
namespace {

std::string value_of(std::string_view expression) {
  const auto result = calculate(expression);
  return result.ok() ? *result : "error " + result.error().message;
}

TEST(Calculator, WorksOutWhatPeopleWrite) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"54 - 28", "26"}, {"54-28", "26"}, {"2.40/3*7", "5.6"}, {"1/3", "0.3333333333"}, {"1/3*3", "1"}, {"0.1+0.2", "0.3"},
      {"2+3*4", "14"}, {"(2+3)*4", "20"}, {"2^10", "1024"}, {"2^3^2", "512"}, {"-2^2", "-4"}, {"(-2)^2", "4"}, {"2^-1", "0.5"}, {"2**3", "8"},
      {"--5", "5"}, {"+5", "5"}, {"10/4", "2.5"}, {"100/7/3", "4.761904762"}, {"7-3-2", "2"}, {"8/2*4", "16"},
      {"sqrt(16)", "4"}, {"sqrt(2)", "1.414213562"}, {"sqrt(0.25)", "0.5"}, {"abs(-3.5)", "3.5"}, {"round(2.5)", "3"}, {"round(2.345, 2)", "2.35"},
      {"min(3, 1, 2)", "1"}, {"max(1,200)", "200"}, {"max(1, 2+3)", "5"}, {"floor(-1.5)", "-2"}, {"ceil(1.2)", "2"}, {"mod(17, 5)", "2"},
      {"mod(-1, 5)", "4"}, {"gcd(12, 18)", "6"}, {"lcm(4, 6)", "12"}, {"1,234 + 1", "1235"}, {"(1,234,567)*2", "2469134"},
      {"200*15%", "30"}, {"15/100*200", "30"}, {"pi*2^2", "12.56637061"}, {"1.5e3", "1500"}, {"2e-4", "0.0002"}, {".5+.5", "1"},
      {"6 \xC3\x97 7", "42"}, {"6 \xC3\xB7 4", "1.5"}, {"6 \xE2\x88\x92 7", "-1"}, {"2^200", "1.606938044e60"}, {"max((1,000), 2)", "1000"}};
  for (const auto& [expression, expected] : cases) EXPECT_EQ(value_of(expression), expected) << expression;
}

TEST(Calculator, ConvertsUnits) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"5 km in m", "5000 m"}, {"5km to m", "5000 m"}, {"12 inch in cm", "30.48 cm"}, {"2 h + 30 min in min", "150 min"}, {"90 min in h", "1.5 h"},
      {"68 F in C", "20 C"}, {"-40 F in C", "-40 C"}, {"37 C in F", "98.6 F"}, {"0 C in K", "273.15 K"}, {"72 km/h in m/s", "20 m/s"},
      {"3 * 250 ml in l", "0.75 l"}, {"1 km / 250 m", "4"}, {"1 week in days", "7 days"}, {"150 lb in kg", "68.0388555 kg"}, {"(2+3) m in cm", "500 cm"},
      {"3 kWh in MJ", "10.8 MJ"}, {"2 ha in m2", "20000 m2"}, {"1 m3 in l", "1000 l"}, {"1 atm in hPa", "1013.25 hPa"}, {"100 kcal in kJ", "418.4 kJ"}, {"1 GiB in MB", "1073.741824 MB"},
      {"8 bits in bytes", "1 bytes"}, {"1 acre in m2", "4046.856422 m2"}, {"10 knots in km/h", "18.52 km/h"}, {"0.25 turn in deg", "90 deg"}, {"500 cm3 in ml", "500 ml"}};
  for (const auto& [expression, expected] : cases) EXPECT_EQ(value_of(expression), expected) << expression;
}

TEST(Calculator, GivesFractions) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"1/3 + 1/4 in fraction", "7/12"}, {"0.125 in fraction", "1/8"}, {"-1.5 to fraction", "-3/2"}, {"6/3 in fraction", "2"}, {"0 in fraction", "0"}, {"22/7 in fraction", "22/7"},
      {"3.14159265358979 in fraction", "314159265358979/100000000000000"}, {"sqrt(2) in fraction", "error at character 12: this number is not exact, so it has no fraction"},
      {"5 km in fraction", "error at character 9: a number with a unit is no fraction"}, {"1/3 in fraction 2", "error at character 17: expected the end, found '2'"}};
  for (const auto& [expression, expected] : cases) EXPECT_EQ(value_of(expression), expected) << expression;
  Rng rng(5);
  for (int i = 0; i < 2000; ++i) {
    const int64_t num = rng.between(1, 100'000), den = rng.between(1, 100'000), divisor = std::gcd(num, den);
    const std::string expected = std::to_string(num / divisor) + (den == divisor ? "" : "/" + std::to_string(den / divisor));
    EXPECT_EQ(value_of(std::to_string(num) + "/" + std::to_string(den) + " in fraction"), expected);
  }
}

TEST(Calculator, ErrorsNameThePlace) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"", "at character 1: expected a number, found the end"}, {"2+", "at character 3: expected a number, found the end"},
      {"2+*3", "at character 3: expected a number, found '*'"}, {"(2+3", "at character 5: expected ')' for the '(' at character 1, found the end"},
      {"2 3", "at character 3: expected an operator or the end, found '3'"}, {"5/0", "at character 2: division by zero"},
      {"1/(2-2)", "at character 2: division by zero"}, {"sqrt(-1)", "at character 1: sqrt of a negative number"},
      {"system(1)", "at character 1: there is no 'system'; functions are sqrt, abs, floor, ceil, round, mod, gcd, lcm, min, max"},
      {"1,23", "at character 1: expected a number, found '1,23'"}, {"1.2.3", "at character 1: expected a number, found '1.2.3'"},
      {"(-8)^0.5", "at character 5: this power is no real number"}, {"0^-1", "at character 2: this power is no real number"},
      {"5 km", "at character 5: expected 'in' and a unit for the result"}, {"5 km in kg", "at character 9: 'kg' does not fit what is to be converted"},
      {"5 km + 3", "at character 6: the two sides have different units"}, {"round(1, 99)", "at character 1: round takes 0 to 30 decimals"},
      {"9^9^9", "the result is too large"}, {"abs(1, 2)", "at character 1: abs does not take 2 numbers"}, {"2 # 3", "at character 3: expected an operator or the end, found '#'"}};
  for (const auto& [expression, expected] : cases) EXPECT_EQ(value_of(expression), std::string("error ") + expected) << expression;
}

TEST(Calculator, BoundsLengthAndDepth) {
  EXPECT_EQ(value_of(std::string(1001, '1')), "error at most 1000 bytes, found 1001");
  EXPECT_NE(value_of(std::string(500, '(') + "1").find("nested too deeply"), std::string::npos);
  std::string powers = "1";
  for (int i = 0; i < 400; ++i) powers += "^1";
  EXPECT_NE(value_of(powers).find("nested too deeply"), std::string::npos);
  EXPECT_EQ(value_of(std::string(60, '(') + "7" + std::string(60, ')')), "7");
  EXPECT_EQ(value_of(std::string(998, '-') + "7"), "7");
}

// Random trees, printed and worked out by doubles beside it.
struct Tree {
  std::string text;
  double value;
};
Tree random_tree(Rng* rng, int depth) {
  if (depth == 0 || rng->below(4) == 0) {
    const auto n = static_cast<double>(rng->between(1, 99));
    return {std::to_string(static_cast<int>(n)), n};
  }
  const Tree a = random_tree(rng, depth - 1), b = random_tree(rng, depth - 1);
  switch (rng->below(4)) {
    case 0: return {"(" + a.text + " + " + b.text + ")", a.value + b.value};
    case 1: return {"(" + a.text + "-" + b.text + ")", a.value - b.value};
    case 2: return {"(" + a.text + "*" + b.text + ")", a.value * b.value};
    default: return {"(" + a.text + " / (" + b.text + "))", a.value / b.value};
  }
}
TEST(Calculator, AgreesWithFloatingPointOnRandomTrees) {
  Rng rng(31);
  int n_compared = 0;
  for (int i = 0; i < 3000; ++i) {
    const Tree tree = random_tree(&rng, 4);
    const auto result = calculate(tree.text);
    if (!result.ok()) {
      EXPECT_TRUE(result.error().message.find("division by zero") != std::string::npos || tree.text.size() > 1000) << tree.text << ": " << result.error().message;
      continue;
    }
    if (std::abs(tree.value) > 1e12 || (std::abs(tree.value) > 0 && std::abs(tree.value) < 1e-6)) continue;
    EXPECT_NEAR(std::stod(*result), tree.value, 1e-6 * std::max(1.0, std::abs(tree.value))) << tree.text;
    ++n_compared;
  }
  EXPECT_GT(n_compared, 2000);
}

TEST(Calculator, ToolTakesAnyArguments) {
  const auto tool = make_calculator();
  EXPECT_EQ(tool->name(), "calculator");
  EXPECT_EQ(tool->run(Json::Object{{"expression", "54 - 28"}}, {})->text, "26");
  for (const char* arguments : {"{}", "[]", "null", "7", R"({"expression": 7})", R"({"expression": null})", R"({"Expression": "1+1"})"}) {
    EXPECT_FALSE(tool->run(*Json::parse(arguments), {}).ok()) << arguments;
  }
  const Json described = tools_json({tool});
  ASSERT_TRUE(described.is_array());
  EXPECT_EQ(described.as_array().front().find("function")->find("name")->as_string(), "calculator");
  EXPECT_TRUE(tools_json({}).is_null());
}

}  // namespace
}  // namespace firesteel
