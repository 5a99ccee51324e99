// The store on a real PostgreSQL server, which the test makes, stops and starts.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "store/document_checks.h"
#include "store/migrations.h"
#include "store/postgres_server.h"
#include "store/postgres_store.h"
#include "store/record_checks.h"
#include "store/tenancy_checks.h"

namespace firesteel {
namespace {

class PostgresSlow : public ::testing::Test {
 protected:
  void SetUp() override {
    if (PostgresServer::binary_folder().empty()) GTEST_SKIP() << "no PostgreSQL server is installed (Debian: postgresql)";
    server_ = std::make_unique<PostgresServer>();
    ASSERT_TRUE(server_->start());
    store_ = open();
    ASSERT_NE(store_, nullptr);
  }
  std::unique_ptr<Store> open() {
    auto store = open_postgres_store({.conninfo = server_->conninfo()});
    EXPECT_TRUE(store.ok()) << store.error().message;
    return store.ok() ? std::move(*store) : nullptr;
  }
  static Status add(Store& store) {
    return store.write([](Transaction& t) -> Status {
      FS_TRY_VOID(t.execute("INSERT INTO counters(name, value) VALUES('test', 1) ON CONFLICT(name) DO UPDATE SET value = counters.value + 1", {}));
      return {};
    });
  }
  static int64_t value(Store& store) {
    int64_t n = -1;
    const Status status = store.read([&](Reader& reader) -> Status {
      FS_TRY(const std::optional<Row> row, reader.first("SELECT value FROM counters WHERE name = 'test'", {}));
      if (row) n = row->integer(0);
      return {};
    });
    EXPECT_TRUE(status.ok()) << status.error().message;
    return n;
  }

  std::unique_ptr<PostgresServer> server_;
  std::unique_ptr<Store> store_;
};

TEST_F(PostgresSlow, ConversationsKeepTenantsApart) {
  nobody_sees_rows_of_another(*store_, 20261123, 600);
  search_finds_literally(*store_);
  EXPECT_TRUE(store_->check_integrity().ok());
  EXPECT_EQ(store_->backup("anywhere").error().code, ErrorCode::kUnsupported);
}

TEST_F(PostgresSlow, FilesBatchesAndResponses) {
  files_keep_tenants_apart(*store_);
  batches_run_once(*store_);
  responses_make_room(*store_);
}

TEST_F(PostgresSlow, DocumentsAreFoundByWordsAndMeaning) {
  documents_are_found(*store_);
  queries_are_words(*store_);
  documents_keep_tenants_apart(*store_);
  erased_documents_are_gone(*store_);
  limits_of_documents_are_said(*store_);
  meaning_joins_words(*store_);
}

TEST_F(PostgresSlow, ValuesOfEveryKindComeBack) {
  const std::string bytes("\0\xff\x01", 3);
  ASSERT_TRUE(store_->read([&](Reader& reader) -> Status {
    FS_TRY(const std::optional<Row> row, reader.first("SELECT $1, $2, $3, $4, length($5)", {INT64_MIN, -1.5, std::string("Ärger"), Blob{bytes}, Blob{}}));
    EXPECT_EQ(row->integer(0), INT64_MIN);
    EXPECT_EQ(row->real(1), -1.5);
    EXPECT_EQ(row->text(2), "Ärger");
    EXPECT_EQ(row->blob(3), bytes);
    EXPECT_EQ(row->integer(4), 0);
    return {};
  }).ok());
}

TEST_F(PostgresSlow, OneBadPieceOfWorkIsUndoneAlone) {
  Mutex gate;
  gate.lock();
  store_->submit([&](Transaction&) -> Status { MutexLock wait(gate); return {}; }, [](const Status&) {});
  std::vector<Status> statuses(5);
  for (int64_t i = 0; i < 5; ++i) {
    store_->submit([i](Transaction& t) -> Status {
      FS_TRY_VOID(t.execute("INSERT INTO meta(name, value) VALUES($1, '')", {"n" + std::to_string(i)}));
      if (i == 2) FS_TRY_VOID(t.execute("INSERT INTO meta(name, value) VALUES('n0', '')", {}));  // breaks a constraint
      return {};
    }, [&statuses, i](Status status) { statuses[static_cast<size_t>(i)] = std::move(status); });
  }
  gate.unlock();
  ASSERT_TRUE(store_->write([](Transaction&) { return Status(); }).ok());
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(statuses[i].ok(), i != 2);
  EXPECT_EQ(statuses[2].error().code, ErrorCode::kFailedPrecondition);
}

TEST_F(PostgresSlow, ServerThatDiesIsUnavailableAndComesBack) {
  ASSERT_TRUE(add(*store_).ok());
  EXPECT_EQ(value(*store_), 1);
  ASSERT_TRUE(server_->stop("immediate"));
  EXPECT_EQ(add(*store_).error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(store_->writable());
  EXPECT_EQ(store_->read([](Reader&) { return Status(); }).error().code, ErrorCode::kUnavailable);
  ASSERT_TRUE(server_->start());
  EXPECT_EQ(value(*store_), 1);
  EXPECT_TRUE(add(*store_).ok());
  EXPECT_TRUE(store_->writable());
  EXPECT_EQ(value(*store_), 2);
}

TEST_F(PostgresSlow, NothingAcknowledgedIsLostInCrashesOfTheServer) {
  std::atomic<int64_t> n_acknowledged{0}, n_tried{0};
  for (int round = 0; round < 6; ++round) {
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        while (!stop) {
          ++n_tried;
          if (!add(*store_).ok()) break;
          ++n_acknowledged;
        }
      });
    }
    const int64_t until = n_acknowledged + 20 + round * 7;
    while (n_acknowledged < until) std::this_thread::yield();
    ASSERT_TRUE(server_->stop("immediate"));
    stop = true;
    for (std::thread& thread : threads) thread.join();
    ASSERT_TRUE(server_->start());
    const int64_t stored = value(*store_);
    EXPECT_GE(stored, n_acknowledged);
    EXPECT_LE(stored, n_tried);
    n_acknowledged = n_tried = stored;  // one whose answer was lost may be stored
  }
}

TEST_F(PostgresSlow, TwoReplicasTakeTurns) {
  const std::unique_ptr<Store> other = open();
  ASSERT_NE(other, nullptr);
  std::vector<std::thread> threads;
  std::atomic<int> n_failed{0};
  for (Store* store : {store_.get(), other.get(), store_.get(), other.get()}) {
    threads.emplace_back([&, store] {
      for (int i = 0; i < 100; ++i) n_failed += add(*store).ok() ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n_failed, 0);
  EXPECT_EQ(value(*store_), 400);
}

TEST_F(PostgresSlow, NewerSchemaIsRefused) {
  ASSERT_TRUE(store_->write([](Transaction& t) -> Status {
    FS_TRY_VOID(t.execute("INSERT INTO schema_version VALUES(9999, 'from the future')", {}));
    return {};
  }).ok());
  EXPECT_EQ(open_postgres_store({.conninfo = server_->conninfo()}).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(open_postgres_store({.conninfo = "host=/nowhere user=x password=geheim"}).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(open_postgres_store({.conninfo = "host=/nowhere password=geheim"}).error().message.find("geheim"), std::string::npos);
}

TEST(PostgresDialect, Translates) {
  EXPECT_EQ(postgres_dialect("CREATE TABLE a(b INTEGER NOT NULL, c BLOB PRIMARY KEY) STRICT;"), "CREATE TABLE a(b BIGINT NOT NULL, c BYTEA PRIMARY KEY);");
}

}  // namespace
}  // namespace firesteel
