// The stream of an answer that a thread of ours makes out of other streams: one writer, one reader.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "agents/agent_run.h"
#include "api/generator.h"
#include "api/waker.h"
#include "base/mutex.h"

namespace firesteel {

// Bounded by what the run generates, which its limits bound. Thread-safe.
class RunState {
 public:
  explicit RunState(std::shared_ptr<RequestGroup> run_group) : group(std::move(run_group)) {}

  void publish(GenerateEvent event) FS_EXCLUDES(mutex_);
  std::optional<GenerateEvent> take(bool waits) FS_EXCLUDES(mutex_);
  bool done() const FS_EXCLUDES(mutex_);
  void set_waker(std::function<void()> waker) FS_EXCLUDES(mutex_);

  const std::shared_ptr<RequestGroup> group;  // of all that the run submits: its cancel ends the run
  const std::shared_ptr<LaneHandles> lanes = std::make_shared<LaneHandles>();
  std::shared_ptr<Confirmations> confirmations = {};  // null: nobody can be asked. Set before the stream is handed out

 private:
  mutable Mutex mutex_;
  CondVar came_;
  Waker waker_;
  std::deque<GenerateEvent> events_ FS_GUARDED_BY(mutex_);
  bool done_ FS_GUARDED_BY(mutex_) = false;
};

// The reader's end. Dropping it cancels the run.
class RunStream final : public TokenStream {
 public:
  explicit RunStream(std::shared_ptr<RunState> state) : state_(std::move(state)) {}
  ~RunStream() override {
    state_->set_waker({});
    cancel();
    if (state_->confirmations != nullptr) state_->confirmations->close();
  }
  std::optional<GenerateEvent> next() override { return state_->take(/*waits=*/true); }
  std::optional<GenerateEvent> try_next() override { return state_->take(/*waits=*/false); }
  bool done() const override { return state_->done(); }
  void set_waker(std::function<void()> waker) override { state_->set_waker(std::move(waker)); }
  void cancel() override { state_->group->cancel(); }
  bool cancel_lane(int lane) override { return state_->lanes->cancel(lane); }
  bool confirm(int64_t question, ConfirmWord word) override { return state_->confirmations != nullptr && state_->confirmations->answer(question, word); }

 private:
  std::shared_ptr<RunState> state_;
};

}  // namespace firesteel
