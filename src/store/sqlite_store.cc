#include "store/sqlite_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/mutex.h"
#include "base/queue.h"
#include "store/lock_file.h"
#include "store/migrations.h"
#include "store/sqlite_connection.h"

namespace firesteel {
namespace {

constexpr int64_t kApplicationId = 0x46535431;  // "FST1" in the file's header: it is ours
constexpr int64_t kProbeIntervalUs = 500'000;

struct Job {
  Store::Write work;
  std::function<void(Status)> done;
};

Status make_private_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);  // SQLite's side files take over its mode
  if (fd < 0) return Error{ErrorCode::kUnavailable, path + ": " + std::strerror(errno)};
  ::close(fd);
  return {};
}

Status migrate(SqliteConnection& db) {
  int64_t application_id = 0;
  FS_TRY_VOID(db.each("PRAGMA application_id", {}, [&](const Row& row) { application_id = row.integer(0); return false; }));
  FS_TRY(const std::optional<Row> any, db.first("SELECT count(*) FROM sqlite_schema", {}));
  const bool fresh = any->integer(0) == 0;
  if (!fresh && application_id != kApplicationId) return Error{ErrorCode::kDataLoss, "store: this SQLite database is not one of Firesteel"};
  // All steps and the version table in one transaction: killed in between, nothing happened.
  FS_TRY_VOID(db.begin_write());
  Status status = db.run_script(
      "CREATE TABLE IF NOT EXISTS schema_version(version INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;"
      "PRAGMA application_id=1179866161");
  int64_t version = 0;
  if (status.ok()) {
    status = db.each("SELECT coalesce(max(version), 0) FROM schema_version", {}, [&](const Row& row) { version = row.integer(0); return false; });
  }
  const int64_t newest = migrations().back().version;
  if (status.ok() && version > newest) {
    status = Error{ErrorCode::kUnsupported, fmt::format("store: made by a newer program (schema {}, this one knows {})", version, newest)};
  }
  for (const Migration& step : migrations()) {
    if (!status.ok() || step.version <= version) continue;
    status = db.run_script(step.sql);
    if (status.ok()) status = db.run_script(step.triggers);
    if (!status.ok()) break;
    const Result<int64_t> noted = db.execute("INSERT INTO schema_version(version, name) VALUES($1, $2)", {step.version, std::string(step.name)});
    if (!noted.ok()) status = noted.error();
  }
  if (status.ok()) status = db.commit();
  if (!status.ok()) db.rollback();
  return status;
}
static_assert(kApplicationId == 1179866161);

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(SqliteOptions options) : options_(std::move(options)), queue_(options_.queue_capacity) {}

  Status start() {
    FS_TRY_VOID(make_private_file(options_.path));
    FS_TRY(lock_, LockFile::open(options_.path + ".lock"));
    FS_TRY_VOID(lock_.lock(options_.busy_timeout_ms, *options_.clock));
    Status status = open_writer();
    if (status.ok()) status = migrate(*writer_);
    // A new database was switched to a write-ahead log under a rollback journal. If its removal were lost in a power cut, the journal
    // would undo everything that was acknowledged since; SQLite syncs the folder itself only at synchronous=EXTRA.
    if (status.ok()) status = sync_folder(options_.path);
    lock_.unlock();
    if (!status.ok()) return status;
    thread_ = std::thread([this] { run(); });
    return {};
  }

  ~SqliteStore() override {
    queue_.close();
    if (thread_.joinable()) thread_.join();
    {
      MutexLock lock(readers_mutex_);
      readers_.clear();  // before the writer, which checkpoints as it closes
    }
    if (writer_ != nullptr && lock_.lock(options_.busy_timeout_ms, *options_.clock).ok()) {
      writer_.reset();
      lock_.unlock();
    }
  }

  void submit(Write work, std::function<void(Status)> done) override {
    // The queue takes the job or leaves `done` here to be told.
    const auto shared = std::make_shared<std::function<void(Status)>>(std::move(done));
    if (!queue_.try_push(Job{std::move(work), [shared](Status status) { (*shared)(std::move(status)); }})) {
      (*shared)(Error{ErrorCode::kUnavailable, "store: too many writes are waiting"});
    }
  }

  Status read(const Read& work) override {
    FS_TRY(std::unique_ptr<SqliteConnection> connection, take_reader());
    FS_TRY_VOID(connection->begin_read());
    Status status = work(*connection);
    const Status ended = connection->commit();
    if (status.ok() && !ended.ok()) status = ended;
    connection->rollback();
    if (!connection->saw_io_error()) give_back(std::move(connection));
    return status;
  }

  bool writable() override {
    if (healthy_.load()) return true;
    const int64_t now_us = options_.clock->now_us();
    int64_t last_us = last_probe_us_.load();
    if (now_us - last_us >= kProbeIntervalUs && last_probe_us_.compare_exchange_strong(last_us, now_us)) {
      submit([now_us](Transaction& transaction) -> Status {
        FS_TRY([[maybe_unused]] const int64_t n, transaction.execute("INSERT INTO meta(name, value) VALUES('probe', $1) ON CONFLICT(name) DO UPDATE SET value = excluded.value",
                                                    {std::to_string(now_us)}));
        return {};
      }, [](const Status&) {});
    }
    return false;
  }

  Status backup(const std::string& path) override {
    if (::access(path.c_str(), F_OK) == 0) return Error{ErrorCode::kFailedPrecondition, path + ": exists already"};
    const std::string partial = path + ".partial";
    FS_TRY_VOID(remove_file(partial));
    FS_TRY_VOID(make_private_file(partial));
    FS_TRY(std::unique_ptr<SqliteConnection> connection, take_reader());
    const Status status = connection->copy_to(partial);
    if (!connection->saw_io_error()) give_back(std::move(connection));
    if (!status.ok()) {
      static_cast<void>(remove_file(partial));
      return status;
    }
    if (std::rename(partial.c_str(), path.c_str()) != 0) return Error{ErrorCode::kUnavailable, path + ": " + std::strerror(errno)};
    return sync_folder(path);
  }

  Status check_integrity() override {
    FS_TRY(std::unique_ptr<SqliteConnection> connection, take_reader());
    return connection->check_integrity();
  }

 private:
  static Status remove_file(const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return Error{ErrorCode::kUnavailable, path + ": " + std::strerror(errno)};
    return {};
  }

  static Status sync_folder(const std::string& path) {
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = fd >= 0 && ::fsync(fd) == 0;
    const int problem = errno;
    if (fd >= 0) ::close(fd);
    if (!synced) return Error{ErrorCode::kUnavailable, folder + ": " + std::strerror(problem)};
    return {};
  }

  Status open_writer() {
    FS_TRY(writer_, SqliteConnection::open(options_.path, SqliteConnection::Mode::kWriter, options_.vfs, options_.busy_timeout_ms));
    return {};
  }

  Result<std::unique_ptr<SqliteConnection>> take_reader() FS_EXCLUDES(readers_mutex_) {
    {
      MutexLock lock(readers_mutex_);
      if (!readers_.empty()) {
        std::unique_ptr<SqliteConnection> connection = std::move(readers_.back());
        readers_.pop_back();
        return connection;
      }
    }
    return SqliteConnection::open(options_.path, SqliteConnection::Mode::kReader, options_.vfs, options_.busy_timeout_ms);
  }

  void give_back(std::unique_ptr<SqliteConnection> connection) FS_EXCLUDES(readers_mutex_) {
    MutexLock lock(readers_mutex_);
    if (readers_.size() < static_cast<size_t>(options_.n_readers)) readers_.push_back(std::move(connection));
  }

  void run() {
    while (std::optional<Job> first = queue_.pop()) {
      std::vector<Job> batch;
      batch.push_back(std::move(*first));
      while (batch.size() < options_.batch_max) {
        std::optional<Job> next = queue_.try_pop();
        if (!next) break;
        batch.push_back(std::move(*next));
      }
      run_batch(batch);
    }
  }

  // One commit for all; each job's own failure undoes that job alone.
  void run_batch(std::vector<Job>& batch) {
    std::vector<Status> statuses(batch.size());
    const Status status = commit_batch(batch, statuses);
    if (!status.ok()) {
      healthy_.store(false);
      // A connection that saw an I/O error is opened anew: recovery from what is on disk, not from what is in memory.
      if (writer_ != nullptr) writer_->rollback();
      if (writer_ == nullptr || writer_->saw_io_error()) writer_.reset();
    }
    for (size_t i = 0; i < batch.size(); ++i) batch[i].done(status.ok() ? std::move(statuses[i]) : status);
  }

  Status commit_batch(std::vector<Job>& batch, std::vector<Status>& statuses) {
    FS_TRY_VOID(lock_.lock(options_.busy_timeout_ms, *options_.clock));
    const Status status = commit_locked(batch, statuses);
    lock_.unlock();
    return status;
  }

  Status commit_locked(std::vector<Job>& batch, std::vector<Status>& statuses) {
    if (writer_ == nullptr) FS_TRY_VOID(open_writer());
    FS_TRY_VOID(writer_->begin_write());
    bool any_stored = false;
    for (size_t i = 0; i < batch.size(); ++i) {
      const int64_t changes_before = writer_->n_changes();
      FS_TRY_VOID(writer_->run_script("SAVEPOINT job"));
      statuses[i] = batch[i].work(*writer_);
      if (!writer_->in_transaction()) {  // SQLite has undone the jobs before, too
        return statuses[i].ok() ? Error{ErrorCode::kUnavailable, "store: the transaction was rolled back"} : statuses[i].error();
      }
      if (!statuses[i].ok()) FS_TRY_VOID(writer_->run_script("ROLLBACK TO job"));
      FS_TRY_VOID(writer_->run_script("RELEASE job"));
      if (!statuses[i].ok() && statuses[i].error().code == ErrorCode::kUnavailable) healthy_.store(false);
      any_stored = any_stored || (statuses[i].ok() && writer_->n_changes() != changes_before);
    }
    FS_TRY_VOID(writer_->commit());
    if (any_stored) healthy_.store(true);  // an empty commit proves nothing
    return {};
  }

  const SqliteOptions options_;
  LockFile lock_;                                // writer's thread, after start()
  std::unique_ptr<SqliteConnection> writer_;     // writer's thread, after start(); null after an I/O error until the next batch
  BoundedQueue<Job> queue_;
  std::atomic<bool> healthy_{true};
  std::atomic<int64_t> last_probe_us_{INT64_MIN / 2};
  Mutex readers_mutex_;
  std::vector<std::unique_ptr<SqliteConnection>> readers_ FS_GUARDED_BY(readers_mutex_);
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const SqliteOptions& options) {
  auto store = std::make_unique<SqliteStore>(options);
  FS_TRY_VOID(store->start());
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace firesteel
