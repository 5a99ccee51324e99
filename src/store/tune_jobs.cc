#include "store/tune_jobs.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/utf8.h"

namespace firesteel {
namespace {

constexpr int64_t kActiveMax = 8;
constexpr int64_t kListMax = 1'000;
constexpr int64_t kEventsMax = 2'000;
constexpr size_t kTextBytes = 2'000;
constexpr std::array<const char*, 5> kNames = {"queued", "running", "succeeded", "failed", "cancelled"};

Error not_found() { return {ErrorCode::kNotFound, "no such fine-tuning job"}; }

TuneJobState state_of(const std::string& name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<TuneJobState>(i);
  }
  return TuneJobState::kFailed;
}

// What is not JSON (somebody edited the file) reads as null.
Json json_of(const std::string& text) {
  if (text.empty()) return {};
  Result<Json> json = Json::parse(text);
  return json.ok() ? std::move(json).value() : Json();
}
std::string text_of(const Json& json) { return json.is_null() ? std::string() : json.dump(); }

// Messages quote what users wrote, so they are made fit for a column of text.
std::string bounded(std::string text) {
  std::erase(text, '\0');
  if (text.size() > kTextBytes) {
    text.resize(kTextBytes);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xC0) text.pop_back();
  }
  return is_valid_utf8(text) ? text : std::string("(a message that is not UTF-8)");
}

TuneJob job_of(const Row& row) {
  return {.id = TuneJobId::parse(row.text(0)).value_or(TuneJobId()), .tenant = TenantId::parse(row.text(1)).value_or(TenantId()),
          .key = KeyId::parse(row.text(2)).value_or(KeyId()), .state = state_of(row.text(3)), .model = row.text(4), .suffix = row.text(5),
          .training_file = FileId::parse(row.text(6)).value_or(FileId()), .result_file = FileId::parse(row.text(7)).value_or(FileId()),
          .settings = json_of(row.text(8)), .metadata = json_of(row.text(9)), .problem = row.text(10), .adapter_name = row.text(11),
          .adapter_digest = row.text(12), .n_tokens = row.integer(13), .created_us = row.integer(14), .started_us = row.integer(15), .finished_us = row.integer(16)};
}

Result<TuneJob> find(Reader& reader, const TenantId& tenant, const TuneJobId& id) {
  FS_TRY(const std::optional<Row> row, reader.first(
      "SELECT id, tenant, key_id, state, model, suffix, training_file, result_file, settings, metadata, problem, adapter_name, adapter_digest, "
      "n_tokens, created_us, started_us, finished_us FROM tune_jobs WHERE id = $1 AND tenant = $2", {id.str(), tenant.str()}));
  if (!row) return not_found();
  return job_of(*row);
}

// Nothing changes a job behind the back of who runs it now.
Status check_runner(Reader& reader, const TuneJobId& id, const std::string& runner) {
  FS_TRY(const std::optional<Row> row, reader.first("SELECT runner FROM tune_jobs WHERE id = $1 AND active = 1", {id.str()}));
  if (!row || row->text(0) != runner) return Error{ErrorCode::kFailedPrecondition, "another process runs this job now, or it is over"};
  return {};
}

Status append_event(Transaction& transaction, const TuneJobId& id, const TuneJobEvent& event) {
  FS_TRY(const std::optional<Row> row, transaction.first("SELECT coalesce(max(seq), 0) FROM tune_job_events WHERE job = $1", {id.str()}));
  if (row->integer(0) >= kEventsMax) return {};
  FS_TRY_VOID(transaction.execute("INSERT INTO tune_job_events(job, seq, at_us, level, text, data) VALUES($1, $2, $3, $4, $5, $6)",
                                  {id.str(), row->integer(0) + 1, event.at_us, event.level, bounded(event.text), text_of(event.data)}));
  return {};
}

}  // namespace

const char* tune_job_state_name(TuneJobState state) { return kNames[static_cast<size_t>(state)]; }
bool is_over(TuneJobState state) { return state >= TuneJobState::kSucceeded; }

