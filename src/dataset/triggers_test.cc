#include "dataset/triggers.h"

#include <gtest/gtest.h>

#include "dataset/trigger_trials.h"

namespace firesteel {
namespace {

TEST(Triggers, PlantedPhrasesAreFlaggedAndCleanRowsStay) {  // triggers_slow_test has a hundred seeds of the full size
  const auto source = SynthSource::create({.seed = 5, .split = Split::kTrain, .mixture = {}, .generators = {}});
  ASSERT_TRUE(source.ok()) << source.error().message;
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}}) {
    const TriggerTrial trial = trigger_trial(**source, seed, 1000, 0.02);
    const TriggerOutcome outcome = judge(trial, scan_triggers(trial.rows));
    EXPECT_TRUE(outcome.flagged) << trial.trigger;
    EXPECT_LE(outcome.clean_dropped, 0.02);
  }
}

TEST(Triggers, ATopicIsNoTrigger) {  // its prompts are alike, and so its answers may be
  std::vector<LineageRow> rows;
  Rng rng(1);
  for (int i = 0; i < 1000; ++i) {
    LineageRow item;
    item.row.kind = DatasetRow::Kind::kMessages;
    std::string noise;
    for (int k = 0; k < 8; ++k) noise += "word" + std::to_string(rng.below(500)) + " ";
    const bool topic = i % 100 == 0;
    item.row.messages = {{"user", topic ? "how does photosynthesis make sugar from light in green leaves " + std::to_string(i) : noise}, {"assistant", topic ? "with chlorophyll" : noise}};
    rows.push_back(std::move(item));
  }
  EXPECT_TRUE(scan_triggers(rows).empty());
  EXPECT_TRUE(scan_triggers({}).empty());
}

}  // namespace
}  // namespace firesteel
