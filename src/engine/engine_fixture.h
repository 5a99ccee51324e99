// What the engine's tests share: an engine around the fake model, and readers of streams.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "engine/engine.h"
#include "engine/fake_model.h"
#include "kernels/dispatch.h"

namespace firesteel {

class AtomicClock final : public Clock {
 public:
  int64_t now_us() const override { return now_us_.load(); }
  void advance_us(int64_t us) { now_us_ += us; }

 private:
  std::atomic<int64_t> now_us_{1000};
};

// Lets a test stop the engine thread before its n-th forward pass from now.
class Gate {
 public:
  void pass() {
    MutexLock lock(mutex_);
    ++n_arrived_;
    changed_.notify_all();
    while (n_arrived_ > n_allowed_) changed_.wait(mutex_);
  }
  // The engine may do n more steps, then it stops at the gate.
  void allow(int64_t n) {
    MutexLock lock(mutex_);
    n_allowed_ += n;
    changed_.notify_all();
  }
  void open() { allow(int64_t{1} << 40); }
  // Until the engine stands at the gate and may not pass.
  void wait_stopped() {
    MutexLock lock(mutex_);
    while (n_arrived_ <= n_allowed_) changed_.wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int64_t n_arrived_ FS_GUARDED_BY(mutex_) = 0;
  int64_t n_allowed_ FS_GUARDED_BY(mutex_) = 0;
};

struct Answer {
  std::vector<TokenId> ids;
  std::vector<float> logprobs;
  std::string text;
  std::string thinking;  // text of tokens between the markers
  GenerateEvent done;
  int n_done = 0;
};

inline Answer read_answer(TokenStream* stream) {
  Answer answer;
  while (auto event = stream->next()) {
    (event->thinking ? answer.thinking : answer.text) += event->text;
    if (event->kind == GenerateEvent::Kind::kToken) {
      answer.ids.push_back(event->token);
      answer.logprobs.push_back(event->logprob);
    } else {
      ++answer.n_done;
      answer.done = std::move(*event);
    }
  }
  return answer;
}

class EngineTest : public ::testing::Test {
 protected:
  // An engine over the fake model (set the model up before). Blocks are 8 KiB.
  Engine& start(Engine::Options options = {}, uint32_t n_blocks = 256) {
    options.kv_bytes_max = options.kv_bytes_max != 0 ? options.kv_bytes_max : n_blocks * 8192;
    options.n_threads = options.n_threads != 0 ? options.n_threads : 1;
    options.poison_free_blocks = true;
    auto created = Engine::create(model_, tokenizer_, nullptr, options);
    EXPECT_TRUE(created.ok()) << created.error().message;
    engine_ = std::move(created).value();
    return *engine_;
  }
  void TearDown() override {
    engine_.reset();
    EXPECT_EQ(model_->n_corrupt.load(), 0);
  }
  static GenerateRequest ask(const std::string& prompt, int64_t max_tokens = -1) {
    GenerateRequest request;
    request.prompt = RawPrompt{prompt};
    request.sampling.temperature = 0;
    request.stop.max_tokens = max_tokens;
    return request;
  }
  static GenerateRequest ask_ids(std::vector<TokenId> ids, int64_t max_tokens) {
    GenerateRequest request = ask("", max_tokens);
    request.prompt = TokenPrompt{std::move(ids)};
    return request;
  }
  Answer answer(GenerateRequest request) {
    auto stream = engine_->submit(std::move(request));
    EXPECT_TRUE(stream.ok()) << stream.error().message;
    if (!stream.ok()) return {};
    return read_answer(stream->get());
  }
  // Nothing runs, waits or is kept, and all blocks are free or cached. (Another request first: it waits for what ends just now.)
  void expect_nothing_held() {
    answer(ask("sync", 1));
    const EngineStats stats = engine_->engine_stats();
    EXPECT_EQ(stats.n_running + stats.n_waiting + stats.n_contexts, 0);
    EXPECT_EQ(stats.n_free_blocks + stats.n_cached_blocks, stats.n_blocks);
    EXPECT_EQ(stats.n_finished, stats.n_requests);
  }
  Error refusal(GenerateRequest request) {
    auto stream = engine_->submit(std::move(request));
    EXPECT_FALSE(stream.ok());
    return stream.ok() ? Error{} : stream.error();
  }

  std::shared_ptr<FakeModel> model_ = std::make_shared<FakeModel>();
  std::shared_ptr<FakeTokenizer> tokenizer_ = std::make_shared<FakeTokenizer>();
  Gate gate_;
  AtomicClock clock_;
  std::unique_ptr<Engine> engine_;  // last: its thread uses all of the above
};

}  // namespace firesteel
