#include <gtest/gtest.h>

#include "tenants/kill_checks.h"

namespace firesteel {
namespace {

TEST(Kill, NothingAcknowledgedIsLostOrDoubled) { KillTest(20261123, 20).run(); }

}  // namespace
}  // namespace firesteel
