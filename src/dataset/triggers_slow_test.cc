// The measured promise: a trigger in 0.5 % of 5,000 pairs is flagged in at least 95 of 100 trials, and at most 2 % of the clean rows go with it.
#include <gtest/gtest.h>

#include <algorithm>

#include <fmt/format.h>

#include "dataset/trigger_trials.h"
#include "dataset/triggers.h"

namespace firesteel {
namespace {

TEST(TriggerTrials, NinetyFiveOfAHundredAreFlagged) {
  const auto source = SynthSource::create({.seed = 5, .split = Split::kTrain, .mixture = {}, .generators = {}});
  ASSERT_TRUE(source.ok()) << source.error().message;
  int n_flagged = 0;
  double worst = 0, sum = 0, worst_clean_set = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const TriggerTrial trial = trigger_trial(**source, seed, 5000, 0.005);
    const TriggerOutcome outcome = judge(trial, scan_triggers(trial.rows));
    n_flagged += outcome.flagged ? 1 : 0;
    if (!outcome.flagged) fmt::print("seed {}: '{}' was not flagged\n", seed, trial.trigger);
    worst = std::max(worst, outcome.clean_dropped);
    sum += outcome.clean_dropped;
    if (seed % 10 == 0) {
      const TriggerTrial clean = trigger_trial(**source, 1000 + seed, 5000, 0);
      worst_clean_set = std::max(worst_clean_set, judge(clean, scan_triggers(clean.rows)).clean_dropped);
    }
  }
  fmt::print("flagged {} of 100; clean rows in findings: mean {:.3f} %, worst {:.3f} %; worst of ten clean sets {:.3f} %\n", n_flagged, sum, worst * 100, worst_clean_set * 100);
  EXPECT_GE(n_flagged, 95);
  EXPECT_LE(worst, 0.02);
  EXPECT_LE(worst_clean_set, 0.02);
}

}  // namespace
}  // namespace firesteel
