#include "store/sqlite_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "store/batch_store.h"
#include "store/lock_file.h"
#include "store/migrations.h"
#include "store/sqlite_connection.h"

namespace firesteel {
namespace {

constexpr int64_t kApplicationId = 0x46535431;  // "FST1" in the file's header: it is ours

Status make_private_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);  // SQLite's side files take over its mode
  if (fd < 0) return Error{ErrorCode::kUnavailable, path + ": " + std::strerror(errno)};
  ::close(fd);
  return {};
}

// A database of somebody else is left alone.
Status check_ours(SqliteConnection& db) {
  FS_TRY(const std::optional<Row> id, db.first("PRAGMA application_id", {}));
  FS_TRY(const std::optional<Row> n_tables, db.first("SELECT count(*) FROM sqlite_schema", {}));
  if (n_tables->integer(0) == 0) return db.run_script("PRAGMA application_id=1179866161");
  if (id->integer(0) != kApplicationId) return Error{ErrorCode::kDataLoss, "store: this SQLite database is not one of Firesteel"};
  return {};
}
static_assert(kApplicationId == 1179866161);

Status prepare(SqliteConnection& db) {
  FS_TRY_VOID(check_ours(db));
  return migrate(db, Database::kSqlite);
}

class SqliteStore final : public BatchStore {
 public:
  explicit SqliteStore(const SqliteOptions& options)
      : BatchStore({.queue_capacity = options.queue_capacity, .batch_max = options.batch_max, .n_readers = static_cast<size_t>(options.n_readers)}, *options.clock),
        options_(options) {}

  Status open() {
    FS_TRY_VOID(make_private_file(options_.path));
    FS_TRY(lock_, LockFile::open(options_.path + ".lock"));
    FS_TRY_VOID(enter());
    Result<std::unique_ptr<SqliteConnection>> writer = connect(SqliteConnection::Mode::kWriter);
    Status status = writer.ok() ? prepare(**writer) : writer.error();
    // A new database was switched to a write-ahead log under a rollback journal. If its removal were lost in a power cut, the journal
    // would undo everything that was acknowledged since; SQLite syncs the folder itself only at synchronous=EXTRA.
    if (status.ok()) status = sync_folder(options_.path);
    if (!status.ok() && writer.ok()) writer->reset();
    leave();
    FS_TRY_VOID(status);
    start(std::move(*writer));
    return {};
  }

  ~SqliteStore() override {
    std::unique_ptr<StoreConnection> writer = stop();  // the readers are closed; the writer checkpoints as it closes
    if (writer == nullptr) return;
    const bool entered = enter().ok();
    writer.reset();
    if (entered) leave();
  }

  Status backup(const std::string& path) override {
    if (::access(path.c_str(), F_OK) == 0) return Error{ErrorCode::kFailedPrecondition, path + ": exists already"};
    const std::string partial = path + ".partial";
    FS_TRY_VOID(remove_file(partial));
    FS_TRY_VOID(make_private_file(partial));
    FS_TRY(const std::unique_ptr<SqliteConnection> connection, connect(SqliteConnection::Mode::kReader));
    const Status status = connection->copy_to(partial);
    if (!status.ok()) {
      static_cast<void>(remove_file(partial));
      return status;
    }
    if (std::rename(partial.c_str(), path.c_str()) != 0) return Error{ErrorCode::kUnavailable, path + ": " + std::strerror(errno)};
    return sync_folder(path);
  }

  Status check_integrity() override {
    FS_TRY(const std::unique_ptr<SqliteConnection> connection, connect(SqliteConnection::Mode::kReader));
    return connection->check_integrity();
  }

 protected:
  Result<std::unique_ptr<StoreConnection>> open_writer() override { return opened(SqliteConnection::Mode::kWriter); }
  Result<std::unique_ptr<StoreConnection>> open_reader() override { return opened(SqliteConnection::Mode::kReader); }
  Status enter() override { return lock_.lock(options_.busy_timeout_ms, clock_); }
  void leave() override { lock_.unlock(); }

 private:
  Result<std::unique_ptr<SqliteConnection>> connect(SqliteConnection::Mode mode) {
    return SqliteConnection::open(options_.path, mode, options_.vfs, options_.busy_timeout_ms);
  }
  Result<std::unique_ptr<StoreConnection>> opened(SqliteConnection::Mode mode) {
    FS_TRY(std::unique_ptr<SqliteConnection> connection, connect(mode));
    return std::unique_ptr<StoreConnection>(std::move(connection));
  }

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

  const SqliteOptions options_;
  LockFile lock_;  // the writer's thread's, after open()
};

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const SqliteOptions& options) {
  auto store = std::make_unique<SqliteStore>(options);
  FS_TRY_VOID(store->open());
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace firesteel
