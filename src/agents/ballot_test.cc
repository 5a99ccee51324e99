#include "agents/ballot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "base/rng.h"

namespace firesteel {
namespace {

int64_t units(double weight) { return std::llround(weight * static_cast<double>(kVoteUnits)); }

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
    ballot.add(key(1), units(0.5));
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
  ballot.add(key(1), units(0.2));
  ballot.add(key(2), units(0.9));
  ballot.add({}, units(0.9));  // said nothing
  EXPECT_FALSE(ballot.decided());
  EXPECT_EQ(ballot.ranking().front().answer, key(2));
  EXPECT_EQ(ballot.agreement(), 0.5);
  EXPECT_FALSE(ballot.decided());
  ballot.add({}, 1);
  EXPECT_TRUE(ballot.decided());
}

struct Sample {
  int answer;
  double weight;
  bool operator<(const Sample& other) const { return answer != other.answer ? answer < other.answer : weight < other.weight; }
};

// The probability that stopping gives an answer of less weight than that of all samples, by walking over all orders of the samples.
double exact_error_by_confidence(std::vector<Sample> samples, double error_bound) {
  std::vector<int64_t> sums(8);
  for (const Sample& one : samples) sums[static_cast<size_t>(one.answer)] += units(one.weight);
  const int64_t most = *std::max_element(sums.begin(), sums.end());
  std::sort(samples.begin(), samples.end());
  double n_all = 0, n_wrong = 0;
  do {
    Ballot ballot(static_cast<int>(samples.size()), error_bound, VoteBy::kConfidence);
    for (const Sample& one : samples) {
      if (ballot.decided()) break;
      ballot.add(key(one.answer), units(one.weight));
    }
    ++n_all;
    n_wrong += sums[static_cast<size_t>(std::stoi(ballot.ranking().front().answer.shown))] < most ? 1 : 0;
  } while (std::next_permutation(samples.begin(), samples.end()));
  return n_wrong / n_all;
}

TEST(Ballot, TheBoundByConfidenceHoldsInAllOrders) {
  const std::vector<std::vector<Sample>> hard = {
      {{0, .98}, {0, .98}, {0, .98}, {0, .98}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
      {{0, 1}, {0, 1}, {0, 1}, {0, .02}, {1, 1}, {1, 1}, {1, 1}, {1, .04}},
      {{0, .58}, {0, .58}, {0, .58}, {0, .58}, {0, .58}, {1, 1}, {1, 1}, {1, 1}},
      {{0, 1}, {0, 1}, {0, 1}, {1, .61}, {1, .61}, {1, .61}, {1, .61}, {1, .61}},
      {{0, 1}, {0, 1}, {0, .9}, {1, 1}, {1, 1}, {1, 1}, {2, 1}, {2, .5}},
  };
  double worst = 0;
  for (const double bound : {0.02, 0.05, 0.25}) {
    for (const std::vector<Sample>& samples : hard) {
      const double error = exact_error_by_confidence(samples, bound);
      EXPECT_LE(error, bound + 1e-9) << &samples - hard.data();
      worst = std::max(worst, error);
    }
  }
  EXPECT_GT(worst, 0.1);  // the test can fail
  // With the margin of counts, lead >= 3, the first of them would break a bound of 0.05.
  EXPECT_NEAR(exact_error_by_confidence(hard.front(), 0.05), 1.0 / 70, 1e-9);
  EXPECT_GT(exact_error_by_confidence(hard.front(), 0.25), 0.05);

  Rng rng(5);
  for (int trial = 0; trial < 60; ++trial) {
    const auto n = 4 + rng.below(3);
    std::vector<Sample> samples;
    // Few different weights, so that there are few orders.
    const double levels[] = {1, 0.3 + 0.7 * rng.uniform(), 0.01 + 0.6 * rng.uniform()};
    for (uint64_t i = 0; i < n; ++i) samples.push_back({static_cast<int>(rng.below(3)), levels[rng.below(3)]});
    const double bound = trial % 3 == 0 ? 0.05 : 0.05 + 0.3 * rng.uniform();
    EXPECT_LE(exact_error_by_confidence(samples, bound), bound + 1e-9);
    EXPECT_EQ(exact_error_by_confidence(samples, 0), 0);
  }
}

TEST(Ballot, MarginsByConfidence) {
  EXPECT_NEAR(wrong_stop_bound_by_confidence(8, 4), 1.0 / 70, 1e-9);
  EXPECT_EQ(stop_margin(8, 0.05, VoteBy::kConfidence), 4);
  EXPECT_EQ(stop_margin(8, 0.01, VoteBy::kConfidence), 5);  // more than four ahead
  EXPECT_EQ(stop_margin(8, 0.25, VoteBy::kConfidence), 3);
  EXPECT_EQ(stop_margin(8, 0, VoteBy::kConfidence), 9);
  EXPECT_LT(stop_margin(16, 0.05, VoteBy::kConfidence), 9);
  for (int d = 1; d < 12; ++d) EXPECT_GE(wrong_stop_bound_by_confidence(12, d), wrong_stop_bound_by_confidence(12, d + 1));
}

TEST(Ballot, ByConfidenceTwoThatAreSureBeatThreeThatAreNot) {
  for (const VoteBy vote_by : {VoteBy::kCount, VoteBy::kConfidence}) {
    Ballot ballot(5, 0, vote_by);
    for (int i = 0; i < 3; ++i) ballot.add(key(1), units(0.25));
    for (int i = 0; i < 2; ++i) ballot.add(key(2), units(0.75));
    const bool by_count = vote_by == VoteBy::kCount;
    EXPECT_EQ(ballot.ranking().front().answer, key(by_count ? 1 : 2));
    EXPECT_EQ(ballot.agreement(), by_count ? 0.6 : 0.4);
    EXPECT_EQ(ballot.agreement_by_weight(), by_count ? 0.75 / 2.25 : 1.5 / 2.25);
  }
}

TEST(Ballot, ByConfidenceCertaintyAllowsForWholeVotesToCome) {
  Ballot ballot(6, 0, VoteBy::kConfidence);
  for (int i = 0; i < 3; ++i) ballot.add(key(1), units(0.9));
  EXPECT_FALSE(ballot.decided());  // three of 1 would beat 2.7
  ballot.add(key(1), units(0.9));
  EXPECT_TRUE(ballot.decided());
}

TEST(Ballot, SumsOfWeightsDoNotDependOnTheOrder) {
  Rng rng(3);
  std::vector<int64_t> weights;
  for (int i = 0; i < 16; ++i) weights.push_back(vote_units(-3 * rng.uniform()));
  Ballot forth(16, 0, VoteBy::kConfidence), back(16, 0, VoteBy::kConfidence);
  for (size_t i = 0; i < 16; ++i) {
    forth.add(key(1), weights[i]);
    back.add(key(1), weights[15 - i]);
  }
  EXPECT_EQ(forth.ranking().front().units, back.ranking().front().units);
  EXPECT_EQ(vote_units(0), kVoteUnits);
  EXPECT_EQ(vote_units(1e-3), kVoteUnits);
  EXPECT_EQ(vote_units(-1e9), 1);
  EXPECT_EQ(vote_units(-std::numeric_limits<double>::infinity()), 1);
  EXPECT_NEAR(static_cast<double>(vote_units(-1)) / static_cast<double>(kVoteUnits), std::exp(-1.0), 1e-9);
}

TEST(Ballot, NothingIsDecidedBeforeWhatItNeeds) {
  Rng rng(11);
  for (int trial = 0; trial < 3000; ++trial) {
    const int n = 2 + static_cast<int>(rng.below(9));
    Ballot ballot(n, trial % 3 == 0 ? 0 : 0.05 + 0.3 * rng.uniform(), trial % 2 == 0 ? VoteBy::kCount : VoteBy::kConfidence);
    while (!ballot.decided()) {
      // The quickest way to a decision, all for the leader or all for one nobody named, takes exactly what was said.
      const int needed = ballot.n_needed();
      ASSERT_GE(needed, 1);
      Ballot best = ballot;
      const AnswerKey leader = best.ranking().empty() ? key(0) : best.ranking().front().answer;
      int n_added = 0;
      while (!best.decided()) {
        best.add(leader, kVoteUnits);
        ++n_added;
      }
      ASSERT_EQ(n_added, needed) << n;
      ballot.add(rng.below(5) == 0 ? AnswerKey{} : key(static_cast<int>(rng.below(4))), units(0.05 + 0.95 * rng.uniform()));
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
