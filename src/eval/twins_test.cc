#include "eval/twins.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace firesteel {
namespace {

std::string digits_and_signs(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if ((c >= '0' && c <= '9') || std::string_view("$%+*=<>").find(c) != std::string_view::npos) out += c;
  }
  return out;
}

TEST(Twins, NumbersFormulasAndAnswersStayAndTheRestLooksTyped) {
  const std::string question = "A merchant sells 12 melons at $3.50 each because the market closes.\nHow much do customers pay altogether, if you add 7% tax? Use \\frac{1}{2} and x_total = 5kg.";
  int n_other = 0, n_small = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const std::string twin = as_people_write(question, {"merchant"}, seed);
    EXPECT_EQ(as_people_write(question, {"merchant"}, seed), twin);
    EXPECT_EQ(digits_and_signs(twin), digits_and_signs(question)) << twin;
    for (const char* kept : {"merchant", "\\frac{1}{2}", "x_total", "5kg", "$3.50"}) EXPECT_NE(twin.find(kept), std::string::npos) << kept << " in " << twin;
    n_other += twin != question ? 1 : 0;
    n_small += twin.find("how much") != std::string::npos ? 1 : 0;
  }
  EXPECT_GT(n_other, 190);
  EXPECT_GT(n_small, 80);
  EXPECT_EQ(digits_and_signs(as_people_write("", {}, 1)), "");
  static_cast<void>(as_people_write("\xff\xfe\xe2\x82 \xf0\x9f\x98", {}, 3));
}

TEST(Twins, ChoicesStayAndPairsAreCompared) {
  EvalItem item;
  item.id = "p1";
  item.messages = {{"user", "Which of these substances is certainly an acid?\nA. lye\nB. vinegar", {}}};
  item.grading = {.kind = Grading::Kind::kChoice, .answers = {"B"}, .choices = {"lye", "vinegar"}};
  std::vector<EvalItem> items;
  for (int i = 0; i < 40; ++i) {
    items.push_back(item);
    items.back().id = std::to_string(i);
  }
  const std::vector<EvalItem> both = with_twins(items, 5);
  ASSERT_EQ(both.size(), 80u);
  EXPECT_EQ(both[1].id, "0~twin");
  for (size_t i = 1; i < both.size(); i += 2) EXPECT_TRUE(both[i].messages.back().text.ends_with("\nA. lye\nB. vinegar")) << both[i].messages.back().text;
  Suite suite;
  suite.name = "s";
  suite.items = both;
  SuiteRun run;
  for (size_t i = 0; i < both.size(); ++i) {
    ItemResult result;
    result.id = both[i].id;
    result.right = i % 2 == 0 || i < 40;   // twins of the second half are wrong
    run.results.push_back(result);
  }
  Report report;
  report.suites.push_back(make_suite_report(suite, EvalMode::kInstant, run));
  const auto compared = compare_twins(report);
  ASSERT_TRUE(compared.has_value());
  EXPECT_EQ(compared->front().n, 40);
  EXPECT_EQ(compared->front().n_only_a, 20);
  EXPECT_EQ(compared->front().n_only_b, 0);
  EXPECT_EQ(compared->front().verdict, SuiteComparison::Verdict::kFirst);
  report.suites.front().items.resize(1);
  EXPECT_FALSE(compare_twins(report).has_value());
}

}  // namespace
}  // namespace firesteel
