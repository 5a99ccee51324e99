#include "agents/plan_form.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace firesteel {
namespace {

using Texts = std::vector<std::string>;

Texts parts_of(const std::string& question) {
  Texts out;
  if (const auto form = plan_by_form(question)) {
    EXPECT_EQ(form->labels.size(), form->plan.steps.size());
    for (const PlanStep& step : form->plan.steps) out.push_back(step.question);
  }
  return out;
}

// What each part needs, parts apart by "|": "|1" is the second of two that needs the first.
std::string needs_of(const std::string& question) {
  const auto form = plan_by_form(question);
  if (!form) return "no plan";
  std::string out;
  for (size_t i = 0; i < form->plan.steps.size(); ++i) {
    if (i > 0) out += "|";
    for (const int need : form->plan.steps[i].needs) out += (out.empty() || out.back() == '|' ? "" : " ") + std::to_string(need + 1);
  }
  return out;
}

TEST(PlanForm, ListsSayTheirParts) {
  EXPECT_EQ(parts_of("Answer these questions.\n1) What is 2 + 2?\n2) Find the area.\n3) The symbol of iron?"), (Texts{"What is 2 + 2?", "Find the area.", "The symbol of iron?"}));
  EXPECT_EQ(parts_of("(1) what is 3 times 4? (2) what is the symbol of iron?"), (Texts{"What is 3 times 4?", "What is the symbol of iron?"}));
  EXPECT_EQ(parts_of("I have two questions:\n- How old is he if he was born in 1990 and it is 2020?\n- What is 7 x 8?"),
            (Texts{"How old is he if he was born in 1990 and it is 2020?", "What is 7 x 8?"}));
  EXPECT_EQ(parts_of("First, what is 2 + 2? Then, divide 43 by 52. Finally, what is 9 squared?"), (Texts{"What is 2 + 2?", "Divide 43 by 52.", "What is 9 squared?"}));
  const auto letters = plan_by_form("a) What is 2 + 2? b) Which planet is the third?");
  ASSERT_TRUE(letters.has_value());
  EXPECT_EQ(letters->labels, (Texts{"a)", "b)"}));
}

TEST(PlanForm, QuestionAfterQuestion) {
  EXPECT_EQ(parts_of("Tom had 12 pens. He gave 3 away. How many are left? What is the symbol of iron?"),
            (Texts{"Tom had 12 pens. He gave 3 away. How many are left?", "What is the symbol of iron?"}));
  EXPECT_EQ(parts_of("A car drives at 60 km/h. How far does the car get in 3 hours? How long does the car need for 90 km?"),
            (Texts{"A car drives at 60 km/h. How far does the car get in 3 hours?", "A car drives at 60 km/h. How long does the car need for 90 km?"}));
  EXPECT_EQ(parts_of("Hello, please help me. What is 2 + 2? And what is 3 + 3? Thank you for the answers."), (Texts{"What is 2 + 2?", "What is 3 + 3?"}));
}

TEST(PlanForm, NoPartIsLostWhereOneIsACommandOrUnclear) {
  EXPECT_EQ(parts_of("- V = 131 cm3. A cylinder has 2.5 g/cm^3. Calculate the mass.\n- 3 + 10?\n- What is Fe?"),
            (Texts{"V = 131 cm3. A cylinder has 2.5 g/cm^3. Calculate the mass.", "3 + 10?", "What is Fe?"}));
  // Facts in bullets are no questions, and the two questions behind them need them.
  EXPECT_TRUE(parts_of("- mass 3 kg\n- speed 4 m/s\nWhat is the energy? What is the momentum?").empty());
}

TEST(PlanForm, ThatMeansWhatThePartItselfHasTold) {
  EXPECT_EQ(parts_of("1) A force of 35 N acts. How many newtons is that?\n2) 155.4 volts are applied. How many kilovolts is that?\n3) 1.5 mg/kg for 60 kg: how many mg is that?").size(), 3u);
  EXPECT_EQ(parts_of("1) If 65 % of 1680 J are useful, how many joules is that?\n2) What is 2 + 2?\n3) If 20 % of 40 J are useful, how many joules is that?").size(), 3u);
  EXPECT_EQ(needs_of("1) A force of 35 N acts.\n2) How many m2 is that? The pressure was measured as 140 Pa. F = 4480 N."), "|");
  EXPECT_EQ(needs_of("1) What is 2 + 2?\n2) Tell me what the 4th number is if the first is 6 and each next is 5 times that."), "|");
  EXPECT_EQ(needs_of("1) What is 2 + 2?\n2) The number that times 7 gives 42?"), "|");
}

TEST(PlanForm, ItMeansNothingInAJudgementAndWhatStandsBeforeAColon) {
  EXPECT_EQ(needs_of("1) Who was first?\n2) Yes or no: is it right to say that momentum is the quantity with the unit kg m/s?\n3) The column of lithium in the periodic table: which group is it?"), "||");
  EXPECT_EQ(needs_of("1) Which car is it?\n2) To buy it, how much more must I save: ten or more?"), "|1");
}

TEST(PlanForm, WhatLeansOnItsNeighbourWaitsForIt) {
  EXPECT_EQ(parts_of("1) What is 12 times 4?\n2) What is that plus 5?"), (Texts{"What is 12 times 4?", "What is [1] plus 5?"}));
  EXPECT_EQ(parts_of("What is 12 times 4? What is that result minus 5?"), (Texts{"What is 12 times 4?", "What is [1] minus 5?"}));
  EXPECT_EQ(needs_of("1) What is 12 times 4?\n2) How much is that in percent? Round it.\n3) What is 2 + 2?"), "|1|");
  EXPECT_EQ(needs_of("How old is Ann? How old is she in days? How old is she in hours?"), "|1|1 2");
  // Told once, meant later.
  EXPECT_EQ(parts_of("A car drives at 60 km/h. How far does it get in 3 hours? How long does it need for 90 km?").back(), "A car drives at 60 km/h. How long does it need for 90 km?");
  // Deeper than a plan may be.
  EXPECT_TRUE(parts_of("How old is Ann? How tall is she? How old is her mother? How tall is she? How old is her father?").empty());
}

TEST(PlanForm, AListThatIsAnnouncedAsQuestionsOrMostlyAsksIsOneOfQuestions) {
  EXPECT_EQ(parts_of("Please answer the following.\n- Imperial gallons from 198 litres.\n- The symbol of iron.").size(), 2u);
  EXPECT_EQ(parts_of("- Please find 3 + 4.\n- 57.29, rounded to the nearest tenth.\n- Look up the symbol of iron.").size(), 3u);
  EXPECT_TRUE(parts_of("- apples and pears\n- three lemons\n- what is left of the cake?").empty());
}

TEST(PlanForm, WhatIsToldFirstIsToldToAll) {
  EXPECT_EQ(parts_of("A crate weighs 66 kg.\n1) What is its weight in newtons?\n2) What is half of its mass?"),
            (Texts{"A crate weighs 66 kg. What is its weight in newtons?", "A crate weighs 66 kg. What is half of its mass?"}));
}

TEST(PlanForm, AnswersOfOthersBecomeReferences) {
  const auto form = plan_by_form("1) What is 2 + 2? 2) What is 3 times the answer to question 1? 3) What is the result of part 1 plus the answer to the second question?");
  ASSERT_TRUE(form.has_value());
  EXPECT_EQ(form->plan.steps[1].question, "What is 3 times [1]?");
  EXPECT_EQ(form->plan.steps[2].question, "What is [1] plus [2]?");
  EXPECT_EQ(form->plan.steps[2].level, 2);
  EXPECT_EQ(parts_of("a) What is 2 + 2? b) What is 5 + 5? c) What is the sum of the answers to a) and b)?").back(), "What is the sum of [1] and [2]?");
}

TEST(PlanForm, SaysNothingWhereItIsNotClear) {
  for (const char* question : {"What is 2 + 2?", "", "Which is prime? a) 4 b) 7 c) 9", "He said \"why?\" and she said \"how?\".",
                               "Tell me what 20 % of 40 is and the symbol of iron.", "1) What is [2]? 2) What is [1]?", "Version 2. It is good."}) {
    EXPECT_TRUE(parts_of(question).empty()) << question;
  }
  std::string many;
  for (int i = 1; i <= 40; ++i) many += std::to_string(i) + ") What is " + std::to_string(i) + " + 1?\n";
  EXPECT_TRUE(parts_of(many).empty());
}

}  // namespace
}  // namespace firesteel
