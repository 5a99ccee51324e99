// What other threads leave for the engine thread. Outlives the engine: streams and contexts hold it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "engine/job.h"

namespace firesteel {

class Mailbox {
 public:
  struct Mail {
    std::vector<std::unique_ptr<Job>> jobs;
    std::vector<std::shared_ptr<KvContext>> dropped;
    std::vector<std::function<void()>*> tasks;
    bool has_cancels = false;
    bool stop = false;
  };

  Mailbox(int64_t open_max, int64_t contexts_max) : open_max_(open_max), contexts_max_(contexts_max) {}

  // All or none. kResourceExhausted when too many requests are open, kFailedPrecondition when the engine has ended.
  Status post(std::vector<std::unique_ptr<Job>> jobs) FS_EXCLUDES(mutex_);
  // Counts a context that is about to be made; undone by drop_context or release_context.
  Status reserve_context() FS_EXCLUDES(mutex_);
  void release_context() FS_EXCLUDES(mutex_);
  void drop_context(std::shared_ptr<KvContext> context) FS_EXCLUDES(mutex_);
  void notify_cancel() FS_EXCLUDES(mutex_);
  // Runs `task` on the engine thread between two steps and waits for it.
  Status run(std::function<void()> task) FS_EXCLUDES(mutex_);
  void stop() FS_EXCLUDES(mutex_);

  // The engine thread's side. Waits up to timeout_us for something (0: not at all, negative: for as long as it takes).
  Mail take(int64_t timeout_us) FS_EXCLUDES(mutex_);
  void tasks_done(size_t n) FS_EXCLUDES(mutex_);
  void job_done() FS_EXCLUDES(mutex_);

 private:
  bool empty() const FS_REQUIRES(mutex_) {
    return mail_.jobs.empty() && mail_.dropped.empty() && mail_.tasks.empty() && !mail_.has_cancels && !mail_.stop;
  }
  const int64_t open_max_, contexts_max_;
  Mutex mutex_;
  CondVar came_;        // mail, for the engine thread
  CondVar tasks_ran_;   // for run()
  Mail mail_ FS_GUARDED_BY(mutex_);
  int64_t n_open_ FS_GUARDED_BY(mutex_) = 0;
  int64_t n_contexts_ FS_GUARDED_BY(mutex_) = 0;
  uint64_t n_tasks_posted_ FS_GUARDED_BY(mutex_) = 0;
  uint64_t n_tasks_done_ FS_GUARDED_BY(mutex_) = 0;
  bool stopped_ FS_GUARDED_BY(mutex_) = false;
};

}  // namespace firesteel
