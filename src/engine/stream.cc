#include "engine/stream.h"

namespace firesteel {

std::optional<GenerateEvent> StreamState::take() {
  MutexLock lock(mutex_);
  while (events_.empty() && !done_) changed_.wait(mutex_);
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
