#include "engine/stream.h"

#include <chrono>

namespace firesteel {
namespace {

constexpr std::chrono::microseconds kPatience{20'000};

}  // namespace

std::optional<GenerateEvent> StreamState::take() {
  MutexLock lock(mutex_);
  while (events_.empty() && !done_) {
    if (is_patient) changed_.wait_for(mutex_, kPatience);
    else changed_.wait(mutex_);
  }
  return pop();
}

std::optional<GenerateEvent> StreamState::try_take() {
  MutexLock lock(mutex_);
  return pop();
}

bool StreamState::done() const {
  MutexLock lock(mutex_);
  return done_;
}

void StreamState::set_waker(std::function<void()> waker) {
  waker_.set(std::move(waker));
  bool is_ready = false;
  {
    MutexLock lock(mutex_);
    is_ready = !events_.empty();
  }
  if (is_ready) waker_.wake();  // it came before the waker did
}

std::optional<GenerateEvent> StreamState::pop() {
  if (events_.empty()) return std::nullopt;
  GenerateEvent event = std::move(events_.front());
  events_.pop_front();
  if (event.kind == GenerateEvent::Kind::kDone) done_ = true;
  return event;
}

void EngineStream::cancel() {
  if (!state_->cancelled.exchange(true)) mailbox_->notify_cancel();
}

}  // namespace firesteel
