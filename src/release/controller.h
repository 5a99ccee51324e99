// What a server asks at each request (which variant answers?) and tells after it (how did it go?), and the loop that moves rollouts on.
//
// A snapshot of variants, aliases and running rollouts is kept in memory; start() follows the store every 250 ms, so that a promotion or
// rollback by another process counts within that time. Asking takes a mutex and no disk. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "release/registry.h"
#include "tenants/server_secret.h"

namespace firesteel {

// Who answers one request, decided once.
struct Assignment {
  std::string name;                              // "kindling"
  int64_t number = 0;
  std::string digest;
  std::shared_ptr<const VariantSpec> spec;
  std::string surface;                           // of the rollout's plan, or as given
  std::string rollout = {};                      // empty: the request does not count in one
  bool candidate = false;
  bool shadowed = false;                         // the surface is in its shadow phase: `shadow` may answer, too, unseen
  std::string unit = {};                         // whose answer it is, hashed
  std::string shadow_digest = {};
  std::shared_ptr<const VariantSpec> shadow = {};
  int64_t slow_ms = 2000;
};

// How an answer went.
struct AnswerFacts {
  bool error = false;
  bool refusal = false;
  bool cut = false;                              // ended by a limit
  int64_t first_token_us = 0, total_us = 0;      // 0: none came
  int64_t prompt_tokens = 0, generated_tokens = 0;
  int input_bucket = -1;                         // of what was asked (topic.h); -1: not known
  std::optional<double> agreement = {};          // of the samples of a vote: the share that said what was answered
};

bool answer_is_refusal(std::string_view text);

// Of an answer that was looked at more closely (MonitorSample).
struct SampleFacts {
  std::vector<float> embedding = {};             // of the question; empty: not had. Only its bins are kept
  std::optional<double> judged = {};             // 0 to 1
};

class ReleaseController {
 public:
  static constexpr int64_t kRefreshUs = 250'000;
  static constexpr int64_t kAdvanceUs = 1'000'000;

  // `on_event`: called from the loop after each event is stored; may be empty.
  ReleaseController(Store& store, Tenants& tenants, const ServerSecret& secret, std::function<void(const RolloutRecord&, const RolloutEvent&)> on_event = {},
                    const Clock& wall = wall_clock());
  ~ReleaseController();
  ReleaseController(const ReleaseController&) = delete;
  ReleaseController& operator=(const ReleaseController&) = delete;

  void start();                       // the loop, on a thread of its own
  // One turn of the loop: reads what changed, moves rollouts on when `and_advance`.
  Status tick(bool and_advance) FS_EXCLUDES(mutex_);

  bool knows(std::string_view model) const FS_EXCLUDES(mutex_);           // "kindling", "kindling@champion", "kindling@3"
  std::vector<std::string> names() const FS_EXCLUDES(mutex_);
  // `surfaces`: what the request came through, the most special first ("partner:alder", "api"); the plan's first match counts.
  // `user`: what stays the same for one person. nullopt: no variant of that name.
  // The bare name and @champion take part in rollouts; every other alias, number or digest is answered by exactly that variant.
  std::optional<Assignment> assign(std::string_view model, const std::vector<std::string>& surfaces, std::string_view tenant, std::string_view user) const FS_EXCLUDES(mutex_);

  // Stored without waiting, with the next group commit. `message`: of a stored conversation, may be empty.
  void record(const Assignment& assignment, const std::string& tenant, const std::string& request_id, const std::string& message, const AnswerFacts& facts);
  void record_shadow(const Assignment& assignment, const std::string& tenant, const AnswerFacts& facts);
  void record_sample(const Assignment& assignment, const std::string& tenant, const SampleFacts& facts);
  // A rating of an answer that was recorded. The first of a person in a rollout counts; others are kept per variant only.
  void rate(const std::string& tenant, const std::string& request_id, const std::string& message, int thumb);
  // Waits until what was told before is stored. For tests and the end of a run.
  Status flush();

  Registry& registry() { return registry_; }

 private:
  struct Name;
  struct Snapshot;
  void loop();
  std::shared_ptr<const Snapshot> snapshot() const FS_EXCLUDES(mutex_);
  Result<std::shared_ptr<const Snapshot>> load();

  Store& store_;
  Registry registry_;
  const ServerSecret::DerivedKey key_;
  const std::function<void(const RolloutRecord&, const RolloutEvent&)> on_event_;
  const Clock& wall_;
  mutable Mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ FS_GUARDED_BY(mutex_);
  CondVar stopped_changed_;
  bool stopped_ FS_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace firesteel
