#include "store/request_batches.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace firesteel {
namespace {

constexpr int64_t kActiveMax = 100;
constexpr int64_t kListMax = 1'000;
constexpr size_t kMetadataBytes = 64u << 10;
constexpr size_t kResultBytes = 64u << 20;
constexpr std::array<const char*, 8> kNames = {"validating", "in_progress", "finalizing", "cancelling", "completed", "failed", "expired", "cancelled"};

Error not_found() { return {ErrorCode::kNotFound, "no such batch"}; }

BatchState state_of(const std::string& name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<BatchState>(i);
  }
  return BatchState::kFailed;
}

// What is not JSON (somebody edited the file) reads as null.
Json json_of(const std::string& text) {
  if (text.empty()) return {};
  Result<Json> json = Json::parse(text);
  return json.ok() ? std::move(json).value() : Json();
}
std::string text_of(const Json& json) { return json.is_null() ? std::string() : json.dump(); }

StoredBatch batch_of(const Row& row) {
  return {.id = BatchId::parse(row.text(0)).value_or(BatchId()), .tenant = TenantId::parse(row.text(1)).value_or(TenantId()),
          .key = KeyId::parse(row.text(2)).value_or(KeyId()), .endpoint = row.text(3), .state = state_of(row.text(4)),
          .input_file = FileId::parse(row.text(5)).value_or(FileId()), .output_file = FileId::parse(row.text(6)).value_or(FileId()),
          .error_file = FileId::parse(row.text(7)).value_or(FileId()), .metadata = json_of(row.text(8)), .problems = json_of(row.text(9)),
          .times = json_of(row.text(10)), .n_total = row.integer(11), .n_completed = row.integer(12), .n_failed = row.integer(13),
          .created_us = row.integer(14), .expires_us = row.integer(15)};
}

Result<StoredBatch> find(Reader& reader, const TenantId& tenant, const BatchId& id) {
  FS_TRY(const std::optional<Row> row, reader.first(
      "SELECT id, tenant, key_id, endpoint, state, input_file, output_file, error_file, metadata, problems, times, n_total, n_completed, n_failed, "
      "created_us, expires_us FROM batches WHERE id = $1 AND tenant = $2", {id.str(), tenant.str()}));
  if (!row) return not_found();
  return batch_of(*row);
}

// Nothing changes a batch behind the back of who runs it now.
Status check_runner(Reader& reader, const BatchId& id, const std::string& runner) {
  FS_TRY(const std::optional<Row> row, reader.first("SELECT runner FROM batches WHERE id = $1 AND active = 1", {id.str()}));
  if (!row || row->text(0) != runner) return Error{ErrorCode::kFailedPrecondition, "another process runs this batch now, or it is over"};
  return {};
}

// Of the runner's own batches, which it knows by claim().
Result<StoredBatch> find_held(Reader& reader, const BatchId& id) {
  FS_TRY(const std::optional<Row> row, reader.first(
      "SELECT id, tenant, key_id, endpoint, state, input_file, output_file, error_file, metadata, problems, times, n_total, n_completed, n_failed, "
      "created_us, expires_us FROM batches WHERE id = $1", {id.str()}));
  if (!row) return not_found();
  return batch_of(*row);
}

Status set_state(Transaction& transaction, StoredBatch batch, BatchState state, int64_t now_us) {
  if (!batch.times.is_object()) batch.times = Json::Object{};
  batch.times.set(std::string(batch_state_name(state)) + "_at", now_us / 1'000'000);
  FS_TRY_VOID(transaction.execute("UPDATE batches SET state = $1, times = $2, active = $3 WHERE id = $4",
                                  {std::string(batch_state_name(state)), batch.times.dump(), int64_t{!is_over(state)}, batch.id.str()}));
  return {};
}

}  // namespace

const char* batch_state_name(BatchState state) { return kNames[static_cast<size_t>(state)]; }
bool is_over(BatchState state) { return state >= BatchState::kCompleted; }

