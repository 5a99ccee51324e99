// Other words, the same sum.
#include "data/real/reword.h"

#include <gtest/gtest.h>

#include <set>

#include "base/number_literals.h"

namespace firesteel {
namespace {

std::vector<std::string> literals(std::string_view text) {
  std::vector<std::string> values;
  for (const NumberLiteral& literal : find_number_literals(text)) values.push_back(literal.value);
  return values;
}

Calculation number(size_t k, int64_t value) { return {.value = value, .text = "<|n" + std::to_string(k) + "|>", .label = "n"}; }

RealProblem problem(std::string text, Calculation left, Formula::Op op, Calculation right) {
  RealProblem p;
  p.text = std::move(text);
  p.calculation.op = op;
  p.calculation.arguments = {std::move(left), std::move(right)};
  p.answer = *evaluate_with(p.calculation, {12, 5, 5, 5, 5});
  p.calculation.value = p.answer;
  return p;
}

TEST(Reword, ThingsAndPeopleChangeEverywhereOrNowhere) {
  const std::string text = "Sally had 12 apples. Tom gave an apple to Sally, not 1,200 apples. How many apples has Sally's box?";
  int n_changed = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Rng rng(seed);
    const std::string other = with_other_names(text, &rng);
    EXPECT_EQ(literals(other), literals(text)) << other;
    if (other.find("apples") == std::string::npos) {
      EXPECT_EQ(other.find("apple"), std::string::npos) << other;
    }
    if (other.find("Sally ") == std::string::npos) {
      EXPECT_EQ(other.find("Sally"), std::string::npos) << other;
    }
    const size_t article = other.find(" an ");
    if (article != std::string::npos) {
      EXPECT_NE(std::string_view("aeiou").find(other[article + 4]), std::string_view::npos) << other;
    }
    n_changed += other != text;
  }
  EXPECT_GT(n_changed, 80);
}

TEST(Reword, PhrasesAreWholeWords) {
  int n_changed = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Rng rng(seed);
    EXPECT_EQ(with_other_phrases("She boughten the allstore reddish 5.", &rng), "She boughten the allstore reddish 5.");
    const std::string other = with_other_phrases("Bought 3 red and 4 blue cards in all.", &rng);
    EXPECT_EQ(literals(other), (std::vector<std::string>{"3", "4"}));
    EXPECT_TRUE(other[0] == 'B' || other[0] == 'P' || other[0] == 'G') << other;
    n_changed += other != "Bought 3 red and 4 blue cards in all.";
  }
  EXPECT_GT(n_changed, 25);
}

TEST(Reword, AsideMovesTheTokensAndNotTheAnswer) {
  const RealProblem original = problem("Tom had 12 books. He gave 5 books to Ann. How many books does Tom have?", number(0, 12), Formula::Op::kSubtract, number(1, 5));
  std::vector<bool> seen(3);
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Rng rng(seed);
    const std::optional<RealProblem> other = with_aside(original, "Tom saw 88 birds.", &rng);
    ASSERT_TRUE(other);
    EXPECT_EQ(people_in(other->text).size(), 3u) << "the aside's Tom has another name: " << other->text;
    std::vector<Decimal> values;
    for (const std::string& value : literals(other->text)) values.push_back(*Decimal::parse(value));
    ASSERT_EQ(values.size(), 3u);
    EXPECT_EQ(*evaluate_with(other->calculation, values), Decimal(7)) << other->text;
    for (size_t k = 0; k < 3; ++k) {
      if (values[k] == Decimal(88)) seen[k] = true;
    }
    EXPECT_EQ(other->text.find("88") > other->text.find("He gave"), values[2] == Decimal(88)) << other->text;
  }
  EXPECT_EQ(seen, (std::vector<bool>{true, false, true})) << "never between Tom and \"He\"";
  Rng rng(1);
  const RealProblem total = problem("Tom had 12 books. Ann had 5 books. How many books do they have in all?", number(0, 12), Formula::Op::kAdd, number(1, 5));
  EXPECT_FALSE(with_aside(total, "Sally saw 88 birds.", &rng));
}

TEST(Reword, SentencesAreJoinedAndPartedAroundTheSameNumbers) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Rng rng(seed);
    const std::string parted = with_other_sentences("Tom had 12 pens. He lost 3 of them. How many has he left?", &rng);
    EXPECT_EQ(literals(parted), (std::vector<std::string>{"12", "3"})) << parted;
    seen.insert(parted);
    seen.insert(with_other_sentences("Tom had 12 pens. If he lost 3 of them, how many has he left?", &rng));
  }
  for (const char* form : {"Tom had 12 pens. If he lost 3 of them, how many has he left?", "Tom had 12 pens. How many has he left if he lost 3 of them?",
                           "Tom had 12 pens, and he lost 3 of them. How many has he left?", "Tom had 12 pens. Tom lost 3 of them. How many has he left?",
                           "Tom had 12 pens. He lost 3 of them. How many has he left?"}) {
    EXPECT_TRUE(seen.contains(form)) << form;
  }
}

TEST(Reword, AnotherStoryIsToldAsAWhole) {
  const RealProblem original = problem("Tom had 12 books. He gave 5 books to Ann. How many books does Tom have?", number(0, 12), Formula::Op::kSubtract, number(1, 5));
  RealProblem other;
  other.text = "Tom baked 8 pies. He ate 2. How many are left?";
  EXPECT_EQ(facts_of(other), "Tom baked 8 pies. He ate 2.");
  int n_before = 0, n_behind = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Rng rng(seed);
    const std::optional<RealProblem> both = with_other_story(original, facts_of(other), &rng);
    ASSERT_TRUE(both);
    std::vector<Decimal> values;
    for (const std::string& value : literals(both->text)) values.push_back(*Decimal::parse(value));
    ASSERT_EQ(values.size(), 4u);
    EXPECT_EQ(*evaluate_with(both->calculation, values), Decimal(7)) << both->text;
    (values[0] == Decimal(8) ? n_before : n_behind) += 1;
    EXPECT_EQ(values[2], values[0] == Decimal(8) ? Decimal(12) : Decimal(8)) << both->text;
  }
  EXPECT_GT(n_before, 10);
  EXPECT_GT(n_behind, 10);
}

TEST(Reword, AsidesHaveAPersonAndANumberAndStandAlone) {
  EXPECT_TRUE(is_aside("Sally picked 3 lemons."));
  EXPECT_FALSE(is_aside("She picked 3 lemons."));
  EXPECT_FALSE(is_aside("Sally picked many lemons."));
  EXPECT_FALSE(is_aside("Sally picked 3 more lemons."));
  EXPECT_FALSE(is_aside("The tree has 3 lemons."));
  RealProblem p;
  p.text = "Mr. Tom Smith had 12 books. She gave 5. Ann ate 4 pies. How many are left?";
  EXPECT_EQ(asides({p}), (std::vector<std::string>{"Mr. Tom Smith had 12 books.", "Ann ate 4 pies."}));
}

}  // namespace
}  // namespace firesteel
