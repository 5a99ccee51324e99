// Answers under a constraint, with the fake model: its logits are random, so what comes out has its form from the constraint alone.
#include "engine/constraint.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "engine/engine_fixture.h"

namespace firesteel {
namespace {

constexpr const char* kPerson =
    R"({"type":"object","properties":{"name":{"type":"string","maxLength":8},"age":{"type":"integer","minimum":0,"maximum":120},)"
    R"("tags":{"type":"array","items":{"enum":["a","b"]},"maxItems":3}},"required":["name","age"]})";

class ConstraintTest : public EngineTest {
 protected:
  static GenerateRequest constrained(Constraint::Kind kind, std::string text, uint64_t seed = 0, double temperature = 1) {
    GenerateRequest request = ask("tell me:");
    request.sampling.temperature = temperature;
    request.sampling.seed = seed;
    request.constraint = Constraint{kind, std::move(text)};
    return request;
  }
  static void expect_person(const Answer& a) {
    ASSERT_EQ(a.done.reason, FinishReason::kStop) << a.done.error.message << " after " << a.text;
    const auto json = Json::parse(a.text);
    ASSERT_TRUE(json.ok()) << a.text;
    ASSERT_NE(json->find("name"), nullptr) << a.text;
    ASSERT_NE(json->find("age"), nullptr) << a.text;
    EXPECT_TRUE(json->find("name")->is_string());
    EXPECT_TRUE(json->find("age")->as_int() >= 0 && json->find("age")->as_int() <= 120) << a.text;
    if (const Json* tags = json->find("tags")) {
      EXPECT_LE(tags->as_array().size(), 3u);
      for (const Json& tag : tags->as_array()) EXPECT_TRUE(tag == Json("a") || tag == Json("b")) << a.text;
    }
  }
};

TEST_F(ConstraintTest, WhateverTheModelPrefersTheAnswerFitsTheSchema) {
  start();
  for (uint64_t seed = 0; seed < 40; ++seed) expect_person(answer(constrained(Constraint::Kind::kJsonSchema, kPerson, seed)));
  expect_person(answer(constrained(Constraint::Kind::kJsonSchema, kPerson, 0, 0)));
}

// Where the form leaves no choice, its bytes are computed together.
TEST_F(ConstraintTest, WhatIsForcedTakesFewerStepsAndGivesTheSameBytes) {
  constexpr const char* kSchema = R"({"type":"object","properties":{"the_first_property":{"type":"boolean"},"the_second_property":{"enum":["left","right"]}},)"
                                  R"("required":["the_first_property","the_second_property"]})";
  const auto run = [this](int max_draft, EngineStats* stats) {
    start({.max_draft = max_draft, .clock = &clock_});  // a clock that stands: whether guessing pays is not what is tested
    std::vector<Answer> answers;
    for (uint64_t seed = 0; seed < 8; ++seed) answers.push_back(answer(constrained(Constraint::Kind::kJsonSchema, kSchema, seed)));
    *stats = engine_->engine_stats();
    return answers;
  };
  EngineStats plain, drafted;
  const auto expected = run(0, &plain);
  const auto seen = run(4, &drafted);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(seen[i].text, expected[i].text);
    EXPECT_EQ(seen[i].logprobs, expected[i].logprobs);
    EXPECT_EQ(seen[i].done.reason, FinishReason::kStop);
  }
  EXPECT_LT(drafted.n_steps, plain.n_steps / 2);
}

TEST_F(ConstraintTest, EndsByItselfWhereNothingMayFollow) {
  model_->script("tell me:", "nothing of that kind");
  start();
  // Only byte tokens, and the model would never end here.
  Answer a = answer(constrained(Constraint::Kind::kRegex, "yes|no"));
  EXPECT_TRUE(a.text == "yes" || a.text == "no") << a.text;
  EXPECT_EQ(a.done.reason, FinishReason::kStop);
  EXPECT_EQ(static_cast<size_t>(a.done.usage.generated_tokens), a.text.size());
  a = answer(constrained(Constraint::Kind::kGrammar, "root ::= \"it is \" [0-9]{3}"));
  EXPECT_EQ(a.text.size(), 9u) << a.text;
  EXPECT_EQ(answer(constrained(Constraint::Kind::kRegex, "")).text, "");
  auto request = constrained(Constraint::Kind::kJsonSchema, kPerson);
  request.stop.max_tokens = 3;
  a = answer(request);
  EXPECT_EQ(a.done.reason, FinishReason::kLength);
  EXPECT_EQ(a.text[0], '{');
}

TEST_F(ConstraintTest, TheModelEndsWhereTheTextMayEndAndNowhereElse) {
  model_->script("tell me:", "ab");  // and then its end
  model_->script("tell me:abc", "");
  start();
  EXPECT_EQ(answer(constrained(Constraint::Kind::kRegex, "a.*", 0, 0)).text, "ab");
  EXPECT_EQ(answer(constrained(Constraint::Kind::kRegex, "ab(c[x-z]*)", 0, 0)).text, "abc");
  // Its end is ignored: the text goes on for as long as the form allows.
  auto request = constrained(Constraint::Kind::kRegex, "a[a-z]{0,5}", 0, 0);
  request.stop.ignore_end_of_generation = true;
  const Answer a = answer(request);
  EXPECT_EQ(a.ids.size(), 6u);
  EXPECT_EQ(a.done.reason, FinishReason::kStop);
}

TEST_F(ConstraintTest, ThinkingIsFreeAndTheAnswerIsNot) {
  model_->script_ids("tell me:", {kFakeThink, 'h', 'm', kFakeEndThink, 'w', 'e', 'l', 'l'});
  model_->script("hm</think>", "well");
  start();
  auto request = constrained(Constraint::Kind::kRegex, "[0-9]{2}", 0, 0);
  Answer a = answer(request);
  EXPECT_EQ(a.thinking, "hm");
  EXPECT_EQ(a.text.size(), 2u) << a.text;
  EXPECT_EQ(a.ids.size(), 6u);
  // The model may not begin to think.
  request.stop.thinking_budget = 0;
  a = answer(request);
  EXPECT_EQ(a.thinking, "");
  EXPECT_EQ(a.ids.size(), 2u);
  // It has begun in the prompt, and its budget ends it.
  request.prompt = TokenPrompt{{'q', kFakeThink}};
  a = answer(request);
  EXPECT_EQ(a.ids.front(), kFakeEndThink);
  EXPECT_EQ(a.text.size(), 2u);
  request.stop.thinking_budget = 3;
  a = answer(request);
  EXPECT_EQ(a.ids.size(), 3u + 1 + 2);
  EXPECT_EQ(a.text.size(), 2u);
}

// A model that would end in the middle of its thoughts owes the answer all the same.
TEST_F(ConstraintTest, ThinkingDoesNotEndTheGeneration) {
  model_->script_ids("q<think>", {'x'});
  model_->script_ids("x", {kFakeEos});
  start();
  auto request = constrained(Constraint::Kind::kRegex, "ok", 0, 0);
  std::vector<TokenId> prompt = {'q', kFakeThink};
  request.prompt = TokenPrompt{prompt};
  request.stop.thinking_budget = 5;
  const Answer a = answer(request);
  EXPECT_EQ(a.text, "ok");
  EXPECT_EQ(a.done.reason, FinishReason::kStop);
}

// An unfinished character at the end of the thoughts came out in front of the answer.
TEST_F(ConstraintTest, HalfACharacterOfTheThoughtsStaysThere) {
  model_->script_ids("q:", {kFakeThink, 'h', 0xE2, kFakeEndThink, '7'});
  start();
  const Answer a = answer(ask("q:"));
  EXPECT_EQ(a.thinking, "h\xEF\xBF\xBD");
  EXPECT_EQ(a.text, "7");
}

TEST_F(ConstraintTest, MarkersInsideTheAnswerAreText) {
  model_->script("tell me:", "\"<think>\"");
  start();
  const Answer a = answer(constrained(Constraint::Kind::kJsonSchema, R"({"type":"string"})", 0, 0));
  EXPECT_EQ(a.text, "\"<think>\"");
  EXPECT_EQ(a.thinking, "");
}

TEST_F(ConstraintTest, StopStringsCutTheAnswer) {
  model_->script("tell me:", "\"abc def\"");
  start();
  auto request = constrained(Constraint::Kind::kJsonSchema, R"({"type":"string"})", 0, 0);
  request.stop.strings = {" d"};
  const Answer a = answer(request);
  EXPECT_EQ(a.text, "\"abc");
  EXPECT_EQ(a.done.stop_string, " d");
}

TEST_F(ConstraintTest, LogProbabilitiesAreTheModelsOwn) {
  model_->script("tell me:", "x");
  start();
  auto request = constrained(Constraint::Kind::kRegex, "[yz]", 0, 0);
  request.sampling.n_top_logprobs = 1;
  auto stream = engine_->submit(request).value();
  const auto event = stream->next();
  EXPECT_TRUE(event->text == "y" || event->text == "z");
  EXPECT_LT(event->logprob, -10);
  EXPECT_EQ(event->top.at(0).id, 'x');
}

TEST_F(ConstraintTest, RefusalsNameThePlace) {
  start();
  const auto refused = [&](Constraint::Kind kind, const std::string& text, const std::string& place) {
    const Error error = refusal(constrained(kind, text));
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
    EXPECT_NE(error.message.find(place), std::string::npos) << error.message;
  };
  refused(Constraint::Kind::kJsonSchema, R"({"type":"object","properties":{"a":{"not":{}}}})", "#/properties/a/not");
  refused(Constraint::Kind::kJsonSchema, "{\"type\":\n 1,}", "line 2");
  refused(Constraint::Kind::kRegex, "a(b", "constraint: ");
  refused(Constraint::Kind::kGrammar, "root ::= \"a\"\nx ::= (", "line 2");
  refused(Constraint::Kind::kJsonObject, "{}", "no source");
  refused(Constraint::Kind::kRegex, "(a?b?c?d?e?f?g?h?i?j?k?l?){2000}", "too many ways");
  refused(Constraint::Kind::kRegex, std::string((1u << 20) + 1, 'a'), "1048576");
  auto context = engine_->prefill(ask("abc")).value();
  const auto forked = engine_->fork(context, {{RawPrompt{"x"}, {}, {}, Constraint{Constraint::Kind::kRegex, "("}}});
  EXPECT_EQ(forked.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(forked.error().message.find("branch 0: constraint"), std::string::npos) << forked.error().message;
  auto without = Engine::create(model_, nullptr, nullptr, {.n_threads = 1, .kv_bytes_max = 64 * 8192}).value();
  auto request = constrained(Constraint::Kind::kRegex, "a");
  request.prompt = TokenPrompt{{1}};
  EXPECT_EQ(without->submit(request).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(ConstraintTest, ATextThatTheVocabularyCannotWriteIsAnError) {
  tokenizer_->has_letters = false;
  start();
  const Answer a = answer(constrained(Constraint::Kind::kRegex, "1a"));
  EXPECT_EQ(a.done.reason, FinishReason::kError);
  EXPECT_EQ(a.done.error.code, ErrorCode::kFailedPrecondition);
  EXPECT_EQ(a.text, "1");
  EXPECT_EQ(answer(constrained(Constraint::Kind::kRegex, "a")).done.reason, FinishReason::kError);
  EXPECT_EQ(answer(constrained(Constraint::Kind::kRegex, "12")).text, "12");
}

// Invariant 1 under constraints: alone; among neighbours with the same and other grammars, preempted; forked.
TEST_F(ConstraintTest, SameRequestSameBytes) {
  const std::vector<Constraint> kinds = {{Constraint::Kind::kJsonSchema, kPerson},
                                         {Constraint::Kind::kJsonObject, ""},
                                         {Constraint::Kind::kRegex, "([a-z]{2,9} ){3,30}[0-9]+"},
                                         {Constraint::Kind::kGrammar, "root ::= item (\",\" item){4,20}\nitem ::= [a-z]{1,5} | \"(\" root \")\""}};
  std::vector<GenerateRequest> requests;
  for (uint64_t i = 0; i < 24; ++i) {
    GenerateRequest request = ask("tell me" + std::string(i * 7 % 80, '.') + std::to_string(i % 5) + ":", 180);
    request.sampling.temperature = i % 3 == 0 ? 0 : 1;
    request.sampling.seed = i;
    request.sampling.n_top_logprobs = 2;
    if (i % 6 != 5) request.constraint = kinds[i % kinds.size()];
    requests.push_back(std::move(request));
  }
  start();
  std::vector<Answer> alone;
  for (const GenerateRequest& request : requests) {
    alone.push_back(answer(request));
    EXPECT_NE(alone.back().done.reason, FinishReason::kError) << alone.back().done.error.message;
  }
  Engine::Options options;
  options.max_sequences = 8;
  options.max_batch_rows = 32;
  options.prefill_chunk = 16;
  options.n_threads = 2;
  options.max_draft = 3;
  start(options, 6);  // of up to 5 blocks each: some are preempted
  std::vector<std::unique_ptr<TokenStream>> streams;
  for (const GenerateRequest& request : requests) streams.push_back(engine_->submit(request).value());
  auto context = engine_->prefill(ask("tell me")).value();
  std::vector<BranchRequest> branches;
  for (const GenerateRequest& request : requests) {
    branches.push_back({RawPrompt{std::get<RawPrompt>(request.prompt).text.substr(7)}, request.sampling, request.stop, request.constraint});
  }
  auto forked = engine_->fork(context, branches).value();
  for (auto& stream : forked) streams.push_back(std::move(stream));
  for (size_t i = 0; i < streams.size(); ++i) {
    const Answer a = read_answer(streams[i].get());
    const Answer& b = alone[i % alone.size()];
    EXPECT_EQ(a.ids, b.ids) << i;
    EXPECT_EQ(a.logprobs, b.logprobs) << i;
    EXPECT_EQ(a.text, b.text) << i;
    EXPECT_EQ(a.done.reason, b.done.reason) << i;
  }
  EXPECT_GT(engine_->engine_stats().n_preempted, 0u);
}

TEST(ConstraintCache, KeepsTheLastUsedAndIsBounded) {
  ConstraintCache cache(std::make_shared<FakeTokenizer>());
  const auto get = [&](const std::string& regex) { return cache.get({Constraint::Kind::kRegex, regex}).value(); };
  const auto first = get("a0");
  EXPECT_EQ(get("a0"), first);
  EXPECT_NE(cache.get({Constraint::Kind::kGrammar, "root ::= \"a0\""}).value(), first);
  std::weak_ptr<GrammarMasks> second = get("a1");
  for (int i = 2; i < 40; ++i) {
    get("a" + std::to_string(i));
    EXPECT_EQ(get("a0"), first);
  }
  EXPECT_TRUE(second.expired());
}

}  // namespace
}  // namespace firesteel
