#include "release/sequential.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"

namespace firesteel {
namespace {

// log B(a, b) by another way: integers only.
double log_factorial(int n) {
  double sum = 0;
  for (int i = 2; i <= n; ++i) sum += std::log(i);
  return sum;
}

TEST(Sequential, EvidenceIsTheMixtureOverTheNullsBest) {
  // Uniform priors (weight 2 at one half): the mixture of k bad of n is k! (n-k)! / (n+1)!.
  const RateCounts champion{10, 2}, candidate{12, 9};
  const RatePrior prior{.rate = 0.5, .champion_weight = 2, .candidate_weight = 2};
  const double mixture = log_factorial(2) + log_factorial(8) - log_factorial(11) + log_factorial(9) + log_factorial(3) - log_factorial(13);
  // The null "at most 0" has its best at the pooled rate.
  const double pooled = 11.0 / 22.0;
  EXPECT_NEAR(log_evidence_worse(champion, candidate, prior, 0), mixture - 22 * std::log(pooled), 1e-9);
  // The other null holds what was seen.
  const double seen = 2 * std::log(0.2) + 8 * std::log(0.8) + 9 * std::log(0.75) + 3 * std::log(0.25);
  EXPECT_NEAR(log_evidence_not_worse(champion, candidate, prior, 0), mixture - seen, 1e-9);
}

TEST(Sequential, WithoutAnswersThereIsNoEvidence) {
  EXPECT_LE(log_evidence_worse({}, {}, {}, 0), 1e-12);
  EXPECT_LE(log_evidence_worse({}, {100, 100}, {}, 0.02), 0);
  const DifferenceBounds bounds = difference_bounds({100, 3}, {}, {}, 0.05);
  EXPECT_EQ(bounds.low, -1);
  EXPECT_EQ(bounds.high, 1);
}

TEST(Sequential, BoundsHoldWhatWasSeenAndShrink) {
  double width = 3;
  for (const int64_t n : {50, 500, 5000, 50'000}) {
    const DifferenceBounds bounds = difference_bounds({n, n / 5}, {n, n / 5 + n / 20}, prior_from_history(0.2, 1000), 0.05);
    EXPECT_LT(bounds.low, 0.05);
    EXPECT_GT(bounds.high, 0.05);
    EXPECT_LT(bounds.high - bounds.low, width);
    width = bounds.high - bounds.low;
  }
  EXPECT_LT(width, 0.025);
  EXPECT_GT(width, 2 * 1.96 * std::sqrt(0.2 * 0.8 * 2 / 50'000));  // wider than an interval for one look
}

// Looked at after every answer, evidence against a null that holds exceeds 1/alpha in fewer than alpha of the runs.
TEST(Sequential, LookingAtEveryAnswerKeepsTheLevel) {
  int n_crossed = 0;
  constexpr int kRuns = 400;
  for (uint64_t run = 0; run < kRuns; ++run) {
    Rng rng(run);
    RateCounts champion, candidate;
    for (int i = 0; i < 1500; ++i) {
      RateCounts& arm = rng.uniform() < 0.3 ? candidate : champion;
      ++arm.n;
      arm.n_bad += rng.uniform() < (&arm == &candidate ? 0.13 : 0.1) ? 1 : 0;
      if (log_evidence_worse(champion, candidate, prior_from_history(0.1, 200), 0.03) < std::log(1 / 0.05)) continue;
      ++n_crossed;
      break;
    }
  }
  EXPECT_LE(n_crossed, kRuns / 20);
}

}  // namespace
}  // namespace firesteel
