#include "agents/run_stream.h"

namespace firesteel {

void RunState::publish(GenerateEvent event) {
  {
    MutexLock lock(mutex_);
    events_.push_back(std::move(event));
  }
  came_.notify_one();
  waker_.wake();
}

std::optional<GenerateEvent> RunState::take(bool waits) {
  MutexLock lock(mutex_);
  while (waits && events_.empty() && !done_) came_.wait(mutex_);
  if (events_.empty()) return std::nullopt;
  GenerateEvent event = std::move(events_.front());
  events_.pop_front();
  done_ = event.kind == GenerateEvent::Kind::kDone;
  return event;
}

bool RunState::done() const {
  MutexLock lock(mutex_);
  return done_;
}

void RunState::set_waker(std::function<void()> waker) {
  waker_.set(std::move(waker));
  bool is_ready = false;
  {
    MutexLock lock(mutex_);
    is_ready = !events_.empty();
  }
  if (is_ready) waker_.wake();
}

}  // namespace firesteel
