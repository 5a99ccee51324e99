// response_format together with tools: the answer is one call or has the form.
#include <gtest/gtest.h>

#include "base/json.h"
#include "server/dialects/dialect_testing.h"

namespace firesteel {
namespace {

constexpr const char* kTools = R"("tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"$ref":"#/$defs/city"}},
  "$defs":{"city":{"enum":["Paris"]}},"required":["city"],"additionalProperties":false}}}])";
constexpr const char* kFormat = R"("response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"n":{"$ref":"#/$defs/n"}},
  "$defs":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}}})";

std::string body(const std::string& more, const char* format = kFormat) {
  return std::string(R"({"messages":[{"role":"user","content":"q"}],)") + kTools + "," + format + more + "}";
}

class FormatWithTools : public ::testing::Test {
 protected:
  Outcome ask(const std::string& answer, const std::string& request) {
    FakeGenerator generator([&](const FakeGenerator::Question&) -> Result<std::string> { return answer; });
    return run_exchange(parse_openai_chat, post(request), test_context(&generator), Dialect::kOpenAi);
  }
  static Json choice(const Outcome& outcome) { return Json::parse(outcome.body).value().find("choices")->as_array().at(0); }
};

TEST_F(FormatWithTools, TheConstraintIsOneOfBoth) {
  const Outcome outcome = ask(R"({"n": 1})", body(""));
  ASSERT_EQ(outcome.status, 200) << outcome.body;
  const std::optional<Constraint>& constraint = outcome.requests.at(0).constraint;
  ASSERT_TRUE(constraint.has_value());
  const Json schema = Json::parse(constraint->text).value();
  ASSERT_EQ(schema.find("anyOf")->as_array().size(), 2u);
  // References of both lead into definitions of their own.
  const Json& definitions = *schema.find("$defs");
  EXPECT_EQ(*definitions.find("tool0")->find("properties")->find("city"), Json(Json::Object{{"$ref", "#/$defs/tool0_city"}}));
  EXPECT_EQ(*definitions.find("answer")->find("properties")->find("n"), Json(Json::Object{{"$ref", "#/$defs/answer_n"}}));
  EXPECT_NE(definitions.find("tool0_city"), nullptr);
  EXPECT_NE(definitions.find("answer_n"), nullptr);
  EXPECT_EQ(*choice(outcome).find("message")->find("content"), Json(R"({"n": 1})"));
  EXPECT_EQ(*choice(outcome).find("finish_reason"), Json("stop"));
}

TEST_F(FormatWithTools, TheExtensionHasFormsOfItsOwn) {
  const std::string question = R"({"messages":[{"role":"user","content":"q"}],"firesteel":)";
  const Outcome regex = ask("12", question + R"({"regex":"[0-9]{2}"}})");
  ASSERT_EQ(regex.status, 200) << regex.body;
  EXPECT_EQ(regex.requests.at(0).constraint, (Constraint{Constraint::Kind::kRegex, "[0-9]{2}"}));
  const Outcome grammar = ask("ab", question + R"({"grammar":"root ::= \"a\" [b]+"}})");
  ASSERT_EQ(grammar.status, 200) << grammar.body;
  EXPECT_EQ(grammar.requests.at(0).constraint, (Constraint{Constraint::Kind::kGrammar, "root ::= \"a\" [b]+"}));
  for (const std::string& refused : {question + R"({"regex":"a","grammar":"root ::= \"a\""}})", question + R"({"regex":""}})", question + R"({"regex":5}})",
                                     body(R"(,"firesteel":{"regex":"a"})", R"("response_format":{"type":"text"})"),
                                     question + R"({"regex":"a"},"response_format":{"type":"json_object"}})"}) {
    EXPECT_EQ(ask("a", refused).status, 400) << refused;
  }
}

TEST_F(FormatWithTools, ACallIsACall) {
  for (const char* const format : {kFormat, R"("response_format":{"type":"json_object"})"}) {
    const Outcome outcome = ask(R"({"name": "weather", "arguments": {"city": "Paris"}})", body("", format));
    ASSERT_EQ(outcome.status, 200) << outcome.body;
    EXPECT_EQ(*choice(outcome).find("finish_reason"), Json("tool_calls"));
    EXPECT_EQ(*choice(outcome).find("message")->find("tool_calls")->as_array().at(0).find("function")->find("name"), Json("weather"));
  }
}

TEST_F(FormatWithTools, NoneAndRequiredDecideAlone) {
  const Outcome none = ask(R"({"n": 1})", body(R"(,"tool_choice":"none")"));
  ASSERT_EQ(none.status, 200);
  EXPECT_EQ(Json::parse(none.requests.at(0).constraint->text).value().find("anyOf"), nullptr);
  const Outcome required = ask(R"({"name":"weather","arguments":{"city":"Paris"}})", body(R"(,"tool_choice":"required")"));
  ASSERT_EQ(required.status, 200);
  ASSERT_NE(required.header("x-firesteel-ignored"), nullptr);
  EXPECT_EQ(*required.header("x-firesteel-ignored"), "response_format");
}

// The other dialects say the same with their own words.
TEST(FormatWithToolsOfOthers, TheConstraintIsOneOfBoth) {
  const std::string schema = R"({"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false})";
  const std::string input = R"({"type":"object","properties":{"city":{"enum":["Paris"]}},"required":["city"],"additionalProperties":false})";
  const std::string anthropic = R"({"max_tokens":50,"messages":[{"role":"user","content":"q"}],"tools":[{"name":"weather","input_schema":)" + input +
                                R"(}],"output_config":{"format":{"type":"json_schema","schema":)" + schema + "}}";
  const std::string ollama = R"({"stream":false,"messages":[{"role":"user","content":"q"}],"tools":[{"type":"function","function":{"name":"weather","parameters":)" +
                             input + R"(}}],"format":)" + schema + "}";
  for (const std::string answer : {R"({"n": 1})", R"({"name": "weather", "arguments": {"city": "Paris"}})"}) {
    FakeGenerator generator([&](const FakeGenerator::Question&) -> Result<std::string> { return answer; });
    const Outcome outcomes[] = {run_exchange(parse_anthropic_messages, post(anthropic + "}"), test_context(&generator), Dialect::kAnthropic),
                                run_exchange(parse_ollama_chat, post(ollama), test_context(&generator), Dialect::kOllama)};
    for (const Outcome& outcome : outcomes) {
      ASSERT_EQ(outcome.status, 200) << outcome.body;
      ASSERT_TRUE(outcome.requests.at(0).constraint.has_value());
      EXPECT_EQ(Json::parse(outcome.requests.at(0).constraint->text).value().find("anyOf")->as_array().size(), 2u);
      const bool is_call = outcome.body.find("\"tool_use\"") != std::string::npos || outcome.body.find("\"tool_calls\"") != std::string::npos;
      EXPECT_EQ(is_call, answer.find("weather") != std::string::npos) << outcome.body;
    }
  }
  FakeGenerator generator([&](const FakeGenerator::Question&) -> Result<std::string> { return std::string(R"({"name": "weather", "arguments": {"city": "Paris"}})"); });
  const Outcome required = run_exchange(parse_anthropic_messages, post(anthropic + R"(,"tool_choice":{"type":"any"}})"), test_context(&generator), Dialect::kAnthropic);
  ASSERT_EQ(required.status, 200) << required.body;
  ASSERT_NE(required.header("x-firesteel-ignored"), nullptr);
  EXPECT_EQ(*required.header("x-firesteel-ignored"), "output_config.format");
}

}  // namespace
}  // namespace firesteel