Status RequestBatches::create(const StoredBatch& batch) {
  const std::string metadata = text_of(batch.metadata);
  if (metadata.size() > kMetadataBytes) return Error{ErrorCode::kInvalidArgument, fmt::format("metadata has {} bytes, at most {} are allowed", metadata.size(), kMetadataBytes)};
  return store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(const std::optional<Row> row, transaction.first("SELECT count(*) FROM batches WHERE tenant = $1 AND active = 1", {batch.tenant.str()}));
    if (row->integer(0) >= kActiveMax) return Error{ErrorCode::kResourceExhausted, fmt::format("the tenant has {} batches that are not over, the most that are allowed", kActiveMax)};
    FS_TRY_VOID(transaction.execute(
        "INSERT INTO batches(id, tenant, key_id, endpoint, state, input_file, output_file, error_file, metadata, problems, times, n_total, n_completed, "
        "n_failed, created_us, expires_us, active, runner, runner_until_us) "
        "VALUES($1, $2, $3, $4, 'validating', $5, '', '', $6, '', $7, 0, 0, 0, $8, $9, 1, '', 0)",
        {batch.id.str(), batch.tenant.str(), batch.key.str(), batch.endpoint, batch.input_file.str(), metadata, text_of(batch.times), batch.created_us, batch.expires_us}));
    return {};
  });
}

Result<StoredBatch> RequestBatches::get(const TenantId& tenant, const BatchId& id) {
  StoredBatch batch;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    FS_TRY(batch, find(reader, tenant, id));
    return {};
  }));
  return batch;
}

Result<std::vector<StoredBatch>> RequestBatches::list(const TenantId& tenant, const std::optional<BatchId>& after, int64_t limit) {
  std::vector<StoredBatch> batches;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    batches.clear();
    int64_t from_us = INT64_MAX;
    std::string from_id;
    if (after) {
      FS_TRY(const StoredBatch found, find(reader, tenant, *after));
      from_us = found.created_us;
      from_id = found.id.str();
    }
    return reader.each(
        "SELECT id, tenant, key_id, endpoint, state, input_file, output_file, error_file, metadata, problems, times, n_total, n_completed, n_failed, "
        "created_us, expires_us FROM batches WHERE tenant = $1 AND (created_us < $2 OR (created_us = $2 AND id < $3)) "
        "ORDER BY created_us DESC, id DESC LIMIT $4",
        {tenant.str(), from_us, from_id, std::clamp<int64_t>(limit, 1, kListMax)}, [&](const Row& row) {
          batches.push_back(batch_of(row));
          return true;
        });
  }));
  return batches;
}

Result<StoredBatch> RequestBatches::cancel(const TenantId& tenant, const BatchId& id, int64_t now_us) {
  StoredBatch batch;
  const Status written = store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(batch, find(transaction, tenant, id));
    if (batch.state == BatchState::kCancelling) return {};
    if (is_over(batch.state) || batch.state == BatchState::kFinalizing) {
      return Error{ErrorCode::kFailedPrecondition, fmt::format("the batch cannot be cancelled: it is {}", batch_state_name(batch.state))};
    }
    FS_TRY_VOID(set_state(transaction, batch, BatchState::kCancelling, now_us));
    FS_TRY(batch, find(transaction, tenant, id));
    return {};
  });
  FS_TRY_VOID(written);
  return batch;
}

Result<std::optional<StoredBatch>> RequestBatches::claim(const std::string& runner, const std::vector<TenantId>& busy, int64_t now_us, int64_t until_us) {
  // A look first: most of the time there is nothing, and a look costs no commit.
  std::vector<StoredBatch> candidates;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    candidates.clear();
    return reader.each(
        "SELECT id, tenant, key_id, endpoint, state, input_file, output_file, error_file, metadata, problems, times, n_total, n_completed, n_failed, "
        "created_us, expires_us FROM batches WHERE active = 1 AND (runner = $1 OR runner_until_us < $2) ORDER BY created_us, id LIMIT 1000",
        {runner, now_us}, [&](const Row& row) {
          candidates.push_back(batch_of(row));
          return true;
        });
  }));
  for (const StoredBatch& candidate : candidates) {
    if (std::find(busy.begin(), busy.end(), candidate.tenant) != busy.end()) continue;
    int64_t n_claimed = 0;
    const Status written = store_.write([&](Transaction& transaction) -> Status {
      FS_TRY(n_claimed, transaction.execute("UPDATE batches SET runner = $1, runner_until_us = $2 "
                                            "WHERE id = $3 AND active = 1 AND (runner = $1 OR runner_until_us < $4)",
                                            {runner, until_us, candidate.id.str(), now_us}));
      return {};
    });
    FS_TRY_VOID(written);
    if (n_claimed == 0) continue;  // another replica was quicker
    FS_TRY(StoredBatch claimed, get(candidate.tenant, candidate.id));
    return std::optional<StoredBatch>(std::move(claimed));
  }
  return std::optional<StoredBatch>();
}

