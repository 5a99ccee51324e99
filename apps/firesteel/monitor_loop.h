// The rules of monitoring in a running server: once a minute they are read against what variants did; alerts go to the store, the log and to
// webhooks. Once an hour sums that are old become sums of days, and what is older than it is to be kept goes.
// What a webhook did not take is sent again with the next readings, in order, up to ten times and at most a hundred at a time.
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "release/monitor.h"
#include "store/store.h"

namespace firesteel {

// POSTs `body` (JSON) to http://HOST[:PORT]/PATH, or https. No redirects, nothing of the answer is used but its status; 5 s at most.
// kUnavailable, kInvalidArgument.
Status post_webhook(const std::string& url, const std::string& body, const std::function<bool()>& cancelled = {});

class MonitorLoop {
 public:
  using Notice = std::function<void(const MonitorAlert& alert, const Status& delivered)>;
  MonitorLoop(Store& store, MonitorFile file, Notice notice);
  ~MonitorLoop();
  MonitorLoop(const MonitorLoop&) = delete;
  MonitorLoop& operator=(const MonitorLoop&) = delete;

 private:
  struct Undelivered {
    std::string webhook, body;
    int n_tries = 0;
  };
  void run();
  void look(int64_t now_us);
  void tidy(int64_t now_us);
  void send_again();
  bool is_stopped() FS_EXCLUDES(mutex_);
  Store& store_;
  const MonitorFile file_;
  const Notice notice_;
  int64_t tidied_hour_ = 0;
  std::vector<Undelivered> undelivered_;
  Mutex mutex_;
  CondVar changed_;
  bool stopped_ FS_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace firesteel
