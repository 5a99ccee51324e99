// Requests that share a budget and end together: the branches of a fork, and those of forks inside them. A request names its group
// (GenerateRequest::group, BranchRequest::group); the generator counts what its members generate and ends them when
//   - the budget is spent: those that would go on end with kLength, before they compute another token,
//   - cancel() was called: all end with kCancelled and their blocks are free within one step,
//   - first_k of them have ended with kStop: the others end with kCancelled in the same step.
// A group inside a group spends its parents' budgets, too, and ends with them. Where a shared budget cuts depends on how members
// were interleaved; who wants to replay it notes the tokens of each.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "base/mutex.h"

namespace firesteel {

// Thread-safe.
class RequestGroup {
 public:
  struct Options {
    int64_t budget_tokens = -1;  // generated, of all members together; -1: no limit
    int64_t deadline_us = 0;     // of every member, on the generator's clock; 0: none
    int first_k = 0;             // 0: all may end
    std::shared_ptr<RequestGroup> parent = nullptr;
  };
  explicit RequestGroup(Options options) : options_(std::move(options)) {}
  RequestGroup(const RequestGroup&) = delete;
  RequestGroup& operator=(const RequestGroup&) = delete;

  void cancel() FS_EXCLUDES(mutex_);
  // Of this group or one around it.
  bool cancelled() const;
  int64_t n_generated() const { return n_generated_.load(); }
  // Of the tightest budget around. INT64_MAX without one.
  int64_t tokens_left() const;
  bool exhausted() const { return tokens_left() <= 0; }
  // The earliest around; 0: none.
  int64_t deadline_us() const;

  // ---- For generators ----
  // Counts one token, here and in all groups around. False, and nothing counted, when one of them has none left. One thread at a
  // time may take from groups that share a parent.
  bool take_token();
  // A member has ended with kStop. True when that makes enough: the others are to be cancelled (and cancelled() says so).
  bool note_stop();
  // cancel() calls `notify`, without locks, here or around. One per owner: a second call for the same owner changes nothing. The
  // function may outlive the generator.
  void watch(const void* owner, const std::function<void()>& notify) FS_EXCLUDES(mutex_);

 private:
  const Options options_;
  std::atomic<int64_t> n_generated_{0};
  std::atomic<int> n_stopped_{0};
  std::atomic<bool> cancelled_{false};
  Mutex mutex_;
  std::map<const void*, std::function<void()>> watchers_ FS_GUARDED_BY(mutex_);
};

}  // namespace firesteel
