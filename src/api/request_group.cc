#include "api/request_group.h"

#include <algorithm>
#include <vector>

namespace firesteel {

void RequestGroup::cancel() {
  if (cancelled_.exchange(true)) return;
  std::vector<std::function<void()>> notify;
  {
    MutexLock lock(mutex_);
    for (const auto& [owner, watcher] : watchers_) notify.push_back(watcher);
  }
  for (const auto& call : notify) call();
}

bool RequestGroup::cancelled() const { return cancelled_.load() || (options_.parent != nullptr && options_.parent->cancelled()); }

int64_t RequestGroup::tokens_left() const {
  const int64_t around = options_.parent == nullptr ? INT64_MAX : options_.parent->tokens_left();
  return options_.budget_tokens < 0 ? around : std::min(around, options_.budget_tokens - n_generated_.load());
}

int64_t RequestGroup::deadline_us() const {
  const int64_t around = options_.parent == nullptr ? 0 : options_.parent->deadline_us();
  if (around == 0 || options_.deadline_us == 0) return std::max(around, options_.deadline_us);
  return std::min(around, options_.deadline_us);
}

bool RequestGroup::take_token() {
  if (exhausted()) return false;
  for (RequestGroup* group = this; group != nullptr; group = group->options_.parent.get()) ++group->n_generated_;
  return true;
}

bool RequestGroup::note_stop() {
  if (++n_stopped_ < options_.first_k || options_.first_k <= 0) return false;
  cancelled_.store(true);  // who ends the others needs no call
  return true;
}

void RequestGroup::watch(const void* owner, const std::function<void()>& notify) {
  for (RequestGroup* group = this; group != nullptr; group = group->options_.parent.get()) {
    MutexLock lock(group->mutex_);
    group->watchers_.try_emplace(owner, notify);
  }
}

}  // namespace firesteel
