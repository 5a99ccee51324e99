// Two replicas on one real PostgreSQL server: keys, quotas, usage and the audit chain are common, also while the server dies.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "store/postgres_server.h"
#include "store/postgres_store.h"
#include "tenants/tenants_fixture.h"

namespace firesteel {
namespace {

class ReplicasSlow : public ::testing::Test {
 protected:
  struct Replica {
    std::unique_ptr<Store> store;
    std::unique_ptr<Tenants> tenants;
  };
  void SetUp() override {
    if (PostgresServer::binary_folder().empty()) GTEST_SKIP() << "no PostgreSQL server is installed (Debian: postgresql)";
    server_ = std::make_unique<PostgresServer>();
    ASSERT_TRUE(server_->start());
    for (int i = 0; i < 2; ++i) {
      auto store = open_postgres_store({.conninfo = server_->conninfo()});
      ASSERT_TRUE(store.ok()) << store.error().message;
      auto tenants = Tenants::open(**store, secret_, {.replicated = true});
      ASSERT_TRUE(tenants.ok()) << tenants.error().message;
      replicas_.push_back({std::move(*store), std::move(*tenants)});
    }
  }
  static UsageRecord usage(const std::string& id) {
    UsageRecord record;
    record.request_id = id;
    record.model = "m";
    record.tokens = {.prompt = 7, .cached = 3, .generated = 5};
    record.branches = {{"one", record.tokens}};
    return record;
  }

  std::unique_ptr<PostgresServer> server_;
  ServerSecret secret_ = ServerSecret::fresh();
  std::vector<Replica> replicas_;
};

TEST_F(ReplicasSlow, KeysUsageAndAuditAreCommon) {
  const TenantRecord tenant = replicas_[0].tenants->create_tenant("a", {}, kActor).value();
  const CreatedKey key = replicas_[0].tenants->create_key({.tenant = tenant.id, .name = "k"}, kActor).value();
  // Both work at once, and one keeps changing keys; the audit chain is one.
  std::vector<std::thread> threads;
  std::atomic<int64_t> n_settled{0};
  for (size_t i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      Tenants& tenants = *replicas_[i].tenants;
      const int64_t until_us = system_clock().now_us() + 10 * kSecondUs;
      Result<Principal> who = tenants.authenticate(key.secret);
      while (!who.ok() && system_clock().now_us() < until_us) who = tenants.authenticate(key.secret);  // within 250 ms
      ASSERT_TRUE(who.ok());
      for (int n = 0; n < 60; ++n) {
        auto admitted = tenants.admit(*who, 10, 10);
        ASSERT_TRUE(std::holds_alternative<Admission>(admitted));
        const std::string id = "r" + std::to_string(n % 50) + "-" + std::to_string(i);  // ten of them twice
        EXPECT_TRUE(tenants.settle(std::get<Admission>(std::move(admitted)), usage(id)).ok());
        ++n_settled;
        EXPECT_TRUE(tenants.audit(tenant.id, kActor, "test", id, "{}").ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Replica& replica : replicas_) {
    const auto rows = replica.tenants->usage({.tenant = tenant.id});
    ASSERT_TRUE(rows.ok()) << rows.error().message;
    ASSERT_EQ(rows->size(), 1u);
    EXPECT_EQ(rows->front().n_requests, 100);
    EXPECT_EQ(rows->front().tokens, (TokenCounts{700, 300, 500}));
    const auto reports = replica.tenants->verify_audit("");
    ASSERT_TRUE(reports.ok()) << reports.error().message;
    ASSERT_EQ(reports->size(), 1u);
    EXPECT_TRUE(reports->front().ok()) << reports->front().problem;
    EXPECT_EQ(reports->front().n_rows, 2 + 120);
  }
  const auto by_day = replicas_[1].tenants->usage({.by_tenant = true, .by_key = true, .by_model = true, .by_day = true});
  ASSERT_TRUE(by_day.ok()) << by_day.error().message;
  EXPECT_EQ(by_day->front().day.size(), 10u);
}

TEST_F(ReplicasSlow, RevokedOnOneIsRefusedByTheOtherWithinASecond) {
  const TenantRecord tenant = replicas_[0].tenants->create_tenant("a", {}, kActor).value();
  const CreatedKey key = replicas_[1].tenants->create_key({.tenant = tenant.id, .name = "k"}, kActor).value();
  ASSERT_TRUE(replicas_[1].tenants->authenticate(key.secret).ok());
  ASSERT_TRUE(replicas_[0].tenants->revoke_key(tenant.id, key.record.id, kActor).ok());
  const int64_t revoked_us = system_clock().now_us();
  while (replicas_[1].tenants->authenticate(key.secret).ok()) ASSERT_LT(system_clock().now_us() - revoked_us, kSecondUs);
}

TEST_F(ReplicasSlow, DatabaseThatDiesRefusesWorkAndComesBack) {
  Tenants& tenants = *replicas_[0].tenants;
  const TenantRecord tenant = tenants.create_tenant("a", {}, kActor).value();
  const CreatedKey key = tenants.create_key({.tenant = tenant.id, .name = "k"}, kActor).value();
  const Principal who = tenants.authenticate(key.secret).value();
  auto running = tenants.admit(who, 10, 10);
  ASSERT_TRUE(server_->stop("immediate"));
  EXPECT_EQ(tenants.settle(std::get<Admission>(std::move(running)), usage("lost")).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(std::get<Refusal>(tenants.admit(who, 10, 10)).kind, Refusal::Kind::kUnavailable);
  ASSERT_TRUE(server_->start());
  const int64_t until_us = system_clock().now_us() + 10 * kSecondUs;
  AdmissionOrRefusal again = tenants.admit(who, 10, 10);
  while (!std::holds_alternative<Admission>(again)) {
    ASSERT_LT(system_clock().now_us(), until_us);
    again = tenants.admit(who, 10, 10);
  }
  EXPECT_TRUE(tenants.settle(std::get<Admission>(std::move(again)), usage("found")).ok());
  EXPECT_EQ(tenants.usage({.tenant = tenant.id})->front().n_requests, 2);  // the one from before, too
}

TEST_F(ReplicasSlow, QuotasHoldAcrossReplicas) {
  const TenantRecord tenant = replicas_[0].tenants->create_tenant("a", {.requests_per_minute = 20}, kActor).value();
  const CreatedKey key = replicas_[0].tenants->create_key({.tenant = tenant.id, .name = "k"}, kActor).value();
  const int64_t begin_us = system_clock().now_us();
  // Until each has seen the other.
  while (system_clock().now_us() - begin_us < 2 * Tenants::kHeartbeatUs + 2 * Tenants::kRefreshIntervalUs) {
    for (const Replica& replica : replicas_) static_cast<void>(replica.tenants->authenticate(key.secret));
  }
  int n_admitted = 0;
  for (int n = 0; n < 40; ++n) {
    Tenants& tenants = *replicas_[static_cast<size_t>(n % 2)].tenants;
    auto answer = tenants.admit(tenants.authenticate(key.secret).value(), 1, 1);
    if (Admission* admitted = std::get_if<Admission>(&answer)) {
      ++n_admitted;
      EXPECT_TRUE(tenants.settle(std::move(*admitted), usage("q" + std::to_string(n))).ok());
    }
  }
  EXPECT_GE(n_admitted, 20);
  EXPECT_LE(n_admitted, 22);  // what the buckets gained meanwhile
}

}  // namespace
}  // namespace firesteel
