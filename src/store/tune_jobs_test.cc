#include "store/tune_jobs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/sqlite_store.h"
#include "store/test_folder.h"

namespace firesteel {
namespace {

class TuneJobsTest : public ::testing::Test {
 protected:
  void SetUp() override { store_ = open_sqlite_store({.path = folder_.path() + "/store.db"}).value(); }
  TuneJob make(const TenantId& tenant, int64_t at_us) {
    TuneJob job;
    job.id = TuneJobId::fresh();
    job.tenant = tenant;
    job.model = "kindling";
    job.training_file = FileId::fresh();
    job.settings = Json::Object{{"method", "sft"}};
    job.created_us = at_us;
    return job;
  }
  const TestFolder folder_;
  std::unique_ptr<Store> store_;
  const TenantId tenant_ = TenantId::fresh(), other_ = TenantId::fresh();
};

TEST_F(TuneJobsTest, OneRunnerAtATimeAndTheNextAfterItDied) {
  TuneJobs jobs(*store_);
  TuneJob first = make(tenant_, 1), second = make(other_, 2);
  ASSERT_TRUE(jobs.create(first).ok());
  ASSERT_TRUE(jobs.create(second).ok());
  EXPECT_EQ(jobs.claim("a", 10, 100).value()->id, first.id);
  EXPECT_EQ(jobs.claim("b", 11, 100).value()->id, second.id);
  EXPECT_FALSE(jobs.claim("c", 12, 100).value().has_value());
  EXPECT_EQ(jobs.claim("c", 101, 200).value()->id, first.id);  // "a" was not heard of again
  EXPECT_EQ(jobs.hold(first.id, "a", 300).error().code, ErrorCode::kFailedPrecondition);
  first.state = TuneJobState::kSucceeded;
  first.adapter_name = "ft-x";
  first.adapter_digest = "abc";
  first.n_tokens = 7;
  first.finished_us = 150;
  EXPECT_EQ(jobs.finish(first, "a").error().code, ErrorCode::kFailedPrecondition);
  ASSERT_TRUE(jobs.finish(first, "c").ok());
  const TuneJob stored = jobs.get(tenant_, first.id).value();
  EXPECT_EQ(stored.state, TuneJobState::kSucceeded);
  EXPECT_EQ(stored.started_us, 10);
  EXPECT_EQ(stored.n_tokens, 7);
  EXPECT_EQ(jobs.succeeded().value().size(), 1u);
  EXPECT_EQ(jobs.events(tenant_, first.id, 0, 10).value().front().text, "The job has successfully completed");
  ASSERT_TRUE(jobs.release(second.id, "b").ok());
  EXPECT_EQ(jobs.claim("c", 102, 200).value()->id, second.id);
}

TEST_F(TuneJobsTest, CancellingWinsOverTheRunner) {
  TuneJobs jobs(*store_);
  TuneJob job = make(tenant_, 1);
  ASSERT_TRUE(jobs.create(job).ok());
  ASSERT_TRUE(jobs.claim("a", 10, 100).value().has_value());
  ASSERT_TRUE(jobs.cancel(tenant_, job.id, 20).ok());
  EXPECT_EQ(jobs.hold(job.id, "a", 200).value(), TuneJobState::kCancelled);
  job.state = TuneJobState::kSucceeded;
  EXPECT_EQ(jobs.finish(job, "a").error().code, ErrorCode::kFailedPrecondition);
  EXPECT_EQ(jobs.cancel(tenant_, job.id, 30).error().code, ErrorCode::kFailedPrecondition);
}

TEST_F(TuneJobsTest, ForeignIdsAreNotFoundAndPagesEnd) {
  TuneJobs jobs(*store_);
  std::vector<TuneJob> made;
  for (int64_t i = 0; i < 8; ++i) {
    made.push_back(make(tenant_, i / 2));  // pairs of the same moment
    ASSERT_TRUE(jobs.create(made.back()).ok());
  }
  EXPECT_EQ(jobs.create(make(tenant_, 9)).error().code, ErrorCode::kResourceExhausted);
  EXPECT_TRUE(jobs.create(make(other_, 9)).ok());
  EXPECT_EQ(jobs.get(other_, made[0].id).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(jobs.cancel(other_, made[0].id, 1).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(jobs.events(other_, made[0].id, 0, 10).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(jobs.list(other_, made[0].id, 10).error().code, ErrorCode::kNotFound);
  std::vector<std::string> seen;
  std::optional<TuneJobId> after;
  while (true) {
    const std::vector<TuneJob> page = jobs.list(tenant_, after, 3).value();
    if (page.empty()) break;
    for (const TuneJob& job : page) seen.push_back(job.id.str());
    after = page.back().id;
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::unique(seen.begin(), seen.end()) - seen.begin(), 8);
}

}  // namespace
}  // namespace firesteel
