// The long versions: 1,000 kills, 1,000 manipulations of the audit log.
#include <gtest/gtest.h>

#include "tenants/audit_checks.h"
#include "tenants/kill_checks.h"

namespace firesteel {
namespace {

TEST(KillSlow, NothingAcknowledgedIsLostOrDoubledIn1000Kills) { KillTest(7, 1000).run(); }
TEST(AuditLogSlow, ThousandManipulationsAreFoundAtTheirRow) { manipulations_are_found(7, 1000); }

}  // namespace
}  // namespace firesteel
