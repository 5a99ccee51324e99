// Shared by the quick and the slow test of the audit chain: random manipulations of the database, each of which must be found.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/rng.h"
#include "store/sqlite_connection.h"
#include "store/sqlite_store.h"
#include "store/test_folder.h"
#include "tenants/audit_log.h"

namespace firesteel {

inline constexpr int64_t kAuditRows = 40;

// A chain of kAuditRows rows in a file, on a connection without the triggers that stop honest mistakes.
struct AuditWorld {
  AuditWorld() {
    const std::string path = folder.file("store.db");
    EXPECT_TRUE(open_sqlite_store({.path = path}).ok());
    db = SqliteConnection::open(path, SqliteConnection::Mode::kWriter, "", 1000).value();
    EXPECT_TRUE(db->begin_write().ok());
    for (int64_t i = 0; i < kAuditRows; ++i) append("ten_a", i);
    append("ten_b", 0);
    EXPECT_TRUE(db->commit().ok());
  }
  // Every 10 s, so that a checkpoint comes with every sixth row.
  void append(const std::string& chain, int64_t i) {
    std::string line;
    const Status status = log.append(*db, {.chain = chain, .seq = 0, .at_us = i * 10'000'000, .actor = "key_x", .action = "test.action",
                                           .target = "t" + std::to_string(i), .details = "{\"n\":" + std::to_string(i) + "}", .previous = {}, .hash = {}}, &line);
    EXPECT_TRUE(status.ok()) << status.error().message;
    checkpoints += line;
  }
  void without_triggers() {
    EXPECT_TRUE(db->run_script("DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; DROP TRIGGER audit_checkpoints_no_update;"
                               "DROP TRIGGER audit_checkpoints_no_delete").ok());
  }
  AuditReport verify(const std::string& external = {}) {
    const auto reports = log.verify(*db, external);
    EXPECT_TRUE(reports.ok());
    for (const AuditReport& report : *reports) {
      if (!report.ok()) return report;
    }
    return {};
  }
  int64_t execute(Sql sql, const Params& params) {
    const auto n = db->execute(sql, params);
    EXPECT_TRUE(n.ok()) << n.error().message;
    return n.ok() ? *n : 0;
  }

  TestFolder folder;
  ServerSecret secret = ServerSecret::fresh();
  AuditLog log{secret};
  std::unique_ptr<SqliteConnection> db;
  std::string checkpoints;
};

// Does one random thing to chain ten_a; returns the first row that is not as it was.
inline int64_t manipulate(AuditWorld& world, Rng& rng) {
  const int64_t row = rng.between(1, kAuditRows);
  switch (rng.below(9)) {
    case 0: world.execute("UPDATE audit SET details = '{}' WHERE chain = 'ten_a' AND seq = $1", {row}); return row;
    case 1: world.execute("UPDATE audit SET at_us = at_us - 1 WHERE chain = 'ten_a' AND seq = $1", {row}); return row;
    case 2: world.execute("UPDATE audit SET actor = 'key_y' WHERE chain = 'ten_a' AND seq >= $1", {row}); return row;
    case 3: world.execute("DELETE FROM audit WHERE chain = 'ten_a' AND seq = $1", {row}); return row;
    case 4: world.execute("DELETE FROM audit WHERE chain = 'ten_a' AND seq >= $1", {row}); return row;
    case 5: {  // two rows change places
      const int64_t other = row == kAuditRows ? row - 1 : row + 1;
      world.execute("UPDATE audit SET seq = -1 WHERE chain = 'ten_a' AND seq = $1", {row});
      world.execute("UPDATE audit SET seq = $1 WHERE chain = 'ten_a' AND seq = $2", {row, other});
      world.execute("UPDATE audit SET seq = $1 WHERE chain = 'ten_a' AND seq = -1", {other});
      return std::min(row, other);
    }
    case 6:  // one is put in, those behind it move on
      world.execute("UPDATE audit SET seq = -seq WHERE chain = 'ten_a' AND seq >= $1", {row});
      world.execute("UPDATE audit SET seq = 1 - seq WHERE chain = 'ten_a' AND seq < 0", {});
      world.execute("INSERT INTO audit SELECT chain, $1, at_us, actor, 'forged', target, details, previous, hash FROM audit "
                    "WHERE chain = 'ten_a' AND seq = $2", {row, row + 1});
      return row;
    case 7:  // cut off, and the head made to fit with what is there
      world.execute("DELETE FROM audit WHERE chain = 'ten_a' AND seq >= $1", {row});
      world.execute("DELETE FROM audit_checkpoints WHERE chain = 'ten_a' AND seq >= $1", {row});
      world.execute("UPDATE audit_heads SET seq = $1, hash = coalesce((SELECT hash FROM audit WHERE chain = 'ten_a' AND seq = $1), hash), "
                    "checkpoint_seq = coalesce((SELECT max(seq) FROM audit_checkpoints WHERE chain = 'ten_a'), 0) WHERE chain = 'ten_a'", {row - 1});
      return row;
    default:  // a row of another chain in its place
      world.execute("DELETE FROM audit WHERE chain = 'ten_a' AND seq = $1", {row});
      world.execute("INSERT INTO audit SELECT 'ten_a', $1, at_us, actor, action, target, details, previous, hash FROM audit "
                    "WHERE chain = 'ten_b' AND seq = 1", {row});
      return row;
  }
}

inline void manipulations_are_found(uint64_t seed, int n_rounds) {
  AuditWorld world;
  Rng rng(seed);
  for (int round = 0; round < n_rounds; ++round) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " round " + std::to_string(round));
    ASSERT_TRUE(world.db->begin_write().ok());
    world.without_triggers();
    const int64_t first_bad = manipulate(world, rng);
    const AuditReport report = world.verify();
    EXPECT_EQ(report.chain, "ten_a");
    EXPECT_EQ(report.first_bad_seq, first_bad) << report.problem;
    world.db->rollback();
  }
  EXPECT_TRUE(world.verify(world.checkpoints).ok());
}

}  // namespace firesteel
