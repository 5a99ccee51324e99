#include <gtest/gtest.h>

#include <memory>

#include "store/record_checks.h"
#include "store/sqlite_store.h"
#include "store/test_folder.h"

namespace firesteel {
namespace {

class RecordsTest : public ::testing::Test {
 protected:
  void SetUp() override { store_ = open_sqlite_store({.path = folder_.file("store.db")}).value(); }
  TestFolder folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(RecordsTest, FilesKeepTenantsApart) { files_keep_tenants_apart(*store_); }
TEST_F(RecordsTest, BatchesRunOnce) { batches_run_once(*store_); }
TEST_F(RecordsTest, ResponsesMakeRoom) { responses_make_room(*store_); }

}  // namespace
}  // namespace firesteel
