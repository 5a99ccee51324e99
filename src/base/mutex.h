// Mutex and condition variable with clang's thread-safety annotations, checked by the `clang` preset.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define FS_CAPABILITY(x) __attribute__((capability(x)))
#define FS_SCOPED_CAPABILITY __attribute__((scoped_lockable))
#define FS_GUARDED_BY(x) __attribute__((guarded_by(x)))
#define FS_REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define FS_EXCLUDES(...) __attribute__((locks_excluded(__VA_ARGS__)))
#define FS_ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define FS_RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))
#define FS_NO_THREAD_SAFETY_ANALYSIS __attribute__((no_thread_safety_analysis))
#else
#define FS_CAPABILITY(x)
#define FS_SCOPED_CAPABILITY
#define FS_GUARDED_BY(x)
#define FS_REQUIRES(...)
#define FS_EXCLUDES(...)
#define FS_ACQUIRE(...)
#define FS_RELEASE(...)
#define FS_NO_THREAD_SAFETY_ANALYSIS
#endif

namespace firesteel {

class FS_CAPABILITY("mutex") Mutex {
 public:
  void lock() FS_ACQUIRE() { mutex_.lock(); }
  void unlock() FS_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class FS_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) FS_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() FS_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits release the mutex and take it again; wake-ups may be spurious, so callers loop on their condition.
class CondVar {
 public:
  void wait(Mutex& mutex) FS_REQUIRES(mutex) FS_NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    cv_.wait(lock);
    lock.release();
  }
  // False when `timeout` passed.
  bool wait_for(Mutex& mutex, std::chrono::microseconds timeout) FS_REQUIRES(mutex) FS_NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const bool in_time = cv_.wait_for(lock, timeout) == std::cv_status::no_timeout;
    lock.release();
    return in_time;
  }
  void notify_one() { cv_.notify_one(); }
  void notify_all() { cv_.notify_all(); }

 private:
  std::condition_variable cv_;
};

}  // namespace firesteel
