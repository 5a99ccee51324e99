// While a server has nothing to do: its weights into large pages (base/large_pages.h), once.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "engine/engine.h"

namespace firesteel {

class IdlePages {
 public:
  // done(bytes, seconds): some were read again, on the thread of this object. The engine outlives it.
  IdlePages(std::string path, const Engine& engine, std::function<void(uint64_t n_bytes, double seconds)> done);
  ~IdlePages();
  IdlePages(const IdlePages&) = delete;
  IdlePages& operator=(const IdlePages&) = delete;

 private:
  void run();
  bool wait_ms(int64_t ms) FS_EXCLUDES(mutex_);  // false: the end
  const std::string path_;
  const Engine& engine_;
  const std::function<void(uint64_t, double)> done_;
  Mutex mutex_;
  CondVar changed_;
  bool stopped_ FS_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace firesteel
