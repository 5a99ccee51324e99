// The curriculum language: what it means, and what it says about mistakes.
#include "data/curriculum.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "data/renderer.h"
#include "data/story_sample.h"

namespace firesteel {
namespace {

constexpr std::string_view kWords =
    "people person = Tom m | Ann f | Ben m\n"
    "noun thing = pen | box | child/children\n"
    "table element = name | symbol | mass\n"
    "  iron | Fe | 55.845\n"
    "  oxygen | O | 15.999\n";

Result<std::unique_ptr<const Curricula>> parsed(const std::string& text) {
  const CurriculumFile files[] = {{"words.cur", kWords}, {"test.cur", text}};
  return Curricula::parse(files);
}

std::string error_of(const std::string& text) {
  const auto result = parsed(text);
  return result.ok() ? "no error" : result.error().message;
}

std::string give_story() {
  return "story test/give\n"
         "  pick p, q: person\n"
         "  pick item: thing\n"
         "  num had = 12..95\n"
         "  num gave = 3..had-2\n"
         "  let left = had - gave\n"
         "  fact had: {p} had {had} {item} | {p} owned {had} {item} | at first {p} had {had} {item} | {p} started with {had} {item}\n"
         "  fact gave: {p.he} gave {gave} to {q}\n"
         "  fact left: {p.he} has {left} {item} left\n"
         "  ask left = had - gave -> {item}\n"
         "    | how many {item} does {p} have left\n"
         "  ask had = left + gave -> {item}\n"
         "    | how many {item} did {p} have\n";
}

TEST(Curriculum, ErrorsNameFileLineExpectedAndFound) {
  EXPECT_EQ(error_of("story a/b\n  num x = 1..3\n"), "test.cur:1: a story needs a question: ask NAME = ...");
  EXPECT_EQ(error_of("story a/b\n  nmu x = 1..3\n  ask y = 1\n    | how\n"),
            "test.cur:2: expected weight, order, repeat, pick, num, let, const, mix, need, rule, fact, extra, spare or ask, found 'nmu x = 1..3'");
  EXPECT_EQ(error_of("story a/b\n  num x = 1..3\n  fact f: {y} pens\n  ask y = x\n    | how many\n"),
            "test.cur:3: slot '{y}': not declared");
  EXPECT_EQ(error_of("story a/b\n  num x = 1..3\n  fact f: {x} pens [big\n  ask y = x\n    | how many\n"),
            "test.cur:3: text '{x} pens [big', column 14: expected a closing ']', found the end");
  EXPECT_EQ(error_of("story a/b\n  num x = 1..\n  ask y = x\n    | how\n"),
            "test.cur:2: expression '', column 1: expected a number, a name or '(', found the end");
  EXPECT_EQ(error_of("story a/b\n  pick e: metal\n  ask y = 1\n    | how\n"), "test.cur:2: no list or table 'metal'");
  EXPECT_EQ(error_of("story a/b\n  num x = 1..3\n  ask y = x\n"), "test.cur:3: question 'y' has no wording");
  EXPECT_EQ(error_of("  num x = 1..3\n"), "test.cur:1: expected list, noun, people, table, rule, story or chat at the start of a line, found 'num x = 1..3'");
  EXPECT_EQ(error_of("table t = a | b\n  1 | 2\n  3\n"), "test.cur:3: expected 2 cells, found '3'");
  EXPECT_EQ(error_of("list thing = a | b\n"), "test.cur:1: 'thing' is defined twice");
  EXPECT_EQ(error_of("people folk = Tom\n"), "test.cur:1: expected m, f, p, 1, 1p or 2 after 'Tom', found 'people folk = Tom'");
  EXPECT_EQ(error_of("chat a/b\n  user: hello\n"), "test.cur:1: a chat needs a user line and ends with the assistant's");
  EXPECT_EQ(error_of(give_story()), "no error");
}

TEST(Curriculum, ContradictionBetweenQuestionAndVariableIsNamed) {
  const auto curricula = parsed("story a/b\n  num x = 2..9\n  let y = x + 1\n  fact f: {x} pens\n  ask y = x + 2\n    | how many | what\n    | which\n");
  ASSERT_TRUE(curricula.ok()) << curricula.error().message;
  Rng rng(1);
  const Result<Sample> sample = make_story_sample(*(*curricula)->stories()[0], 0, Split::kTrain, &rng);
  ASSERT_FALSE(sample.ok());
  EXPECT_NE(sample.error().message.find("test.cur:1: a/b/y cannot be written for training: question 'y' gives"), std::string::npos)
      << sample.error().message;
}

TEST(Curriculum, NumberThatIsUsedMustBeShown) {
  const auto curricula = parsed("story a/b\n  num x = 2..9\n  num z = 2..9\n  fact f: {x} pens\n  ask y = x + z\n    | how many | what | which\n");
  ASSERT_TRUE(curricula.ok()) << curricula.error().message;
  Rng rng(1);
  const Result<Sample> sample = make_story_sample(*(*curricula)->stories()[0], 0, Split::kTrain, &rng);
  ASSERT_FALSE(sample.ok());
  EXPECT_NE(sample.error().message.find("'z' is used but the text does not show it"), std::string::npos) << sample.error().message;
}

TEST(Curriculum, ColumnsAndConstantsAreDigitsAndUnshownLetsAreExpanded) {
  const auto curricula = parsed(
      "story a/b\n  pick e: element if symbol == \"Fe\"\n  num n = 20..90\n  const k = 2.5\n  let double = n * 2\n"
      "  ask y = double * e.mass / k -> g\n    long\n    modes tool\n    | what is {n:d} of {e} | weigh {n:d} of {e} | {n:d} of {e.symbol}\n");
  ASSERT_TRUE(curricula.ok()) << curricula.error().message;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Rng rng(seed);
    const Result<Sample> sample = make_story_sample(*(*curricula)->stories()[0], 0, Split::kTrain, &rng);
    ASSERT_TRUE(sample.ok()) << sample.error().message;
    if (sample->messages.size() > 1) continue;
    EXPECT_EQ(sample->target,
              think_block("y = n * 2 * mass / k") + calculator_call("<|n0|>*2*55.845/2.5"))
        << "seed " << seed;
  }
}

TEST(Curriculum, HeldOutFormsAndValuesNeverMeet) {
  const auto curricula = parsed(give_story());
  ASSERT_TRUE(curricula.ok()) << curricula.error().message;
  const Story& story = *(*curricula)->stories()[0];
  const Wording& had = story.facts[0].wording;
  EXPECT_EQ(had.n_forms(), 4u);
  EXPECT_TRUE(had.has_held_out());
  EXPECT_FALSE(story.facts[1].wording.has_held_out());
  Rng rng(5);
  std::set<const Piece*> train, eval;
  for (int i = 0; i < 300; ++i) {
    const Form a = had.draw(&rng, Wording::Want::kTrain);
    EXPECT_FALSE(a.held_out);
    train.insert(a.pieces[0]);
    const Form b = had.draw(&rng, Wording::Want::kHeldOut);
    EXPECT_TRUE(b.held_out);
    eval.insert(b.pieces[0]);
  }
  EXPECT_EQ(train.size() + eval.size(), 4u);
  std::set<std::string> train_values, eval_values;
  for (int i = 0; i < 3000; ++i) {
    const std::optional<Draw> a = draw_variables(story, &rng, Reserved::kNever);
    if (a) train_values.insert(text_of(a->value({3, -1})));
    const std::optional<Draw> b = draw_variables(story, &rng, Reserved::kWanted);
    if (b && b->has_reserved() && is_reserved_value(story, story.variables[3], *number_of(b->value({3, -1})))) eval_values.insert(text_of(b->value({3, -1})));
  }
  EXPECT_GT(eval_values.size(), 3u);
  for (const std::string& value : eval_values) EXPECT_FALSE(train_values.contains(value)) << value;
}

TEST(Curriculum, WordsAgree) {
  EXPECT_EQ(plural_of("box"), "boxes");
  EXPECT_EQ(plural_of("baby"), "babies");
  EXPECT_EQ(plural_of("toy"), "toys");
  EXPECT_EQ(plural_of("knife"), "knives");
  EXPECT_EQ(number_in_words(342), "three hundred and forty-two");
  EXPECT_EQ(number_in_words(70), "seventy");
  EXPECT_EQ(ordinal_in_words(21), "twenty-first");
  EXPECT_EQ(with_commas("1234567.25"), "1,234,567.25");
  EXPECT_EQ(with_commas("-123"), "-123");
}

}  // namespace
}  // namespace firesteel
