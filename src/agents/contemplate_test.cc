// Strategies over the fake generator: answers come from functions of what is asked, time from a virtual clock.
#include "agents/contemplate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "agents/agent_generator.h"
#include "agents/answer_key.h"
#include "tools/calculator.h"
#include "agents/prompts.h"
#include "agents/run_record.h"
#include "api/fake_generator.h"

namespace firesteel {
namespace {

using std::string_literals::operator""s;
using Question = FakeGenerator::Question;

GenerateRequest ask(const std::string& question, AgentParams params) {
  GenerateRequest request;
  ChatPrompt chat;
  chat.messages = Json::Array{Json::Object{{"role", "user"}, {"content", question}}};
  request.prompt = std::move(chat);
  request.sampling.seed = 100;
  request.agents = params;
  return request;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

struct Heard {
  std::vector<std::string> types;
  std::map<int, int> n_ends;
  std::string notes, answer;
  AgentRun::Options options() {
    AgentRun::Options out;
    out.on_event = [this](const AgentEvent& event) {
      types.push_back(event.to_json().find("type")->as_string());
      if (event.kind == AgentEvent::Kind::kNote) notes += event.text + "\n";
      if (event.kind == AgentEvent::Kind::kEnded) ++n_ends[event.lane];
      if (event.kind == AgentEvent::Kind::kAnswer) answer = event.text;
    };
    return out;
  }
};

AgentAnswer run(Generator* generator, GenerateRequest request, Heard* heard, AgentRun::Options options) {
  auto answer = answer_with_agents(generator, std::move(request), std::move(options));
  EXPECT_TRUE(answer.ok()) << answer.error().message;
  if (!answer.ok()) return {};
  for (const LaneRecord& lane : answer->ledger.lanes) {
    EXPECT_EQ(heard->n_ends[lane.id], 1) << lane.key;  // each lane ends once
    EXPECT_NE(lane.state, LaneState::kRunning) << lane.key;
  }
  return std::move(answer).value();
}
AgentAnswer run(Generator* generator, GenerateRequest request, Heard* heard) { return run(generator, std::move(request), heard, heard->options()); }

int n_in_state(const Ledger& ledger, LaneState state) {
  return static_cast<int>(std::count_if(ledger.lanes.begin(), ledger.lanes.end(), [&](const LaneRecord& lane) { return lane.state == state; }));
}

AgentParams vote(int n) { return {.mode = AnswerMode::kContemplating, .strategy = AgentStrategy::kVote, .n_agents = n}; }
AgentParams split(int n = 4) { return {.mode = AnswerMode::kContemplating, .strategy = AgentStrategy::kSplit, .n_agents = n}; }
AgentParams refine(int n) { return {.mode = AnswerMode::kContemplating, .strategy = AgentStrategy::kRefine, .n_agents = n}; }

// ---- vote -----------------------------------------------------------------------------------------------------------

// What a run leaves to be replayed, as it comes back from a file.
Json record_of(AgentGenerator* agents, GenerateRequest request) {
  auto stream = agents->submit(std::move(request)).value();
  Json record;
  while (auto event = stream->next()) {
    if (event->kind == GenerateEvent::Kind::kDone) record = *event->report;
  }
  return Json::parse(record.dump()).value();
}

TEST(Vote, StopsWhenItIsDecidedAndSavesTokens) {
  // Three answers are short. The others have said no more than a few words by then, however the threads take turns.
  FakeGenerator fake([](const Question& question) -> Result<std::string> {
    std::string more;
    if (question.sampling.seed >= 103) {
      for (int i = 0; i < 100; ++i) more += "and ";
    }
    return more + "one two three four five six Answer: 42 pens";
  });
  fake.allow(12);
  Heard heard;
  const AgentAnswer answer = run(&fake, ask("How many pens are 40 and 2?", vote(8)), &heard);
  EXPECT_TRUE(has(answer.text, "Answer: 42"));
  EXPECT_EQ(answer.reason, FinishReason::kStop);
  EXPECT_EQ(answer.agreement, 1);
  EXPECT_TRUE(has(heard.notes, "decided after 3 of 8"));
  const Json details = *answer.ledger.to_json().find("details");
  EXPECT_EQ(details.find("vote")->find("counted")->as_int(), 3);
  // Three whole answers and what the others said until they were stopped; never all eight.
  EXPECT_GE(answer.ledger.sum().generated_tokens, 3 * 9);
  EXPECT_LE(answer.ledger.sum().generated_tokens, 8 * 12);
  EXPECT_LE(answer.ledger.lanes.size(), 8u);
}

TEST(Vote, TheMostFrequentAnswerWinsWhateverItsForm) {
  FakeGenerator fake([](const Question& question) -> Result<std::string> {
    switch (question.sampling.seed % 5) {
      case 0: return "Answer: 1.2 km"s;
      case 1: return "Answer: 7"s;
      case 2: return "so it is 1,200 m. Answer: 1,200 m"s;
      case 3: return "Answer: 8"s;
      default: return "\\boxed{1200 metres}"s;
    }
  });
  Heard heard;
  AgentParams params = vote(5);
  params.error_bound = 0;
  const AgentAnswer answer = run(&fake, ask("How far is it?", params), &heard);
  EXPECT_EQ(answer_key(answer.text).key, answer_key("1200 m").key);
  EXPECT_DOUBLE_EQ(answer.agreement, 0.6);
  const auto questions = fake.questions();
  std::vector<uint64_t> seeds;
  for (const Question& question : questions) seeds.push_back(question.sampling.seed);
  std::sort(seeds.begin(), seeds.end());
  EXPECT_EQ(seeds, (std::vector<uint64_t>{100, 101, 102, 103, 104}));
}

TEST(Vote, ConfidenceDecidesBetweenEqualCounts) {
  FakeGenerator fake([](const Question& question) -> Result<std::string> { return question.sampling.seed % 2 == 0 ? "Answer: 1"s : "Answer: 2"s; });
  fake.set_logprobs([](const Question& question, std::string_view) { return question.sampling.seed % 2 == 0 ? -2.f : -0.1f; });
  Heard heard;
  AgentParams params = vote(4);
  params.error_bound = 0;
  const AgentAnswer answer = run(&fake, ask("Is it 1 or 2?", params), &heard);
  EXPECT_EQ(answer.text, "Answer: 2");
  EXPECT_EQ(answer.agreement, 0.5);
}

TEST(Vote, ByConfidenceTheSurerFewWinAndBothSharesAreTold) {
  FakeGenerator fake([](const Question& question) -> Result<std::string> { return question.sampling.seed % 5 < 3 ? "Answer: 1"s : "Answer: 2"s; });
  fake.set_logprobs([](const Question& question, std::string_view) { return question.sampling.seed % 5 < 3 ? -2.f : -0.1f; });
  AgentParams params = vote(5);
  params.error_bound = 0;
  Heard heard;
  EXPECT_EQ(run(&fake, ask("Is it 1 or 2?", params), &heard).text, "Answer: 1");
  params.vote_by = VoteBy::kConfidence;
  Heard again;
  const AgentAnswer answer = run(&fake, ask("Is it 1 or 2?", params), &again);
  EXPECT_EQ(answer.text, "Answer: 2");
  EXPECT_EQ(answer.agreement, 0.4);
  const Json details = *answer.ledger.to_json().find("details");
  const Json& told = *details.find("vote");
  EXPECT_EQ(*told.find("by"), Json("confidence"));
  EXPECT_EQ(told.find("agreement")->as_double(), 0.4);
  const double sure = 2 * std::exp(-0.1), unsure = 3 * std::exp(-2.0);
  EXPECT_NEAR(told.find("agreement_by_weight")->as_double(), sure / (sure + unsure), 1e-6);
  EXPECT_NEAR(told.find("answers")->as_array().front().find("weight")->as_double(), sure, 1e-6);
}

TEST(Vote, ByConfidenceIsReplayedAndOldRecordsAreByCount) {
  FakeGenerator fake([](const Question& question) -> Result<std::string> { return question.sampling.seed % 5 < 3 ? "Answer: 1"s : "Answer: 2"s; });
  fake.set_logprobs([](const Question& question, std::string_view) { return question.sampling.seed % 5 < 3 ? -2.f : -0.1f; });
  AgentGenerator agents(&fake, {});
  AgentParams params = vote(5);
  params.vote_by = VoteBy::kConfidence;
  Json record = record_of(&agents, ask("Is it 1 or 2?", params));
  auto replayed = replay_run(&fake, record, {});
  ASSERT_TRUE(replayed.ok()) << replayed.error().message;
  EXPECT_TRUE(replayed->same) << ::testing::PrintToString(replayed->differences);
  EXPECT_EQ(replayed->answer.text, "Answer: 2");

  Json request = *record.find("request");
  Json asked = *request.find("agents");
  asked.set("vote_by", "weather");
  request.set("agents", asked);
  Json broken = record;
  broken.set("request", request);
  EXPECT_EQ(replay_run(&fake, broken, {}).error().code, ErrorCode::kDataLoss);
  Json old;
  for (const auto& [name, value] : asked.as_object()) {
    if (name != "vote_by") old.set(name, value);
  }
  request.set("agents", old);
  record.set("request", request);
  replayed = replay_run(&fake, record, {});
  ASSERT_TRUE(replayed.ok()) << replayed.error().message;
  EXPECT_EQ(replayed->answer.text, "Answer: 1");
}

TEST(Vote, SamplesThatFailCountForNobody) {
  FakeGenerator fake([](const Question& question) -> Result<std::string> {
    if (question.sampling.seed < 103) return Error{ErrorCode::kResourceExhausted, "queue: full"};
    return "Answer: 9"s;
  });
  Heard heard;
  AgentAnswer answer = run(&fake, ask("How many?", vote(6)), &heard);
  EXPECT_EQ(answer.text, "Answer: 9");
  EXPECT_EQ(n_in_state(answer.ledger, LaneState::kFailed), 3);

  FakeGenerator broken([](const Question&) -> Result<std::string> { return Error{ErrorCode::kResourceExhausted, "queue: full"}; });
  Heard heard2;
  answer = run(&broken, ask("How many?", vote(4)), &heard2);
  EXPECT_EQ(answer.reason, FinishReason::kError);
  EXPECT_TRUE(has(answer.error.message, "queue: full"));
}

TEST(Vote, ABudgetCutsAndTheRestStillVotes) {
  FakeGenerator fake([](const Question&) -> Result<std::string> { return "a b c d e f g Answer: 5"s; });
  Heard heard;
  AgentParams params = vote(8);
  params.budget_tokens = 30;
  params.error_bound = 0;
  params.n_at_once = 1;
  const AgentAnswer answer = run(&fake, ask("How many?", params), &heard);
  EXPECT_LE(answer.ledger.sum().generated_tokens, 30);
  EXPECT_EQ(n_in_state(answer.ledger, LaneState::kDone), 3);
  EXPECT_TRUE(has(answer.text, "Answer: 5"));
  EXPECT_GT(n_in_state(answer.ledger, LaneState::kSkipped), 0);
}

TEST(Vote, ADeadlineEndsTheRunWithWhatThereIs) {
  VirtualClock clock;
  FakeGenerator fake([](const Question& question) -> Result<std::string> { return question.sampling.seed == 100 ? "Answer: 5" : std::string("a b c d e f g h i j k l m n o p Answer: 6"); });
  fake.set_clock(&clock, 1000);
  Heard heard;
  AgentParams params = vote(4);
  params.n_at_once = 1;
  AgentRun::Options options = heard.options();
  options.clock = &clock;
  options.limits.deadline_us = 10'000;
  const AgentAnswer answer = run(&fake, ask("How many?", params), &heard, options);
  EXPECT_EQ(answer.text, "Answer: 5");
  EXPECT_EQ(n_in_state(answer.ledger, LaneState::kDeadline), 1);
  EXPECT_GE(n_in_state(answer.ledger, LaneState::kSkipped), 1);
}

// ---- split ----------------------------------------------------------------------------------------------------------

// A model that plans, answers parts and joins.
Result<std::string> planner(const Question& question, const std::string& plan, const std::function<Result<std::string>(const std::string&)>& part) {
  if (has(question.prompt, "Split into questions")) {
    EXPECT_TRUE(question.constraint.has_value());
    return plan;
  }
  if (has(question.prompt, "cite it as")) return std::string("It is red [1] and 5 [2]. [9]");
  return part(question.prompt);
}

TEST(Split, PartsRunAndTheJoinCites) {
  FakeGenerator fake([](const Question& question) {
    return planner(question, R"({"questions": ["What colour is it?", "How many are there?"]})", [](const std::string& prompt) -> Result<std::string> {
      return has(prompt, "colour") ? std::string("Answer: red") : std::string("Answer: 5");
    });
  });
  Heard heard;
  const AgentAnswer answer = run(&fake, ask("What colour is it and how many are there?", split()), &heard);
  EXPECT_EQ(answer.text, "It is red [1] and 5 [2].");  // [9] names nothing
  EXPECT_EQ(answer.ledger.lanes.size(), 4u);
  EXPECT_EQ(answer.ledger.lanes[1].parent, 0);
  EXPECT_EQ(answer.ledger.lanes[1].depth, 2);
  const Json plan = *answer.ledger.to_json().find("details")->find("plan");
  EXPECT_EQ(plan.as_array()[1].find("type")->as_string(), "number");
  EXPECT_EQ(heard.answer, answer.text);
}

TEST(Split, DependentQuestionsWaitForWhatTheyNeed) {
  FakeGenerator fake([](const Question& question) {
    return planner(question, R"({"questions": ["How long by train?", "How long by bus?", "Which of [1] and [2] is shorter?"]})", [](const std::string& prompt) -> Result<std::string> {
      if (has(prompt, "shorter")) {
        EXPECT_TRUE(has(prompt, "Which of 3 h and 5 h is shorter?")) << prompt;
        return std::string("Answer: the train");
      }
      return has(prompt, "train") ? std::string("Answer: 3 h") : std::string("Answer: 5 h");
    });
  });
  Heard heard;
  const AgentAnswer answer = run(&fake, ask("Train or bus?", split(2)), &heard);
  EXPECT_EQ(answer.reason, FinishReason::kStop);
  EXPECT_EQ(n_in_state(answer.ledger, LaneState::kDone), 5);
}

TEST(Split, AFailedPartIsTriedOnceMoreThenNamed) {
  std::atomic<int> n_tries{0};
  FakeGenerator fake([&n_tries](const Question& question) {
    return planner(question, R"({"questions": ["What colour is it?", "How many?", "Twice [2]?"]})", [&n_tries](const std::string& prompt) -> Result<std::string> {
      if (has(prompt, "colour")) return std::string("Answer: red");
      EXPECT_FALSE(has(prompt, "Twice"));  // it is never asked
      ++n_tries;
      return Error{ErrorCode::kInternal, "the tool broke"};
    });
  });
  Heard heard;
  const AgentAnswer answer = run(&fake, ask("What colour and how many, and twice that?", split()), &heard);
  EXPECT_EQ(n_tries, 2);
  EXPECT_TRUE(has(answer.text, "red [1]")) << answer.text;
  EXPECT_FALSE(has(answer.text, "5 [2]"));  // what has no answer is not cited
  EXPECT_TRUE(has(answer.text, "No answer for [2] (How many?): the tool broke.")) << answer.text;
  EXPECT_TRUE(has(answer.text, "No answer for [3] (Twice [2]?): it needs [2], which has no answer.")) << answer.text;
  EXPECT_EQ(n_in_state(answer.ledger, LaneState::kSkipped), 1);
  EXPECT_TRUE(has(heard.notes, "tried once more"));
}

TEST(Split, ARetryThatWorksIsTheAnswer) {
  std::atomic<int> n_tries{0};
  FakeGenerator fake([&n_tries](const Question& question) {
    return planner(question, R"({"questions": ["What colour is it?", "How many?"]})", [&n_tries](const std::string& prompt) -> Result<std::string> {
      if (has(prompt, "colour")) return std::string("Answer: red");
      if (++n_tries == 1) return Error{ErrorCode::kInternal, "broken"};
      return std::string("Answer: 5");
    });
  });
  Heard heard;
  const AgentAnswer answer = run(&fake, ask("What colour and how many?", split()), &heard);
  EXPECT_EQ(answer.text, "It is red [1] and 5 [2].");
  EXPECT_EQ(answer.ledger.lanes[3].attempt, 2);
}

TEST(Split, BadPlansEndInOneAgentThatSaysWhy) {
  for (const auto& [plan, why] : std::vector<std::pair<std::string, std::string>>{{"{\"questions\": []}", "empty"},
                                                                                {"{\"questions\": [\"[2]?\", \"[1]?\"]}", "cyclic"},
                                                                                {"{\"questions\": [\"A\", \"[1]\", \"[2]\", \"[3]\", \"[4]\"]}", "levels deep"},
                                                                                {"{\"questions\": [\"one\"]}", "nothing to split"},
                                                                                {"I would rather not", "JSON"}}) {
    FakeGenerator fake([plan = plan](const Question& question) -> Result<std::string> { return has(question.prompt, "Split into questions") ? plan : std::string("the whole answer"); });
    Heard heard;
    const AgentAnswer answer = run(&fake, ask("A and B?", split()), &heard);
    EXPECT_EQ(answer.text, "the whole answer");
    EXPECT_TRUE(has(answer.ledger.to_json().find("details")->find("plan_refused")->as_string(), why)) << why;
    EXPECT_EQ(answer.reason, FinishReason::kStop);
  }
}

TEST(Split, AJoinWithoutCitationsIsReplacedByTheParts) {
  FakeGenerator fake([](const Question& question) -> Result<std::string> {
    if (has(question.prompt, "Split into questions")) return std::string(R"({"questions": ["A?", "B?"]})");
    if (has(question.prompt, "cite it as")) return std::string("Seven, surely.");
    return has(question.prompt, "A?") ? std::string("Answer: 1") : std::string("Answer: 2");
  });
  Heard heard;
  EXPECT_EQ(run(&fake, ask("A and B?", split()), &heard).text, "A? 1 [1]\nB? 2 [2]");
}

TEST(Split, AJoinThatInventsANumberIsReplacedByTheParts) {
  FakeGenerator fake([](const Question& question) -> Result<std::string> {
    if (has(question.prompt, "Split into questions")) return std::string(R"({"questions": ["A?", "B?"]})");
    if (has(question.prompt, "cite it as")) return std::string("It is 1 [1] and 3 [2].");
    return has(question.prompt, "A?") ? std::string("Answer: 1") : std::string("Answer: 2");
  });
  Heard heard;
  const AgentAnswer answer = run(&fake, ask("A and B?", split()), &heard);
  EXPECT_EQ(answer.text, "A? 1 [1]\nB? 2 [2]");
  EXPECT_TRUE(has(answer.ledger.to_json().find("details")->find("join")->as_string(), "says 3"));
}

TEST(Split, AQuestionWhosePartsAreNumberedNeedsNoPlannerAndNoJoin) {
  FakeGenerator fake([](const Question& question) -> Result<std::string> {
    EXPECT_FALSE(has(question.prompt, "Split into questions") || has(question.prompt, "cite it as"));
    return has(question.prompt, "2 plus 2") ? std::string("Answer: 4") : has(question.prompt, "3 times 4") ? std::string("Answer: 12") : std::string("Answer: iron");
  });
  Heard heard;
  const AgentAnswer answer = run(&fake, ask("a) What is 2 plus 2? b) What is Fe? c) What is 3 times the answer to a)?", split()), &heard);
  EXPECT_EQ(answer.text, "a) 4 [1]\nb) iron [2]\nc) 12 [3]");
  EXPECT_EQ(answer.ledger.lanes.size(), 3u);
  EXPECT_EQ(answer.ledger.to_json().find("details")->find("planned_by")->as_string(), "form");
}

TEST(Split, APlanThatCopiesANumberWronglyIsRefused) {
  FakeGenerator fake([](const Question& question) -> Result<std::string> {
    if (has(question.prompt, "Split into questions")) return std::string(R"({"questions": ["What is 2 + 2?", "What is 3 + 8?"]})");
    return std::string("the whole answer");
  });
  Heard heard;
  const AgentAnswer answer = run(&fake, ask("I want 2 + 2 and 3 + 7.", split()), &heard);
  EXPECT_EQ(answer.text, "the whole answer");
  EXPECT_EQ(answer.ledger.to_json().find("details")->find("plan_refused")->as_string(), "plan: it says 8 and leaves out 7");
}

TEST(Split, APlanInAScriptWithoutBlanksIsNotTakenForMadeUp) {
  FakeGenerator fake([](const Question& question) -> Result<std::string> {
    if (has(question.prompt, "Split into questions")) return std::string("{\"questions\": [\"\xE5\x8C\x97\xE4\xBA\xAC\xE7\x9A\x84\xE4\xBA\xBA\xE5\x8F\xA3\", \"\xE4\xB8\x8A\xE6\xB5\xB7 GDP\"]}");
    if (has(question.prompt, "cite it as")) return std::string("1 [1], 2 [2]");
    return std::string("Answer: 1");
  });
  Heard heard;
  EXPECT_EQ(n_in_state(run(&fake, ask("Peking and Shanghai?", split()), &heard).ledger, LaneState::kDone), 4);
}

TEST(Split, APlanThatAsksWhatNobodyAskedIsRefused) {
  FakeGenerator fake([](const Question& question) -> Result<std::string> {
    if (has(question.prompt, "Split into questions")) return std::string(R"({"questions": ["Which bus is late?", "What is the SI unit of absorbed dose?", "So [1]?"]})");
    return std::string("the whole answer");
  });
  Heard heard;
  const AgentAnswer answer = run(&fake, ask("I take the bus, or I weigh a train.", split()), &heard);
  EXPECT_EQ(answer.text, "the whole answer");
  EXPECT_TRUE(has(answer.ledger.to_json().find("details")->find("plan_refused")->as_string(), "nobody asked for question 2"));
}

// ---- refine ---------------------------------------------------------------------------------------------------------

TEST(Refine, DraftsAreDistilledAndRefined) {
  FakeGenerator fake([](const Question& question) -> Result<std::string> {
    if (has(question.prompt, "Drafts of an answer")) {
      EXPECT_EQ(question.stop.max_tokens, 256);
      return std::string("They agree on blue.");
    }
    if (has(question.prompt, "Notes on earlier drafts")) {
      EXPECT_TRUE(has(question.prompt, "They agree on blue."));
      return std::string("The sky is blue.");
    }
    return "draft " + std::to_string(question.sampling.seed);
  });
  Heard heard;
  AgentParams params = refine(3);
  params.n_rounds = 2;
  const AgentAnswer answer = run(&fake, ask("Why is the sky blue?", params), &heard);
  EXPECT_EQ(answer.text, "The sky is blue.");
  EXPECT_EQ(answer.ledger.lanes.size(), 3u + 2u * 2u);
  EXPECT_LE(std::max_element(answer.ledger.lanes.begin(), answer.ledger.lanes.end(), [](const auto& a, const auto& b) { return a.depth < b.depth; })->depth, kForkDepthMax + 1);
}

TEST(Refine, TheBestDraftIsTheAnswerWhenRefiningFails) {
  FakeGenerator fake([](const Question& question) -> Result<std::string> {
    if (has(question.prompt, "Drafts of an answer")) return Error{ErrorCode::kInternal, "no"};
    return "draft " + std::to_string(question.sampling.seed);
  });
  fake.set_logprobs([](const Question& question, std::string_view) { return question.sampling.seed == 101 ? -0.1f : -1.f; });
  Heard heard;
  EXPECT_EQ(run(&fake, ask("Why?", refine(3)), &heard).text, "draft 101");
}

// ---- auto -----------------------------------------------------------------------------------------------------------

TEST(Auto, TheProbeDecidesAndIsCounted) {
  for (const auto& [logprob, mode] : std::vector<std::pair<float, std::string>>{{-0.01f, "instant"}, {-0.15f, "thinking"}, {-2.5f, "contemplating"}}) {
    FakeGenerator fake([](const Question&) -> Result<std::string> { return "Answer: 12 of the things"s; });
    fake.set_logprobs([logprob = logprob](const Question&, std::string_view) { return logprob; });
    Heard heard;
    const AgentAnswer answer = run(&fake, ask("How many apples are in a dozen?", {}), &heard);
    EXPECT_EQ(answer.ledger.mode, mode) << answer.ledger.why;
    EXPECT_EQ(answer.ledger.lanes[0].role, "probe");
    EXPECT_GT(answer.ledger.lanes[0].usage.generated_tokens, 0);
    EXPECT_TRUE(has(answer.ledger.why, "nats")) << answer.ledger.why;
    EXPECT_TRUE(has(answer.text, "12"));
  }
}

// Sure of the first digits is not sure of the sum.
TEST(Auto, WhatIsToBeWorkedOutIsThoughtAbout) {
  FakeGenerator fake([](const Question&) -> Result<std::string> { return "Answer: 12"s; });
  fake.set_logprobs([](const Question&, std::string_view) { return -0.01f; });
  Heard heard;
  const AgentAnswer answer = run(&fake, ask("How many apples are 7 and 5?", {}), &heard);
  EXPECT_EQ(answer.ledger.mode, "thinking") << answer.ledger.why;
  EXPECT_TRUE(question_shape("What's the acceleration when a net force of 250 N acts on 100 kg?").computes);
  EXPECT_FALSE(question_shape("Which element has the symbol O?").computes);
  EXPECT_FALSE(question_shape("Which is larger? a) 3 b) 4").computes);
  EXPECT_FALSE(question_shape("Write a poem about 12 pens. How many lines?").computes);
  EXPECT_EQ(choose_route({}, {.computes = true}, {.n_tokens = 3, .entropy_max = 0.1, .margin_min = 0.9}, /*can_think=*/false).mode, AnswerMode::kInstant);
}

TEST(Auto, ShapesOfQuestions) {
  EXPECT_EQ(question_shape("What is 3+4? What is 5+6? And what is 7+8?").n_parts, 3);
  EXPECT_EQ(question_shape("Why is the sky blue?").n_parts, 1);
  EXPECT_EQ(question_shape("With a power of 551 W, how many seconds does it take?").n_parts, 1);  // told, then asked: once
  EXPECT_EQ(question_shape("How far does a bus get in 5 hours, and how long does a car need for that?").n_parts, 2);
  EXPECT_TRUE(question_shape("How many pens are left of 12?").is_checkable);
  EXPECT_FALSE(question_shape("Write a poem about 12 pens. How many lines?").is_checkable);
  EXPECT_TRUE(question_shape("Which? a) red b) blue").is_checkable);
  EXPECT_EQ(question_shape("Which? a) red b) blue").n_parts, 1);
  EXPECT_EQ(question_shape("1. Name the capital of France\n2. Name the capital of Spain\n3. Name the capital of Italy").n_parts, 3);
  EXPECT_EQ(question_shape("").n_parts, 1);
  EXPECT_LE(question_shape(std::string(100000, '?')).n_parts, kFanOutMax);
  EXPECT_FALSE(wants_probe({.mode = AnswerMode::kInstant}, {}));
  EXPECT_EQ(choose_route({.mode = AnswerMode::kInstant}, {}, {}, true).mode, AnswerMode::kInstant);
  EXPECT_EQ(choose_route({}, {.n_parts = 3}, {}, true).strategy, AgentStrategy::kSplit);
  // What the instant answer doubts, thinking may settle: who can think votes later.
  const QuestionShape checkable = {.is_checkable = true};
  const auto doubts = [](double entropy) { return Probe{.n_tokens = 3, .entropy_max = entropy, .margin_min = 0.1}; };
  EXPECT_EQ(choose_route({}, checkable, doubts(1.5), true).mode, AnswerMode::kThinking);
  EXPECT_EQ(choose_route({}, checkable, doubts(1.5), false).strategy, AgentStrategy::kVote);
  EXPECT_EQ(choose_route({}, checkable, doubts(2.9), true).strategy, AgentStrategy::kVote);
  EXPECT_EQ(choose_route({}, {}, doubts(2.9), true).mode, AnswerMode::kThinking);
  EXPECT_EQ(choose_route({}, {}, {}, false).mode, AnswerMode::kInstant);
  EXPECT_EQ(choose_route({.n_agents = 4}, {}, {}, true).strategy, AgentStrategy::kRefine);
}

TEST(Auto, ParametersOutOfRangeAreNamed) {
  FakeGenerator fake;
  const auto refusal = [&](AgentParams params) {
    const auto answer = answer_with_agents(&fake, ask("x", params), {});
    EXPECT_FALSE(answer.ok());
    return answer.ok() ? std::string() : answer.error().message;
  };
  EXPECT_TRUE(has(refusal({.n_agents = 17}), "1 to 16"));
  EXPECT_TRUE(has(refusal({.budget_tokens = 0}), "budget"));
  EXPECT_TRUE(has(refusal({.error_bound = 1}), "error bound"));
  EXPECT_TRUE(has(refusal({.mode = AnswerMode::kContemplating, .n_agents = 1}), "one agent"));
  GenerateRequest raw = ask("x", {});
  raw.prompt = RawPrompt{"x"};
  EXPECT_FALSE(answer_with_agents(&fake, raw, {}).ok());
}

TEST(Split, LongAnswersAreToldBesideTheQuestion) {
  EXPECT_EQ(part_prompt("", "Is [1] more than [2]?", {{1, "A?", "5 km"}, {2, "B?", std::string(80, 'x')}}), "Is 5 km more than [2]?\n\nKnown:\n[2] B?: " + std::string(80, 'x'));
  EXPECT_EQ(part_prompt("", "Sum up.", {{1, "A?", "5 km"}}), "Sum up.\n\nKnown:\n[1] A?: 5 km");
  EXPECT_TRUE(part_prompt(std::string(700, 'c'), "And?", {}).starts_with("ccc"));
}

// ---- Replay ---------------------------------------------------------------------------------------------------------

TEST(Replay, AStoredLedgerGivesTheSameBytesAgain) {
  const auto answers = [](const Question& question) -> Result<std::string> { return "a b c d e f Answer: " + std::to_string(question.sampling.seed % 3); };
  FakeGenerator fake(answers);
  Heard heard;
  AgentParams params = vote(6);
  params.budget_tokens = 43;  // cuts somewhere
  const AgentAnswer first = run(&fake, ask("How many?", params), &heard);
  const Json stored = Json::parse(first.ledger.to_json().dump()).value();
  FakeGenerator again(answers);
  Heard heard2;
  AgentRun::Options options = heard2.options();
  options.replay = lane_pins(stored).value();
  const AgentAnswer second = run(&again, ask("How many?", params), &heard2, options);
  EXPECT_EQ(second.text, first.text);
  ASSERT_LE(first.ledger.lanes.size(), second.ledger.lanes.size());
  for (const LaneRecord& lane : first.ledger.lanes) {
    const auto same = std::find_if(second.ledger.lanes.begin(), second.ledger.lanes.end(), [&](const LaneRecord& one) { return one.key == lane.key; });
    ASSERT_NE(same, second.ledger.lanes.end()) << lane.key;
    EXPECT_EQ(same->text, lane.text) << lane.key;
  }
  EXPECT_FALSE(lane_pins(Json::parse("{\"lanes\": [3]}").value()).ok());
}

TEST(Replay, ByTheRecordOfTheGeneratorInFront) {
  const auto answers = [](const Question& question) -> Result<std::string> {
    if (has(question.prompt, "Split into questions")) return R"({"questions": ["A?", "B?", "Is [1] more than [2]?"]})"s;
    if (has(question.prompt, "cite it as")) return "So [1] and [2]."s;
    return "a b Answer: " + std::to_string(question.sampling.seed);
  };
  FakeGenerator fake(answers);
  AgentGenerator agents(&fake, {});
  GenerateRequest request = ask("A? B?", split());
  request.sampling.logit_bias = {{3, 0.5f}};
  request.stop.strings = {"END"};
  Json record = record_of(&agents, request);
  auto replayed = replay_run(&fake, record, {});
  ASSERT_TRUE(replayed.ok()) << replayed.error().message;
  EXPECT_TRUE(replayed->same) << ::testing::PrintToString(replayed->differences);
  // Another model says something else, and that is seen.
  FakeGenerator other([&](const Question& question) -> Result<std::string> { return has(question.prompt, "B?\"") ? "c"s : answers(question); });
  replayed = replay_run(&other, record, {});
  ASSERT_TRUE(replayed.ok());
  EXPECT_FALSE(replayed->same);
  for (const char* damage : {"request", "answer", "lanes"}) {
    Json broken = record;
    broken.set(damage, 3);
    EXPECT_EQ(replay_run(&fake, broken, {}).error().code, ErrorCode::kDataLoss) << damage;
  }
}

TEST(Replay, PicturesAreKeptWithTheRequest) {
  GenerateRequest request = ask("What is it?", vote(2));
  RgbImage image{.width = 3, .height = 2, .pixels = {}};
  for (int i = 0; i < 18; ++i) image.pixels.push_back(static_cast<uint8_t>(i * 13));
  request.images = {std::make_shared<const RgbImage>(image)};
  const Json stored = Json::parse(request_json(request).dump()).value();
  const auto back = request_of(stored);
  ASSERT_TRUE(back.ok()) << back.error().message;
  ASSERT_EQ(back->images.size(), 1u);
  EXPECT_EQ(back->images[0]->width, 3);
  EXPECT_EQ(back->images[0]->pixels, image.pixels);
  // What a ledger is not meant to hold is counted, and the replay says why it cannot.
  request.images = {std::make_shared<const RgbImage>(RgbImage{.width = 1200, .height = 1200, .pixels = std::vector<uint8_t>(1200u * 1200u * 3u)})};
  EXPECT_EQ(request_of(request_json(request)).error().code, ErrorCode::kUnsupported);
  for (const char* images : {"[3]", R"([{"width": 3, "height": 2, "rgb": "AAAA"}])", R"([{"width": -1, "height": 2, "rgb": ""}])", R"([{"width": 1, "height": 1, "rgb": "*"}])", "\"x\""}) {
    Json broken = stored;
    broken.set("images", Json::parse(images).value());
    EXPECT_FALSE(request_of(broken).ok()) << images;
  }
}

TEST(Replay, FailuresComeOutAgainAsTheyWere) {
  // The part fails for a reason of that day; the replay must not depend on it.
  const auto answers = [](bool fails) {
    return [fails](const Question& question) {
      return planner(question, R"({"questions": ["What colour is it?", "How many?", "Twice [2]?"]})", [fails](const std::string& prompt) -> Result<std::string> {
        if (has(prompt, "colour")) return "Answer: red"s;
        if (fails) return Error{ErrorCode::kInternal, "the disk was full"};
        return "Answer: 5"s;
      });
    };
  };
  FakeGenerator fake(answers(true));
  AgentGenerator agents(&fake, {});
  auto stream = agents.submit(ask("What colour, how many, and twice that?", split())).value();
  Json record;
  std::string text;
  while (auto event = stream->next()) {
    text += event->text;
    if (event->kind == GenerateEvent::Kind::kDone) record = *event->report;
  }
  EXPECT_TRUE(has(text, "the disk was full"));
  FakeGenerator well(answers(false));
  const auto replayed = replay_run(&well, Json::parse(record.dump()).value(), {});
  ASSERT_TRUE(replayed.ok()) << replayed.error().message;
  EXPECT_TRUE(replayed->same) << replayed->answer.text << ::testing::PrintToString(replayed->differences);
}

// ---- The generator in front -----------------------------------------------------------------------------------------

struct Read {
  std::string text;
  GenerateEvent done;
  int n_agent_events = 0, n_done = 0;
};
Read read(TokenStream* stream) {
  Read out;
  while (auto event = stream->next()) {
    out.text += event->thinking ? "" : event->text;
    out.n_agent_events += event->kind == GenerateEvent::Kind::kAgent ? 1 : 0;
    if (event->kind != GenerateEvent::Kind::kDone) continue;
    ++out.n_done;
    out.done = std::move(*event);
  }
  return out;
}

TEST(AgentGenerator, StreamsTheAnswerAndItsLedger) {
  FakeGenerator fake([](const Question&) -> Result<std::string> { return "Answer: 4"s; });
  AgentGenerator agents(&fake, {});
  AgentParams params = vote(4);
  params.reports_lanes = true;
  auto stream = agents.submit(ask("How many?", params)).value();
  const Read answer = read(stream.get());
  EXPECT_EQ(answer.text, "Answer: 4");
  EXPECT_EQ(answer.n_done, 1);
  EXPECT_GT(answer.n_agent_events, 4);
  EXPECT_EQ(answer.done.usage.generated_tokens, answer.done.report->find("usage")->find("generated_tokens")->as_int());
  EXPECT_EQ(answer.done.report->find("strategy")->as_string(), "vote");
  EXPECT_FALSE(stream->next().has_value());
  // Without agents it is not there.
  GenerateRequest plain = ask("x", {});
  plain.agents.reset();
  EXPECT_EQ(read(agents.submit(plain).value().get()).text, "Answer: 4");
}

TEST(AgentGenerator, CancelAndDropEndAllLanes) {
  FakeGenerator fake([](const Question&) -> Result<std::string> { return "a b c d e f g h i j"s; });
  fake.allow(2);
  AgentGenerator agents(&fake, {});
  AgentParams params = vote(16);
  params.n_at_once = 16;
  auto stream = agents.submit(ask("How many?", params)).value();
  auto dropped = agents.submit(ask("How many?", params)).value();
  stream->cancel();
  const Read answer = read(stream.get());
  EXPECT_EQ(answer.n_done, 1);
  EXPECT_EQ(answer.done.reason, FinishReason::kCancelled);
  dropped.reset();
}  // and its end waits for all

TEST(AgentGenerator, ToolsRunInLanes) {
  FakeGenerator fake([](const Question& question) -> Result<std::string> {
    if (has(question.prompt, "\"tool\"")) return std::string("Answer: 12");
    return std::string("<tool_call>\n{\"name\": \"calculator\", \"arguments\": {\"expression\": \"7+5\"}}\n</tool_call>");
  });
  AgentGenerator agents(&fake, {.tools = {make_calculator()}});
  const Read answer = read(agents.submit(ask("How many are 7 and 5?", vote(3))).value().get());
  EXPECT_EQ(answer.text, "Answer: 12");
  const Json& lane = answer.done.report->find("lanes")->as_array()[0];
  EXPECT_EQ(lane.find("tools")->as_array()[0].find("result")->as_string(), "12");
}

TEST(AgentGenerator, RefusesWhatItCannotKeep) {
  FakeGenerator fake;
  AgentGenerator agents(&fake, {.n_runs_max = 0});
  EXPECT_EQ(agents.submit(ask("x", vote(2))).error().code, ErrorCode::kResourceExhausted);
  GenerateRequest request = ask("x", vote(2));
  request.sampling.n_top_logprobs = 2;
  EXPECT_EQ(agents.submit(request).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace firesteel
