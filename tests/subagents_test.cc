// Strategies over a real engine: lanes in one batch, groups that the engine thread counts, blocks that come back.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "agents/agent_generator.h"
#include "agents/run_record.h"
#include "engine/engine_fixture.h"

namespace firesteel {
namespace {

class SubagentsTest : public EngineTest {
 protected:
  Engine& begin(Engine::Options options = {}) {
    options.kv_bytes_max = 512u * 8192;
    options.n_threads = 1;
    options.poison_free_blocks = true;
    std::shared_ptr<const ChatTemplate> chat = ChatTemplate::compile("{% for m in messages %}{{ m.content }}\n{% endfor %}").value();
    engine_ = Engine::create(model_, tokenizer_, std::move(chat), options).value();
    return *engine_;
  }
  static GenerateRequest question(AgentParams params, int64_t max_tokens) {
    GenerateRequest request;
    ChatPrompt prompt;
    prompt.messages = Json::Array{Json::Object{{"role", "user"}, {"content", std::string(200, 'q') + " how many?"}}};
    request.prompt = std::move(prompt);
    request.sampling.temperature = 1;
    request.sampling.seed = 5;
    request.stop.max_tokens = max_tokens;
    request.agents = params;
    return request;
  }
  void expect_nothing_held() {
    GenerateRequest sync = question({}, 1);
    sync.agents.reset();
    answer(sync);
    const EngineStats stats = engine_->engine_stats();
    EXPECT_EQ(stats.n_running + stats.n_waiting + stats.n_contexts, 0);
    EXPECT_EQ(stats.n_free_blocks + stats.n_cached_blocks, stats.n_blocks);
    EXPECT_EQ(stats.n_finished, stats.n_requests);
  }
};

TEST_F(SubagentsTest, TheSameRequestGivesTheSameBytesWhateverRunsBeside) {
  begin();
  AgentParams params{.mode = AnswerMode::kContemplating, .strategy = AgentStrategy::kVote, .n_agents = 6};
  AgentGenerator agents(engine_.get(), {});
  const Answer alone = read_answer(agents.submit(question(params, 40)).value().get());
  std::vector<std::unique_ptr<TokenStream>> beside;
  for (int i = 0; i < 3; ++i) {
    beside.push_back(agents.submit(question(params, 40)).value());
    beside.push_back(engine_->submit(ask("something else", 60)).value());
  }
  const Answer again = read_answer(beside[4].get());
  EXPECT_EQ(alone.text, again.text);
  EXPECT_FALSE(alone.text.empty());
  for (auto& stream : beside) {
    if (!stream->done()) read_answer(stream.get());
  }
  // Lanes share their prompt: all but the first take it from the cache.
  const Json* usage = alone.done.report->find("usage");
  EXPECT_GT(usage->find("cached_tokens")->as_int(), usage->find("prompt_tokens")->as_int() / 2);
  const auto replayed = replay_run(engine_.get(), *alone.done.report, {});
  ASSERT_TRUE(replayed.ok()) << replayed.error().message;
  EXPECT_TRUE(replayed->same) << ::testing::PrintToString(replayed->differences);
  expect_nothing_held();
}

TEST_F(SubagentsTest, ABudgetIsNeverExceededAndWhatItCutIsReplayed) {
  begin();
  AgentGenerator agents(engine_.get(), {});
  for (const int64_t budget : {1, 17, 90}) {
    AgentParams params{.mode = AnswerMode::kContemplating, .strategy = AgentStrategy::kRefine, .n_agents = 4, .budget_tokens = budget};
    const Answer run = read_answer(agents.submit(question(params, 30)).value().get());
    EXPECT_EQ(run.n_done, 1);
    EXPECT_LE(run.done.usage.generated_tokens, budget);
    const auto replayed = replay_run(engine_.get(), *run.done.report, {});
    ASSERT_TRUE(replayed.ok()) << replayed.error().message;
    EXPECT_TRUE(replayed->same) << budget << ": " << ::testing::PrintToString(replayed->differences);
  }
  expect_nothing_held();
}

TEST_F(SubagentsTest, CancelOfSixteenLanesFreesAllBlocksWithinOneStep) {
  model_->before_forward = [&](const ForwardBatch&) { gate_.pass(); };
  begin();
  AgentParams params{.mode = AnswerMode::kContemplating, .strategy = AgentStrategy::kVote, .n_agents = 16, .n_at_once = 16};
  AgentGenerator agents(engine_.get(), {});
  GenerateRequest request = question(params, -1);
  request.use_prefix_cache = false;
  auto stream = agents.submit(request).value();
  while (engine_->engine_stats().n_running < 16) {
    gate_.allow(1);
    gate_.wait_stopped();
  }
  stream->cancel();
  gate_.allow(1);  // the step under way
  const Answer run = read_answer(stream.get());
  EXPECT_EQ(run.done.reason, FinishReason::kCancelled);
  EXPECT_EQ(engine_->engine_stats().n_running, 0);
  EXPECT_EQ(engine_->engine_stats().n_free_blocks, 512u);
  gate_.open();
}

TEST_F(SubagentsTest, PlannersAreHeldToTheirSchema) {
  begin();  // a model that writes at random: the plan is JSON all the same, or cut
  AgentParams params{.mode = AnswerMode::kContemplating, .strategy = AgentStrategy::kSplit, .n_agents = 4, .budget_tokens = 3000};
  AgentGenerator agents(engine_.get(), {});
  const Answer run = read_answer(agents.submit(question(params, 20)).value().get());
  EXPECT_EQ(run.n_done, 1);
  EXPECT_NE(run.done.reason, FinishReason::kError) << run.done.error.message;
  const Json& plan = run.done.report->find("lanes")->as_array().front();
  EXPECT_EQ(plan.find("role")->as_string(), "plan");
  EXPECT_TRUE(plan.find("text")->as_string().starts_with("{")) << plan.dump();
  expect_nothing_held();
}

}  // namespace
}  // namespace firesteel
