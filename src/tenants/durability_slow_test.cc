// The long versions: 200 kills, 1,000 manipulations of the audit log.
#include <gtest/gtest.h>

#include "tenants/audit_checks.h"
#include "tenants/kill_checks.h"

namespace firesteel {
namespace {

TEST(KillSlow, NothingAcknowledgedIsLostOrDoubledIn200Kills) { KillTest(7, 200).run(); }
TEST(AuditLogSlow, ThousandManipulationsAreFoundAtTheirRow) { manipulations_are_found(7, 1000); }

}  // namespace
}  // namespace firesteel
