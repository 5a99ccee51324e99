#include "agents/plan_clauses.h"

#include <gtest/gtest.h>

#include "agents/plan_form.h"
#include "base/rng.h"

namespace firesteel {
namespace {

using Texts = std::vector<std::string>;

TEST(PlanClauses, AQuestionBehindAJointIsAPart) {
  EXPECT_EQ(clauses_that_ask("What is 12 times 4, and how many litres are 3 gallons?"), (Texts{"What is 12 times 4?", "How many litres are 3 gallons?"}));
  EXPECT_EQ(clauses_that_ask("how heavy is iron and what is the symbol of gold"), (Texts{"How heavy is iron?", "What is the symbol of gold?"}));
  EXPECT_EQ(clauses_that_ask("Which planet is the third from the Sun, and by the way, in which year was it 1990 plus 5?"),
            (Texts{"Which planet is the third from the Sun?", "In which year was it 1990 plus 5?"}));
  EXPECT_EQ(clauses_that_ask("What is 3 + 4, what is 5 + 6, and finally how much is 7 - 2?"), (Texts{"What is 3 + 4?", "What is 5 + 6?", "How much is 7 - 2?"}));
}

TEST(PlanClauses, WhatIsDoubtfulIsLeftWhole) {
  for (const char* whole : {"What is 2 + 2?", "", "?", "and what", "What and how?",
                            "What is the area of a square of 3 cm, and what is the perimeter?",   // of the same square
                            "If a car drives at 60 km/h, how far does it get in 3 h, and how long does it need for 90 km?",
                            "A car drives at 60 km/h. How far does it get in 3 h, and how long does it need for 90 km?",
                            "What is the force with which a car of 900 kg brakes at 3 m/s2?", "What do bread and butter cost at 3 and 4 dollars?",
                            "Tell me what 20 % of 40 is and the symbol of iron.", "What is heavier, what is lighter than 5 kg?",
                            "Who said \"what is 3 + 4, and how many are 5?\""}) {
    EXPECT_EQ(clauses_that_ask(whole), Texts{}) << whole;
  }
  EXPECT_EQ(clauses_that_ask(std::string(5000, 'a') + ", and what is 3 plus 4"), Texts{});
}

TEST(PlanClauses, PlansByFormHaveThem) {
  const auto form = plan_by_form("What is 12 times 4, and what is that plus 5?");
  ASSERT_TRUE(form.has_value());
  EXPECT_EQ(form->plan.steps.at(1).question, "What is [1] plus 5?");
  EXPECT_EQ(form->labels, (Texts{"1)", "2)"}));
}

TEST(PlanClauses, AnyTextGivesNoneOrSeveralPartsOfIt) {
  const std::vector<std::string> pieces = {"what ", "how ", "which ", "and ", ", ", "; ", "in ", "what is 3 + 4", " - and ", "by the way, ", "of ", "x", " ", "?", ". ", "\xc3\xa4"};
  Rng rng(17);
  for (int trial = 0; trial < 3000; ++trial) {
    std::string text;
    for (uint64_t i = rng.below(14); i > 0; --i) text += pieces[rng.below(pieces.size())];
    const Texts parts = clauses_that_ask(text);
    EXPECT_NE(parts.size(), 1u) << text;
    size_t n_bytes = 0;
    for (const std::string& part : parts) n_bytes += part.size();
    EXPECT_LE(n_bytes, text.size() + parts.size()) << text;
  }
}

}  // namespace
}  // namespace firesteel