Result<BatchState> RequestBatches::hold(const BatchId& id, const std::string& runner, int64_t until_us) {
  BatchState state = BatchState::kFailed;
  const Status written = store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(const int64_t n, transaction.execute("UPDATE batches SET runner_until_us = $1 WHERE id = $2 AND runner = $3", {until_us, id.str(), runner}));
    if (n == 0) return Error{ErrorCode::kFailedPrecondition, "another process runs this batch now"};
    FS_TRY(const StoredBatch batch, find_held(transaction, id));
    state = batch.state;
    return {};
  });
  FS_TRY_VOID(written);
  return state;
}

Status RequestBatches::release(const BatchId& id, const std::string& runner) {
  return store_.write([&](Transaction& transaction) -> Status {
    FS_TRY_VOID(transaction.execute("UPDATE batches SET runner = '', runner_until_us = 0 WHERE id = $1 AND runner = $2", {id.str(), runner}));
    return {};
  });
}

Status RequestBatches::begin(const BatchId& id, int64_t n_total, int64_t now_us) {
  return store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(const StoredBatch batch, find_held(transaction, id));
    FS_TRY_VOID(transaction.execute("UPDATE batches SET n_total = $1 WHERE id = $2", {n_total, id.str()}));
    if (batch.state != BatchState::kValidating) return {};  // cancelled meanwhile
    return set_state(transaction, batch, BatchState::kInProgress, now_us);
  });
}

Status RequestBatches::add_result(const BatchId& id, const std::string& runner, const BatchResult& result) {
  if (result.text.size() > kResultBytes) return Error{ErrorCode::kInvalidArgument, fmt::format("a result has {} bytes, at most {} are allowed", result.text.size(), kResultBytes)};
  return store_.write([&](Transaction& transaction) -> Status {
    FS_TRY_VOID(check_runner(transaction, id, runner));
    FS_TRY(const int64_t n, transaction.execute("INSERT INTO batch_results(batch, line, failed, result) VALUES($1, $2, $3, $4) ON CONFLICT(batch, line) DO NOTHING",
                                                {id.str(), result.line, int64_t{result.failed}, result.text}));
    if (n == 0) return {};
    FS_TRY_VOID(transaction.execute("UPDATE batches SET n_completed = n_completed + $1, n_failed = n_failed + $2 WHERE id = $3",
                                    {int64_t{!result.failed}, int64_t{result.failed}, id.str()}));
    return {};
  });
}

Result<std::vector<int64_t>> RequestBatches::finished_lines(const BatchId& id) {
  std::vector<int64_t> lines;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    lines.clear();
    return reader.each("SELECT line FROM batch_results WHERE batch = $1 ORDER BY line LIMIT 100000", {id.str()}, [&](const Row& row) {
      lines.push_back(row.integer(0));
      return true;
    });
  }));
  return lines;
}

Result<std::vector<BatchResult>> RequestBatches::results(const BatchId& id, bool failed, int64_t after_line, int64_t n_bytes) {
  std::vector<BatchResult> results;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    results.clear();
    int64_t n = 0;
    return reader.each("SELECT line, failed, result FROM batch_results WHERE batch = $1 AND failed = $2 AND line > $3 ORDER BY line LIMIT 1000",
                       {id.str(), int64_t{failed}, after_line}, [&](const Row& row) {
                         results.push_back({row.integer(0), row.integer(1) != 0, row.text(2)});
                         n += static_cast<int64_t>(results.back().text.size());
                         return n < n_bytes;
                       });
  }));
  return results;
}

Status RequestBatches::set_finalizing(const BatchId& id, int64_t now_us) {
  return store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(const StoredBatch batch, find_held(transaction, id));
    if (batch.state != BatchState::kInProgress) return {};
    return set_state(transaction, batch, BatchState::kFinalizing, now_us);
  });
}

Status RequestBatches::finish(Transaction& transaction, const BatchId& id, const std::string& runner, const End& end, int64_t now_us) {
  FS_TRY_VOID(check_runner(transaction, id, runner));
  FS_TRY(const StoredBatch batch, find_held(transaction, id));
  FS_TRY_VOID(set_state(transaction, batch, end.state, now_us));
  FS_TRY_VOID(transaction.execute("UPDATE batches SET output_file = $1, error_file = $2, problems = $3, runner = '', runner_until_us = 0 WHERE id = $4",
                                  {end.output_file.str(), end.error_file.str(), text_of(end.problems), id.str()}));
  FS_TRY_VOID(transaction.execute("DELETE FROM batch_results WHERE batch = $1", {id.str()}));
  return {};
}

}  // namespace firesteel
