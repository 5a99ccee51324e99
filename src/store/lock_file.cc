#include "store/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/mutex.h"

namespace firesteel {

Result<LockFile> LockFile::open(const std::string& path) {
  LockFile file;
  file.path_ = path;
  file.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file.fd_ < 0) return Error{ErrorCode::kUnavailable, path + ": " + std::strerror(errno)};
  return file;
}

LockFile::~LockFile() {
  if (fd_ >= 0) ::close(fd_);
}
LockFile::LockFile(LockFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}
LockFile& LockFile::operator=(LockFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

Status LockFile::lock(int64_t timeout_ms, const Clock& clock) {
  const int64_t deadline_us = clock.now_us() + timeout_ms * 1000;
  Mutex mutex;
  CondVar never;
  for (;;) {
    if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return {};
    if (errno != EWOULDBLOCK && errno != EINTR) return Error{ErrorCode::kUnavailable, path_ + ": " + std::strerror(errno)};
    if (clock.now_us() >= deadline_us) return Error{ErrorCode::kUnavailable, path_ + ": another process has been writing for too long"};
    MutexLock lock(mutex);
    never.wait_for(mutex, std::chrono::milliseconds(1));  // flock has no timeout of its own
  }
}

void LockFile::unlock() { ::flock(fd_, LOCK_UN); }

}  // namespace firesteel
