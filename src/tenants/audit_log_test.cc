#include "tenants/audit_log.h"

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "tenants/audit_checks.h"
#include "tenants/tenants_fixture.h"

namespace firesteel {
namespace {

TEST(AuditLog, UntouchedChainIsGood) {
  AuditWorld world;
  const auto reports = world.log.verify(*world.db, world.checkpoints);
  ASSERT_TRUE(reports.ok());
  ASSERT_EQ(reports->size(), 2u);
  EXPECT_TRUE((*reports)[0].ok() && (*reports)[1].ok()) << (*reports)[0].problem;
  EXPECT_EQ((*reports)[0].n_rows, kAuditRows);
  EXPECT_EQ((*reports)[0].n_checkpoints, 1 + (kAuditRows - 1) / 6);
}

TEST(AuditLog, EveryManipulationIsFoundAtItsRow) { manipulations_are_found(20261123, 150); }

TEST(AuditLog, TriggersStopUpdateAndDelete) {
  AuditWorld world;
  EXPECT_FALSE(world.db->execute("UPDATE audit SET actor = 'x'", {}).ok());
  EXPECT_FALSE(world.db->execute("DELETE FROM audit", {}).ok());
  EXPECT_FALSE(world.db->execute("DELETE FROM audit_checkpoints", {}).ok());
  EXPECT_TRUE(world.verify().ok());
}

TEST(AuditLog, CopiedCheckpointsFindAnOldStateThatWasPutBack) {
  AuditWorld world;
  ASSERT_TRUE(world.db->begin_write().ok());
  for (int64_t i = kAuditRows; i < kAuditRows + 20; ++i) world.append("ten_a", i);
  EXPECT_TRUE(world.verify(world.checkpoints).ok());
  world.db->rollback();  // as a restored backup would be: consistent in itself
  EXPECT_TRUE(world.verify().ok());
  const AuditReport report = world.verify(world.checkpoints);
  EXPECT_EQ(report.first_bad_seq, kAuditRows + 1);
  EXPECT_NE(report.problem.find("cut off"), std::string::npos) << report.problem;
}

TEST(AuditLog, ForgedCheckpointsAreFound) {
  AuditWorld world;
  std::string forged = world.checkpoints;
  const size_t place = forged.find("\"hash\":\"") + 8;
  forged[place] = forged[place] == '0' ? '1' : '0';
  EXPECT_NE(world.verify(forged).problem.find("signature"), std::string::npos);
  EXPECT_NE(world.verify("not json\n" + world.checkpoints).problem.find("line 1"), std::string::npos);
  EXPECT_TRUE(world.verify(world.checkpoints + "{\"chain\": \"ten").ok());  // torn by a crash
  // Somebody else's key signs nothing here.
  const AuditLog other(ServerSecret::fresh());
  EXPECT_FALSE(other.verify(*world.db, "")->front().ok());
  EXPECT_NE(other.public_key(), world.log.public_key());
}

TEST_F(TenantsTest, ActionsLeaveTheirRow) {
  const TenantRecord a = tenant("a");
  const CreatedKey made = key(a);
  ASSERT_TRUE(tenants_->rotate_key(a.id, made.record.id, 0, kActor).ok());
  EXPECT_FALSE(tenants_->revoke_key(a.id, KeyId::fresh(), kActor).ok());  // nothing done, nothing noted
  ASSERT_TRUE(tenants_->audit({}, kActor, "server.start", "server", "{}").ok());
  const auto rows = tenants_->audit_rows(a.id, 0, 100);
  ASSERT_TRUE(rows.ok());
  std::vector<std::string> actions;
  for (const AuditEntry& row : *rows) {
    actions.push_back(row.action);
    EXPECT_EQ(row.actor, "test");
    EXPECT_EQ(row.details.find(made.secret.substr(3, 10)), std::string::npos);
  }
  EXPECT_EQ(actions, (std::vector<std::string>{"tenant.create", "key.create", "key.rotate"}));
  EXPECT_EQ(tenants_->audit_rows({}, 0, 100)->size(), 1u);
  const auto reports = tenants_->verify_audit(read_file(folder_.file("checkpoints"), 1 << 20).value());
  ASSERT_TRUE(reports.ok());
  ASSERT_EQ(reports->size(), 2u);
  for (const AuditReport& report : *reports) EXPECT_TRUE(report.ok()) << report.problem;
}

}  // namespace
}  // namespace firesteel
