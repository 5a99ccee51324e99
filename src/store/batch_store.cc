#include "store/batch_store.h"

#include <optional>
#include <string>
#include <utility>

#include "base/check.h"

namespace firesteel {
namespace {

constexpr int64_t kProbeIntervalUs = 500'000;

}  // namespace

BatchStore::~BatchStore() { CHECK(!thread_.joinable()); }

void BatchStore::start(std::unique_ptr<StoreConnection> writer) {
  writer_ = std::move(writer);
  thread_ = std::thread([this] { run(); });
}

std::unique_ptr<StoreConnection> BatchStore::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
  {
    MutexLock lock(readers_mutex_);
    readers_.clear();
  }
  return std::move(writer_);
}

void BatchStore::submit(Write work, std::function<void(Status)> done) {
  // The queue takes the job or leaves `done` here to be told.
  const auto shared = std::make_shared<std::function<void(Status)>>(std::move(done));
  if (!queue_.try_push(Job{std::move(work), [shared](Status status) { (*shared)(std::move(status)); }})) {
    (*shared)(Error{ErrorCode::kUnavailable, "store: too many writes are waiting"});
  }
}

Status BatchStore::read(const Read& work) {
  FS_TRY(std::unique_ptr<StoreConnection> connection, take_reader());
  Status begun = connection->begin_read();
  if (!begun.ok() && connection->is_broken()) {  // it lay in the pool while the server went away
    FS_TRY(connection, open_reader());
    begun = connection->begin_read();
  }
  FS_TRY_VOID(begun);
  Status status = work(*connection);
  const Status ended = connection->commit();
  if (status.ok() && !ended.ok()) status = ended;
  connection->rollback();
  give_back(std::move(connection));
  return status;
}

bool BatchStore::writable() {
  if (healthy_.load()) return true;
  const int64_t now_us = clock_.now_us();
  int64_t last_us = last_probe_us_.load();
  if (now_us - last_us >= kProbeIntervalUs && last_probe_us_.compare_exchange_strong(last_us, now_us)) {
    submit([now_us](Transaction& transaction) -> Status {
      FS_TRY_VOID(transaction.execute("INSERT INTO meta(name, value) VALUES('probe', $1) ON CONFLICT(name) DO UPDATE SET value = excluded.value",
                                      {std::to_string(now_us)}));
      return {};
    }, [](const Status&) {});
  }
  return false;
}

Result<std::unique_ptr<StoreConnection>> BatchStore::take_reader() {
  {
    MutexLock lock(readers_mutex_);
    if (!readers_.empty()) {
      std::unique_ptr<StoreConnection> connection = std::move(readers_.back());
      readers_.pop_back();
      return connection;
    }
  }
  return open_reader();
}

void BatchStore::give_back(std::unique_ptr<StoreConnection> connection) {
  if (connection->is_broken()) return;
  MutexLock lock(readers_mutex_);
  if (readers_.size() < limits_.n_readers) readers_.push_back(std::move(connection));
}

void BatchStore::run() {
  while (std::optional<Job> first = queue_.pop()) {
    std::vector<Job> batch;
    batch.push_back(std::move(*first));
    while (batch.size() < limits_.batch_max) {
      std::optional<Job> next = queue_.try_pop();
      if (!next) break;
      batch.push_back(std::move(*next));
    }
    run_batch(batch);
  }
}

// One commit for all; each job's own failure undoes that job alone.
void BatchStore::run_batch(std::vector<Job>& batch) {
  std::vector<Status> statuses(batch.size());
  const Status status = commit_batch(batch, statuses);
  if (!status.ok()) {
    healthy_.store(false);
    // A connection that saw an I/O error is opened anew: recovery from what is on disk, not from what is in memory.
    if (writer_ != nullptr) writer_->rollback();
    if (writer_ != nullptr && writer_->is_broken()) writer_.reset();
  }
  for (size_t i = 0; i < batch.size(); ++i) batch[i].done(status.ok() ? std::move(statuses[i]) : status);
}

Status BatchStore::commit_batch(std::vector<Job>& batch, std::vector<Status>& statuses) {
  FS_TRY_VOID(enter());
  const Status status = commit_entered(batch, statuses);
  leave();
  return status;
}

Status BatchStore::commit_entered(std::vector<Job>& batch, std::vector<Status>& statuses) {
  if (writer_ == nullptr) {
    FS_TRY(writer_, open_writer());
  }
  Status begun = writer_->begin_write();
  if (!begun.ok() && writer_->is_broken()) {  // nothing has run yet: once more on a new connection
    FS_TRY(writer_, open_writer());
    begun = writer_->begin_write();
  }
  FS_TRY_VOID(begun);
  bool any_stored = false;
  for (size_t i = 0; i < batch.size(); ++i) {
    const int64_t changes_before = writer_->n_changes();
    FS_TRY_VOID(writer_->run_script("SAVEPOINT job"));
    statuses[i] = batch[i].work(*writer_);
    if (!writer_->in_transaction()) {  // the jobs before are undone, too
      return statuses[i].ok() ? Error{ErrorCode::kUnavailable, "store: the transaction was rolled back"} : statuses[i].error();
    }
    if (!statuses[i].ok()) FS_TRY_VOID(writer_->run_script("ROLLBACK TO SAVEPOINT job"));
    FS_TRY_VOID(writer_->run_script("RELEASE SAVEPOINT job"));
    if (!statuses[i].ok() && statuses[i].error().code == ErrorCode::kUnavailable) healthy_.store(false);
    any_stored = any_stored || (statuses[i].ok() && writer_->n_changes() != changes_before);
  }
  FS_TRY_VOID(writer_->commit());
  if (any_stored) healthy_.store(true);  // an empty commit proves nothing
  return {};
}

}  // namespace firesteel
