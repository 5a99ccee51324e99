// Tuning that clients ask for: a file of examples or preferences that becomes an adapter by and by, and survives a restart. A process takes
// a job for a while (`runner`), so that several replicas share the work and another one goes on when one dies. For clients every operation
// takes the tenant: a foreign id is not found, exactly as an unknown one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "schema/ids.h"
#include "store/store.h"

namespace firesteel {

struct TuneJobTag { static constexpr std::string_view kPrefix = "ftjob-"; };  // as clients of the OpenAI API know them
using TuneJobId = RecordId<TuneJobTag>;

enum class TuneJobState : uint8_t { kQueued, kRunning, kSucceeded, kFailed, kCancelled };
const char* tune_job_state_name(TuneJobState state);  // "queued", "running", "succeeded", "failed", "cancelled"
bool is_over(TuneJobState state);

struct TuneJob {
  TuneJobId id = {};
  TenantId tenant = {};
  KeyId key = {};
  TuneJobState state = TuneJobState::kQueued;
  std::string model = {}, suffix = {};
  FileId training_file = {}, result_file = {};   // result_file: empty until it succeeded
  Json settings = {};          // {"method": "sft" or "dpo", "epochs": 3, ...}: what the runner makes a command of
  Json metadata = {};          // object or null
  std::string problem = {};    // why it failed
  std::string adapter_name = {}, adapter_digest = {};  // once it succeeded
  int64_t n_tokens = 0;        // trained
  int64_t created_us = 0, started_us = 0, finished_us = 0;
};

struct TuneJobEvent {
  int64_t seq = 0;             // from 1
  int64_t at_us = 0;
  std::string level = "info";  // or "warn", "error"
  std::string text = {};
  Json data = {};              // {"step": 20, "train_loss": 1.3}, or null
};

// Limits: 8 jobs of a tenant that are not over, 2,000 events each (later ones are dropped), texts of 2,000 bytes. Stateless beyond the
// store, thread-safe.
class TuneJobs {
 public:
  explicit TuneJobs(Store& store) : store_(store) {}

  // id, tenant, key, model, suffix, training_file, settings, metadata and created_us are set. kResourceExhausted.
  Status create(const TuneJob& job);
  Result<TuneJob> get(const TenantId& tenant, const TuneJobId& id);
  // Newest first, behind `after` (kNotFound when that is not one of the tenant's).
  Result<std::vector<TuneJob>> list(const TenantId& tenant, const std::optional<TuneJobId>& after, int64_t limit);
  // At once, whoever runs it. kFailedPrecondition when it is over.
  Result<TuneJob> cancel(const TenantId& tenant, const TuneJobId& id, int64_t now_us);
  // Newest first, those before `before_seq` (0: all).
  Result<std::vector<TuneJobEvent>> events(const TenantId& tenant, const TuneJobId& id, int64_t before_seq, int64_t limit);

  // --- for who runs them -----------------------------------------------------------------------------------------------------------
  // The oldest job that is not over and that nobody else holds, now running and held until `until_us`.
  Result<std::optional<TuneJob>> claim(const std::string& runner, int64_t now_us, int64_t until_us);
  // Holds it for longer. kFailedPrecondition: another runner has it now. Gives the state as it is (somebody may have cancelled).
  Result<TuneJobState> hold(const TuneJobId& id, const std::string& runner, int64_t until_us);
  // Lets go, for another runner to go on at once.
  Status release(const TuneJobId& id, const std::string& runner);
  Status add_event(const TuneJobId& id, const TuneJobEvent& event);
  // state, problem, adapter_name, adapter_digest, result_file, n_tokens and finished_us of `job` are stored. kFailedPrecondition as above.
  Status finish(const TuneJob& job, const std::string& runner);
  // Of all tenants: whose adapters a starting server loads again.
  Result<std::vector<TuneJob>> succeeded();

 private:
  Store& store_;
};

}  // namespace firesteel
