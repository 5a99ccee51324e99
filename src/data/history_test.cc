#include "data/history.h"

#include <gtest/gtest.h>

namespace firesteel {
namespace {

Sample sample_of(std::string question, std::string target) {
  Sample sample;
  sample.messages.push_back({"user", std::move(question)});
  sample.target = std::move(target);
  return sample;
}

TEST(History, TheEarlierAnswerIsPlainText) {
  Sample earlier = sample_of("What do 3 pens at 1,200 cost?", "<think>\n<|n1|> * <|n0|>\n</think>\n\nAnswer: <|n2|> for <|n0|> pens");
  earlier.messages.push_back({"assistant", "call"});
  earlier.messages.push_back({"tool", "3600"});
  Sample sample = sample_of("And 4 + 4?", "Answer: 8");
  sample.messages.insert(sample.messages.begin(), {"system", "Be correct."});
  ASSERT_TRUE(add_history(earlier, &sample));
  ASSERT_EQ(sample.messages.size(), 4u);
  EXPECT_EQ(sample.messages[0].role, "system");
  EXPECT_EQ(sample.messages[1].text, "What do 3 pens at 1,200 cost?");
  EXPECT_EQ(sample.messages[2].role, "assistant");
  EXPECT_EQ(sample.messages[2].text, "Answer: 3600 for 3 pens");
  EXPECT_EQ(sample.messages[3].text, "And 4 + 4?");
}

TEST(History, CallsPicturesTurnsAndUnknownNumbersAreNoHistory) {
  const Sample sample = sample_of("2 + 2?", "Answer: 4");
  Sample call = sample_of("2 * 2?", "<tool_call>\n...\n</tool_call>");
  Sample picture = sample;
  picture.images.emplace_back();
  Sample turns = sample;
  turns.messages.push_back({"assistant", "Answer: 4"});
  turns.messages.push_back({"user", "and 3?"});
  const Sample unknown = sample_of("2 + 2?", "Answer: <|n7|>");
  for (const Sample& earlier : {call, picture, turns, unknown}) {
    Sample later = sample;
    EXPECT_FALSE(add_history(earlier, &later));
    EXPECT_EQ(later.messages.size(), 1u);
  }
}

}  // namespace
}  // namespace firesteel
