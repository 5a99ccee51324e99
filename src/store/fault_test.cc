#include <gtest/gtest.h>

#include "store/fault_checks.h"

namespace firesteel {
namespace {

// A sample of the failing calls, another one for each fault; all of them in fault_slow_test.cc.
TEST(StoreFaults, FullDiskIsUnavailableAndPasses) { fail_everywhere(FaultVfs::Fault::kFull, 3, 1, 5, 24); }
TEST(StoreFaults, ReadOnlyIsUnavailableAndPasses) { fail_everywhere(FaultVfs::Fault::kReadOnly, 5, 2, 5, 24); }
TEST(StoreFaults, WriteErrorIsUnavailableAndPasses) { fail_everywhere(FaultVfs::Fault::kWriteError, 1, 3, 5, 24); }
TEST(StoreFaults, TornWriteIsUnavailableAndPasses) { fail_everywhere(FaultVfs::Fault::kTornWrite, 1, 4, 5, 24); }
TEST(StoreFaults, SyncErrorIsUnavailableAndPasses) { fail_everywhere(FaultVfs::Fault::kSyncError, 2, 5, 5, 24); }

TEST(StoreFaults, LongOutageEndsWithoutRestart) {
  TestFolder folder;
  VirtualClock clock;
  FaultVfs::instance().heal();
  auto store = open_sqlite_store({.path = folder.file("store.db"), .vfs = "fault", .clock = &clock});
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE(put(**store, 1).ok());
  FaultVfs::instance().fail_at(1, 1'000'000, FaultVfs::Fault::kFull);
  for (int64_t number = 2; number < 40; ++number) EXPECT_EQ(put(**store, number).error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE((*store)->writable());
  EXPECT_EQ(stored(**store)->size(), 1u);  // reading goes on
  FaultVfs::instance().heal();
  // Nobody writes any more because everybody looks at writable(): the store's own attempt ends the outage.
  clock.advance_us(1'000'000);
  static_cast<void>((*store)->writable());
  EXPECT_TRUE((*store)->write([](Transaction&) { return Status(); }).ok());  // after the attempt in the queue
  EXPECT_TRUE((*store)->writable());
}

TEST(StoreFaults, OneBadPieceOfWorkIsUndoneAlone) {
  TestFolder folder;
  std::unique_ptr<Store> store = open_on_faults(folder.file("store.db"));
  // Held up, so that the next ones share one commit.
  Mutex gate;
  gate.lock();
  store->submit([&](Transaction&) -> Status { MutexLock wait(gate); return {}; }, [](const Status&) {});
  std::vector<Status> statuses(5);
  for (int64_t i = 0; i < 5; ++i) {
    store->submit([i](Transaction& transaction) -> Status {
      // Number 2 inserts, then fails: its insertion is undone.
      const Result<int64_t> n = transaction.execute("INSERT INTO meta(name, value) VALUES($1, '')", {"n" + std::to_string(i)});
      if (!n.ok()) return n.error();
      if (i == 2) return Error{ErrorCode::kInvalidArgument, "no"};
      return {};
    }, [&statuses, i](Status status) { statuses[static_cast<size_t>(i)] = std::move(status); });
  }
  gate.unlock();
  ASSERT_TRUE(store->write([](Transaction&) { return Status(); }).ok());
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(statuses[i].ok(), i != 2);
  EXPECT_EQ(statuses[2].error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(*stored(*store), (std::set<std::string>{"n0", "n1", "n3", "n4"}));
}

TEST(StoreFaults, PowerCutLosesNothingThatWasAcknowledged) { cut_power_often(20261123, 6); }

}  // namespace
}  // namespace firesteel
