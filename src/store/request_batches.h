// Batches: a file of requests that run by and by, line after line, and survive a restart. A line's answer is stored once, whoever runs
// it again. A process takes a batch for a while (`runner`), so that several replicas share the work and another one goes on when one
// dies. For clients every operation takes the tenant: a foreign id is not found, exactly as an unknown one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "schema/ids.h"
#include "store/store.h"

namespace firesteel {

enum class BatchState : uint8_t { kValidating, kInProgress, kFinalizing, kCancelling, kCompleted, kFailed, kExpired, kCancelled };
const char* batch_state_name(BatchState state);  // as clients of the OpenAI API know them: "in_progress" ...
bool is_over(BatchState state);

struct StoredBatch {
  BatchId id = {};
  TenantId tenant = {};
  KeyId key = {};              // whose rights and quotas the lines have
  std::string endpoint = {};   // "/v1/chat/completions" ...
  BatchState state = BatchState::kValidating;
  FileId input_file = {}, output_file = {}, error_file = {};   // empty: none
  Json metadata = {};          // object or null
  Json problems = {};          // array of {code, line, message, param}: why it failed; or null
  Json times = {};             // {"in_progress_at": seconds ...}: when it came into which state; output_expires_after_s, if asked for
  int64_t n_total = 0, n_completed = 0, n_failed = 0;  // lines
  int64_t created_us = 0, expires_us = 0;
};

struct BatchResult {
  int64_t line = 0;            // of the input file, from 0
  bool failed = false;
  std::string text = {};       // one line of the result file, without the newline
};

// Limits: 100 batches of a tenant that are not over, 50,000 lines each, a result 64 MiB. Stateless beyond the store, thread-safe.
class RequestBatches {
 public:
  static constexpr int64_t kLinesMax = 50'000;

  explicit RequestBatches(Store& store) : store_(store) {}

  // id, tenant, key, endpoint, input_file, metadata, times, created_us and expires_us are set. kResourceExhausted.
  Status create(const StoredBatch& batch);
  Result<StoredBatch> get(const TenantId& tenant, const BatchId& id);
  // Newest first, behind `after` (kNotFound when that is not one of the tenant's).
  Result<std::vector<StoredBatch>> list(const TenantId& tenant, const std::optional<BatchId>& after, int64_t limit);
  // kFailedPrecondition when it is over or its results are being put together.
  Result<StoredBatch> cancel(const TenantId& tenant, const BatchId& id, int64_t now_us);

  // --- for who runs them -----------------------------------------------------------------------------------------------------------
  // The oldest batch that is not over, that nobody else holds, and that belongs to no tenant of `busy`; it is held until `until_us`.
  Result<std::optional<StoredBatch>> claim(const std::string& runner, const std::vector<TenantId>& busy, int64_t now_us, int64_t until_us);
  // Holds it for longer. kFailedPrecondition: another runner has it now. Gives the state as it is (somebody may have cancelled).
  Result<BatchState> hold(const BatchId& id, const std::string& runner, int64_t until_us);
  // Lets go, for another runner to go on at once.
  Status release(const BatchId& id, const std::string& runner);
  // validating > in_progress with the number of lines.
  Status begin(const BatchId& id, int64_t n_total, int64_t now_us);
  // Durable when it returns; a second result of the same line changes nothing. Counts the line. kFailedPrecondition: another runner has
  // the batch now, or it is over.
  Status add_result(const BatchId& id, const std::string& runner, const BatchResult& result);
  // Numbers of the lines that have a result, in order.
  Result<std::vector<int64_t>> finished_lines(const BatchId& id);
  // The results behind `after_line`, failed ones or the others, until about n_bytes are together.
  Result<std::vector<BatchResult>> results(const BatchId& id, bool failed, int64_t after_line, int64_t n_bytes);
  Status set_finalizing(const BatchId& id, int64_t now_us);
  // The last step, as part of a transaction that also publishes the files: its state and problems; the results of its lines go.
  // kFailedPrecondition as above.
  struct End {
    BatchState state = BatchState::kCompleted;
    FileId output_file = {}, error_file = {};
    Json problems = {};
  };
  static Status finish(Transaction& transaction, const BatchId& id, const std::string& runner, const End& end, int64_t now_us);

 private:
  Store& store_;
};

}  // namespace firesteel
