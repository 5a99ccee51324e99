// The long versions: 1,000 kills, 1,000 manipulations of the audit log.
#include <gtest/gtest.h>

#include "tenants/audit_checks.h"
#include "tenants/kill_checks.h"

namespace firesteel {
namespace {

// Ten stores of 100 kills each: every opening reads all that was ever acknowledged, so one store with 1,000 would take ten times as long, and the
// ten can run beside each other.
class KillSlow : public ::testing::TestWithParam<int> {};
TEST_P(KillSlow, NothingAcknowledgedIsLostOrDoubledIn100Kills) { KillTest(static_cast<uint64_t>(GetParam()), 100).run(); }
INSTANTIATE_TEST_SUITE_P(Stores, KillSlow, ::testing::Range(0, 10));
TEST(AuditLogSlow, ThousandManipulationsAreFoundAtTheirRow) { manipulations_are_found(7, 1000); }

}  // namespace
}  // namespace firesteel