Status TuneJobs::create(const TuneJob& job) {
  return store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(const std::optional<Row> row, transaction.first("SELECT count(*) FROM tune_jobs WHERE tenant = $1 AND active = 1", {job.tenant.str()}));
    if (row->integer(0) >= kActiveMax) return Error{ErrorCode::kResourceExhausted, fmt::format("the tenant has {} fine-tuning jobs that are not over, the most that are allowed", kActiveMax)};
    FS_TRY_VOID(transaction.execute(
        "INSERT INTO tune_jobs(id, tenant, key_id, state, model, suffix, training_file, result_file, settings, metadata, problem, adapter_name, adapter_digest, "
        "n_tokens, created_us, started_us, finished_us, active, runner, runner_until_us) "
        "VALUES($1, $2, $3, 'queued', $4, $5, $6, '', $7, $8, '', '', '', 0, $9, 0, 0, 1, '', 0)",
        {job.id.str(), job.tenant.str(), job.key.str(), job.model, job.suffix, job.training_file.str(), text_of(job.settings), text_of(job.metadata), job.created_us}));
    return append_event(transaction, job.id, {.at_us = job.created_us, .text = "Created fine-tuning job: " + job.id.str()});
  });
}

Result<TuneJob> TuneJobs::get(const TenantId& tenant, const TuneJobId& id) {
  TuneJob job;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    FS_TRY(job, find(reader, tenant, id));
    return {};
  }));
  return job;
}

Result<std::vector<TuneJob>> TuneJobs::list(const TenantId& tenant, const std::optional<TuneJobId>& after, int64_t limit) {
  std::vector<TuneJob> jobs;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    jobs.clear();
    int64_t from_us = INT64_MAX;
    std::string from_id;
    if (after) {
      FS_TRY(const TuneJob found, find(reader, tenant, *after));
      from_us = found.created_us;
      from_id = found.id.str();
    }
    return reader.each(
        "SELECT id, tenant, key_id, state, model, suffix, training_file, result_file, settings, metadata, problem, adapter_name, adapter_digest, "
        "n_tokens, created_us, started_us, finished_us FROM tune_jobs WHERE tenant = $1 AND (created_us < $2 OR (created_us = $2 AND id < $3)) "
        "ORDER BY created_us DESC, id DESC LIMIT $4",
        {tenant.str(), from_us, from_id, std::clamp<int64_t>(limit, 1, kListMax)}, [&](const Row& row) {
          jobs.push_back(job_of(row));
          return true;
        });
  }));
  return jobs;
}

Result<TuneJob> TuneJobs::cancel(const TenantId& tenant, const TuneJobId& id, int64_t now_us) {
  TuneJob job;
  const Status written = store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(job, find(transaction, tenant, id));
    if (is_over(job.state)) return Error{ErrorCode::kFailedPrecondition, fmt::format("the job cannot be cancelled: it is {}", tune_job_state_name(job.state))};
    FS_TRY_VOID(transaction.execute("UPDATE tune_jobs SET state = 'cancelled', active = 0, finished_us = $1 WHERE id = $2", {now_us, id.str()}));
    FS_TRY_VOID(append_event(transaction, id, {.at_us = now_us, .text = "The job was cancelled"}));
    FS_TRY(job, find(transaction, tenant, id));
    return {};
  });
  FS_TRY_VOID(written);
  return job;
}

Result<std::vector<TuneJobEvent>> TuneJobs::events(const TenantId& tenant, const TuneJobId& id, int64_t before_seq, int64_t limit) {
  std::vector<TuneJobEvent> events;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    events.clear();
    FS_TRY([[maybe_unused]] const TuneJob owned, find(reader, tenant, id));
    return reader.each("SELECT seq, at_us, level, text, data FROM tune_job_events WHERE job = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3",
                       {id.str(), before_seq > 0 ? before_seq : INT64_MAX, std::clamp<int64_t>(limit, 1, kListMax)}, [&](const Row& row) {
                         events.push_back({row.integer(0), row.integer(1), row.text(2), row.text(3), json_of(row.text(4))});
                         return true;
                       });
  }));
  return events;
}

