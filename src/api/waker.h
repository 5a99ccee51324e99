// The function behind TokenStream::set_waker: called without locks, and never again once it was replaced.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "base/mutex.h"

namespace firesteel {

class Waker {
 public:
  // Waits for calls in flight, so the old function may be destroyed afterwards. Not to be called from inside a waker.
  void set(std::function<void()> waker) FS_EXCLUDES(mutex_) {
    std::shared_ptr<const std::function<void()>> next;
    if (waker) next = std::make_shared<const std::function<void()>>(std::move(waker));
    MutexLock lock(mutex_);
    while (n_calls_ > 0) idle_.wait(mutex_);
    waker_.swap(next);
  }

  void wake() FS_EXCLUDES(mutex_) {
    std::shared_ptr<const std::function<void()>> waker;
    {
      MutexLock lock(mutex_);
      if (waker_ == nullptr) return;
      waker = waker_;
      ++n_calls_;
    }
    (*waker)();
    waker.reset();  // before set() may return: what the function holds goes on the caller's thread
    MutexLock lock(mutex_);
    if (--n_calls_ == 0) idle_.notify_all();
  }

 private:
  Mutex mutex_;
  CondVar idle_;
  std::shared_ptr<const std::function<void()>> waker_ FS_GUARDED_BY(mutex_);
  int n_calls_ FS_GUARDED_BY(mutex_) = 0;
};

}  // namespace firesteel
