#include "agents/answer_key.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace firesteel {
namespace {

TEST(AnswerKey, WhatAgrees) {
  const std::vector<std::vector<std::string>> groups = {
      {"Answer: 26", "Answer: 26 pens", "So 20 + 6 = 26.\nAnswer: **26**", "answer: 26.0", "The answer is 26.", "26", "\\boxed{26}", "She had 5, then 31. Answer: $26"},
      {"Answer: 1,200 m", "Answer: 1.2 km", "1200 metres"},
      {"Answer: 1200"},
      {"Answer: -3", "Answer: \xE2\x88\x92" "3", "-3"},
      {"Answer: 15%", "Answer: 15 percent", "15 %"},
      {"Answer: 3/4", "0.75"},
      {"(B)", "B.", "Answer: b) Paris", "B", "Answer: (b)"},
      {"Answer: Paris", "answer: the  paris.", "Paris", "**Paris**"},
      {"{\"a\": 1, \"b\": [true]}", "{\"b\":[true],\"a\":1}"},
      {"Answer: Yes", "yes", "YES!"},
      {"Answer: no"},
  };
  for (size_t i = 0; i < groups.size(); ++i) {
    for (const std::string& text : groups[i]) {
      EXPECT_EQ(answer_key(text).key, answer_key(groups[i].front()).key) << text;
      for (size_t j = 0; j < i; ++j) EXPECT_NE(answer_key(text).key, answer_key(groups[j].front()).key) << text;
    }
  }
}

TEST(AnswerKey, TheLastAnswerCounts) {
  EXPECT_EQ(answer_key("Answer: 5\nWait.\nAnswer: 6").shown, "6");
  EXPECT_EQ(answer_key("First 3, then 4, which makes seven in all, because of the 9 that we had at the start, or 12 in the end").key, answer_key("12").key);
}

TEST(AnswerKey, NothingSaidIsNone) {
  for (const char* text : {"", "  \n", "Answer:", "**", "..."}) EXPECT_EQ(answer_key(text).kind, AnswerKey::Kind::kNone) << text;
}

TEST(AnswerKey, HostileTextsEnd) {
  EXPECT_NE(answer_key(std::string(1 << 20, '[')).kind, AnswerKey::Kind::kJson);
  answer_key(std::string(1 << 20, '9'));
  answer_key("Answer: 1/0");
  answer_key(std::string("\0\xFF answer is \\boxed{", 20));
  std::string many;
  for (int i = 0; i < 100000; ++i) many += "answer: ";
  EXPECT_EQ(answer_key(many).kind, AnswerKey::Kind::kNone) << answer_key(many).shown;
}

}  // namespace
}  // namespace firesteel