Result<std::optional<TuneJob>> TuneJobs::claim(const std::string& runner, int64_t now_us, int64_t until_us) {
  std::optional<TuneJob> claimed;
  const Status written = store_.write([&](Transaction& transaction) -> Status {
    claimed.reset();
    FS_TRY(const std::optional<Row> row, transaction.first(
        "SELECT id, tenant, key_id, state, model, suffix, training_file, result_file, settings, metadata, problem, adapter_name, adapter_digest, "
        "n_tokens, created_us, started_us, finished_us FROM tune_jobs WHERE active = 1 AND (runner = '' OR runner = $1 OR runner_until_us < $2) "
        "ORDER BY created_us, id LIMIT 1", {runner, now_us}));
    if (!row) return {};
    TuneJob job = job_of(*row);
    if (job.started_us == 0) job.started_us = now_us;
    job.state = TuneJobState::kRunning;
    FS_TRY_VOID(transaction.execute("UPDATE tune_jobs SET state = 'running', started_us = $1, runner = $2, runner_until_us = $3 WHERE id = $4",
                                    {job.started_us, runner, until_us, job.id.str()}));
    claimed = std::move(job);
    return {};
  });
  FS_TRY_VOID(written);
  return claimed;
}

Result<TuneJobState> TuneJobs::hold(const TuneJobId& id, const std::string& runner, int64_t until_us) {
  TuneJobState state = TuneJobState::kFailed;
  const Status written = store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(const std::optional<Row> row, transaction.first("SELECT state, runner FROM tune_jobs WHERE id = $1", {id.str()}));
    if (!row || row->text(1) != runner) return Error{ErrorCode::kFailedPrecondition, "another process runs this job now"};
    state = state_of(row->text(0));
    FS_TRY_VOID(transaction.execute("UPDATE tune_jobs SET runner_until_us = $1 WHERE id = $2", {until_us, id.str()}));
    return {};
  });
  FS_TRY_VOID(written);
  return state;
}

Status TuneJobs::release(const TuneJobId& id, const std::string& runner) {
  return store_.write([&](Transaction& transaction) -> Status {
    FS_TRY_VOID(transaction.execute("UPDATE tune_jobs SET runner = '', runner_until_us = 0 WHERE id = $1 AND runner = $2", {id.str(), runner}));
    return {};
  });
}

Status TuneJobs::add_event(const TuneJobId& id, const TuneJobEvent& event) {
  return store_.write([&](Transaction& transaction) { return append_event(transaction, id, event); });
}

Status TuneJobs::finish(const TuneJob& job, const std::string& runner) {
  return store_.write([&](Transaction& transaction) -> Status {
    FS_TRY_VOID(check_runner(transaction, job.id, runner));
    FS_TRY_VOID(transaction.execute(
        "UPDATE tune_jobs SET state = $1, problem = $2, adapter_name = $3, adapter_digest = $4, result_file = $5, n_tokens = $6, finished_us = $7, active = 0 WHERE id = $8",
        {std::string(tune_job_state_name(job.state)), bounded(job.problem), job.adapter_name, job.adapter_digest, job.result_file.str(), job.n_tokens, job.finished_us, job.id.str()}));
    const bool good = job.state == TuneJobState::kSucceeded;
    return append_event(transaction, job.id, {.at_us = job.finished_us, .level = good ? "info" : "error", .text = good ? "The job has successfully completed" : job.problem});
  });
}

Result<std::vector<TuneJob>> TuneJobs::succeeded() {
  std::vector<TuneJob> jobs;
  FS_TRY_VOID(store_.read([&](Reader& reader) {
    jobs.clear();
    return reader.each(
        "SELECT id, tenant, key_id, state, model, suffix, training_file, result_file, settings, metadata, problem, adapter_name, adapter_digest, "
        "n_tokens, created_us, started_us, finished_us FROM tune_jobs WHERE state = 'succeeded' ORDER BY finished_us LIMIT 10000", {}, [&](const Row& row) {
          jobs.push_back(job_of(row));
          return true;
        });
  }));
  return jobs;
}

}  // namespace firesteel
