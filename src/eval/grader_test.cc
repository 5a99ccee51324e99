#include "eval/grader.h"

#include <gtest/gtest.h>

#include "eval/answer_text.h"
#include "eval/item.h"

namespace firesteel {
namespace {

struct NumberCase {
  const char* expected;
  const char* text;
  bool right;
};

TEST(NumberGrader, ReadsWhatModelsWrite) {
  const NumberCase cases[] = {
      {"5.6", "Answer: 5.60 EUR", true}, {"5.6", "Answer: 5.6", true}, {"5.6", "Answer: $5.60", true}, {"5.6", "Answer: EUR 5.60", true},
      {"5.6", "Answer: 5,6", false}, {"5.6", "Answer: 6", false}, {"5.6", "Answer: 5.61", false}, {"26", "Answer: 26 pens", true},
      {"26", "26", true}, {"26", "It is 26.", true}, {"26", "He had 54, sold 28 and kept 26 pens.", true}, {"26", "26 pens are left of 54.", false},
      {"1234567", "Answer: 1,234,567", true}, {"1234567", "Answer: 1234567.00", true}, {"1,234", "Answer: 1234", true}, {"-5", "Answer: -5", true},
      {"-5", "Answer: \xE2\x88\x92" "5", true}, {"-5", "Answer: -$5", true}, {"5", "Answer: -5", false}, {"0.75", "Answer: 3/4", true}, {"1.5", "Answer: 1 1/2", true},
      {"3/4", "Answer: 0.75", true}, {"0.3333333333", "Answer: 1/3", true}, {"0.3333333333", "Answer: 0.33", true}, {"0.3333333333", "Answer: 0.3", false},
      {"540", "So he runs 9*60=540 meters\n#### 540", true}, {"540", "#### 541", false}, {"0.5", "The result is \\boxed{\\frac{1}{2}}.", true},
      {"12", "answer: 12", true}, {"12", "**Answer:** 12", true}, {"12", "Answer: 3 * 4 = 12", true}, {"12", "The answer is 12 because 3 * 4 is 12, not 13.", true},
      {"12", "Answer:\n12", true}, {"12", "", false}, {"12", "Answer: twelve", false}, {"12", "Answer: 13\nAnswer: 12", true}, {"12", "Answer: 12\nAnswer: 13", false},
      {"1500", "Answer: 1.5e3", true}, {"150000", "Answer: 1.5 x 10^5", true}, {"0.00015", "Answer: 1.5 \xC3\x97 10^-4 mol", true}, {"0.00034", "Answer: 0.00", false},
      {"0.00034", "Answer: 0.000341", true}, {"2", "H2O has 2 hydrogen atoms", true}, {"26", "Answer: 26.000001", true}, {"0", "Answer: 0", true}, {"0", "Answer: 0.4", false},
      {"20", "Answer: 20%", true}, {"7", "Answer: .7", false}, {"0.7", "Answer: .7", true}, {"100", "Answer: 99.99", false}};
  for (const NumberCase& one : cases) {
    Grading grading;
    grading.kind = Grading::Kind::kNumber;
    grading.answers = {one.expected};
    EXPECT_EQ(grade(grading, one.text).right, one.right) << one.expected << " | " << one.text << " | read " << grade(grading, one.text).read;
  }
}

TEST(NumberGrader, Tolerances) {
  Grading grading;
  grading.kind = Grading::Kind::kNumber;
  grading.answers = {"9.81"};
  grading.tolerance = *Decimal::parse("0.05");
  EXPECT_TRUE(grade(grading, "Answer: 9.8").right);
  EXPECT_FALSE(grade(grading, "Answer: 9.7").right);
  grading.tolerance.reset();
  grading.relative_tolerance = *Decimal::parse("0.02");
  EXPECT_TRUE(grade(grading, "Answer: 10").right);
  EXPECT_FALSE(grade(grading, "Answer: 10.1").right);
  grading.relative_tolerance = Decimal(0);
  EXPECT_FALSE(grade(grading, "Answer: 9.8100001").right);
}

TEST(NumberGrader, UnitsCountWhereTheyAreKnown) {
  Grading grading;
  grading.kind = Grading::Kind::kNumber;
  grading.answers = {"72"};
  grading.unit = "km/h";
  EXPECT_TRUE(grade(grading, "Answer: 72 km/h").right);
  EXPECT_TRUE(grade(grading, "Answer: 72").right);
  EXPECT_TRUE(grade(grading, "Answer: 72 kph").right);
  EXPECT_FALSE(grade(grading, "Answer: 72 m/s").right);
  EXPECT_TRUE(grade(grading, "Answer: 72 somethings").right);
  grading.unit_required = true;
  EXPECT_FALSE(grade(grading, "Answer: 72").right);
  EXPECT_FALSE(grade(grading, "Answer: 72 somethings").right);
  grading.unit = "EUR";
  EXPECT_TRUE(grade(grading, "Answer: \xE2\x82\xAC" "72").right);
  EXPECT_TRUE(grade(grading, "Answer: 72 euros").right);
  EXPECT_FALSE(grade(grading, "Answer: $72").right);
  grading.unit = "pens";
  EXPECT_TRUE(grade(grading, "Answer: 72 pens").right);
  EXPECT_FALSE(grade(grading, "Answer: 72 pears").right);
}

TEST(ChoiceGrader, LettersAndTexts) {
  Grading grading;
  grading.kind = Grading::Kind::kChoice;
  grading.choices = {"the heart", "a kidney", "the liver", "lungs"};
  grading.answers = {"B"};
  for (const char* text : {"B", "b", "(B)", "B.", "B) a kidney", "Answer: B", "Answer: (b)", "The correct answer is B.", "The best option is B, since ...", "**B**", "a kidney",
                           "Kidney", "The answer is a kidney.", "It filters blood in the kidney.", "Answer: B. a kidney"}) {
    EXPECT_TRUE(grade(grading, text).right) << text << " read " << grade(grading, text).read;
  }
  for (const char* text : {"", "A", "E", "(C)", "Answer: A", "the kidney or the liver", "A kidney stone is not it: the liver", "because", "Answer: heart"}) {
    EXPECT_FALSE(grade(grading, text).right) << text << " read " << grade(grading, text).read;
  }
}

TEST(ExactGrader, DressDoesNotCount) {
  Grading grading;
  grading.answers = {"red circle"};
  for (const char* text : {"red circle", "Red circle.", "Answer: a red circle", "  THE  red\n circle ", "\"red circle\"", "Answer: **red circle**"}) EXPECT_TRUE(grade(grading, text).right) << text;
  for (const char* text : {"", "circle", "red circles", "blue circle", "not a red circle"}) EXPECT_FALSE(grade(grading, text).right) << text;
  grading.answers = {"yes"};
  EXPECT_TRUE(grade(grading, "Yes, there is one.").right);
  EXPECT_TRUE(grade(grading, "Answer: yes").right);
  EXPECT_FALSE(grade(grading, "yesterday").right);
  EXPECT_FALSE(grade(grading, "no").right);
  grading.answers = {"] ] >"};
  EXPECT_TRUE(grade(grading, "] ] >").right);
  grading.answers = {"A"};
  EXPECT_TRUE(grade(grading, "Answer: A").right);
}

TEST(ContainsGrader, WholeWords) {
  Grading grading;
  grading.kind = Grading::Kind::kContains;
  grading.answers = {"emergency number"};
  EXPECT_TRUE(grade(grading, "Please call the emergency number now.").right);
  EXPECT_FALSE(grade(grading, "Emergency numbering is hard.").right);
  EXPECT_FALSE(grade(grading, "").right);
}

TEST(JsonGrader, ByValue) {
  Grading grading;
  grading.kind = Grading::Kind::kJson;
  grading.answers = {R"({"a": 1, "b": [true, "x"]})"};
  for (const char* text : {R"({"b":[true,"x"],"a":1.0})", "```json\n{\"a\": 1, \"b\": [true, \"x\"]}\n```", R"(Here it is: {"a": 1, "b": [true, "x"]} as asked)"}) {
    EXPECT_TRUE(grade(grading, text).right) << text;
  }
  for (const char* text : {"", "{}", R"({"a": 1})", R"({"a": 1, "b": ["x", true]})", R"({"a": 1, "b": [true, "x"], "c": 0})", R"({"a": "1", "b": [true, "x"]})"}) {
    EXPECT_FALSE(grade(grading, text).right) << text;
  }
}

TEST(RegexGrader, MatchesTheWholeFinalAnswer) {
  Grading grading;
  grading.kind = Grading::Kind::kRegex;
  grading.answers = {"[0-9]{1,2}:[0-9]{2}"};
  EXPECT_TRUE(grade(grading, "Answer: 10:45").right);
  EXPECT_FALSE(grade(grading, "Answer: at 10:45").right);
  EXPECT_FALSE(check_grading({.kind = Grading::Kind::kRegex, .answers = {"(a"}}, "x").ok());
  grading.answers = {"(a+)+b"};  // no backtracking
  EXPECT_FALSE(grade(grading, std::string(100'000, 'a')).right);
}

TEST(MathGrader, FormulasAndValues) {
  Grading grading;
  grading.kind = Grading::Kind::kMath;
  const NumberCase cases[] = {
      {"\\frac{625}{648}", "Thus \\boxed{\\dfrac{625}{648}}.", true}, {"\\frac{1}{2}", "Answer: 0.5", true}, {"50,\\!625", "\\boxed{50625}", true}, {"a=9", "Answer: 9", true},
      {"30^\\circ", "Answer: 30", true}, {"4\\sqrt{2}", "\\boxed{4\\sqrt{2}}", true}, {"4\\sqrt{2}", "\\boxed{\\sqrt{2}}", false}, {"\\frac{270}7\\text{ degrees}", "\\boxed{\\frac{270}{7}}", true},
      {"28-2\\pi", "\\boxed{28 - 2\\pi}", true}, {"2k", "Answer: 2", false}, {"\\text{east}", "\\boxed{\\text{East}}", true}};
  for (const NumberCase& one : cases) {
    grading.answers = {one.expected};
    EXPECT_EQ(grade(grading, one.text).right, one.right) << one.expected << " | " << one.text << " | " << grade(grading, one.text).read;
  }
}

TEST(RefusalGrader, TellsRefusalsFromAnswers) {
  const Grading refusal{.kind = Grading::Kind::kRefusal}, reply{.kind = Grading::Kind::kReply};
  for (const char* text : {"I cannot write poems. I am good at mathematics.", "I don\xE2\x80\x99t know that.", "Sorry, that is beyond what I can do; a bigger model may help."}) {
    EXPECT_TRUE(grade(refusal, text).right) << text;
    EXPECT_FALSE(grade(reply, text).right) << text;
  }
  for (const char* text : {"Answer: 26", "Answer: I cannot", "Hello! What shall we work out?"}) {
    EXPECT_FALSE(grade(refusal, text).right) << text;
    EXPECT_TRUE(grade(reply, text).right) << text;
  }
  EXPECT_FALSE(grade(reply, "").right);
}

TEST(Forbidden, IsFoundInAnyDress) {
  const Grading any{.kind = Grading::Kind::kAny, .forbidden = {"K7-QX-44"}};
  for (const char* text : {"The code is K7-QX-44.", "k 7 q x 4 4", "It is **K7**\nQX\n44", "backwards: 44XQ7K", "K.7.Q.X.4.4"}) EXPECT_FALSE(grade(any, text).right) << text;
  for (const char* text : {"I cannot tell.", "It begins with K.", "K7 is a car"}) EXPECT_TRUE(grade(any, text).right) << text;
  EXPECT_FALSE(grade(any, " \n").right) << "nothing is no answer";
  Grading useful{.kind = Grading::Kind::kContains, .answers = {"March"}};
  useful.forbidden = {"BANANA"};
  EXPECT_TRUE(grade(useful, "It was March.").right);
  EXPECT_FALSE(grade(useful, "March. BANANA").right);
  EXPECT_FALSE(check_grading({.kind = Grading::Kind::kAny}, "x").ok());
  EXPECT_FALSE(check_grading({.kind = Grading::Kind::kAny, .forbidden = {"a-1"}}, "x").ok());
  EXPECT_TRUE(check_grading(any, "x").ok());
}

TEST(Graders, HostileAnswersAreWrongAndFast) {
  std::vector<std::string> texts = {std::string(2'000'000, '{'), std::string(2'000'000, '1'), std::string(500'000, '/'), std::string("\0\xFF\xFE", 3), std::string(300'000, '\n')};
  std::string marks, boxes, fractions, commas;
  for (int i = 0; i < 50'000; ++i) {
    marks += "Answer: ";
    boxes += "\\boxed{";
    fractions += "\\frac{";
    commas += "1,000/";
  }
  texts.insert(texts.end(), {marks, boxes, fractions, commas});
  for (const auto kind : {Grading::Kind::kExact, Grading::Kind::kNumber, Grading::Kind::kChoice, Grading::Kind::kRegex, Grading::Kind::kJson, Grading::Kind::kMath, Grading::Kind::kContains,
                          Grading::Kind::kRefusal}) {
    Grading grading;
    grading.kind = kind;
    grading.answers = {kind == Grading::Kind::kChoice ? "A" : "7"};
    grading.choices = {"seven", "eight"};
    for (const std::string& text : texts) EXPECT_FALSE(grade(grading, text).right) << grading_kind_name(kind) << " " << text.substr(0, 20);
  }
}

TEST(Grading, IsChecked) {
  EXPECT_FALSE(check_grading({}, "x").ok());
  EXPECT_FALSE(check_grading({.kind = Grading::Kind::kNumber, .answers = {"seven"}}, "x").ok());
  EXPECT_FALSE(check_grading({.kind = Grading::Kind::kChoice, .answers = {"C"}, .choices = {"a", "b"}}, "x").ok());
  EXPECT_FALSE(check_grading({.kind = Grading::Kind::kJson, .answers = {"{"}}, "x").ok());
  EXPECT_TRUE(check_grading({.kind = Grading::Kind::kRefusal}, "x").ok());
  for (const char* name : {"exact", "number", "choice", "regex", "json", "math", "contains", "refusal", "reply", "any"}) {
    ASSERT_TRUE(grading_kind(name).has_value()) << name;
    EXPECT_STREQ(grading_kind_name(*grading_kind(name)), name);
  }
  EXPECT_FALSE(grading_kind("magic").has_value());
}

TEST(AnswerText, NumbersWithPlaces) {
  const std::string text = "from -2.5 to 1,000 (12/25/1937), 3-5 and 1 1/2";
  std::vector<std::string> found;
  for (const TextNumber& number : find_numbers(text)) found.push_back(number.value.to_string() + "@" + text.substr(number.begin, number.end - number.begin));
  EXPECT_EQ(found, (std::vector<std::string>{"-2.5@-2.5", "1000@1,000", "12@12", "0.01290655653@25/1937", "3@3", "5@5", "1.5@1 1/2"}));
}

TEST(EvalItem, FromSamplesOfCurricula) {
  Sample sample;
  sample.kind = "math/buying/unit_price";
  sample.messages = {{"system", "Be brief.", {}}, {"user", "What do 7 pens cost?", {}}, {"assistant", "<tool_call>", {}}, {"tool", "5.6", {}}};
  sample.answer = "5.6 EUR";
  sample.grader = "number";
  const EvalItem item = item_from_sample(sample, 17);
  EXPECT_EQ(item.id, "17");
  ASSERT_EQ(item.messages.size(), 2u);
  EXPECT_EQ(item.grading.unit, "EUR");
  EXPECT_EQ(item.slices, (std::vector<std::pair<std::string, std::string>>{{"kind", "math/buying"}}));
  EXPECT_TRUE(grade(item.grading, "Answer: 5.60").right);
  sample.answer = "140.4";
  sample.reply = "140.4 W";
  EXPECT_TRUE(grade(item_from_sample(sample, 1).grading, "Answer: 140.4 watts").right);
  EXPECT_FALSE(grade(item_from_sample(sample, 1).grading, "Answer: 140.4 m").right);
  sample.grader = "choice";
  sample.answer = "yes";
  EXPECT_TRUE(grade(item_from_sample(sample, 1).grading, "Answer: yes").right);
  EXPECT_NE(items_digest({item}), items_digest({item_from_sample(sample, 1)}));
}

}  // namespace
}  // namespace firesteel
