// Real problems: annotations composed, answers searched for, sentences held out together.
#include "data/real/problem.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

#include "base/mapped_file.h"
#include "base/number_literals.h"
#include "data/story_sample.h"

namespace firesteel {
namespace {

// A file that lives as long as this.
class TextFile {
 public:
  explicit TextFile(std::string_view text) {
    path_ = testing::TempDir() + "/fs_real_XXXXXX";
    const int fd = ::mkstemp(path_.data());
    EXPECT_GE(fd, 0);
    EXPECT_TRUE(write_file_atomic(path_, text).ok());
  }
  ~TextFile() { ::remove(path_.c_str()); }
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(Gsm8k, AnnotationsBecomeOneExpressionOverTheText) {
  const TextFile file(
      R"({"question": "Mara baked 48 rolls and Bo baked half as many rolls. They sold 25% of all.  How many are left ?", "answer": "Bo baked 48/2 = <<48/2=24>>24 rolls.\nTogether they have 48+24 = <<48+24=72>>72 rolls.\nThey sold 72*.25 = <<72*.25=18>>18 rolls.\nSo 72-18 = <<72-18=54>>54 are left.\n#### 54"})"
      "\n"
      R"({"question": "A box holds 5 pens. How many legs do 3 spiders have?", "answer": "They have 3*8=<<3*8=24>>24 legs.\n#### 24"})"
      "\n");
  const auto problems = read_gsm8k(file.path());
  ASSERT_TRUE(problems.ok()) << problems.error().message;
  ASSERT_EQ(problems->size(), 1u) << "eight legs are not in the text";
  const RealProblem& problem = (*problems)[0];
  EXPECT_EQ(problem.text, "Mara baked 48 rolls and Bo baked half as many rolls. They sold 25% of all. How many are left?");
  EXPECT_EQ(calculator_text(problem.calculation), "<|n0|>+<|n0|>/2-(<|n0|>+<|n0|>/2)*<|n1|>/100");
  EXPECT_EQ(problem.plan, "rolls = rolls / 2\nrolls = rolls + rolls\nrolls = rolls * percent / 100\nare left = rolls - rolls");
  EXPECT_EQ(problem.answer, Decimal(54));
}

TEST(Mawps, OnlyExpressionIsTakenAndGuessesAreNot) {
  const TextFile file(
      R"({"input":"There were 28 bales in the barn . Tim stacked more bales . There are now 54 bales . How many did he stack ?","target":26.0,"type":"singleeq"})"
      "\n"
      R"({"input":"Ann has 2 pens and 2 cups . How many things has she ?","target":4.0,"type":"singleop"})"
      "\n"
      R"({"input":"A clerk filled 7 boxes with 6 pens and has 5 left . How many pens had he ?","target":47.0,"type":"multiarith"})"
      "\n");
  const auto problems = read_mawps(file.path());
  ASSERT_TRUE(problems.ok()) << problems.error().message;
  ASSERT_EQ(problems->size(), 2u) << "2 + 2 and 2 * 2 both give 4";
  EXPECT_EQ(calculator_text((*problems)[0].calculation), "<|n1|>-<|n0|>");
  EXPECT_EQ(calculator_text((*problems)[1].calculation), "<|n0|>*<|n1|>+<|n2|>");
}

TEST(Mawps, SimilarSentencesTellWhichOfSeveralExpressionsIsMeant) {
  const TextFile file(
      R"({"input":"Ann had 12 caps . If 4 of the caps were lost and each of the rest costs 5 dollars , how much are they ?","target":40.0,"type":"multiarith"})"
      "\n"
      R"({"input":"Bo had 9 caps . If 6 of the caps were lost and each of the rest costs 6 dollars , how much are they ?","target":18.0,"type":"multiarith"})"
      "\n"
      R"({"input":"Mia saw 3 green and 5 red birds . Tom saw 4 green birds . How many green birds did they see ?","target":7.0,"type":"addsub"})"
      "\n"
      R"({"input":"There is 0.1666666666666 cup of oil and 0.6666666666666 cup of water . How many cups are there ?","target":0.8333333333,"type":"addsub"})"
      "\n");
  const auto problems = read_mawps(file.path());
  ASSERT_TRUE(problems.ok()) << problems.error().message;
  ASSERT_EQ(problems->size(), 4u);
  EXPECT_EQ(calculator_text((*problems)[0].calculation), "(<|n0|>-<|n1|>)*<|n2|>");
  EXPECT_EQ(calculator_text((*problems)[1].calculation), "(<|n0|>-<|n1|>)*<|n2|>") << "not with the two sixes exchanged";
  EXPECT_EQ(calculator_text((*problems)[2].calculation), "<|n0|>+<|n2|>") << "3 * 4 - 5 is no sum";
  EXPECT_EQ(calculator_text((*problems)[3].calculation), "<|n0|>+<|n1|>") << "answers have ten digits";
}

TEST(RealProblem, DamagedFilesAreNamedWithTheirLine) {
  const TextFile broken("{\"question\": \"a\", \"answer\": \"b\"}\n{\"question\": 3}\n");
  const auto problems = read_gsm8k(broken.path());
  ASSERT_FALSE(problems.ok());
  EXPECT_EQ(problems.error().message, broken.path() + ":2: expected a text \"question\"");
  EXPECT_FALSE(read_mawps(broken.path() + ".absent").ok());
}

TEST(RealProblem, NewNumbersKeepTheExpressionTrue) {
  const TextFile file(
      R"({"input":"A clerk filled 12 boxes with 60 pens each and has 5.5 left. Then 1,200 came. How many pens had he ?","target":1925.5,"type":"multiarith"})"
      "\n");
  const auto problems = read_mawps(file.path());
  ASSERT_TRUE(problems.ok());
  ASSERT_EQ(problems->size(), 1u);
  const RealProblem& problem = (*problems)[0];
  int n_changed = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    const Sample sample = make_real_sample(problem, "real/mawps", Split::kTrain, {}, &rng);
    const std::vector<NumberLiteral> literals = find_number_literals(sample.messages[0].text);
    ASSERT_EQ(literals.size(), 4u) << sample.messages[0].text;
    std::vector<Decimal> values;
    for (const NumberLiteral& literal : literals) values.push_back(*Decimal::parse(literal.value));
    EXPECT_EQ(evaluate_with(problem.calculation, values)->to_string(), sample.answer) << sample.messages[0].text;
    n_changed += sample.messages[0].text != problem.text;
    const Sample original = make_real_sample(problem, "real/mawps", Split::kEval, {}, &rng);
    EXPECT_EQ(original.messages[0].text, problem.text);
  }
  EXPECT_GT(n_changed, 150);
  EXPECT_LT(n_changed, 200);
}

TEST(RealProblem, SkeletonHidesNumbersAndNames) {
  EXPECT_EQ(sentence_skeleton("Joan found 79 shells . She gave Mike 63 of the shells ."), sentence_skeleton("Tom found 7 shells. She gave Ann 1,200 of the shells."));
  EXPECT_NE(sentence_skeleton("Joan found 79 shells."), sentence_skeleton("Joan found 79 stones."));
  EXPECT_EQ(tidied("He said \xe2\x80\x9cno\xe2\x80\x9d , but  it\xe2\x80\x99s .5 ."), "He said \"no\", but it's .5.");
}

}  // namespace
}  // namespace firesteel
