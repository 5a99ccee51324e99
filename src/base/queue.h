// Bounded queue between threads (any number of producers and consumers). Every queue has a bound, and says so when it is met.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "base/mutex.h"

namespace firesteel {

template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}

  // False when full or closed; the caller answers "overloaded" instead of waiting.
  bool try_push(T item) FS_EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      if (closed_ || items_.size() >= capacity_) return false;
      items_.push_back(std::move(item));
    }
    changed_.notify_one();
    return true;
  }

  // Waits until an item comes or the queue is closed and empty (nullopt).
  std::optional<T> pop() FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (items_.empty() && !closed_) changed_.wait(mutex_);
    return take();
  }

  std::optional<T> try_pop() FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return take();
  }

  // After close, pushes fail and pops drain what is left.
  void close() FS_EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
  }

  size_t size() const FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return items_.size();
  }

 private:
  std::optional<T> take() FS_REQUIRES(mutex_) {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    return item;
  }

  const size_t capacity_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<T> items_ FS_GUARDED_BY(mutex_);
  bool closed_ FS_GUARDED_BY(mutex_) = false;
};

}  // namespace firesteel
