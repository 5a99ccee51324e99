#include "data/pictures/pictures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/number_literals.h"

namespace firesteel::pictures {
namespace {

Sample sample_of(uint64_t seed, Split split, std::string_view prefix, double thinking = 0.75, double tools = 0.4) {
  Rng rng(seed);
  return make_picture_sample(&rng, {.split = split, .prefix = prefix, .thinking = thinking, .tools = tools});
}

// What was thought, without the marks around it.
std::string thought_of(const Sample& sample) {
  const size_t from = sample.target.find("<think>\n") + 8;
  return sample.target.substr(from, sample.target.find("\n</think>") - from);
}

// "Jan 12, Feb 30" of the first line.
std::vector<std::pair<std::string, int64_t>> seen_values(const Sample& sample) {
  std::vector<std::pair<std::string, int64_t>> values;
  std::string line = thought_of(sample);
  line = line.substr(0, line.find('\n')) + ", ";
  for (size_t at = 0; at < line.size();) {
    const size_t end = line.find(", ", at);
    const std::string entry = line.substr(at, end - at);
    const size_t blank = entry.rfind(' ');  // none where only numbers are seen
    values.emplace_back(entry.substr(0, blank), std::stoll(blank == std::string::npos ? entry : entry.substr(blank + 1)));
    at = end + 2;
  }
  return values;
}

TEST(Pictures, ASampleDependsOnItsSeedOnly) {
  for (const PictureKind& kind : picture_kinds()) {
    for (const Split split : {Split::kTrain, Split::kEval}) {
      const Sample a = sample_of(5, split, kind.kind);
      const Sample b = sample_of(5, split, kind.kind);
      EXPECT_EQ(a.kind, kind.kind);
      EXPECT_EQ(a.target, b.target);
      EXPECT_EQ(a.messages[0].text, b.messages[0].text);
      EXPECT_EQ(a.images[0].pixels, b.images[0].pixels);
    }
  }
}

TEST(Pictures, SamplesAreWellFormed) {
  for (const PictureKind& kind : picture_kinds()) {
    for (uint64_t seed = 0; seed < 30; ++seed) {
      const Sample sample = sample_of(seed, seed % 4 == 0 ? Split::kEval : Split::kTrain, kind.kind);
      SCOPED_TRACE(std::string(kind.kind) + " seed " + std::to_string(seed) + ": " + sample.messages[0].text + "\n" + sample.target);
      ASSERT_EQ(sample.images.size(), 1U);
      EXPECT_EQ(sample.messages[0].images, std::vector<size_t>{0});
      const RgbImage& image = sample.images[0];
      EXPECT_EQ(image.pixels.size(), 3 * static_cast<size_t>(image.width) * static_cast<size_t>(image.height));
      EXPECT_LE(image.width, 640);
      EXPECT_LE(image.height, 480);
      EXPECT_GE(std::min(image.width, image.height), 10);
      EXPECT_FALSE(sample.answer.empty());
      EXPECT_EQ(sample.messages[0].text.find('{'), std::string::npos);
      const bool calls = sample.target.find("<tool_call>") != std::string::npos;
      const bool marked = sample.messages.size() == 3;
      EXPECT_TRUE(sample.tools || !(calls || marked));
      EXPECT_EQ(sample.target.find("<think>") != std::string::npos, sample.thinking && !marked);
      if (!calls && !marked) {
        EXPECT_NE(sample.target.find("Answer: " + sample.answer), std::string::npos);
      }
      if (marked) {
        EXPECT_EQ(sample.messages[2].text, sample.answer);
        EXPECT_EQ(sample.target.find((sample.answer[0] == '-' ? "Answer: -<|n" : "Answer: <|n") + std::to_string(find_number_literals(sample.messages[0].text).size()) + "|>"), 0U);
      }
    }
  }
}

TEST(Pictures, MarksNameWhatIsDrawnWhereItIs) {
  for (const PictureKind& kind : picture_kinds()) {
    for (uint64_t seed = 0; seed < 8; ++seed) {
      const Sample sample = sample_of(seed, Split::kTrain, kind.kind);
      EXPECT_FALSE(sample.marks.empty()) << kind.kind;
      for (const ImageMark& mark : sample.marks) {
        EXPECT_EQ(mark.image, 0U);
        EXPECT_FALSE(mark.text.empty()) << kind.kind;
        EXPECT_TRUE(mark.x >= 0 && mark.x < 1 && mark.y >= 0 && mark.y < 1) << kind.kind << ' ' << seed << ": '" << mark.text << "' at " << mark.x << ", " << mark.y;
      }
    }
  }
  for (const std::string_view kind : {"pictures/reading/number", "pictures/reading/word", "pictures/reading/letter", "pictures/easy/word"}) {
    const Sample sample = sample_of(3, Split::kTrain, kind);
    std::string written;
    for (const ImageMark& mark : sample.marks) written += mark.text.size() == 1 ? mark.text : std::string();
    EXPECT_EQ(written, sample.answer) << kind;
  }
  const Sample cell = sample_of(1, Split::kTrain, "pictures/first/shape");  // one cell, which fills the picture
  std::string said;
  for (const ImageMark& mark : cell.marks) said += mark.text;
  EXPECT_EQ(said, ' ' + cell.answer);
}

TEST(Pictures, NoAnswerIsMoreThanSixtyPercentOfItsKind) {
  for (const PictureKind& kind : picture_kinds()) {
    std::map<std::string, int> n_of;
    for (uint64_t seed = 0; seed < 80; ++seed) ++n_of[sample_of(seed, Split::kTrain, kind.kind, 0).answer];
    for (const auto& [answer, n] : n_of) EXPECT_LE(n, 55) << kind.kind << ": " << answer;
  }
}

TEST(Pictures, ChartAnswersFollowFromWhatIsSeen) {
  const auto check = [](std::string_view kind, auto expected) {
    for (uint64_t seed = 0; seed < 100; ++seed) {
      const Sample sample = sample_of(seed, Split::kTrain, kind, 1, 0);
      EXPECT_EQ(sample.answer, expected(seen_values(sample), sample.messages[0].text)) << kind << ' ' << seed << ' ' << sample.messages[0].text << '\n' << sample.target;
    }
  };
  const auto by_value = [](const auto& a, const auto& b) { return a.second < b.second; };
  check("pictures/bars/highest", [&](auto values, const std::string&) { return std::max_element(values.begin(), values.end(), by_value)->first; });
  check("pictures/bars/lowest", [&](auto values, const std::string&) { return std::min_element(values.begin(), values.end(), by_value)->first; });
  check("pictures/bars/second", [&](auto values, const std::string&) {
    std::sort(values.begin(), values.end(), by_value);
    return values[values.size() - 2].first;
  });
  check("pictures/lines/highest", [&](auto values, const std::string&) { return std::max_element(values.begin(), values.end(), by_value)->first; });
  check("pictures/dice/highest", [&](auto values, const std::string&) { return std::to_string(std::max_element(values.begin(), values.end(), by_value)->second); });
  check("pictures/bars/total", [&](auto values, const std::string&) {
    int64_t total = 0;
    for (const auto& value : values) total += value.second;
    return std::to_string(total);
  });
  check("pictures/bars/count_above", [&](auto values, const std::string& question) {
    const int64_t limit = std::stoll(find_number_literals(question).at(0).value);
    constexpr std::array<const char*, 7> kUnder = {"below", "less", "under", "smaller", "lower", "beneath", "short"};
    const bool under = std::any_of(kUnder.begin(), kUnder.end(), [&](const char* word) { return question.find(word) != std::string::npos; });
    return std::to_string(std::count_if(values.begin(), values.end(), [&](const auto& value) { return under ? value.second < limit : value.second > limit; }));
  });
}

TEST(Pictures, CalculatorCallsGiveTheAnswer) {
  for (const std::string_view kind : {"pictures/bars/sum", "pictures/bars/difference", "pictures/reading/task", "pictures/reading/sum"}) {
    for (uint64_t seed = 0; seed < 100; ++seed) {
      const Sample sample = sample_of(seed, Split::kTrain, kind, 1, 1);
      const size_t from = sample.target.find("\"expression\": \"");
      if (from == std::string::npos) continue;
      const std::string expression = sample.target.substr(from + 15, sample.target.find('"', from + 15) - from - 15);
      const std::vector<NumberLiteral> numbers = find_number_literals(expression);
      ASSERT_EQ(numbers.size(), 2U) << expression;
      const int64_t sign = expression.find('-') == std::string::npos ? 1 : -1;
      EXPECT_EQ(std::to_string(std::stoll(numbers[0].value) + sign * std::stoll(numbers[1].value)), sample.answer) << expression;
    }
  }
}

TEST(Pictures, TrainingNeverAsksTheProgramsOfShapesVal) {
  std::set<std::string> asked;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    asked.insert(sample_of(seed, Split::kTrain, seed % 3 == 0 ? "pictures/shapes/two_relations" : seed % 3 == 1 ? "pictures/shapes/one_relation" : "pictures/shapes/exists", 0).messages[0].text);
  }
  EXPECT_GT(asked.size(), 300U);
  for (const char* question : {"Is a blue shape above a green shape?", "Is a triangle above a blue shape?", "Is a circle below a square?", "Is a green shape red?",
                               "Is a green shape a triangle?", "Is a triangle above right of a square?", "Is a circle below below a red shape?"}) {
    EXPECT_EQ(asked.count(question), 0U) << question;
  }
}

TEST(Pictures, PrefixesChooseKinds) {
  EXPECT_TRUE(has_picture_kind("pictures"));
  EXPECT_TRUE(has_picture_kind("pictures/bars"));
  EXPECT_TRUE(has_picture_kind("pictures/bars/highest"));
  EXPECT_FALSE(has_picture_kind("pictures/bar"));
  EXPECT_FALSE(has_picture_kind("math"));
  for (uint64_t seed = 0; seed < 50; ++seed) EXPECT_EQ(sample_of(seed, Split::kTrain, "pictures/clock").kind.rfind("pictures/clock/", 0), 0U);
}

TEST(Wordings, SomeOfEachListAreHeldOut) {
  const std::vector<std::string_view> wordings = {"which is highest?", "name the highest.", "what is on top?", "where is the maximum?"};
  size_t n = 0;
  for (size_t i = 0; i < wordings.size(); ++i) n += is_held_out(wordings, i) ? 1U : 0U;
  EXPECT_GE(n, 1U);
  EXPECT_LE(n, 2U);
  int n_reserved = 0;
  for (int i = 0; i < 10000; ++i) n_reserved += is_reserved("combination " + std::to_string(i)) ? 1 : 0;
  EXPECT_NEAR(n_reserved, 1000, 100);
  EXPECT_TRUE(is_reserved("!always"));
  EXPECT_FALSE(is_reserved(""));
}

TEST(Pictures, WhatIsThoughtGoesInStepsOfTwoValues) {
  const std::vector<std::string> entries = {"Jan 12", "Feb 30", "Mar 7", "Apr 30"};
  const std::vector<int64_t> values = {12, 30, 7, 30};
  EXPECT_EQ(best_so_far(entries, values, true), "Jan 12; Feb 30: Feb 30; Mar 7: Feb 30; Apr 30: Feb 30");
  EXPECT_EQ(best_so_far(entries, values, false), "Jan 12; Feb 30: Jan 12; Mar 7: Mar 7; Apr 30: Mar 7");
  EXPECT_EQ(asked_and_seen("A", "B", true, 3, 5, "%"), "A > B? A 3%, B 5%: <");
  EXPECT_EQ(asked_and_seen("A", "B", false, 4, 4), "A < B? A 4, B 4: =");
  EXPECT_EQ(counted(std::vector<std::string>{"A", "F"}), "A: 1, F: 2");
  EXPECT_EQ(counted({}), "none");
}

TEST(Pictures, ToldInWordsTheQuestionIsTheSame) {
  size_t n_told = 0;
  for (const PictureKind& kind : picture_kinds()) {
    const std::string told = told_kind(kind.kind);
    if (told.empty()) continue;
    ++n_told;
    for (uint64_t seed = 0; seed < 20; ++seed) {
      Rng rng(seed);
      const Sample sample = make_told_sample(&rng, kind.kind, seed % 2 == 0 ? Split::kTrain : Split::kEval);
      EXPECT_EQ(sample.kind, told);
      EXPECT_TRUE(sample.images.empty() && sample.marks.empty());
      // What the thought begins with is what was told.
      const size_t begin = std::string_view("<think>\n").size();
      const std::string seen = sample.target.substr(begin, sample.target.find('\n', begin) - begin);
      EXPECT_NE(sample.messages[0].text.find(seen), std::string::npos) << sample.messages[0].text << "\n" << sample.target;
      EXPECT_FALSE(sample.answer.empty());
    }
  }
  EXPECT_GE(n_told, 40U);
}

}  // namespace
}  // namespace firesteel::pictures
