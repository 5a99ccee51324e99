#include "eval/import.h"

#include <gtest/gtest.h>

#include "eval/suite.h"

namespace firesteel {
namespace {

EvalItem item_of(const std::string& line) {
  const auto item = parse_item(line, "line", ".", {});
  EXPECT_TRUE(item.ok()) << (item.ok() ? "" : item.error().message) << " in " << line;
  return item.ok() ? *item : EvalItem();
}

TEST(ImportOpenAiEvals, TakesSamplesAndItems) {
  const ImportedSuite suite = import_openai_evals(
      "{\"input\": [{\"role\": \"system\", \"content\": \"Be brief.\"}, {\"role\": \"user\", \"content\": \"2+2?\"}], \"ideal\": [\"4\", \"four\"]}\n"
      "\n"
      "{\"item\": {\"question\": \"Capital of France?\", \"answer\": \"Paris\"}}\n"
      "{\"input\": 5}\n"
      "broken\n", "samples.jsonl").value();
  ASSERT_EQ(suite.lines.size(), 2u);
  EXPECT_EQ(suite.left_out.size(), 2u);
  EXPECT_NE(suite.left_out[0].find("samples.jsonl:4"), std::string::npos);
  const EvalItem first = item_of(suite.lines[0]), second = item_of(suite.lines[1]);
  EXPECT_EQ(first.messages.size(), 2u);
  EXPECT_TRUE(grade(first.grading, "Four.").right);
  EXPECT_TRUE(grade(second.grading, "Paris").right);
  EXPECT_FALSE(import_openai_evals("not json", "x").ok());
}

TEST(ImportPromptfoo, FillsPromptsAndMapsAssertions) {
  const ImportedSuite suite = import_promptfoo(R"x({"prompts": ["Say {{ word }} in {{lang}}"], "tests": [
      {"vars": {"word": "hello", "lang": "French"}, "assert": [{"type": "icontains", "value": "bonjour"}]},
      {"vars": {"word": "yes"}, "assert": [{"type": "starts-with", "value": "ja (1)"}]},
      {"vars": {}, "assert": [{"type": "llm-rubric", "value": "is polite"}]}]})x", "config.json").value();
  ASSERT_EQ(suite.lines.size(), 2u);
  EXPECT_EQ(suite.left_out.size(), 1u);
  const EvalItem first = item_of(suite.lines[0]), second = item_of(suite.lines[1]);
  EXPECT_EQ(first.messages[0].text, "Say hello in French");
  EXPECT_TRUE(grade(first.grading, "Well, Bonjour!").right);
  EXPECT_EQ(second.messages[0].text, "Say yes in {{lang}}");
  EXPECT_TRUE(grade(second.grading, "ja (1) of course").right);
  EXPECT_FALSE(grade(second.grading, "nein").right);
  EXPECT_FALSE(import_promptfoo("prompts:\n  - a", "c.yaml").ok());
}

}  // namespace
}  // namespace firesteel
