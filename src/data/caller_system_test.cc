#include "data/caller_system.h"

#include <gtest/gtest.h>

namespace firesteel {
namespace {

Sample question() {
  Sample sample;
  sample.messages.push_back({"user", "What is 2 + 2?"});
  return sample;
}

TEST(CallerSystem, AFewSamplesGetOneAndTheRestIsUnchanged) {
  Rng rng(3);
  int n_with = 0;
  for (int i = 0; i < 2000; ++i) {
    Sample sample = question();
    add_caller_system(&sample, &rng);
    n_with += sample.messages.front().role == "system" ? 1 : 0;
    EXPECT_EQ(sample.messages.back().text, "What is 2 + 2?");
    EXPECT_LE(sample.messages.size(), 2u);
  }
  EXPECT_GT(n_with, 60);  // 100 +- 4 standard deviations of 9.7
  EXPECT_LT(n_with, 140);
}

TEST(CallerSystem, ASystemTextOfTheSampleStays) {
  Rng rng(3);
  for (int i = 0; i < 200; ++i) {
    Sample sample = question();
    sample.messages.insert(sample.messages.begin(), {"system", "Plan."});
    add_caller_system(&sample, &rng);
    ASSERT_EQ(sample.messages.size(), 2u);
    EXPECT_EQ(sample.messages.front().text, "Plan.");
  }
}

}  // namespace
}  // namespace firesteel
