// Checks that the quick and the slow tests of failing disks share: full, read-only, broken writes, broken syncs, power cuts. What was acknowledged is there afterwards, what was
// refused came with kUnavailable, the database is whole, and work goes on without a restart.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/mapped_file.h"
#include "base/rng.h"
#include "store/fault_vfs.h"
#include "store/sqlite_store.h"
#include "store/test_folder.h"

namespace firesteel {

inline Status put(Store& store, int64_t number) {
  return store.write([number](Transaction& transaction) -> Status {
    const Result<int64_t> n = transaction.execute("INSERT INTO meta(name, value) VALUES($1, $2)", {"n" + std::to_string(number), std::string(200, 'x')});
    if (!n.ok()) return n.error();
    return {};
  });
}

inline Result<std::set<std::string>> stored(Store& store) {
  std::set<std::string> names;
  const Status status = store.read([&](Reader& reader) {
    return reader.each("SELECT name FROM meta WHERE name LIKE 'n%'", {}, [&](const Row& row) {
      names.insert(row.text(0));
      return true;
    });
  });
  FS_TRY_VOID(status);
  return names;
}

inline std::unique_ptr<Store> open_on_faults(const std::string& path) {
  FaultVfs::instance().heal();
  auto store = open_sqlite_store({.path = path, .vfs = "fault"});
  EXPECT_TRUE(store.ok()) << store.error().message;
  return store.ok() ? std::move(*store) : nullptr;
}

// A store's file with nothing in it: copying it is faster than making one.
inline std::string empty_database() {
  TestFolder folder;
  static_cast<void>(open_on_faults(folder.file("store.db")));
  return read_file(folder.file("store.db"), 64 << 20).value();
}

// Each of the first n calls that change a file fails, alone and with what follows it.
inline void fail_everywhere(FaultVfs::Fault fault, int64_t n_failing, int64_t first_call, int64_t step, int64_t last_call) {
  const std::string made = empty_database();
  for (int64_t call = first_call; call <= last_call; call += step) {
    SCOPED_TRACE("failing call " + std::to_string(call));
    TestFolder folder;
    ASSERT_TRUE(write_file_atomic(folder.file("store.db"), made).ok());
    std::unique_ptr<Store> store = open_on_faults(folder.file("store.db"));
    ASSERT_NE(store, nullptr);
    std::set<std::string> acknowledged;
    int n_refused = 0;
    FaultVfs::instance().fail_at(call, n_failing, fault);
    for (int64_t number = 0; number < 6; ++number) {
      const Status status = put(*store, number);
      if (status.ok()) {
        acknowledged.insert("n" + std::to_string(number));
      } else {
        ++n_refused;
        EXPECT_EQ(status.error().code, ErrorCode::kUnavailable) << status.error().message;
      }
    }
    const bool reached = FaultVfs::instance().n_calls() >= call;
    FaultVfs::instance().heal();
    // Recovery without a restart.
    EXPECT_TRUE(put(*store, 100).ok());
    EXPECT_TRUE(store->writable());
    acknowledged.insert("n100");
    for (const bool after_restart : {false, true}) {
      if (after_restart) {
        store.reset();
        store = open_on_faults(folder.file("store.db"));
        ASSERT_NE(store, nullptr);
      }
      const auto names = stored(*store);
      ASSERT_TRUE(names.ok()) << names.error().message;
      for (const std::string& name : acknowledged) EXPECT_TRUE(names->contains(name)) << name << " was acknowledged and is lost";
      // What was refused may have reached the disk (its commit was written, the sync failed), but never twice: names are unique.
      EXPECT_LE(names->size(), acknowledged.size() + static_cast<size_t>(n_refused));
      const Status whole = store->check_integrity();
      EXPECT_TRUE(whole.ok()) << whole.error().message;
    }
    if (!reached) break;
  }
}

// A power cut at any moment: the synced part of every file, and any sectors of the rest.
inline void cut_power_often(uint64_t seed, int n_rounds) {
  for (int round = 0; round < n_rounds; ++round) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " round " + std::to_string(round));
    Rng rng(seed * 1'000'003 + static_cast<uint64_t>(round));
    TestFolder folder, after;
    FaultVfs::instance().record();
    std::unique_ptr<Store> store = open_on_faults(folder.file("store.db"));
    ASSERT_NE(store, nullptr);
    std::set<std::string> acknowledged;
    const uint64_t n_writes = rng.below(12);
    for (uint64_t number = 0; number < n_writes; ++number) {
      if (put(*store, static_cast<int64_t>(number)).ok()) acknowledged.insert("n" + std::to_string(number));
    }
    // Some work is under way at the moment of the cut: written, not all of it synced. Writes that fail leave their parts behind.
    FaultVfs::instance().fail_at(1 + static_cast<int64_t>(rng.below(4)), 1'000, FaultVfs::Fault::kWriteError);
    const Status last = put(*store, 99);
    if (last.ok()) acknowledged.insert("n99");
    const std::map<std::string, std::string> files = FaultVfs::instance().cut_power(&rng);
    store.reset();
    for (const auto& [path, content] : files) {
      const std::string name = path.substr(path.rfind('/') + 1);
      ASSERT_TRUE(write_file_atomic(after.file(name), content).ok());
    }
    store = open_on_faults(after.file("store.db"));
    ASSERT_NE(store, nullptr);
    const auto names = stored(*store);
    ASSERT_TRUE(names.ok()) << names.error().message;
    for (const std::string& name : acknowledged) EXPECT_TRUE(names->contains(name)) << name << " was acknowledged and is lost";
    for (const std::string& name : *names) EXPECT_TRUE(acknowledged.contains(name) || name == "n99");
    const Status whole = store->check_integrity();
    EXPECT_TRUE(whole.ok()) << whole.error().message;
  }
}

}  // namespace firesteel
