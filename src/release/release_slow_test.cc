// The figures of docs/reliability.md.
#include <gtest/gtest.h>

#include <cstdio>

#include "release/evidence.h"
#include "release/rollout_sim.h"

namespace firesteel {
namespace {

TEST(RolloutSimSlow, BothErrorRatesAreAtMostFivePerCent) {
  const SimSummary summary = simulate_rollouts(1000, 250, 40'000);
  EXPECT_GE(summary.n_bad, 1000);
  EXPECT_GE(summary.n_good, 1000);
  EXPECT_LE(20 * summary.n_false_promoted, summary.n_bad);
  EXPECT_LE(20 * summary.n_false_rolled_back, summary.n_good);
}

// 20 suspicious word groups with 120 twins each. A trigger planted in 0.5 % of pairs took a preference model from 75 % to 44 % on the
// cases that hold it (the figure of the threat list).
TEST(PoisonGateSlow, PoisonedCandidatesAreBlockedAndCleanOnesAreNot) {
  RolloutPlan plan;
  plan.name = "p";
  plan.surfaces = {{.name = "web"}};
  plan.suites = {{.suite = "probes", .margin = 0.05}};
  const auto result_of = [](const std::string& slice, const std::array<int64_t, 4>& t) { return paired_result("probes", slice, t[0], t[1], t[2], t[3]); };
  constexpr int kTrials = 1000;
  int n_blocked = 0, n_clean_failed = 0, n_clean_passed = 0;
  for (uint64_t seed = 0; seed < kTrials; ++seed) {
    const Verdict poisoned = read_suite_gates(plan, simulate_probes(seed, 0.75, 0.44, 20, 120, result_of)).front().verdict;
    const Verdict clean = read_suite_gates(plan, simulate_probes(seed + 1'000'000, 0.75, 0.75, 20, 120, result_of)).front().verdict;
    n_blocked += poisoned == Verdict::kFail ? 1 : 0;
    n_clean_failed += clean == Verdict::kFail ? 1 : 0;
    n_clean_passed += clean == Verdict::kPass ? 1 : 0;
  }
  std::printf("poisoned: %d of %d blocked; clean: %d blocked, %d passed\n", n_blocked, kTrials, n_clean_failed, n_clean_passed);
  EXPECT_GE(n_blocked, kTrials * 99 / 100);
  EXPECT_LE(n_clean_failed, kTrials * 5 / 100);
}

}  // namespace
}  // namespace firesteel
