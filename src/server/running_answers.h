// Answers being written, by the id that their readers were told: for routes that cancel. An id is good for its owner, and nobody else.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "server/generation_reply.h"
#include "store/conversations.h"

namespace firesteel {

// Thread-safe.
class RunningAnswers {
 public:
  void add(const std::string& id, const Owner& owner, std::shared_ptr<CancelHandle> handle) FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    running_[id] = {owner, std::move(handle)};
  }
  void remove(const std::string& id) FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    running_.erase(id);
  }
  // Null when there is none of this owner.
  std::shared_ptr<CancelHandle> find(const Owner& owner, const std::string& id) FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    const auto found = running_.find(id);
    if (found == running_.end() || found->second.owner.tenant != owner.tenant || found->second.owner.user != owner.user) return nullptr;
    return found->second.handle;
  }

 private:
  struct Entry {
    Owner owner;
    std::shared_ptr<CancelHandle> handle;
  };
  Mutex mutex_;
  std::map<std::string, Entry> running_ FS_GUARDED_BY(mutex_);  // bounded by the requests that run
};

}  // namespace firesteel
