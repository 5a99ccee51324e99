// The two ends of a request's events: the engine thread publishes, one reader takes. At most one event per token, so the queue is
// bounded by max_tokens.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "api/generator.h"
#include "api/waker.h"
#include "base/mutex.h"
#include "engine/mailbox.h"
#include "engine/pictures.h"
#include "model/adapter.h"

namespace firesteel {

class StreamState {
 public:
  void publish(GenerateEvent event) FS_EXCLUDES(mutex_) {
    bool wakes = !is_patient || event.kind == GenerateEvent::Kind::kDone;
    {
      MutexLock lock(mutex_);
      wakes = wakes || n_published_++ == 0;
      events_.push_back(std::move(event));
    }
    if (wakes) changed_.notify_one();
    waker_.wake();
  }
  // Waits. nullopt after kDone was taken.
  std::optional<GenerateEvent> take() FS_EXCLUDES(mutex_);
  std::optional<GenerateEvent> try_take() FS_EXCLUDES(mutex_);
  bool done() const FS_EXCLUDES(mutex_);  // kDone was taken
  void set_waker(std::function<void()> waker) FS_EXCLUDES(mutex_);

  // Set by the reader, seen by the engine thread at the next step.
  std::atomic<bool> cancelled{false};

  // What a context can be made of after the end: set by the engine thread before the terminal event, read after it was published.
  struct Remains {
    std::vector<TokenId> tokens;
    int64_t n_prompt = 0;
  };
  void leave(Remains remains) FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    remains_ = std::move(remains);
  }
  Remains remains() const FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return remains_;
  }
  // Of the request; constant.
  struct Origin {
    FlowId flow{0};
    Priority priority = Priority::kInteractive;
    CacheNamespace cache_namespace;
    bool use_prefix_cache = true;
    int depth = 0;
    std::shared_ptr<const Adapter> adapter = {};  // null: the base model
    std::vector<PlacedPicture> pictures = {};
    uint64_t picture_era = 0;
  };
  Origin origin;
  // A reader in take() is woken for the first event and the end, and else looks every 20 ms: lanes of a run are many, and waking a thread for
  // every token of a small model costs more than the token. Constant.
  bool is_patient = false;

 private:
  std::optional<GenerateEvent> pop() FS_REQUIRES(mutex_);

  mutable Mutex mutex_;
  CondVar changed_;
  Waker waker_;
  std::deque<GenerateEvent> events_ FS_GUARDED_BY(mutex_);
  bool done_ FS_GUARDED_BY(mutex_) = false;
  int64_t n_published_ FS_GUARDED_BY(mutex_) = 0;
  Remains remains_ FS_GUARDED_BY(mutex_);
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
  const std::shared_ptr<StreamState>& state() const { return state_; }
  const Mailbox* mailbox() const { return mailbox_.get(); }

 private:
  std::shared_ptr<StreamState> state_;
  std::shared_ptr<Mailbox> mailbox_;
};

}  // namespace firesteel
