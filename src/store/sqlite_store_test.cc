#include "store/sqlite_store.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "base/mapped_file.h"
#include "base/mutex.h"
#include "store/lock_file.h"
#include "store/migrations.h"
#include "store/test_folder.h"

namespace firesteel {
namespace {

class SqliteStoreTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Store>> open() { return open_sqlite_store({.path = path_}); }
  // Runs SQL beside the store, as somebody with the sqlite3 program would.
  void by_hand(const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    char* problem = nullptr;
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, &problem), SQLITE_OK) << problem;
    sqlite3_close(db);
  }
  static Status set(Transaction& transaction, const std::string& name, const std::string& value) {
    FS_TRY_VOID(transaction.execute("INSERT INTO meta(name, value) VALUES($1, $2) ON CONFLICT(name) DO UPDATE SET value = excluded.value", {name, value}));
    return {};
  }
  static std::string get(Store& store, const std::string& name) {
    std::string value = "absent";
    const Status status = store.read([&](Reader& reader) -> Status {
      FS_TRY(const std::optional<Row> row, reader.first("SELECT value FROM meta WHERE name = $1", {name}));
      if (row) value = row->text(0);
      return {};
    });
    EXPECT_TRUE(status.ok());
    return value;
  }
  TestFolder folder_;
  std::string path_ = folder_.file("store.db");
};

TEST_F(SqliteStoreTest, KeepsWhatWasWritten) {
  {
    auto store = open();
    ASSERT_TRUE(store.ok()) << store.error().message;
    ASSERT_TRUE((*store)->write([](Transaction& t) { return set(t, "a", "1"); }).ok());
    EXPECT_EQ(get(**store, "a"), "1");
  }
  auto store = open();
  ASSERT_TRUE(store.ok()) << store.error().message;
  EXPECT_EQ(get(**store, "a"), "1");
  EXPECT_TRUE((*store)->check_integrity().ok());
}

TEST_F(SqliteStoreTest, FileIsPrivateAndSettingsAreDurable) {
  auto store = open();
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE((*store)->write([](Transaction& transaction) -> Status {
    const auto pragma = [&](Sql sql) { return transaction.first(sql, {}).value().value(); };
    EXPECT_EQ(pragma("PRAGMA journal_mode").text(0), "wal");
    EXPECT_EQ(pragma("PRAGMA synchronous").integer(0), 2);  // FULL
    EXPECT_EQ(pragma("PRAGMA mmap_size").integer(0), 0);
    return set(transaction, "a", "1");
  }).ok());
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    struct stat status {};
    ASSERT_EQ(::stat((path_ + suffix).c_str(), &status), 0) << suffix;
    EXPECT_EQ(status.st_mode & 0777, 0600u) << suffix;
  }
}

TEST_F(SqliteStoreTest, ReadersCannotWrite) {
  auto store = open();
  ASSERT_TRUE(store.ok());
  const Status status = (*store)->read([](Reader& reader) {
    return reader.each("INSERT INTO meta(name, value) VALUES('x', 'y')", {}, [](const Row&) { return true; });
  });
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(get(**store, "x"), "absent");
}

TEST_F(SqliteStoreTest, ReadSeesOneMoment) {
  auto store = open();
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE((*store)->write([](Transaction& t) { return set(t, "a", "1"); }).ok());
  const Status status = (*store)->read([&](Reader& reader) -> Status {
    FS_TRY(const std::optional<Row> before, reader.first("SELECT value FROM meta WHERE name = 'a'", {}));
    EXPECT_TRUE((*store)->write([](Transaction& t) { return set(t, "a", "2"); }).ok());
    FS_TRY(const std::optional<Row> after, reader.first("SELECT value FROM meta WHERE name = 'a'", {}));
    EXPECT_EQ(before->text(0), after->text(0));
    return {};
  });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(get(**store, "a"), "2");
}

