#include "engine/mailbox.h"

#include <chrono>
#include <string>
#include <utility>

namespace firesteel {
namespace {

Error ended() { return {ErrorCode::kFailedPrecondition, "the engine has ended"}; }

}  // namespace

Status Mailbox::post(std::vector<std::unique_ptr<Job>> jobs) {
  {
    MutexLock lock(mutex_);
    if (stopped_) return ended();
    const auto n = static_cast<int64_t>(jobs.size());
    if (n_open_ + n > open_max_) {
      return Error{ErrorCode::kResourceExhausted,
                   "queue: " + std::to_string(n_open_) + " requests are open, at most " + std::to_string(open_max_) + " may be"};
    }
    n_open_ += n;
    for (auto& job : jobs) mail_.jobs.push_back(std::move(job));
  }
  came_.notify_one();
  return {};
}

Status Mailbox::reserve_context() {
  MutexLock lock(mutex_);
  if (stopped_) return ended();
  if (n_contexts_ >= contexts_max_) {
    return Error{ErrorCode::kResourceExhausted, "contexts: " + std::to_string(n_contexts_) + " are held, which is the limit"};
  }
  ++n_contexts_;
  return {};
}

void Mailbox::release_context() {
  MutexLock lock(mutex_);
  --n_contexts_;
}

void Mailbox::drop_context(std::shared_ptr<KvContext> context) {
  {
    MutexLock lock(mutex_);
    --n_contexts_;
    if (stopped_) return;
    mail_.dropped.push_back(std::move(context));
  }
  came_.notify_one();
}

void Mailbox::notify_cancel() {
  {
    MutexLock lock(mutex_);
    if (stopped_) return;
    mail_.has_cancels = true;
  }
  came_.notify_one();
}

Status Mailbox::run(std::function<void()> task) {
  MutexLock lock(mutex_);
  if (stopped_) return ended();
  mail_.tasks.push_back(&task);
  const uint64_t ticket = ++n_tasks_posted_;
  came_.notify_one();
  while (n_tasks_done_ < ticket) tasks_ran_.wait(mutex_);  // stop() comes after the last take(), which runs what is left
  return {};
}

void Mailbox::stop() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    mail_.stop = true;
  }
  came_.notify_one();
}

Mailbox::Mail Mailbox::take(int64_t timeout_us) {
  MutexLock lock(mutex_);
  if (timeout_us < 0) {
    while (empty()) came_.wait(mutex_);
  } else if (timeout_us > 0 && empty()) {
    came_.wait_for(mutex_, std::chrono::microseconds(timeout_us));
  }
  return std::exchange(mail_, {});
}

void Mailbox::tasks_done(size_t n) {
  {
    MutexLock lock(mutex_);
    n_tasks_done_ += n;
  }
  tasks_ran_.notify_all();
}

void Mailbox::job_done() {
  MutexLock lock(mutex_);
  --n_open_;
}

}  // namespace firesteel
