#include "agents/plan.h"

#include <gtest/gtest.h>

#include <string>

#include "base/json.h"

namespace firesteel {
namespace {

std::string refusal(const std::string& text) {
  const auto plan = parse_plan(text);
  EXPECT_FALSE(plan.ok()) << text;
  if (plan.ok()) return {};
  EXPECT_EQ(plan.error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(plan.error().message.starts_with("plan: ")) << plan.error().message;
  return plan.error().message;
}

TEST(Plan, QuestionsAndWhatTheyNeed) {
  const auto plan = parse_plan("Here: {\"questions\": [\" A? \", \"B?\", {\"question\": \"Which of [1] and [2]?\", \"needs\": [2]}, \"So [3]?\"]} ok");
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  ASSERT_EQ(plan->steps.size(), 4u);
  EXPECT_EQ(plan->steps[0].question, "A?");
  EXPECT_EQ(plan->steps[2].needs, (std::vector<int>{0, 1}));
  EXPECT_EQ(plan->steps[2].level, 1);
  EXPECT_EQ(plan->steps[3].level, 2);
}

TEST(Plan, EachFaultIsNamed) {
  EXPECT_NE(refusal("{\"questions\": []}").find("empty"), std::string::npos);
  EXPECT_NE(refusal("{}").find("list of questions"), std::string::npos);
  EXPECT_NE(refusal("no").find("JSON"), std::string::npos);
  EXPECT_NE(refusal("{\"questions\": [\"[2]?\", \"[1]?\", \"C?\"]}").find("cyclic: questions 1, 2 wait"), std::string::npos);
  EXPECT_NE(refusal("{\"questions\": [{\"question\": \"A?\", \"needs\": [1]}]}").find("needs itself"), std::string::npos);
  EXPECT_NE(refusal("{\"questions\": [\"A [7]\"]}").find("[7], there are 1"), std::string::npos);
  EXPECT_NE(refusal("{\"questions\": [\"A\", \"[1]\", \"[2]\", \"[3]\", \"[4]\"]}").find("5 levels deep"), std::string::npos);
  EXPECT_NE(refusal("{\"questions\": [\" \"]}").find("no words"), std::string::npos);
  EXPECT_NE(refusal("{\"questions\": [\"" + std::string(3000, 'x') + "\"]}").find("bytes"), std::string::npos);
  std::string wide = "{\"questions\": [\"A\"";
  for (int i = 0; i < 20; ++i) wide += ", \"B\"";
  EXPECT_NE(refusal(wide + "]}").find("too wide: 21"), std::string::npos);
  EXPECT_NE(refusal("{\"questions\": [{\"question\": \"A\", \"needs\": [99999999999999999999]}]}").find("numbers"), std::string::npos);
  EXPECT_NE(refusal("{\"questions\": [3]}").find("expected a text"), std::string::npos);
}

TEST(Plan, TheSchemaIsJson) { EXPECT_TRUE(Json::parse(plan_schema()).ok()); }

}  // namespace
}  // namespace firesteel
