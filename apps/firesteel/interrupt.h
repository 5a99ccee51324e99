// Ctrl-C while an answer is written stops the answer, not the program.
#pragma once

#include <thread>

#include "api/generator.h"
#include "base/mutex.h"

namespace firesteel {

// Create it before any other thread, so that all inherit the blocked signal; then a thread of this object receives every SIGINT and
// may call what a signal handler may not. Without an armed stream a SIGINT ends the program with code 130, as usual.
class InterruptWatcher {
 public:
  InterruptWatcher();
  ~InterruptWatcher();
  InterruptWatcher(const InterruptWatcher&) = delete;
  InterruptWatcher& operator=(const InterruptWatcher&) = delete;

  // The stream must outlive the time it is armed.
  void arm(TokenStream* stream) FS_EXCLUDES(mutex_);
  void disarm() FS_EXCLUDES(mutex_);

 private:
  void watch() FS_EXCLUDES(mutex_);
  Mutex mutex_;
  TokenStream* stream_ FS_GUARDED_BY(mutex_) = nullptr;
  bool stopping_ FS_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace firesteel