TEST_F(SqliteStoreTest, ManyThreadsWriteExactlyOnce) {
  auto store = open();
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE((*store)->write([](Transaction& t) -> Status {
    FS_TRY_VOID(t.execute("INSERT INTO counters(name, value) VALUES('test', 0)", {}));
    return {};
  }).ok());
  std::atomic<int> n_ok{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 50; ++n) {
        const Status status = (*store)->write([](Transaction& t) -> Status {
          FS_TRY_VOID(t.execute("UPDATE counters SET value = value + 1 WHERE name = 'test'", {}));
          return {};
        });
        if (status.ok()) ++n_ok;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int64_t value = 0;
  ASSERT_TRUE((*store)->read([&](Reader& reader) -> Status {
    FS_TRY(const std::optional<Row> row, reader.first("SELECT value FROM counters WHERE name = 'test'", {}));
    value = row->integer(0);
    return {};
  }).ok());
  EXPECT_EQ(n_ok, 400);
  EXPECT_EQ(value, 400);
}

TEST_F(SqliteStoreTest, FullQueueRefusesAtOnce) {
  auto store = open_sqlite_store({.path = path_, .queue_capacity = 4});
  ASSERT_TRUE(store.ok());
  Mutex gate;
  gate.lock();
  std::atomic<int> n_refused{0}, n_done{0};
  for (int i = 0; i < 20; ++i) {
    (*store)->submit([&](Transaction&) -> Status { MutexLock wait(gate); return {}; }, [&](const Status& status) {
      ++n_done;
      if (!status.ok()) {
        EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
        ++n_refused;
      }
    });
  }
  EXPECT_GE(n_refused, 10);
  gate.unlock();
  store->reset();
  EXPECT_EQ(n_done, 20);  // each exactly once, those in the queue at the end too
}

TEST_F(SqliteStoreTest, ConstraintFailureIsToldAndUndone) {
  auto store = open();
  ASSERT_TRUE(store.ok());
  const auto insert = [](Transaction& t) -> Status {
    FS_TRY_VOID(t.execute("INSERT INTO meta(name, value) VALUES('a', '1')", {}));
    return {};
  };
  EXPECT_TRUE((*store)->write(insert).ok());
  EXPECT_EQ((*store)->write(insert).error().code, ErrorCode::kFailedPrecondition);
  EXPECT_TRUE((*store)->writable());
}

TEST_F(SqliteStoreTest, TwoStoresOnOneFileTakeTurns) {
  // As the command line beside a running server.
  auto one = open();
  auto two = open();
  ASSERT_TRUE(one.ok() && two.ok());
  std::vector<std::thread> threads;
  std::atomic<int> n_failed{0};
  for (Store* store : {one->get(), two->get()}) {
    threads.emplace_back([&, store] {
      for (int i = 0; i < 100; ++i) {
        const Status status = store->write([](Transaction& t) -> Status {
          FS_TRY_VOID(t.execute("INSERT INTO counters(name, value) VALUES('turns', 1) ON CONFLICT(name) DO UPDATE SET value = counters.value + 1", {}));
          return {};
        });
        if (!status.ok()) ++n_failed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n_failed, 0);
  int64_t value = 0;
  ASSERT_TRUE((*one)->read([&](Reader& reader) -> Status {
    FS_TRY(const std::optional<Row> row, reader.first("SELECT value FROM counters WHERE name = 'turns'", {}));
    value = row->integer(0);
    return {};
  }).ok());
  EXPECT_EQ(value, 200);
  EXPECT_TRUE((*one)->check_integrity().ok());
}

TEST_F(SqliteStoreTest, WriterThatHoldsTheLockForTooLongIsNamed) {
  auto store = open_sqlite_store({.path = path_, .busy_timeout_ms = 20});
  ASSERT_TRUE(store.ok());
  auto other = LockFile::open(path_ + ".lock");
  ASSERT_TRUE(other.ok());
  ASSERT_TRUE(other->lock(1000, system_clock()).ok());
  const Status status = (*store)->write([](Transaction& t) { return set(t, "a", "1"); });
  EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE((*store)->writable());
  other->unlock();
  EXPECT_TRUE((*store)->write([](Transaction& t) { return set(t, "a", "1"); }).ok());
  EXPECT_TRUE((*store)->writable());
}

TEST_F(SqliteStoreTest, BackupIsWholeWhileWritingGoesOn) {
  auto store = open();
  ASSERT_TRUE(store.ok());
  std::atomic<bool> stop{false};
  // Both rows change in one transaction: a copy that tears it would show.
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      EXPECT_TRUE((*store)->write([i](Transaction& t) -> Status {
        FS_TRY_VOID(set(t, "left", std::to_string(i)));
        return set(t, "right", std::to_string(i));
      }).ok());
    }
  });
  for (int i = 0; i < 5; ++i) {
    const std::string copy = folder_.file("copy" + std::to_string(i));
    const Status status = (*store)->backup(copy);
    ASSERT_TRUE(status.ok()) << status.error().message;
    EXPECT_EQ((*store)->backup(copy).error().code, ErrorCode::kFailedPrecondition);  // never over a file
    auto restored = open_sqlite_store({.path = copy});
    ASSERT_TRUE(restored.ok()) << restored.error().message;
    EXPECT_EQ(get(**restored, "left"), get(**restored, "right"));
    EXPECT_TRUE((*restored)->check_integrity().ok());
    struct stat file {};
    ASSERT_EQ(::stat(copy.c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777, 0600u);
  }
  stop = true;
  writer.join();
}

TEST_F(SqliteStoreTest, StrangersAreRefused) {
  ASSERT_TRUE(write_file_atomic(path_, std::string(8192, 'x')).ok());
  EXPECT_EQ(open().error().code, ErrorCode::kDataLoss);
  path_ = folder_.file("other.db");
  by_hand("CREATE TABLE theirs(a)");
  EXPECT_EQ(open().error().code, ErrorCode::kDataLoss);
  path_ = folder_.file("no/such/folder.db");
  EXPECT_EQ(open().error().code, ErrorCode::kUnavailable);
}

TEST_F(SqliteStoreTest, NewerSchemaIsRefused) {
  { ASSERT_TRUE(open().ok()); }
  by_hand("INSERT INTO schema_version VALUES(9999, 'from the future')");
  const auto store = open();
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(store.error().message.find("9999"), std::string::npos);
}

TEST_F(SqliteStoreTest, DamageIsFoundByTheCheck) {
  {
    auto store = open();
    ASSERT_TRUE(store.ok());
    ASSERT_TRUE((*store)->write([](Transaction& t) -> Status {
      for (int i = 0; i < 500; ++i) FS_TRY_VOID(set(t, "name" + std::to_string(i), std::string(100, 'v')));
      return {};
    }).ok());
  }
  std::string content = read_file(path_, 64 << 20).value();
  for (size_t at = content.size() - 3 * 4096; at < content.size() - 2 * 4096; ++at) content[at] = static_cast<char>(at * 31);
  ASSERT_TRUE(write_file_atomic(path_, content).ok());
  auto store = open();
  if (!store.ok()) {
    EXPECT_EQ(store.error().code, ErrorCode::kDataLoss);
  } else {
    EXPECT_EQ((*store)->check_integrity().error().code, ErrorCode::kDataLoss);
  }
}

TEST(Migrations, AreNumberedFromOneWithoutGaps) {
  int64_t version = 0;
  for (const Migration& step : migrations()) EXPECT_EQ(step.version, ++version);
}

}  // namespace
}  // namespace firesteel
