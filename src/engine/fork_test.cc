// Forks beyond one level: groups with budgets and joins, deadlines of branches, contexts of running streams.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/rng.h"
#include "engine/engine_fixture.h"

namespace firesteel {
namespace {

class ForkTest : public EngineTest {
 protected:
  std::shared_ptr<Context> context(const std::string& text, bool cached = true) {
    auto request = ask(text);
    request.use_prefix_cache = cached;
    auto made = engine_->prefill(request);
    EXPECT_TRUE(made.ok()) << made.error().message;
    return std::move(made).value();
  }
  static BranchRequest branch(const std::string& suffix, int64_t max_tokens, std::shared_ptr<RequestGroup> group = nullptr, uint64_t seed = 0) {
    BranchRequest out{RawPrompt{suffix}, {}, {}};
    out.sampling.seed = seed;
    out.sampling.temperature = 1;
    out.stop.max_tokens = max_tokens;
    out.group = std::move(group);
    return out;
  }
};

TEST_F(ForkTest, CancelOfAGroupOfSixteenFreesAllBlocksWithinOneStep) {
  model_->before_forward = [&](const ForwardBatch&) { gate_.pass(); };
  start();
  gate_.allow(1);
  auto prefix = context(std::string(300, 'x'), /*cached=*/false);
  const uint64_t n_free = engine_->engine_stats().n_free_blocks;
  auto group = std::make_shared<RequestGroup>(RequestGroup::Options{});
  std::vector<BranchRequest> branches;
  for (uint64_t i = 0; i < 16; ++i) branches.push_back(branch("?", -1, group, i));
  auto streams = engine_->fork(prefix, branches).value();
  gate_.allow(3);
  gate_.wait_stopped();
  EXPECT_LT(engine_->engine_stats().n_free_blocks, n_free);
  group->cancel();
  gate_.allow(1);  // the step under way
  for (auto& stream : streams) {
    const Answer a = read_answer(stream.get());
    EXPECT_EQ(a.done.reason, FinishReason::kCancelled);
    EXPECT_LE(a.ids.size(), 4u);
  }
  EXPECT_EQ(engine_->engine_stats().n_free_blocks, n_free);
  EXPECT_EQ(engine_->engine_stats().n_running, 0);
  // Who comes late is ended before its first step.
  EXPECT_EQ(read_answer(engine_->fork(prefix, {branch("?", 5, group)}).value()[0].get()).done.reason, FinishReason::kCancelled);
  gate_.open();
}

TEST_F(ForkTest, ABudgetIsSpentByAllAndNeverExceeded) {
  start();
  auto prefix = context("prefix");
  for (const int64_t budget : {0, 1, 7, 30, 61}) {
    auto group = std::make_shared<RequestGroup>(RequestGroup::Options{.budget_tokens = budget});
    auto streams = engine_->fork(prefix, {branch("a", 20, group, 1), branch("b", 20, group, 2), branch("c", 20, group, 3)}).value();
    int64_t n = 0;
    for (auto& stream : streams) {
      const Answer a = read_answer(stream.get());
      EXPECT_EQ(a.done.reason, FinishReason::kLength);
      EXPECT_EQ(a.n_done, 1);
      n += static_cast<int64_t>(a.ids.size());
    }
    EXPECT_EQ(n, std::min<int64_t>(budget, 60));
    EXPECT_EQ(group->n_generated(), n);
    EXPECT_EQ(group->exhausted(), budget <= 60);
  }
  // Alone and last of a group, a branch does not compute what it could not say.
  const int64_t n_rows = model_->n_rows.load();
  auto group = std::make_shared<RequestGroup>(RequestGroup::Options{.budget_tokens = 3});
  read_answer(engine_->fork(prefix, {branch("d", 20, group)}).value()[0].get());
  EXPECT_LE(model_->n_rows.load() - n_rows, 4);
}

TEST_F(ForkTest, AGroupInsideAGroupSpendsBoth) {
  start();
  auto prefix = context("prefix");
  auto outer = std::make_shared<RequestGroup>(RequestGroup::Options{.budget_tokens = 25});
  auto inner = std::make_shared<RequestGroup>(RequestGroup::Options{.budget_tokens = 10, .parent = outer});
  EXPECT_EQ(read_answer(engine_->fork(prefix, {branch("a", 20, inner)}).value()[0].get()).ids.size(), 10u);
  EXPECT_EQ(read_answer(engine_->fork(prefix, {branch("b", 20, outer)}).value()[0].get()).ids.size(), 15u);
  EXPECT_TRUE(outer->exhausted());
  outer->cancel();
  EXPECT_TRUE(inner->cancelled());
}

TEST_F(ForkTest, TheFirstToStopEndTheOthersInTheSameStep) {
  model_->script("quick", "yes");
  model_->script("second", "maybe");
  start();
  auto prefix = context("prefix ");
  auto group = std::make_shared<RequestGroup>(RequestGroup::Options{.first_k = 2});
  auto quick = branch("quick", 100, group);
  auto second = branch("second", 100, group);
  quick.sampling.temperature = second.sampling.temperature = 0;
  auto streams = engine_->fork(prefix, {branch("a", 1000, group), quick, branch("b", 1000, group), second}).value();
  std::vector<Answer> answers;
  for (auto& stream : streams) answers.push_back(read_answer(stream.get()));
  EXPECT_EQ(answers[1].text, "yes");
  EXPECT_EQ(answers[3].text, "maybe");
  for (const size_t i : {0u, 2u}) {
    EXPECT_EQ(answers[i].done.reason, FinishReason::kCancelled);
    EXPECT_LE(answers[i].ids.size(), 6u);  // "maybe" and its end
  }
  prefix.reset();
  expect_nothing_held();
}

TEST_F(ForkTest, ABranchHasItsOwnDeadlineAndItsGroups) {
  model_->before_forward = [&](const ForwardBatch&) { gate_.pass(); };
  Engine::Options options;
  options.clock = &clock_;
  start(options);
  gate_.allow(1);
  auto prefix = context("prefix");
  auto late = branch("a", 8);
  late.deadline_us = clock_.now_us() + 500;
  auto grouped = branch("b", 8, std::make_shared<RequestGroup>(RequestGroup::Options{.deadline_us = clock_.now_us() + 400}));
  grouped.deadline_us = clock_.now_us() + 500'000;
  auto streams = engine_->fork(prefix, {late, grouped, branch("c", 8)}).value();
  gate_.allow(2);
  gate_.wait_stopped();
  clock_.advance_us(1000);
  gate_.open();
  EXPECT_EQ(read_answer(streams[0].get()).done.reason, FinishReason::kDeadline);
  EXPECT_EQ(read_answer(streams[1].get()).done.reason, FinishReason::kDeadline);
  EXPECT_EQ(read_answer(streams[2].get()).ids.size(), 8u);
}

TEST_F(ForkTest, BranchesForkAgainFourLevelsDeepWithTheBytesOfSeparateRequests) {
  start();
  std::vector<TokenId> ids = {1, 2, 3};
  auto here = engine_->prefill(ask_ids(ids, -1)).value();
  for (int depth = 1; depth <= kForkDepthMax; ++depth) {
    BranchRequest next{TokenPrompt{{depth, 9}}, {}, {}};
    next.sampling.temperature = 1;
    next.sampling.seed = 7;
    next.stop.max_tokens = 90;
    auto streams = engine_->fork(here, {next, next}).value();
    const Answer a = read_answer(streams[0].get());
    ids.insert(ids.end(), {depth, 9});
    auto separate = ask_ids(ids, 90);
    separate.sampling = next.sampling;
    separate.use_prefix_cache = false;
    EXPECT_EQ(answer(separate).ids, a.ids) << depth;
    here = engine_->context_of(*streams[0], 70).value();
    EXPECT_EQ(here->depth(), depth);
    ids.insert(ids.end(), a.ids.begin(), a.ids.begin() + 70);
    EXPECT_EQ(here->n_tokens(), static_cast<int64_t>(ids.size()));
  }
  EXPECT_EQ(engine_->fork(here, {branch("x", 1)}).error().code, ErrorCode::kInvalidArgument);
  here.reset();
  expect_nothing_held();
}

TEST_F(ForkTest, ARunningStreamBecomesAContextAndGoesOn) {
  model_->before_forward = [&](const ForwardBatch&) { gate_.pass(); };
  start();
  auto request = ask_ids({1, 2, 3}, 100);
  request.sampling.temperature = 1;
  request.use_prefix_cache = false;
  auto stream = engine_->submit(request).value();
  gate_.allow(75);
  gate_.wait_stopped();
  gate_.open();  // it runs on while the context is made
  auto all = engine_->context_of(*stream, 40).value();
  BranchRequest same{TokenPrompt{{}}, request.sampling, {}};
  same.stop.max_tokens = 60;
  auto forked = engine_->fork(all, {same}).value();
  const Answer a = read_answer(stream.get());
  const Answer b = read_answer(forked[0].get());
  ASSERT_EQ(a.ids.size(), 100u);
  EXPECT_EQ(std::vector<TokenId>(a.ids.begin() + 40, a.ids.end()), b.ids);  // same seed, same positions: the same way on
  EXPECT_EQ(engine_->context_of(*stream, 101).error().code, ErrorCode::kInvalidArgument);
  auto ended = engine_->context_of(*stream).value();
  EXPECT_EQ(ended->n_tokens(), 103);
  EXPECT_EQ(ended->depth(), 0);
  all.reset();
  ended.reset();
  expect_nothing_held();
}

// A random tree of forks, groups, cancels and contexts, all at once: every stream ends once, nothing stays held.
TEST_F(ForkTest, RandomTreesLeaveNothingBehind) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    Engine::Options options;
    options.max_sequences = 8;
    options.max_batch_rows = 64;
    options.prefill_chunk = 32;
    start(options, 48);  // cramped
    std::vector<std::unique_ptr<TokenStream>> open;
    std::vector<std::shared_ptr<Context>> contexts = {context(std::string(100, 'p'), seed % 2 == 0)};
    std::vector<std::shared_ptr<RequestGroup>> groups = {std::make_shared<RequestGroup>(RequestGroup::Options{.budget_tokens = 900})};
    for (int step = 0; step < 40; ++step) {
      const size_t g = rng.below(groups.size());
      const auto& from = contexts[rng.below(contexts.size())];
      std::vector<BranchRequest> branches;
      for (uint64_t i = rng.below(4); i-- > 0;) branches.push_back(branch(std::string(rng.below(40), 'q'), rng.between(1, 40), groups[g], rng.below(5)));
      auto streams = engine_->fork(from, branches);
      if (streams.ok()) {
        for (auto& stream : *streams) open.push_back(std::move(stream));
      } else {
        EXPECT_EQ(streams.error().code, ErrorCode::kInvalidArgument);  // too deep
      }
      if (!open.empty() && rng.below(2) == 0) {
        auto made = engine_->context_of(*open[rng.below(open.size())]);
        if (made.ok()) contexts.push_back(std::move(made).value());
      }
      if (contexts.size() > 5) contexts.erase(contexts.begin() + 1);
      if (rng.below(6) == 0) groups.push_back(std::make_shared<RequestGroup>(RequestGroup::Options{.budget_tokens = rng.between(0, 200), .first_k = static_cast<int>(rng.below(3)), .parent = groups[0]}));
      if (rng.below(10) == 0) groups[g]->cancel();
      if (groups[0]->cancelled() || groups[0]->exhausted()) groups.assign(1, std::make_shared<RequestGroup>(RequestGroup::Options{.budget_tokens = 900}));
      while (open.size() > 12) {
        EXPECT_EQ(read_answer(open.back().get()).n_done, 1);
        open.pop_back();
      }
      if (!open.empty() && rng.below(4) == 0) open.pop_back();  // dropped unread
    }
    open.clear();
    contexts.clear();
    expect_nothing_held();
  }
}

}  // namespace
}  // namespace firesteel
