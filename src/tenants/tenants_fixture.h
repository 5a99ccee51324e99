// A store in a folder of its own and Tenants on it, with clocks that move when told to.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "base/clock.h"
#include "store/sqlite_store.h"
#include "store/test_folder.h"
#include "tenants/tenants.h"

namespace firesteel {

inline constexpr int64_t kSecondUs = 1'000'000;
inline const Actor kActor{"test"};

class TenantsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    wall_.advance_us(1'790'000'000 * kSecondUs);  // 2026-09-21
    open_store({.path = folder_.file("store.db")});
    reopen();
  }
  void open_store(const SqliteOptions& options) {
    tenants_.reset();
    store_.reset();
    auto store = open_sqlite_store(options);
    ASSERT_TRUE(store.ok()) << store.error().message;
    store_ = std::move(*store);
  }
  void reopen() {
    tenants_.reset();
    auto tenants = Tenants::open(*store_, secret_, {.clock = &clock_, .wall = &wall_, .kv_tokens = 1000, .checkpoint_path = folder_.file("checkpoints")});
    ASSERT_TRUE(tenants.ok()) << tenants.error().message;
    tenants_ = std::move(*tenants);
  }
  void advance(int64_t us) {
    clock_.advance_us(us);
    wall_.advance_us(us);
  }
  TenantRecord tenant(const std::string& name, const Limits& limits = {}) { return tenants_->create_tenant(name, limits, kActor).value(); }
  CreatedKey key(const TenantRecord& tenant, const Limits& limits = {}) {
    return tenants_->create_key({.tenant = tenant.id, .name = "k", .limits = limits}, kActor).value();
  }
  Principal principal(const CreatedKey& key) { return tenants_->authenticate(key.secret).value(); }
  UsageRecord usage(int64_t prompt, int64_t generated) {
    UsageRecord record;
    record.request_id = "req-" + std::to_string(++n_requests_);
    record.model = "kindling";
    record.endpoint = "openai.chat";
    record.finish_reason = "stop";
    record.tokens = {.prompt = prompt, .cached = 0, .generated = generated};
    return record;
  }
  static Refusal refusal(AdmissionOrRefusal answer) {
    Refusal* refused = std::get_if<Refusal>(&answer);
    EXPECT_NE(refused, nullptr) << "was admitted";
    return refused != nullptr ? *refused : Refusal{};
  }
  static Admission admission(AdmissionOrRefusal answer) {
    const Refusal* refused = std::get_if<Refusal>(&answer);
    EXPECT_EQ(refused, nullptr) << refused->message;
    return refused == nullptr ? std::get<Admission>(std::move(answer)) : Admission();
  }

  TestFolder folder_;
  VirtualClock clock_, wall_;
  ServerSecret secret_ = ServerSecret::fresh();
  std::unique_ptr<Store> store_;
  std::unique_ptr<Tenants> tenants_;
  int n_requests_ = 0;
};

}  // namespace firesteel
