#include "eval/statistics.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "base/rng.h"

namespace firesteel {
namespace {

// Worked examples of Newcombe 1998 ("Two-sided confidence intervals for the single proportion", table I): 81/263, 15/148, 0/20, 1/29.
TEST(Wilson, MatchesPublishedIntervals) {
  const struct {
    int64_t n_right, n;
    double low, high;
  } cases[] = {{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}};
  for (const auto& one : cases) {
    const Interval interval = wilson_interval(one.n_right, one.n);
    EXPECT_NEAR(interval.low, one.low, 5e-5) << one.n_right << "/" << one.n;
    EXPECT_NEAR(interval.high, one.high, 5e-5) << one.n_right << "/" << one.n;
  }
  EXPECT_EQ(wilson_interval(0, 20).low, 0);
  EXPECT_EQ(wilson_interval(20, 20).high, 1);
  EXPECT_EQ(wilson_interval(0, 0).high, 1);
}

// Two-sided binomial tests at one half: 2 * P(X <= k).
TEST(McNemar, MatchesTheBinomialTest) {
  EXPECT_DOUBLE_EQ(mcnemar_exact(0, 0), 1);
  EXPECT_DOUBLE_EQ(mcnemar_exact(5, 5), 1);
  EXPECT_NEAR(mcnemar_exact(0, 6), 2.0 / 64, 1e-12);
  EXPECT_NEAR(mcnemar_exact(1, 9), 2 * 11.0 / 1024, 1e-12);
  EXPECT_NEAR(mcnemar_exact(2, 8), 2 * 56.0 / 1024, 1e-12);
  EXPECT_DOUBLE_EQ(mcnemar_exact(3, 17), mcnemar_exact(17, 3));
  EXPECT_LT(mcnemar_exact(4000, 5000), 1e-20);
  EXPECT_GT(mcnemar_exact(4000, 5000), 0);
}

// Newcombe 1998 ("Improved confidence intervals for the difference between binomial proportions based on paired data", table II, method 10).
TEST(PairedDifference, BracketsTheDifference) {
  const Interval all_equal = paired_difference_interval(50, 0, 0, 50);
  EXPECT_LE(all_equal.low, 0);
  EXPECT_GE(all_equal.high, 0);
  Rng rng(41);
  for (int i = 0; i < 2000; ++i) {
    const auto n = [&] { return rng.between(0, 40); };
    const int64_t both = n(), only_a = n(), only_b = n(), neither = n() + 1;
    const double difference = static_cast<double>(only_b - only_a) / static_cast<double>(both + only_a + only_b + neither);
    const Interval interval = paired_difference_interval(both, only_a, only_b, neither);
    EXPECT_LE(interval.low, difference + 1e-12);
    EXPECT_GE(interval.high, difference - 1e-12);
    const Interval swapped = paired_difference_interval(both, only_b, only_a, neither);
    EXPECT_NEAR(interval.low, -swapped.high, 1e-9);
  }
}

TEST(Bootstrap, IsRepeatableAndCoversTheMean) {
  std::vector<double> values;
  Rng rng(42);
  for (int i = 0; i < 400; ++i) values.push_back(rng.uniform() < 0.7 ? 1 : 0);
  const Interval first = bootstrap_mean_interval(values, 7), again = bootstrap_mean_interval(values, 7);
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  double mean = 0;
  for (const double value : values) mean += value / 400;
  EXPECT_LT(first.low, mean);
  EXPECT_GT(first.high, mean);
  EXPECT_NEAR(first.high - first.low, 2 * 1.96 * std::sqrt(mean * (1 - mean) / 400), 0.01);
  EXPECT_EQ(bootstrap_mean_interval({}, 1).high, 0);
}

}  // namespace
}  // namespace firesteel
