// Keeps the writers of several processes apart. Advisory (flock); the kernel releases it when its owner dies.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace firesteel {

class LockFile {
 public:
  static Result<LockFile> open(const std::string& path);
  LockFile() = default;
  ~LockFile();
  LockFile(LockFile&& other) noexcept;
  LockFile& operator=(LockFile&& other) noexcept;
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

  // kUnavailable when another process holds it for longer than `timeout_ms`.
  Status lock(int64_t timeout_ms, const Clock& clock);
  void unlock();

 private:
  int fd_ = -1;
  std::string path_;
};

}  // namespace firesteel
