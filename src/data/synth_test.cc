// Every kind of every embedded curriculum, in both splits: it can be written, its numbers are right, and what is held out stays out.
#include "data/synth.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/number_literals.h"
#include "data/formula.h"

namespace firesteel {
namespace {

constexpr uint64_t kPerKind = 12;

const SynthSource& source(Split split) {
  const auto make = [](Split which) {
    Result<std::unique_ptr<SynthSource>> made = SynthSource::create({.seed = 7, .split = which});
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message);
    return made.ok() ? std::move(*made) : nullptr;
  };
  static const std::unique_ptr<SynthSource> train = make(Split::kTrain);
  static const std::unique_ptr<SynthSource> eval = make(Split::kEval);
  return split == Split::kTrain ? *train : *eval;
}

// Literals since the last user message, as the engine numbers them.
std::vector<std::string> literals_of(const Sample& sample) {
  std::vector<std::string> values;
  for (const SampleMessage& message : sample.messages) {
    if (message.role == "user") values.clear();
    if (message.role != "user" && message.role != "tool") continue;
    for (const NumberLiteral& literal : find_number_literals(message.text)) values.push_back(literal.value);
  }
  return values;
}

// The target as the world sees it; empty when a token stands for no literal.
std::string resolved(const Sample& sample) {
  const std::vector<std::string> literals = literals_of(sample);
  std::string text = sample.target;
  for (size_t at = text.find("<|n"); at != std::string::npos; at = text.find("<|n", at)) {
    const size_t end = text.find("|>", at);
    const size_t index = std::stoul(text.substr(at + 3, end - at - 3));
    if (index >= literals.size()) return {};
    text.replace(at, end + 2 - at, literals[index]);
  }
  return text;
}

std::string expression_of(const std::string& target) {
  const std::string head = "\"expression\": \"";
  const size_t begin = target.find(head);
  if (begin == std::string::npos) return {};
  return target.substr(begin + head.size(), target.find('"', begin + head.size()) - begin - head.size());
}

std::string value_of(const std::string& expression) {
  const Result<Formula> formula =
      Formula::parse(expression, [](std::string_view name) { return Result<VariableRef>(Error{ErrorCode::kNotFound, std::string(name)}); });
  if (!formula.ok()) return formula.error().message;
  static const Value none = Decimal(0);
  const std::optional<Value> value = formula->evaluate([](VariableRef) -> const Value& { return none; });
  return value ? text_of(*value) : std::string("no value");
}

std::string transcript(const Sample& sample) {
  std::string text = sample.kind;
  for (const SampleMessage& message : sample.messages) text += fmt::format("\n{}: {}", message.role, message.text);
  return text + "\n> " + sample.target;
}

TEST(Synth, EveryKindIsRightInBothSplits) {
  for (const Split split : {Split::kTrain, Split::kEval}) {
    const SynthSource& from = source(split);
    const std::vector<std::string> kinds = from.kinds();
    ASSERT_FALSE(kinds.empty());
    for (size_t k = 0; k < kinds.size(); ++k) {
      for (uint64_t i = 0; i < kPerKind; ++i) {
        const Result<Sample> sample = from.sample_of(k, i);
        ASSERT_TRUE(sample.ok()) << sample.error().message;
        const std::string target = resolved(*sample);
        ASSERT_FALSE(target.empty()) << "a token without a literal\n" << transcript(*sample);
        const std::string expression = expression_of(target);
        if (!expression.empty() && sample->grader == "number") {
          EXPECT_EQ(value_of(expression), sample->answer) << transcript(*sample);
        }
        if (expression.empty() && sample->grader == "number") {
          const size_t answer = target.find("Answer: ");
          ASSERT_NE(answer, std::string::npos) << transcript(*sample);
          EXPECT_NE(target.find(sample->answer, answer), std::string::npos) << transcript(*sample);
        }
        for (const SampleMessage& message : sample->messages) {
          EXPECT_EQ(message.text.find("{="), std::string::npos) << transcript(*sample);
          EXPECT_EQ(message.text.find("<|"), std::string::npos) << transcript(*sample);
          EXPECT_FALSE(message.text.empty()) << transcript(*sample);
        }
      }
    }
  }
}

TEST(Synth, SampleIsAFunctionOfSeedSplitAndIndex) {
  const Result<std::unique_ptr<SynthSource>> again = SynthSource::create({.seed = 7, .split = Split::kTrain});
  ASSERT_TRUE(again.ok());
  std::set<std::string> different;
  for (uint64_t i = 0; i < 50; ++i) {
    const Result<Sample> a = source(Split::kTrain).sample(99 - i);
    const Result<Sample> b = (*again)->sample(99 - i);
    ASSERT_TRUE(a.ok() && b.ok());
    EXPECT_EQ(transcript(*a), transcript(*b));
    different.insert(transcript(*a));
  }
  EXPECT_GT(different.size(), 45u);
}

TEST(Synth, UnknownPrefixIsRefused) {
  const Result<std::unique_ptr<SynthSource>> made = SynthSource::create({.mixture = {{"math/nothing", 1}}});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().message, "mixture: no kind begins with 'math/nothing'");
}

}  // namespace
}  // namespace firesteel
