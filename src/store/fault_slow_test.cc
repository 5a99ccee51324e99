#include <gtest/gtest.h>

#include "store/fault_checks.h"

namespace firesteel {
namespace {

TEST(StoreFaultsSlow, FullDiskIsUnavailableAndPasses) { fail_everywhere(FaultVfs::Fault::kFull, 3, 1, 1, 60); }
TEST(StoreFaultsSlow, ReadOnlyIsUnavailableAndPasses) { fail_everywhere(FaultVfs::Fault::kReadOnly, 5, 1, 1, 60); }
TEST(StoreFaultsSlow, WriteErrorIsUnavailableAndPasses) { fail_everywhere(FaultVfs::Fault::kWriteError, 1, 1, 1, 60); }
TEST(StoreFaultsSlow, TornWriteIsUnavailableAndPasses) { fail_everywhere(FaultVfs::Fault::kTornWrite, 1, 1, 1, 60); }
TEST(StoreFaultsSlow, SyncErrorIsUnavailableAndPasses) { fail_everywhere(FaultVfs::Fault::kSyncError, 2, 1, 1, 60); }
TEST(StoreFaultsSlow, PowerCutLosesNothingThatWasAcknowledged) { cut_power_often(7, 300); }

}  // namespace
}  // namespace firesteel
