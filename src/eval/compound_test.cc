#include "eval/compound.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "eval/answer_parts.h"
#include "eval/suite.h"

namespace firesteel {
namespace {

EvalItem simple(int i) {
  EvalItem item;
  item.id = std::to_string(i);
  item.messages = {{"user", "What is " + std::to_string(i) + " plus 1?", {}}};
  item.grading.kind = Grading::Kind::kNumber;
  item.grading.answers = {std::to_string(i + 1)};
  return item;
}

std::vector<EvalItem> simples(int n) {
  std::vector<EvalItem> out;
  for (int i = 0; i < n; ++i) out.push_back(simple(100 + i));
  return out;
}

Grading numbers(const std::vector<std::string>& values) {
  Grading grading;
  grading.kind = Grading::Kind::kParts;
  for (const std::string& value : values) {
    Grading part;
    part.kind = Grading::Kind::kNumber;
    part.answers = {value};
    grading.parts.push_back(part);
  }
  return grading;
}

TEST(Compound, EachProblemIsUsedOnceAndTheSameEveryTime) {
  const auto items = make_compound_items(simples(600), 3, 6, 100, 7);
  ASSERT_TRUE(items.ok()) << items.error().message;
  ASSERT_EQ(items->size(), 100u);
  EXPECT_EQ(items_digest(*items), items_digest(*make_compound_items(simples(600), 3, 6, 100, 7)));
  EXPECT_NE(items_digest(*items), items_digest(*make_compound_items(simples(600), 3, 6, 100, 8)));
  size_t n_dependent = 0;
  for (const EvalItem& item : *items) {
    EXPECT_TRUE(check_grading(item.grading, "item").ok());
    EXPECT_GE(item.grading.parts.size(), 3u);
    EXPECT_LE(item.grading.parts.size(), 6u);
    n_dependent += item.messages.front().text.find("the answer to question") != std::string::npos ? 1u : 0u;
    // What answers every part in its order is right; with one number wrong it is not.
    std::string good, bad;
    for (size_t i = 0; i < item.grading.parts.size(); ++i) {
      good += std::to_string(i + 1) + ") " + item.grading.parts[i].answers.front() + "\n";
      bad += std::to_string(i + 1) + ") " + (i == 1 ? "7" : item.grading.parts[i].answers.front()) + "\n";
    }
    EXPECT_TRUE(grade(item.grading, good).right) << good;
    EXPECT_FALSE(grade(item.grading, bad).right) << bad;
  }
  EXPECT_GT(n_dependent, 3u);
  EXPECT_FALSE(make_compound_items(simples(100), 3, 6, 100, 7).ok());
}

TEST(AnswerParts, FindsEachQuestionsPiece) {
  const Grading three = numbers({"12", "7", "3"});
  for (const char* text : {"1) 12\n2) 7\n3) 3", "[1] 12 km\n[2] so it is 7\n[3] 3 [3]", "(1) It is 12.\n(2) 7\n(3) 3", "a) 12\nb) 7\nc) 3", "Answer: 12\nAnswer: 7\nAnswer: 3",
                           "The first is 12 [1] and the second 7 [2], then 3 [3].", "12\n7\n3", "It is 12, 7 and 3.",
                           "1) 12 km [1]\n2) 7 [2]\n3) 3 pens [3]", "1) 12 [1].\n2) 7 [1] [2]\n3) 3 [3]"}) {
    EXPECT_TRUE(grade(three, text).right) << text;
  }
  for (const char* text : {"1) 7\n2) 12\n3) 3", "Answer: 7\nAnswer: 12\nAnswer: 3", "7 [1] 12 [2] 3 [3]", "", "12", "1) 12\n2) 7"}) EXPECT_FALSE(grade(three, text).right) << text;
  // A reference is no number of the answer.
  EXPECT_FALSE(grade(numbers({"1", "2", "3"}), "1) 12 km [1]\n2) 7 [2]\n3) 5 pens [3]").right);
  EXPECT_EQ(grade(three, "1) 12\n2) 8\n3) 3").read, "2 of 3 parts, not 2");
}

TEST(AnswerParts, PartsAreReadFromItems) {
  const auto item = parse_item(R"({"prompt": "Two?", "parts": [{"answer": 4, "grader": "number"}, {"answer": "iron"}]})", "x:1", ".", {});
  ASSERT_TRUE(item.ok()) << item.error().message;
  EXPECT_TRUE(grade(item->grading, "1) 4\n2) iron").right);
  EXPECT_FALSE(parse_item(R"({"prompt": "Two?", "parts": [{"answer": 4, "grader": "number"}]})", "x:1", ".", {}).ok());
  EXPECT_FALSE(parse_item(R"({"prompt": "Two?", "parts": [{"answer": 4}, {"reply": 4}]})", "x:1", ".", {}).ok());
}

}  // namespace
}  // namespace firesteel
