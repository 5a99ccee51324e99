#include "tenants/tenants.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>

#include "base/mapped_file.h"
#include "store/sqlite_store.h"
#include "store/test_folder.h"

namespace firesteel {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
const Actor kActor{"test"};

class TenantsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    wall_.advance_us(1'790'000'000 * kSecondUs);
    open_store();
    reopen();
  }
  void open_store() {
    auto store = open_sqlite_store({.path = folder_.file("store.db")});
    ASSERT_TRUE(store.ok()) << store.error().message;
    store_ = std::move(*store);
  }
  void reopen() {
    auto tenants = Tenants::open(*store_, secret_, {.clock = &clock_, .wall = &wall_, .kv_tokens = 1000, .checkpoint_path = {}});
    ASSERT_TRUE(tenants.ok()) << tenants.error().message;
    tenants_ = std::move(*tenants);
  }
  void advance(int64_t us) {
    clock_.advance_us(us);
    wall_.advance_us(us);
  }
  TenantRecord tenant(const std::string& name, const Limits& limits = {}) { return tenants_->create_tenant(name, limits, kActor).value(); }
  CreatedKey key(const TenantRecord& tenant, const Limits& limits = {}) {
    return tenants_->create_key({.tenant = tenant.id, .user = {}, .name = "k", .scopes = kDefaultScopes, .allowed_models = {}, .consent = false, .limits = limits, .expires_us = 0}, kActor).value();
  }
  Principal principal(const CreatedKey& key) { return tenants_->authenticate(key.secret).value(); }
  UsageRecord usage(int64_t prompt, int64_t generated) {
    UsageRecord record;
    record.request_id = "req-" + std::to_string(++n_requests_);
    record.model = "kindling";
    record.endpoint = "openai.chat";
    record.tokens = {.prompt = prompt, .cached = 0, .generated = generated};
    return record;
  }

  TestFolder folder_;
  VirtualClock clock_, wall_;
  ServerSecret secret_ = ServerSecret::fresh();
  std::unique_ptr<Store> store_;
  std::unique_ptr<Tenants> tenants_;
  int n_requests_ = 0;
};

TEST_F(TenantsTest, KeyNamesItsTenant) {
  const TenantRecord a = tenant("a");
  const TenantRecord b = tenant("b");
  const CreatedKey of_a = key(a);
  const CreatedKey of_b = key(b);
  EXPECT_EQ(principal(of_a).tenant, a.id);
  EXPECT_EQ(principal(of_b).tenant, b.id);
  EXPECT_NE(principal(of_a).cache_namespace, principal(of_b).cache_namespace);
  EXPECT_NE(principal(of_a).flow, principal(of_b).flow);
  EXPECT_EQ(principal(of_a).cache_namespace, principal(key(a)).cache_namespace);
}

}  // namespace
}  // namespace firesteel
