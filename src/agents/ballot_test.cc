#include "agents/ballot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "base/rng.h"

namespace firesteel {
namespace {

AnswerKey key(int i) { return {AnswerKey::Kind::kText, "t" + std::to_string(i), std::to_string(i)}; }

// The probability that stopping gives another answer than all samples, by walking over all orders of the counts.
double exact_error(std::vector<int> counts, int n, double error_bound) {
  const int most = *std::max_element(counts.begin(), counts.end());
  std::vector<char> winners;
  for (const int count : counts) winners.push_back(count == most ? 1 : 0);
  std::vector<int> order;
  for (size_t i = 0; i < counts.size(); ++i) order.insert(order.end(), static_cast<size_t>(counts[i]), static_cast<int>(i));
  double n_all = 0, n_wrong = 0;
  do {  // orders of a multiset: each distinct one is equally likely
    Ballot ballot(n, error_bound);
    for (const int answer : order) {
      if (ballot.decided()) break;
      ballot.add(key(answer), 1);
    }
    ++n_all;
    const std::string shown = ballot.ranking().front().answer.shown;
    n_wrong += winners[static_cast<size_t>(std::stoi(shown))] != 0 ? 0 : 1;
  } while (std::next_permutation(order.begin(), order.end()));
  return n_wrong / n_all;
}

TEST(Ballot, TheBoundHoldsForEveryCountOfUpToEightSamples) {
  for (const double bound : {0.02, 0.05, 0.2}) {
    double worst = 0;
    // All partitions of 8.
    std::vector<int> counts;
    const auto visit = [&](auto&& self, int left, int at_most) -> void {
      if (left == 0) {
        const double error = exact_error(counts, 8, bound);
        worst = std::max(worst, error);
        EXPECT_LE(error, bound + 1e-9) << ::testing::PrintToString(counts);
        return;
      }
      for (int c = std::min(left, at_most); c > 0; --c) {
        if (counts.size() >= 4) return;  // more answers than that only make wrong leaders rarer, and the test slower
        counts.push_back(c);
        self(self, left - c, c);
        counts.pop_back();
      }
    };
    visit(visit, 8, 8);
    EXPECT_TRUE(bound < 0.05 || worst > 0) << bound;  // the test can fail
  }
}

TEST(Ballot, TheReflectionFormulaIsExactForTwoAnswers) {
  // Three against five, margin 3: one order of C(8, 3) begins with the three, and no other path gets there.
  EXPECT_NEAR(wrong_stop_bound(8, 3), 1.0 / 35, 1e-9);  // worst: three against four
  EXPECT_EQ(stop_margin(8, 0.05), 3);
  EXPECT_EQ(stop_margin(8, 0.02), 4);
  EXPECT_EQ(stop_margin(8, 0), 9);
  EXPECT_GE(stop_margin(16, 0.05), stop_margin(8, 0.05));
  EXPECT_LE(wrong_stop_bound(64, stop_margin(64, 0.05)), 0.05);
  for (int d = 1; d < 12; ++d) EXPECT_GE(wrong_stop_bound(12, d), wrong_stop_bound(12, d + 1));
}

TEST(Ballot, ThreeThatAgreeAreEnoughOfEight) {
  Ballot ballot(8, 0.05);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(ballot.decided());
    ballot.add(key(1), 0.5);
  }
  EXPECT_TRUE(ballot.decided());
  EXPECT_EQ(ballot.agreement(), 1);
}

TEST(Ballot, WithoutABoundItStopsOnlyWhenNothingCanChange) {
  Ballot ballot(5, 0);
  ballot.add(key(1), 1);
  ballot.add(key(1), 1);
  EXPECT_FALSE(ballot.decided());
  ballot.add(key(1), 1);
  EXPECT_TRUE(ballot.decided());  // three of five
}

TEST(Ballot, WeightsChooseAmongEqualCounts) {
  Ballot ballot(4, 0);
  ballot.add(key(1), 0.2);
  ballot.add(key(2), 0.9);
  ballot.add({}, 0.9);  // said nothing
  EXPECT_FALSE(ballot.decided());
  EXPECT_EQ(ballot.ranking().front().answer, key(2));
  EXPECT_EQ(ballot.agreement(), 0.5);
  EXPECT_FALSE(ballot.decided());
  ballot.add({}, 1);
  EXPECT_TRUE(ballot.decided());
}

TEST(Ballot, NothingIsDecidedBeforeWhatItNeeds) {
  Rng rng(11);
  for (int trial = 0; trial < 3000; ++trial) {
    const int n = 2 + static_cast<int>(rng.below(9));
    Ballot ballot(n, trial % 3 == 0 ? 0 : 0.05 + 0.3 * rng.uniform());
    while (!ballot.decided()) {
      // The quickest way to a decision, all for the leader or all for one nobody named, takes exactly what was said.
      const int needed = ballot.n_needed();
      ASSERT_GE(needed, 1);
      Ballot best = ballot;
      const AnswerKey leader = best.ranking().empty() ? key(0) : best.ranking().front().answer;
      int n_added = 0;
      while (!best.decided()) {
        best.add(leader, 1);
        ++n_added;
      }
      ASSERT_EQ(n_added, needed) << n;
      ballot.add(rng.below(5) == 0 ? AnswerKey{} : key(static_cast<int>(rng.below(4))), 1);
    }
    ASSERT_EQ(ballot.n_needed(), 0);
  }
}

// Saved samples and wrong stops over many simulated questions, with a fixed seed.
TEST(Ballot, SavesMostSamplesWhereTheModelIsSure) {
  Rng rng(7);
  const int n = 8;
  int n_wrong = 0, n_ties = 0, n_counted = 0;
  const int n_questions = 4000;
  for (int q = 0; q < n_questions; ++q) {
    const double p = 0.4 + 0.6 * rng.uniform();  // of the model's favourite
    std::vector<int> answers, counts(5, 0);
    for (int i = 0; i < n; ++i) {
      answers.push_back(rng.uniform() < p ? 0 : 1 + static_cast<int>(rng.below(4)));
      ++counts[static_cast<size_t>(answers.back())];
    }
    Ballot ballot(n, 0.05);
    for (const int answer : answers) {
      if (!ballot.decided()) ballot.add(key(answer), 1);
    }
    n_counted += ballot.n_counted();
    const int most = *std::max_element(counts.begin(), counts.end());
    n_ties += std::count(counts.begin(), counts.end(), most) > 1 ? 1 : 0;
    n_wrong += counts[static_cast<size_t>(std::stoi(ballot.ranking().front().answer.shown))] < most ? 1 : 0;
  }
  EXPECT_LE(n_wrong, n_questions / 20);
  EXPECT_LT(n_counted, n_questions * n * 64 / 100);
  std::printf("ballot: %.2f of %d samples counted, %.4f wrong, %.4f ties\n", static_cast<double>(n_counted) / n_questions, n, static_cast<double>(n_wrong) / n_questions,
              static_cast<double>(n_ties) / n_questions);
}

}  // namespace
}  // namespace firesteel
