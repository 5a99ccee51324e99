// Curricula and graders agree: what a sample teaches is right by its own grader, and what it asks the calculator can be worked out.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tools/calculator.h"
#include "base/number_literals.h"
#include "data/synth.h"
#include "eval/grader.h"
#include "eval/item.h"

namespace firesteel {
namespace {

constexpr int kSamples = 600;

// Number markers become the numbers since the last user message, as the engine does.
std::string with_numbers(const Sample& sample) {
  size_t first = sample.messages.size();
  while (first > 0 && sample.messages[first - 1].role != "user") --first;
  std::vector<std::string> numbers;
  for (size_t i = first == 0 ? 0 : first - 1; i < sample.messages.size(); ++i) {
    if (sample.messages[i].role != "user" && sample.messages[i].role != "tool") continue;
    for (const NumberLiteral& literal : find_number_literals(sample.messages[i].text)) numbers.push_back(literal.value);
  }
  std::string out;
  for (size_t at = 0; at < sample.target.size();) {
    const size_t end = sample.target.find("|>", at);
    if (sample.target.compare(at, 3, "<|n") != 0 || end == std::string::npos) {
      out += sample.target[at++];
      continue;
    }
    const size_t index = std::stoul(sample.target.substr(at + 3, end - at - 3));
    out += index < numbers.size() ? numbers[index] : "<|no such number|>";
    at = end + 2;
  }
  return out;
}

struct Counts {
  int n_answers = 0, n_wrong = 0, n_calls = 0, n_call_errors = 0;
  std::vector<std::string> examples;
};

// instead: graded by this, as suites of refusals and false refusals do.
Counts check_kind(const std::string& prefix, std::optional<Grading::Kind> instead = {}) {
  Counts counts;
  SynthOptions options;
  options.seed = 5;
  options.split = Split::kEval;
  options.mixture = {{prefix, 1.0}};
  const auto source = SynthSource::create(std::move(options));
  EXPECT_TRUE(source.ok()) << (source.ok() ? "" : source.error().message);
  if (!source.ok()) return counts;
  for (uint64_t i = 0; i < kSamples; ++i) {
    const auto sample = (*source)->sample(i);
    EXPECT_TRUE(sample.ok()) << sample.error().message;
    if (!sample.ok()) return counts;
    EvalItem item = item_from_sample(*sample, i);
    if (instead) item.grading.kind = *instead;
    EXPECT_TRUE(check_grading(item.grading, sample->kind).ok()) << sample->kind << " " << sample->grader << " '" << sample->answer << "'";
    std::string text = with_numbers(*sample);
    const auto tell = [&](const std::string& what) {
      if (counts.examples.size() < 8) counts.examples.push_back(sample->kind + ": " + what + " | " + item.messages.back().text + " | " + text + " | expected " + sample->answer);
    };
    if (sample->grader == "none" && !instead) continue;  // small talk
    constexpr std::string_view kCall = "\"expression\": \"";
    if (const size_t call = text.find(kCall); call != std::string::npos) {
      const size_t begin = call + kCall.size();
      const auto result = calculate(text.substr(begin, text.find('"', begin) - begin));
      ++counts.n_calls;
      if (result.ok()) continue;
      ++counts.n_call_errors;
      tell(result.error().message);
      continue;
    }
    if (const size_t end = text.find("</think>"); end != std::string::npos) text.erase(0, end + 8);
    ++counts.n_answers;
    if (grade(item.grading, text).right) continue;
    ++counts.n_wrong;
    tell("read '" + grade(item.grading, text).read + "' by " + grading_kind_name(item.grading.kind));
  }
  return counts;
}

TEST(EvalData, TargetsAreRightByTheirOwnGraders) {
  for (const char* prefix : {"math", "everyday", "dates", "science", "units", "health", "chat", "plans", "pictures"}) {
    const Counts counts = check_kind(prefix);
    EXPECT_EQ(counts.n_wrong, 0) << prefix << " of " << counts.n_answers;
    EXPECT_EQ(counts.n_call_errors, 0) << prefix << " of " << counts.n_calls;
    for (const std::string& example : counts.examples) ADD_FAILURE() << example;
  }
}

TEST(EvalData, RefusalsAreToldFromAnswers) {
  const std::pair<const char*, Grading::Kind> rows[] = {{"chat/refusal", Grading::Kind::kRefusal}, {"math", Grading::Kind::kReply}, {"science", Grading::Kind::kReply},
                                                        {"health", Grading::Kind::kReply},        {"chat/in_scope", Grading::Kind::kReply}};
  for (const auto& [prefix, kind] : rows) {
    const Counts counts = check_kind(prefix, kind);
    EXPECT_EQ(counts.n_wrong, 0) << prefix << " of " << counts.n_answers;
    for (const std::string& example : counts.examples) ADD_FAILURE() << example;
  }
}

}  // namespace
}  // namespace firesteel
