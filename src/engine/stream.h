// The two ends of a request's events: the engine thread publishes, one reader takes. At most one event per token, so the queue is
// bounded by max_tokens.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "api/generator.h"
#include "api/waker.h"
#include "base/mutex.h"
#include "engine/mailbox.h"

namespace firesteel {

class StreamState {
 public:
  void publish(GenerateEvent event) FS_EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      events_.push_back(std::move(event));
    }
    changed_.notify_one();
    waker_.wake();
  }
  // Waits. nullopt after kDone was taken.
  std::optional<GenerateEvent> take() FS_EXCLUDES(mutex_);
  std::optional<GenerateEvent> try_take() FS_EXCLUDES(mutex_);
  bool done() const FS_EXCLUDES(mutex_);  // kDone was taken
  void set_waker(std::function<void()> waker) FS_EXCLUDES(mutex_);

  // Set by the reader, seen by the engine thread at the next step.
  std::atomic<bool> cancelled{false};

 private:
  std::optional<GenerateEvent> pop() FS_REQUIRES(mutex_);

  mutable Mutex mutex_;
  CondVar changed_;
  Waker waker_;
  std::deque<GenerateEvent> events_ FS_GUARDED_BY(mutex_);
  bool done_ FS_GUARDED_BY(mutex_) = false;
};

class EngineStream final : public TokenStream {
 public:
  EngineStream(std::shared_ptr<StreamState> state, std::shared_ptr<Mailbox> mailbox)
      : state_(std::move(state)), mailbox_(std::move(mailbox)) {}
  ~EngineStream() override {
    state_->set_waker({});
    cancel();
  }
  std::optional<GenerateEvent> next() override { return state_->take(); }
  std::optional<GenerateEvent> try_next() override { return state_->try_take(); }
  bool done() const override { return state_->done(); }
  void set_waker(std::function<void()> waker) override { state_->set_waker(std::move(waker)); }
  void cancel() override;

 private:
  std::shared_ptr<StreamState> state_;
  std::shared_ptr<Mailbox> mailbox_;
};

}  // namespace firesteel
