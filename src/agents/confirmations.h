// Calls of a run that wait for a person: a lane asks on its own thread and sleeps; whoever reads the run's stream is told, and answers from
// any thread. Every question ends once: with the person's word, when their time is over, or with the run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "api/agents.h"
#include "base/json.h"
#include "base/mutex.h"
#include "tools/taint_gate.h"

namespace firesteel {

// Thread-safe.
class Confirmations {
 public:
  // How long a person has, and what is waited for between looks at a cancel.
  explicit Confirmations(int64_t timeout_ms = 120'000) : timeout_ms_(timeout_ms) {}

  // Waits. `tell` is called twice on this thread: with the question
  //   {"type": "confirm", "confirm": number, "lane"?, "call": {"name", "arguments"}, "tainted_by"?, "may_always", "timeout_ms"}
  // and with its end {"type": "confirmed", "confirm": number, "lane"?, "outcome": a consent_name}.
  Consent ask(const ConsentQuestion& question, const std::function<void(Json)>& tell) FS_EXCLUDES(mutex_);
  // False: the question does not wait, or its tool cannot be allowed once and for all.
  bool answer(int64_t number, ConfirmWord word) FS_EXCLUDES(mutex_);
  // Nobody reads any more: what waits ends as timed out, what comes is not asked.
  void close() FS_EXCLUDES(mutex_);

 private:
  struct Waiting {
    bool may_always = false;
    std::optional<ConfirmWord> word = {};
  };
  const int64_t timeout_ms_;
  Mutex mutex_;
  CondVar came_;
  int64_t last_number_ FS_GUARDED_BY(mutex_) = 0;
  bool closed_ FS_GUARDED_BY(mutex_) = false;
  std::map<int64_t, Waiting> waiting_ FS_GUARDED_BY(mutex_);
};

}  // namespace firesteel
