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

// What interactive answers see at the 99th percentile has no batch work in it; alone, batch work has every step.
TEST(Scheduler, BatchWorkRestsBesideInteractiveWork) {
  auto config = plain(400, 8);
  config.scheduler.batch_step_every = 128;
  config.scheduler.batch_rows_near = 3;
  config.scheduler.batch_ageing_us = 1000;  // whatever its age
  SchedulerSim sim(config, 1);
  const auto batch_rows = [&] { return sim.rows_of_flow().at(FlowId{1}); };
  for (TokenId i = 0; i < 12; ++i) sim.add(FlowId{1}, Priority::kBatch, iota(20, i * 100), 1000, {}, true);
  for (int i = 0; i < 50; ++i) sim.step();
  EXPECT_GT(batch_rows(), 8 * 20 + 8 * 40) << "alone: every step";
  std::vector<SchedulerSim::Request*> people;
  for (TokenId i = 0; i < 2; ++i) people.push_back(sim.add(FlowId{2}, Priority::kInteractive, iota(20, 50'000 + i * 100), 600, {}, true));
  int64_t before = batch_rows();
  for (int i = 0; i < 512; ++i) sim.step();
  ASSERT_FALSE(HasFailure());
  EXPECT_GE(sim.rows_of_flow().at(FlowId{2}), 2 * 500);
  EXPECT_GE(batch_rows() - before, 3 * 3) << "it moves";
  EXPECT_LE(batch_rows() - before, 4 * 3) << "in fewer than one step of a hundred";
  while (people.back()->n_terminal == 0 || people.front()->n_terminal == 0) sim.step();
  before = batch_rows();
  for (int i = 0; i < 100; ++i) sim.step();
  EXPECT_EQ(batch_rows() - before, 100 * 3) << "small steps while the next may come";
}

TEST(Scheduler, BatchWorkTakesTurnsWhereNotAllMayDecode) {
  auto config = plain(400, 8);
  config.scheduler.batch_rows_near = 3;
  config.scheduler.interactive_near_us = INT64_MAX / 2;
  SchedulerSim sim(config, 1);
  auto* person = sim.add(FlowId{9}, Priority::kInteractive, iota(5, 0), 1, {}, true);
  while (person->n_terminal == 0) sim.step();
  std::vector<SchedulerSim::Request*> batch;
  for (TokenId i = 0; i < 8; ++i) batch.push_back(sim.add(FlowId{1}, Priority::kBatch, iota(1, i * 100), 1000, {}, true));
  for (int i = 0; i < 80; ++i) sim.step();
  ASSERT_FALSE(HasFailure());
  for (const auto* one : batch) EXPECT_NEAR(static_cast<double>(one->n_tokens()), 80.0 * 3 / 8, 3);
}

// Whoever waits long gets a place, but interactive work keeps most of them.
TEST(Scheduler, AgedBatchWorkLeavesPlaces) {
  auto config = plain(400, 8);
  config.scheduler.batch_ageing_us = 1000;
  SchedulerSim sim(config, 1);
  for (TokenId i = 0; i < 40; ++i) sim.add(FlowId{1}, Priority::kBatch, iota(20, i * 100), 1000, {}, true);
  for (int i = 0; i < 50; ++i) sim.step();
  std::vector<SchedulerSim::Request*> people;
  for (TokenId i = 0; i < 7; ++i) people.push_back(sim.add(FlowId{2}, Priority::kInteractive, iota(5, 50'000 + i * 100), 100, {}, true));
  for (int i = 0; i < 4; ++i) sim.step();
  for (const auto* one : people) EXPECT_EQ(one->state, Sequence::State::kRunning);
}

TEST(Scheduler, BatchWorkIsNotStarvedByInteractiveWork) {
  auto config = plain(100, 1);
  config.scheduler.batch_ageing_us = 50'000;
  config.scheduler.batch_step_every = 16;
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
