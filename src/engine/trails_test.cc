// Samples of one prompt: what they say is what each would say alone, and what they say alike is computed once.
#include "engine/trails.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/rng.h"
#include "engine/engine_fixture.h"

namespace firesteel {
namespace {

class TrailsTest : public EngineTest {
 protected:
  static std::shared_ptr<RequestGroup> group_in(std::shared_ptr<RequestGroup> parent = nullptr) {
    return std::make_shared<RequestGroup>(RequestGroup::Options{.parent = std::move(parent)});
  }
  static GenerateRequest sample(const std::string& prompt, uint64_t seed, double temperature, int64_t max_tokens, std::shared_ptr<RequestGroup> group) {
    GenerateRequest request = ask(prompt, max_tokens);
    request.sampling.temperature = temperature;
    request.sampling.seed = seed;
    request.group = std::move(group);
    return request;
  }
  static void expect_same(const Answer& seen, const Answer& expected, const std::string& what) {
    EXPECT_EQ(seen.ids, expected.ids) << what;
    EXPECT_EQ(seen.logprobs, expected.logprobs) << what;
    EXPECT_EQ(seen.text, expected.text) << what;
    EXPECT_EQ(seen.done.reason, expected.done.reason) << what;
    EXPECT_EQ(seen.n_done, 1) << what;
    EXPECT_LE(seen.done.usage.cached_tokens, seen.done.usage.prompt_tokens) << what;
  }
};

TEST_F(TrailsTest, WhatAllSayIsComputedOnce) {
  model_->script("How many?", "there are forty-two of them");
  start({.clock = &clock_});
  const std::string prompt = std::string(100, 'x') + "How many?";
  const auto n_once = static_cast<int64_t>(prompt.size()) + 27;
  auto group = group_in();
  std::vector<std::unique_ptr<TokenStream>> streams;
  for (uint64_t seed = 0; seed < 8; ++seed) streams.push_back(engine_->submit(sample(prompt, seed, 1, -1, group)).value());
  for (auto& stream : streams) {
    const Answer a = read_answer(stream.get());
    EXPECT_EQ(a.text, "there are forty-two of them");
    EXPECT_EQ(a.done.usage.generated_tokens, 27);
  }
  EXPECT_EQ(model_->n_rows.load(), n_once);  // whoever came first computed it
  // So does one that comes when all have ended, for a while; and what has ended holds no blocks.
  expect_nothing_held();
  const int64_t n_rows = model_->n_rows.load();
  EXPECT_EQ(answer(sample(prompt, 9, 1, -1, group)).text, "there are forty-two of them");
  EXPECT_EQ(model_->n_rows.load(), n_rows);
  clock_.advance_us(Trails::kKeptUs + 1);
  EXPECT_EQ(answer(sample(prompt, 9, 1, -1, group)).text, "there are forty-two of them");
  EXPECT_GT(model_->n_rows.load(), n_rows);
}

TEST_F(TrailsTest, OnlyOneNamespaceAndOnlyGroupsShare) {
  model_->script("How many?", "forty-two");
  start({.clock = &clock_});
  auto group = group_in();
  const auto n_new_rows = [&](GenerateRequest request) {
    const int64_t n_rows = model_->n_rows.load();
    EXPECT_EQ(answer(std::move(request)).text, "forty-two");
    return model_->n_rows.load() - n_rows;
  };
  EXPECT_EQ(n_new_rows(sample("How many?", 1, 1, -1, group)), 18);
  EXPECT_EQ(n_new_rows(sample("How many?", 2, 1, -1, group)), 0);
  GenerateRequest foreign = sample("How many?", 2, 1, -1, group);
  foreign.cache_namespace = CacheNamespace{7, 7};
  EXPECT_EQ(n_new_rows(foreign), 18);
  EXPECT_GE(n_new_rows(sample("How many?", 2, 1, -1, nullptr)), 9);
  GenerateRequest uncached = sample("How many?", 2, 1, -1, group);
  uncached.use_prefix_cache = false;
  EXPECT_EQ(n_new_rows(uncached), 18);
}

TEST_F(TrailsTest, EachSaysWhatItWouldSayAlone) {
  uint64_t draws = 0;
  const auto draw = [&](uint64_t n) { return static_cast<uint64_t>(uniform_at(11, 0, draws++) * static_cast<double>(n)); };
  uint64_t n_decoded = 0, n_generated = 0;
  for (int round = 0; round < 24; ++round) {
    start({.context_length = 400, .max_sequences = static_cast<int>(3 + draw(20)), .max_draft = round % 3 == 0 ? 4 : 0}, round % 4 == 1 ? 14u : 256u);
    const std::string prompt = std::string(1 + draw(150), static_cast<char>('a' + round)) + "?";
    std::vector<GenerateRequest> requests;
    for (uint64_t k = 0; k < 10; ++k) {
      GenerateRequest request = sample(draw(5) == 0 ? prompt + "!" : prompt, draw(6), 0.001 * static_cast<double>(1 + draw(8)), static_cast<int64_t>(1 + draw(60)), nullptr);
      if (draw(3) == 0) request.stop.token_ids = {static_cast<TokenId>(draw(256)), static_cast<TokenId>(draw(256))};
      if (draw(4) == 0) request.sampling.frequency_penalty = 0.5;
      if (draw(5) == 0) request.sampling.n_top_logprobs = 3;
      if (draw(9) == 0) request.use_prefix_cache = false;
      requests.push_back(std::move(request));
    }
    std::vector<Answer> alone;
    for (const GenerateRequest& request : requests) alone.push_back(answer(request));
    const EngineStats before = engine_->engine_stats();
    auto group = group_in(draw(2) == 0 ? group_in() : nullptr);
    std::vector<std::unique_ptr<TokenStream>> streams;
    for (GenerateRequest request : requests) {
      request.group = draw(2) == 0 ? group : group_in(group);
      streams.push_back(engine_->submit(request).value());
      if (draw(3) == 0) (void)streams.back()->next();  // the others come some steps later
    }
    for (size_t k = 0; k < streams.size(); ++k) {
      if (streams[k]->done()) continue;  // its end was all it had to say
      if (draw(7) == 0) {
        streams[k].reset();  // its reader leaves, perhaps while others follow it
        continue;
      }
      Answer seen = read_answer(streams[k].get());
      const size_t n_missing = alone[k].ids.size() - std::min(alone[k].ids.size(), seen.ids.size());
      ASSERT_LE(n_missing, 1u);
      if (n_missing == 1) {  // of which the first token was read above
        EXPECT_TRUE(std::equal(seen.ids.begin(), seen.ids.end(), alone[k].ids.begin() + 1)) << round << " " << k;
        continue;
      }
      expect_same(seen, alone[k], std::to_string(round) + " " + std::to_string(k));
    }
    streams.clear();
    expect_nothing_held();
    const EngineStats after = engine_->engine_stats();
    n_decoded += after.n_decode_tokens - before.n_decode_tokens;
    n_generated += after.n_generated_tokens - before.n_generated_tokens;
    EXPECT_EQ(model_->n_corrupt.load(), 0);
    engine_.reset();
  }
  EXPECT_LT(n_decoded, n_generated * 4 / 5);
}

TEST_F(TrailsTest, FollowersGoOnWhenTheFirstIsCancelled) {
  model_->before_forward = [&](const ForwardBatch&) { gate_.pass(); };
  start();
  gate_.open();
  const Answer second_alone = answer(sample("Tell me", 2, 1e-3, 40, nullptr)), third_alone = answer(sample("Tell me", 3, 1e-3, 40, nullptr));
  auto group = group_in();
  auto own = group_in(group);
  auto first = engine_->submit(sample("Tell me", 1, 1e-3, 40, own)).value();
  auto second = engine_->submit(sample("Tell me", 2, 1e-3, 40, group)).value();
  auto third = engine_->submit(sample("Tell me", 3, 1e-3, 40, group)).value();
  for (int i = 0; i < 3; ++i) (void)first->next();
  own->cancel();
  expect_same(read_answer(second.get()), second_alone, "second");
  expect_same(read_answer(third.get()), third_alone, "third");
  EXPECT_NE(read_answer(first.get()).n_done, 0);
  for (auto* stream : {&first, &second, &third}) stream->reset();
  expect_nothing_held();
}

TEST_F(TrailsTest, AnErrorIsEverybodysOwn) {
  model_->breaks_on = 'b';
  model_->script("start", "ab");
  start({.clock = &clock_});
  auto group = group_in();
  for (uint64_t seed = 0; seed < 3; ++seed) {
    const Answer a = answer(sample("start", seed, 1, -1, group));
    EXPECT_EQ(a.done.reason, FinishReason::kError);
    EXPECT_EQ(a.text, "ab");
    EXPECT_EQ(a.n_done, 1);
  }
  expect_nothing_held();
}

TEST_F(TrailsTest, BudgetsCountEveryToken) {
  start();
  for (const int64_t budget : {1, 5, 33}) {
    auto outer = std::make_shared<RequestGroup>(RequestGroup::Options{.budget_tokens = budget});
    auto group = group_in(outer);
    std::vector<std::unique_ptr<TokenStream>> streams;
    for (uint64_t seed = 0; seed < 4; ++seed) streams.push_back(engine_->submit(sample("prompt", seed, 1e-3, 20, group)).value());
    int64_t n = 0;
    for (auto& stream : streams) n += static_cast<int64_t>(read_answer(stream.get()).ids.size());
    EXPECT_EQ(n, budget);
  }
}

TEST(Trails, OldRowsGoFirst) {
  Trails trails(int64_t{1} << 24);  // of such a vocabulary few rows fit
  Job first, second;
  first.tokens = {1, 2};
  second.tokens = {1, 2, 3};
  Trail* const trail = trails.begin(&first);
  const std::vector<float> row(3);
  for (const TokenId id : {3, 4, 5}) {
    trails.record(trail, row);
    first.tokens.push_back(id);
  }
  EXPECT_EQ(trails.n_rows(), 2u);
  EXPECT_EQ(trail->row(2), nullptr);
  EXPECT_NE(trail->row(3), nullptr);
  EXPECT_EQ(trails.find(second), trail);
  second.tokens = {1, 2};
  EXPECT_EQ(trails.find(second), nullptr);   // its row has gone
  second.tokens = {1, 2, 3, 5};
  EXPECT_EQ(trails.find(second), nullptr);   // it says something else
  second.tokens = first.tokens;
  EXPECT_EQ(trails.find(second), trail);     // the next row will be there
  second.key.cache_namespace = CacheNamespace{1, 2};
  EXPECT_EQ(trails.find(second), nullptr);
  EXPECT_EQ(trails.find(first), nullptr);    // nobody follows himself
  trails.end(trail, /*failed=*/false, 5);
  second.key = {};
  second.tokens = {1, 2, 3};
  EXPECT_EQ(trails.find(second), trail);
  trails.forget_ended(6);
  EXPECT_FALSE(trails.empty());
  trails.forget_ended(5 + Trails::kKeptUs);
  EXPECT_TRUE(trails.empty());
  EXPECT_EQ(trails.n_rows(), 0u);
}

}  // namespace
}  // namespace firesteel
