// Many threads at one engine. What is asserted is the same as for one thread; run it with the tsan preset, too.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/rng.h"
#include "engine/engine_fixture.h"

namespace firesteel {
namespace {

std::vector<TokenId> random_ids(Rng& rng, int64_t n) {
  std::vector<TokenId> ids;
  for (int64_t i = 0; i < n; ++i) ids.push_back(static_cast<TokenId>(rng.below(3)));
  return ids;
}

TEST_F(EngineTest, ThreadsSubmitForkCancelAndDrop) {
  // Answers alone, for comparison: prompt -> ids.
  std::vector<std::vector<TokenId>> prompts;
  std::vector<std::vector<TokenId>> expected;
  Rng rng(1);
  start();
  for (int i = 0; i < 12; ++i) {
    prompts.push_back(random_ids(rng, rng.between(1, 250)));
    expected.push_back(answer(ask_ids(prompts.back(), 20)).ids);
  }
  Engine::Options options;
  options.n_threads = 2;
  options.max_sequences = 6;
  options.max_batch_rows = 64;
  options.prefill_chunk = 32;
  start(options, 40);  // cramped

  std::atomic<int64_t> n_accepted{0};
  std::atomic<int64_t> n_done{0};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Rng own(100 + t);
      std::vector<std::pair<size_t, std::unique_ptr<TokenStream>>> open;
      const auto finish_one = [&] {
        auto [i, stream] = std::move(open.back());
        open.pop_back();
        const bool cancels = own.below(3) == 0;
        if (cancels) stream->cancel();
        const Answer a = read_answer(stream.get());
        EXPECT_EQ(a.n_done, 1);
        ++n_done;
        EXPECT_TRUE(cancels || a.done.reason == FinishReason::kLength);
        EXPECT_TRUE(a.done.reason != FinishReason::kLength || a.ids == expected[i]);
      };
      for (int step = 0; step < 40; ++step) {
        const size_t i = own.below(prompts.size());
        GenerateRequest request = ask_ids(prompts[i], 20);
        request.flow = FlowId{t};
        request.cache_namespace = {0, own.below(2)};
        if (own.below(4) == 0 && prompts[i].size() > 1) {
          const int64_t n = own.between(1, static_cast<int64_t>(prompts[i].size()) - 1);
          request.prompt = TokenPrompt{{prompts[i].begin(), prompts[i].begin() + n}};
          auto context = engine_->prefill(request);
          ASSERT_TRUE(context.ok()) << context.error().message;
          BranchRequest branch{TokenPrompt{{prompts[i].begin() + n, prompts[i].end()}}, request.sampling, request.stop};
          auto streams = engine_->fork(*context, {branch, branch});
          ASSERT_TRUE(streams.ok());
          for (auto& stream : *streams) open.emplace_back(i, std::move(stream));
          n_accepted += 2;
        } else {
          auto stream = engine_->submit(request);
          ASSERT_TRUE(stream.ok());
          open.emplace_back(i, std::move(stream).value());
          ++n_accepted;
        }
        if (own.below(8) == 0) open.pop_back();  // dropped unread
        while (open.size() > own.below(6)) finish_one();
        EXPECT_LE(engine_->engine_stats().n_running, 6);
      }
      while (!open.empty()) finish_one();
    });
  }
  for (std::thread& thread : threads) thread.join();
  // One more round trip: drops that were in the mail have been seen by its end.
  answer(ask("sync", 1));
  const EngineStats stats = engine_->engine_stats();
  EXPECT_EQ(stats.n_finished, stats.n_requests);
  EXPECT_EQ(stats.n_running + stats.n_waiting + stats.n_contexts, 0);
  EXPECT_EQ(stats.n_free_blocks + stats.n_cached_blocks, stats.n_blocks);
}

TEST_F(EngineTest, TheEngineEndsWhileReadersWait) {
  for (int round = 0; round < 10; ++round) {
    start();
    std::vector<std::thread> readers;
    for (int i = 0; i < 4; ++i) {
      auto stream = std::shared_ptr<TokenStream>(engine_->submit(ask("x")).value());
      readers.emplace_back([stream] { EXPECT_EQ(read_answer(stream.get()).n_done, 1); });
    }
    engine_.reset();
    for (std::thread& reader : readers) reader.join();
  }
}

}  // namespace
}  // namespace firesteel
