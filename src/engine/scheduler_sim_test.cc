#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "engine/scheduler_sim.h"

namespace firesteel {
namespace {

TEST(SchedulerSim, RandomWorlds) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Rng rng(seed);
    SchedulerSim sim(SchedulerSim::random_config(rng), seed);
    ASSERT_TRUE(sim.run()) << "seed " << seed;
  }
}

SchedulerSim::Config plain(uint32_t n_blocks, int max_sequences) {
  SchedulerSim::Config config;
  config.n_blocks = n_blocks;
  config.scheduler.max_sequences = max_sequences;
  config.scheduler.max_batch_rows = 64;
  config.scheduler.prefill_chunk = 32;
  config.n_vocab = 50;
  config.end_one_in = 0;
  return config;
}

std::vector<TokenId> iota(int64_t n, TokenId first) {
  std::vector<TokenId> tokens(static_cast<size_t>(n));
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

// Two flows, one with ten times as many requests and longer prompts: while both have work, each gets about half of the rows.
TEST(Scheduler, FlowsShareRowsWhateverTheyAskFor) {
  auto config = plain(600, 8);
  config.scheduler.slice_us = 0;
  config.scheduler.slice_rows = 1;
  SchedulerSim sim(config, 1);
  const FlowId greedy{1};
  const FlowId modest{2};
  for (TokenId i = 0; i < 60; ++i) sim.add(greedy, Priority::kInteractive, iota(500, i * 1000), 2, {}, false);
  for (TokenId i = 0; i < 60; ++i) sim.add(modest, Priority::kInteractive, iota(60, i * 1000), 2, {}, false);
  for (int i = 0; i < 80; ++i) sim.step();
  ASSERT_FALSE(HasFailure());
  const auto rows = sim.rows_of_flow();
  // Deficits stay within one quantum of 64 and a debt of 512 rows.
  EXPECT_NEAR(static_cast<double>(rows.at(greedy)), static_cast<double>(rows.at(modest)), 64 + 512 + 500);
}

// A flow that came late gets places from one that holds them all, without waiting for the end of long answers.
TEST(Scheduler, ALateFlowGetsItsShareOfPlaces) {
  auto config = plain(600, 8);
  config.scheduler.slice_us = 1000;
  config.scheduler.slice_rows = 64;
  SchedulerSim sim(config, 1);
  for (TokenId i = 0; i < 30; ++i) sim.add(FlowId{1}, Priority::kInteractive, iota(20, i * 100), 400, {}, true);
  for (int i = 0; i < 100; ++i) sim.step();
  std::vector<SchedulerSim::Request*> late;
  for (TokenId i = 0; i < 4; ++i) late.push_back(sim.add(FlowId{2}, Priority::kInteractive, iota(20, 50'000 + i * 100), 5, {}, true));
  int n_steps = 0;
  while (late.back()->n_terminal == 0 && !HasFailure() && n_steps < 1000) {
    sim.step();
    ++n_steps;
  }
  EXPECT_LT(n_steps, 100);
}

TEST(Scheduler, InteractiveDisplacesBatchAtOnce) {
  SchedulerSim sim(plain(100, 2), 1);
  sim.add(FlowId{1}, Priority::kBatch, iota(10, 0), 300, {}, true);
  sim.add(FlowId{1}, Priority::kBatch, iota(10, 500), 300, {}, true);
  for (int i = 0; i < 5; ++i) sim.step();
  auto* urgent = sim.add(FlowId{1}, Priority::kInteractive, iota(10, 900), 1, {}, true);
  sim.step();
  EXPECT_EQ(urgent->state, Sequence::State::kRunning);
  EXPECT_EQ(sim.scheduler().counters().n_preempted, 1u);
}

TEST(Scheduler, BatchWorkIsNotStarvedByInteractiveWork) {
  auto config = plain(100, 1);
  config.scheduler.batch_ageing_us = 50'000;
  SchedulerSim sim(config, 1);
  auto* batch = sim.add(FlowId{1}, Priority::kBatch, iota(30, 0), 20, {}, false);
  TokenId next = 1000;
  int n_steps = 0;
  while (batch->n_terminal == 0 && !HasFailure() && n_steps < 3000) {
    if (n_steps % 3 == 0) sim.add(FlowId{2}, Priority::kInteractive, iota(10, next += 100), 5, {}, false);
    sim.step();
    ++n_steps;
  }
  EXPECT_LT(n_steps, 2000);
  EXPECT_EQ(batch->n_terminal, 1);
}

// A prompt that fills the pool is admitted although small requests keep coming.
TEST(Scheduler, ALargePromptDoesNotStarve) {
  SchedulerSim sim(plain(10, 8), 1);
  TokenId next = 0;
  for (int i = 0; i < 8; ++i) sim.add(FlowId{1}, Priority::kInteractive, iota(50, next += 100), 30, {}, false);
  for (int i = 0; i < 5; ++i) sim.step();
  auto* large = sim.add(FlowId{2}, Priority::kInteractive, iota(630, 5000), 5, {}, false);
  int n_steps = 0;
  while (large->n_terminal == 0 && !HasFailure() && n_steps < 3000) {
    if (n_steps % 5 == 0) sim.add(FlowId{1}, Priority::kInteractive, iota(50, next += 100), 30, {}, false);
    sim.step();
    ++n_steps;
  }
  EXPECT_LT(n_steps, 1500);
}

// Eight requests with one long prefix that arrive together compute it once.
TEST(Scheduler, ASharedPrefixThatArrivesAtOnceIsComputedOnce) {
  SchedulerSim sim(plain(200, 8), 1);
  for (TokenId i = 0; i < 8; ++i) {
    auto prompt = iota(512, 0);
    prompt.push_back(1000 + i);
    sim.add(FlowId{7}, Priority::kInteractive, prompt, 1, {}, true);
  }
  sim.finish_all();
  EXPECT_LE(sim.rows_of_flow().at(FlowId{7}), 512 + 8 * 2);
}

TEST(Scheduler, AForkSharesTheContextsBlocks) {
  SchedulerSim sim(plain(40, 8), 1);
  auto context = std::make_shared<KvContext>();
  context->key = {{}, "sim"};
  context->tokens = iota(200, 0);
  context->table = sim.scheduler().acquire_table(200).value();
  uint64_t hash = sim_mix(17, 0);
  for (int64_t p = 0; p < 200; ++p) {
    hash = sim_mix(hash, static_cast<uint64_t>(p));
    std::memcpy(context->table.addresses()[p / 64] + p % 64 * 8, &hash, 8);
  }
  context->table.advance(200);
  sim.add_context(context);
  EXPECT_EQ(sim.pool().n_free(), 36u);
  for (TokenId i = 0; i < 8; ++i) sim.fork(context, FlowId{1}, {100 + i}, 3);
  sim.step();
  // Three whole blocks shared, the partial one copied by each; the extra block of the reservation is within the copy (203 tokens).
  EXPECT_EQ(sim.pool().n_free(), 28u);
  EXPECT_EQ(sim.rows_of_flow().at(FlowId{1}), 8);
  sim.finish_all();
}

}  // namespace
}  // namespace firesteel
