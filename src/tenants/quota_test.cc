#include "tenants/quota.h"

#include <gtest/gtest.h>

#include <deque>

#include "base/rng.h"
#include "store/fault_vfs.h"
#include "tenants/tenants_fixture.h"

namespace firesteel {
namespace {

TEST(TokenBucket, WaitIsExactToTheMicrosecond) {
  Rng rng(5);
  for (int round = 0; round < 2000; ++round) {
    const int64_t limit = rng.between(1, round % 2 == 0 ? 100 : 10'000'000'000);
    const int64_t cost = rng.between(1, limit);
    TokenBucket bucket;
    bucket.advance(limit, 0);
    bucket.take(rng.between(0, limit));
    const int64_t wait_us = bucket.wait_us(cost);
    TokenBucket early = bucket;
    if (wait_us > 0) {
      early.advance(limit, wait_us - 1);
      EXPECT_GT(early.wait_us(cost), 0);
    }
    bucket.advance(limit, wait_us);
    EXPECT_EQ(bucket.wait_us(cost), 0);
  }
}

TEST(TokenBucket, NeverGivesMoreThanTheLimitInAnyMinute) {
  // Whatever the order of requests: in any 60 s at most twice the limit (what was saved up, and what came in).
  Rng rng(6);
  TokenBucket bucket;
  std::deque<int64_t> taken_us;
  int64_t now_us = 0;
  for (int step = 0; step < 20'000; ++step) {
    now_us += rng.between(0, 2'000'000);
    bucket.advance(10, now_us);
    while (!taken_us.empty() && taken_us.front() <= now_us - 60'000'000) taken_us.pop_front();
    if (bucket.wait_us(1) == 0) {
      bucket.take(1);
      taken_us.push_back(now_us);
    }
    ASSERT_LE(taken_us.size(), 20u);
    ASSERT_GE(bucket.remaining(), 0);
    ASSERT_LE(bucket.remaining(), 10);
  }
}

TEST(TokenBucket, ExtremesDoNotOverflow) {
  for (const int64_t limit : {int64_t{0}, int64_t{1}, int64_t{10'000'000'000}}) {
    TokenBucket bucket;
    bucket.advance(limit, 0);
    for (int i = 0; i < 50; ++i) bucket.take(10'000'000'000);
    EXPECT_EQ(bucket.remaining(), 0);
    bucket.advance(limit, INT64_MAX / 2);
    EXPECT_EQ(bucket.remaining(), limit);
    bucket.give_back(10'000'000'000);
    EXPECT_EQ(bucket.remaining(), limit);
    bucket.advance(-1, INT64_MAX / 2);
    EXPECT_EQ(bucket.wait_us(5), 0);
    bucket.advance(limit, INT64_MAX / 2);  // backwards in time, too
    bucket.advance(limit, 0);
    EXPECT_EQ(bucket.remaining(), limit);
  }
}

TEST_F(TenantsTest, RequestsPerMinuteAreRefusedWithTheTruthAboutWaiting) {
  const CreatedKey made = key(tenant("a"), {.requests_per_minute = 2});
  const Principal who = principal(made);
  Admission first = admission(tenants_->admit(who, 10, 10));
  EXPECT_EQ(first.requests().limit, 2);
  EXPECT_EQ(first.requests().remaining, 1);
  ASSERT_TRUE(tenants_->settle(std::move(first), usage(10, 5)).ok());
  ASSERT_TRUE(tenants_->settle(admission(tenants_->admit(who, 10, 10)), usage(10, 5)).ok());
  const Refusal refused = refusal(tenants_->admit(who, 10, 10));
  EXPECT_EQ(refused.kind, Refusal::Kind::kRate);
  EXPECT_EQ(refused.retry_after_ms, 30'000);
  EXPECT_EQ(refused.requests.remaining, 0);
  EXPECT_EQ(refused.requests.reset_ms, 60'000);
  advance(refused.retry_after_ms * 1000 - 1000);
  EXPECT_EQ(refusal(tenants_->admit(who, 10, 10)).retry_after_ms, 1);
  advance(1000);
  EXPECT_FALSE(admission(tenants_->admit(who, 10, 10)).empty());
}

TEST_F(TenantsTest, LoadShowsTheMinutesRequestsAndTheReservedContext) {
  const Principal who = principal(key(tenant("a"), {}));
  EXPECT_EQ(tenants_->load(who.tenant).requests_this_minute, 0);
  {
    const Admission one = admission(tenants_->admit(who, 50, 50));   // of 1,000 tokens
    const Admission two = admission(tenants_->admit(who, 100, 50));
    EXPECT_EQ(tenants_->load(who.tenant).requests_this_minute, 2);
    EXPECT_EQ(tenants_->load(who.tenant).kv_share_percent, 25);
  }
  EXPECT_EQ(tenants_->load(who.tenant).kv_share_percent, 0);
  advance(60'000'000);
  EXPECT_EQ(tenants_->load(who.tenant).requests_this_minute, 0);
}

TEST_F(TenantsTest, DroppedAdmissionGivesEverythingBack) {
  const Principal who = principal(key(tenant("a"), {.requests_per_minute = 1, .tokens_per_minute = 100, .tokens_per_day = 100, .concurrency = 1}));
  for (int i = 0; i < 10; ++i) {
    Admission held = admission(tenants_->admit(who, 50, 50));
    EXPECT_EQ(held.tokens().remaining, 0);
    EXPECT_EQ(refusal(tenants_->admit(who, 1, 1)).kind, Refusal::Kind::kConcurrency);
  }
  EXPECT_EQ(tenants_->load(who.tenant).n_running, 0);
}

TEST_F(TenantsTest, UnusedTokensComeBackAtSettlement) {
  const Principal who = principal(key(tenant("a"), {.tokens_per_minute = 1000}));
  Admission held = admission(tenants_->admit(who, 100, 800));
  EXPECT_EQ(refusal(tenants_->admit(who, 100, 100)).kind, Refusal::Kind::kRate);
  ASSERT_TRUE(tenants_->settle(std::move(held), usage(100, 50)).ok());
  EXPECT_EQ(admission(tenants_->admit(who, 100, 100)).tokens().remaining, 650);
}

TEST_F(TenantsTest, WhatCanNeverRunIsToldSo) {
  const Principal who = principal(key(tenant("a"), {.tokens_per_minute = 100}));
  EXPECT_EQ(refusal(tenants_->admit(who, 100, 1)).kind, Refusal::Kind::kTooLarge);
  const Principal blocked = principal(key(tenant("b"), {.requests_per_minute = 0}));
  EXPECT_EQ(refusal(tenants_->admit(blocked, 1, 1)).kind, Refusal::Kind::kQuotaExhausted);
  for (const int64_t absurd : {INT64_MIN, int64_t{-1}, INT64_MAX}) {
    static_cast<void>(tenants_->admit(who, absurd, absurd));  // no overflow
  }
}

TEST_F(TenantsTest, DayIsCountedAcrossRestartsAndEndsAtMidnight) {
  const TenantRecord a = tenant("a", {.tokens_per_day = 1000});
  const CreatedKey made = key(a);
  ASSERT_TRUE(tenants_->settle(admission(tenants_->admit(principal(made), 500, 400)), usage(500, 400)).ok());
  reopen();
  const Refusal refused = refusal(tenants_->admit(principal(made), 100, 1));
  EXPECT_EQ(refused.kind, Refusal::Kind::kQuotaExhausted);
  EXPECT_EQ(tenants_->load(a.id).tokens_today, 900);
  Admission fits = admission(tenants_->admit(principal(made), 50, 50));
  // Only what is running stands in the way: worth another try.
  EXPECT_EQ(refusal(tenants_->admit(principal(made), 50, 50)).kind, Refusal::Kind::kConcurrency);
  advance(refused.retry_after_ms * 1000);
  EXPECT_FALSE(admission(tenants_->admit(principal(made), 500, 400)).empty());
}

TEST_F(TenantsTest, ConcurrencyAndKvShareBindKeyAndTenant) {
  const TenantRecord a = tenant("a", {.concurrency = 2, .kv_share_percent = 50});  // of 1,000 tokens
  const Principal one = principal(key(a, {.concurrency = 1}));
  const Principal two = principal(key(a));
  Admission of_one = admission(tenants_->admit(one, 10, 10));
  EXPECT_EQ(of_one.kv_share_percent(), 50);
  EXPECT_NE(refusal(tenants_->admit(one, 10, 10)).message.find("key"), std::string::npos);
  EXPECT_EQ(refusal(tenants_->admit(two, 400, 100)).kind, Refusal::Kind::kConcurrency);  // 20 + 500 > 500
  Admission of_two = admission(tenants_->admit(two, 380, 100));
  EXPECT_NE(refusal(tenants_->admit(two, 1, 1)).message.find("tenant"), std::string::npos);
  EXPECT_EQ(refusal(tenants_->admit(two, 400, 101)).kind, Refusal::Kind::kTooLarge);
  of_one = Admission();
  EXPECT_FALSE(admission(tenants_->admit(two, 10, 10)).empty());
}

TEST_F(TenantsTest, SpendIsPricedPerModelAndMonth) {
  ASSERT_TRUE(tenants_->set_price({.model = "*", .prompt = 1'000'000, .cached = 0, .generated = 2'000'000}, kActor).ok());
  ASSERT_TRUE(tenants_->set_price({.model = "big", .prompt = 10'000'000, .cached = 1'000'000, .generated = 0}, kActor).ok());
  const TenantRecord a = tenant("a", {.spend_micros_per_month = 1000});
  const CreatedKey made = key(a);
  UsageRecord record = usage(100, 100);
  ASSERT_TRUE(tenants_->settle(admission(tenants_->admit(principal(made), 100, 100, "kindling")), record).ok());
  EXPECT_EQ(tenants_->load(a.id).spend_month_micros, 300);
  EXPECT_EQ(refusal(tenants_->admit(principal(made), 100, 0, "big")).kind, Refusal::Kind::kQuotaExhausted);  // 1,000 more
  UsageRecord cached = usage(60, 0);
  cached.model = "big";
  cached.tokens.cached = 50;
  ASSERT_TRUE(tenants_->settle(admission(tenants_->admit(principal(made), 60, 0, "big")), cached).ok());
  EXPECT_EQ(tenants_->load(a.id).spend_month_micros, 300 + 100 + 50);
  reopen();
  EXPECT_EQ(tenants_->load(a.id).spend_month_micros, 450);
  wall_.advance_us(31 * 86'400 * kSecondUs);
  EXPECT_EQ(tenants_->load(a.id).spend_month_micros, 0);
}

TEST_F(TenantsTest, UsageIsStoredOncePerRequestWithItsBranches) {
  const TenantRecord a = tenant("a");
  const TenantRecord b = tenant("b");
  const CreatedKey of_a = key(a);
  const CreatedKey of_b = key(b);
  UsageRecord record = usage(100, 30);
  record.tokens.cached = 40;
  record.branches = {{"plan", {.prompt = 100, .cached = 40, .generated = 10}}, {"branch 1", {.prompt = 110, .cached = 110, .generated = 20}}};
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(tenants_->settle(admission(tenants_->admit(principal(of_a), 100, 50)), record).ok());
  // The same id of another tenant is another request.
  ASSERT_TRUE(tenants_->settle(admission(tenants_->admit(principal(of_b), 100, 50)), record).ok());
  const auto rows = tenants_->usage({.by_tenant = true, .by_key = true, .by_model = true, .by_day = true});
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 2u);
  for (const UsageRow& row : *rows) {
    EXPECT_EQ(row.n_requests, 1);
    EXPECT_EQ(row.tokens, (TokenCounts{100, 40, 30}));
    EXPECT_EQ(row.day, "2026-09-21");
  }
  const auto of_tenant = tenants_->usage({.tenant = a.id});
  ASSERT_EQ(of_tenant->size(), 1u);
  EXPECT_EQ(of_tenant->front().n_requests, 1);
  EXPECT_TRUE(tenants_->usage({.tenant = a.id, .model = "other"})->empty());
  EXPECT_TRUE(tenants_->usage({.tenant = a.id, .until_day = day_of(wall_.now_us())})->empty());
  EXPECT_GT(tenants_->find_key(a.id, of_a.record.id)->last_used_us, 0);
}

TEST_F(TenantsTest, AbsurdUsageIsRefusedAndGivesBack) {
  const Principal who = principal(key(tenant("a"), {.tokens_per_minute = 100, .concurrency = 1}));
  UsageRecord negative = usage(-1, 5);
  EXPECT_EQ(tenants_->settle(admission(tenants_->admit(who, 50, 50)), negative).error().code, ErrorCode::kInvalidArgument);
  UsageRecord nameless = usage(1, 5);
  nameless.request_id.clear();
  EXPECT_EQ(tenants_->settle(admission(tenants_->admit(who, 50, 50)), nameless).error().code, ErrorCode::kInvalidArgument);
  for (const std::string& text : {std::string("a\0b", 3), std::string("\xff"), std::string(2000, 'a')}) {
    UsageRecord odd = usage(1, 5);
    odd.model = text;
    EXPECT_EQ(tenants_->settle(admission(tenants_->admit(who, 5, 5)), odd).error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(tenants_->load(who.tenant).n_running, 0);
}

TEST_F(TenantsTest, UnstoredUsageIsStoredWhenTheDiskWorksAgainWithoutAnotherRequest) {
  FaultVfs::instance().heal();
  open_store({.path = folder_.file("other.db"), .vfs = "fault", .clock = &clock_});
  reopen();
  const TenantRecord a = tenant("a");
  const CreatedKey made = key(a);
  Admission running = admission(tenants_->admit(principal(made), 10, 10));
  FaultVfs::instance().fail_at(1, 1'000'000, FaultVfs::Fault::kFull);
  EXPECT_EQ(tenants_->settle(std::move(running), usage(10, 10)).error().code, ErrorCode::kUnavailable);
  FaultVfs::instance().heal();
  for (int i = 0; i < 2; ++i) {  // once to try the disk, once to find it working
    advance(kSecondUs);
    EXPECT_TRUE(tenants_->authenticate(made.secret).ok());
    ASSERT_TRUE(store_->write([](Transaction&) { return Status(); }).ok());
  }
  ASSERT_EQ(tenants_->usage({.tenant = a.id})->size(), 1u);
}

TEST_F(TenantsTest, FormulasAreDefusedInCsv) {
  const std::string csv = usage_csv({{.tenant = "=cmd()", .key = "a\"b,c", .model = "m", .day = "2026-09-21", .n_requests = 1, .tokens = {2, 1, 3}, .cost_micros = 4}});
  EXPECT_EQ(csv, "day,tenant,key,model,requests,prompt_tokens,cached_tokens,generated_tokens,cost_micros\n"
                 "2026-09-21,'=cmd(),\"a\"\"b,c\",m,1,2,1,3,4\n");
}

TEST_F(TenantsTest, FullDiskRefusesNewWorkAndStoresItsUsageLater) {
  FaultVfs::instance().heal();
  open_store({.path = folder_.file("other.db"), .vfs = "fault", .clock = &clock_});
  reopen();
  const TenantRecord a = tenant("a");
  const CreatedKey made = key(a);
  Admission running = admission(tenants_->admit(principal(made), 10, 10));
  FaultVfs::instance().fail_at(1, 1'000'000, FaultVfs::Fault::kFull);
  EXPECT_EQ(tenants_->settle(std::move(running), usage(10, 10)).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(tenants_->create_key({.tenant = a.id, .name = "x"}, kActor).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(refusal(tenants_->admit(principal(made), 10, 10)).kind, Refusal::Kind::kUnavailable);
  EXPECT_TRUE(tenants_->authenticate(made.secret).ok());
  FaultVfs::instance().heal();
  advance(kSecondUs);
  static_cast<void>(tenants_->admit(principal(made), 10, 10));  // asks the store to try
  ASSERT_TRUE(store_->write([](Transaction&) { return Status(); }).ok());
  ASSERT_TRUE(tenants_->settle(admission(tenants_->admit(principal(made), 10, 10)), usage(20, 20)).ok());
  const auto rows = tenants_->usage({.tenant = a.id});
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ(rows->front().n_requests, 2);  // the one that nobody could store then, too
  EXPECT_EQ(rows->front().tokens.prompt, 30);
}

TEST_F(TenantsTest, ReplicasShareLimits) {
  const TenantRecord a = tenant("a", {.requests_per_minute = 10, .tokens_per_minute = 1000, .tokens_per_day = 1000});
  const CreatedKey made = key(a);
  std::vector<std::unique_ptr<Tenants>> replicas;
  for (int i = 0; i < 2; ++i) {
    replicas.push_back(Tenants::open(*store_, secret_, {.clock = &clock_, .wall = &wall_, .replicated = true}).value());
  }
  const auto look = [&] {  // each tells that it lives, then sees the other
    for (int i = 0; i < 2; ++i) {
      advance(Tenants::kHeartbeatUs);
      for (const auto& replica : replicas) EXPECT_TRUE(replica->authenticate(made.secret).ok());
      ASSERT_TRUE(store_->write([](Transaction&) { return Status(); }).ok());
    }
  };
  look();
  int n_admitted = 0;
  for (const auto& replica : replicas) {
    const Principal who = replica->authenticate(made.secret).value();
    while (true) {
      AdmissionOrRefusal answer = replica->admit(who, 5, 5);
      if (!std::holds_alternative<Admission>(answer)) {
        EXPECT_EQ(std::get<Refusal>(answer).kind, Refusal::Kind::kRate);
        EXPECT_NE(std::get<Refusal>(answer).message.find("10 requests"), std::string::npos);  // the limit as people know it
        break;
      }
      ++n_admitted;
      ASSERT_TRUE(replica->settle(std::get<Admission>(std::move(answer)), usage(5, 5)).ok());
    }
  }
  EXPECT_EQ(n_admitted, 10);
  // Above one replica's share of 500 tokens per minute, not above the limit: goes once.
  advance(60 * kSecondUs);
  look();
  const Principal who = replicas[0]->authenticate(made.secret).value();
  ASSERT_TRUE(replicas[0]->settle(admission(replicas[0]->admit(who, 700, 100)), usage(700, 100)).ok());
  EXPECT_EQ(refusal(replicas[0]->admit(who, 1, 1)).kind, Refusal::Kind::kRate);
  // 900 of 1,000 tokens are used today, most of them at the other replica.
  advance(60 * kSecondUs);
  look();
  EXPECT_EQ(refusal(replicas[1]->admit(who, 100, 1)).kind, Refusal::Kind::kQuotaExhausted);
  EXPECT_EQ(replicas[1]->load(a.id).tokens_today, 900);
  // One goes away: the other has all of the limit.
  replicas.pop_back();
  advance(20 * kSecondUs);
  EXPECT_TRUE(replicas[0]->authenticate(made.secret).ok());
  advance(60 * kSecondUs);
  EXPECT_EQ(admission(replicas[0]->admit(who, 1, 1)).requests().limit, 10);
}

TEST_F(TenantsTest, ReservedAmountsReturnToZeroAfterAnyHistory) {
  const uint64_t seed = 99;
  Rng rng(seed);
  SCOPED_TRACE(seed);
  const TenantRecord a = tenant("a", {.tokens_per_minute = 5000, .concurrency = 8, .kv_share_percent = 100});
  const std::vector<Principal> who = {principal(key(a)), principal(key(a, {.requests_per_minute = 50, .concurrency = 3}))};
  std::vector<Admission> running;
  int64_t n_settled = 0, n_tokens = 0;
  for (int step = 0; step < 600; ++step) {
    advance(rng.between(0, 2 * kSecondUs));
    if (rng.below(2) == 0) {
      AdmissionOrRefusal answer = tenants_->admit(who[rng.below(2)], rng.between(0, 200), rng.between(0, 200));
      if (Admission* admitted = std::get_if<Admission>(&answer)) running.push_back(std::move(*admitted));
      ASSERT_LE(running.size(), 8u);
    } else if (!running.empty()) {
      std::swap(running[rng.below(running.size())], running.back());
      if (rng.below(3) != 0) {
        const UsageRecord record = usage(rng.between(0, 200), rng.between(0, 400));
        n_tokens += record.tokens.prompt + record.tokens.generated;
        ++n_settled;
        tenants_->settle_async(std::move(running.back()), record, [](const Status& status) { EXPECT_TRUE(status.ok()); });
      }
      running.pop_back();
    }
    ASSERT_EQ(tenants_->load(a.id).n_running, static_cast<int64_t>(running.size()));
  }
  running.clear();
  ASSERT_TRUE(store_->write([](Transaction&) { return Status(); }).ok());
  const auto rows = tenants_->usage({.tenant = a.id});
  EXPECT_EQ(rows->front().n_requests, n_settled);
  EXPECT_EQ(rows->front().tokens.prompt + rows->front().tokens.generated, n_tokens);
  advance(600 * kSecondUs);
  EXPECT_EQ(admission(tenants_->admit(who[1], 1000, 0)).tokens().remaining, 4000);  // all of the limit and of the KV pool is free
}

}  // namespace
}  // namespace firesteel
