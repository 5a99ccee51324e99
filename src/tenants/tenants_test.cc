#include "tenants/tenants.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "base/mapped_file.h"
#include "base/rng.h"
#include "tenants/key_secret.h"
#include "tenants/tenants_fixture.h"

namespace firesteel {
namespace {

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

TEST_F(TenantsTest, CacheNamespaceDependsOnTheServerSecret) {
  const TenantRecord a = tenant("a");
  const CacheNamespace before = principal(key(a)).cache_namespace;
  secret_ = ServerSecret::fresh();
  reopen();
  EXPECT_NE(principal(key(a)).cache_namespace, before);
}

TEST_F(TenantsTest, WrongSecretsAllGetTheSameAnswer) {
  const CreatedKey good = key(tenant("a"));
  std::vector<std::string> wrong = {"", "fs-", "sk-123", good.secret + "0", good.secret.substr(1), std::string(1000, 'a'), "fs-' OR 1=1 --"};
  for (size_t i = 0; i < good.secret.size(); ++i) {
    std::string changed = good.secret;
    changed[i] = changed[i] == '7' ? '8' : '7';
    wrong.push_back(changed);
  }
  wrong.push_back(random_secret("fs-"));
  for (const std::string& secret : wrong) {
    const auto result = tenants_->authenticate(secret);
    ASSERT_FALSE(result.ok()) << secret;
    EXPECT_EQ(result.error().code, ErrorCode::kUnauthenticated);
    EXPECT_EQ(result.error().message, tenants_->authenticate("").error().message);
  }
  EXPECT_TRUE(tenants_->authenticate(good.secret).ok());
}

TEST_F(TenantsTest, SecretsAreNowhereInTheStore) {
  const CreatedKey made = key(tenant("a"));
  const std::string session = tenants_->open_session(principal(made), 1000 * kSecondUs).value();
  ASSERT_TRUE(store_->backup(folder_.file("copy.db")).ok());
  const std::string content = read_file(folder_.file("copy.db"), 64 << 20).value();
  EXPECT_EQ(content.find(made.secret.substr(0, 20)), std::string::npos);
  EXPECT_EQ(content.find(session.substr(0, 20)), std::string::npos);
  EXPECT_NE(content.find(made.record.id.str()), std::string::npos);  // the search would find it
}

TEST_F(TenantsTest, ExpiryRevocationAndDisabling) {
  const TenantRecord a = tenant("a");
  KeySpec spec{.tenant = a.id, .name = "short", .expires_us = wall_.now_us() + 10 * kSecondUs};
  const CreatedKey expiring = tenants_->create_key(spec, kActor).value();
  const CreatedKey revoked = key(a);
  const CreatedKey good = key(a);
  EXPECT_TRUE(tenants_->authenticate(expiring.secret).ok());
  advance(10 * kSecondUs);
  EXPECT_FALSE(tenants_->authenticate(expiring.secret).ok());
  const Principal stale = principal(revoked);
  ASSERT_TRUE(tenants_->revoke_key(a.id, revoked.record.id, kActor).ok());
  EXPECT_FALSE(tenants_->authenticate(revoked.secret).ok());
  EXPECT_EQ(refusal(tenants_->admit(stale, 1, 1)).kind, Refusal::Kind::kRevoked);
  EXPECT_EQ(tenants_->revoke_key(a.id, revoked.record.id, kActor).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(tenants_->set_tenant_disabled(a.id, true, kActor).ok());
  EXPECT_FALSE(tenants_->authenticate(good.secret).ok());
  ASSERT_TRUE(tenants_->set_tenant_disabled(a.id, false, kActor).ok());
  EXPECT_TRUE(tenants_->authenticate(good.secret).ok());
  reopen();
  EXPECT_TRUE(tenants_->authenticate(good.secret).ok());
  EXPECT_FALSE(tenants_->authenticate(revoked.secret).ok());
}

TEST_F(TenantsTest, RotationOverlaps) {
  const TenantRecord a = tenant("a");
  const CreatedKey old = key(a, {.requests_per_minute = 7});
  const auto rotated = tenants_->rotate_key(a.id, old.record.id, 60 * kSecondUs, kActor);
  ASSERT_TRUE(rotated.ok()) << rotated.error().message;
  EXPECT_EQ(rotated->record.limits.requests_per_minute, 7);
  // Not one moment without a working key.
  EXPECT_TRUE(tenants_->authenticate(old.secret).ok());
  EXPECT_TRUE(tenants_->authenticate(rotated->secret).ok());
  EXPECT_EQ(tenants_->find_key(a.id, old.record.id)->replaced_by, rotated->record.id);
  EXPECT_EQ(tenants_->rotate_key(a.id, old.record.id, 0, kActor).error().code, ErrorCode::kFailedPrecondition);
  advance(60 * kSecondUs);
  EXPECT_FALSE(tenants_->authenticate(old.secret).ok());
  EXPECT_TRUE(tenants_->authenticate(rotated->secret).ok());
}

TEST_F(TenantsTest, UsersBelongToOneTenant) {
  const TenantRecord a = tenant("a");
  const TenantRecord b = tenant("b");
  const UserRecord user = tenants_->create_user(a.id, "Ada", kActor).value();
  EXPECT_EQ(tenants_->create_user(a.id, "Ada", kActor).error().code, ErrorCode::kFailedPrecondition);
  EXPECT_TRUE(tenants_->create_user(b.id, "Ada", kActor).ok());
  EXPECT_EQ(tenants_->create_key({.tenant = b.id, .user = user.id, .name = "k"}, kActor).error().code, ErrorCode::kNotFound);
  const CreatedKey of_user = tenants_->create_key({.tenant = a.id, .user = user.id, .name = "k", .consent = true}, kActor).value();
  EXPECT_EQ(principal(of_user).user, user.id);
  EXPECT_TRUE(principal(of_user).consent);
  EXPECT_EQ(tenants_->set_user_disabled(b.id, user.id, true, kActor).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(tenants_->set_user_disabled(a.id, user.id, true, kActor).ok());
  EXPECT_FALSE(tenants_->authenticate(of_user.secret).ok());
}

TEST_F(TenantsTest, ForeignKeysAreNotFound) {
  const TenantRecord a = tenant("a");
  const TenantRecord b = tenant("b");
  const CreatedKey of_a = key(a);
  EXPECT_FALSE(tenants_->find_key(b.id, of_a.record.id).has_value());
  EXPECT_EQ(tenants_->revoke_key(b.id, of_a.record.id, kActor).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(tenants_->rotate_key(b.id, of_a.record.id, 0, kActor).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(tenants_->set_key_limits(b.id, of_a.record.id, {}, kActor).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(tenants_->list_keys(b.id).empty());
  EXPECT_TRUE(tenants_->authenticate(of_a.secret).ok());
}

TEST_F(TenantsTest, SessionEndsWithItsKeyItsTimeOrOnRequest) {
  const TenantRecord a = tenant("a");
  const CreatedKey made = key(a);
  const std::string session = tenants_->open_session(principal(made), 100 * kSecondUs).value();
  const std::string closed = tenants_->open_session(principal(made), 100 * kSecondUs).value();
  EXPECT_EQ(tenants_->authenticate_session(session)->key, made.record.id);
  EXPECT_FALSE(tenants_->authenticate_session(made.secret).ok());
  EXPECT_FALSE(tenants_->authenticate(session).ok());
  ASSERT_TRUE(tenants_->close_session(closed).ok());
  EXPECT_FALSE(tenants_->authenticate_session(closed).ok());
  reopen();
  EXPECT_TRUE(tenants_->authenticate_session(session).ok());
  advance(100 * kSecondUs);
  EXPECT_FALSE(tenants_->authenticate_session(session).ok());
  const std::string another = tenants_->open_session(principal(made), 100 * kSecondUs).value();
  ASSERT_TRUE(tenants_->revoke_key(a.id, made.record.id, kActor).ok());
  EXPECT_FALSE(tenants_->authenticate_session(another).ok());
}

TEST_F(TenantsTest, ChangesOfAnotherProcessCountSoon) {
  const TenantRecord a = tenant("a");
  const CreatedKey made = key(a);
  auto beside = Tenants::open(*store_, secret_, {.clock = &clock_, .wall = &wall_});
  ASSERT_TRUE(beside.ok());
  EXPECT_TRUE((*beside)->authenticate(made.secret).ok());
  ASSERT_TRUE(tenants_->revoke_key(a.id, made.record.id, kActor).ok());
  const CreatedKey later = key(a);
  advance(Tenants::kRefreshIntervalUs);
  EXPECT_FALSE((*beside)->authenticate(made.secret).ok());
  EXPECT_TRUE((*beside)->authenticate(later.secret).ok());
}

TEST_F(TenantsTest, NamesAndLimitsAreChecked) {
  const TenantRecord a = tenant("a");
  const std::vector<std::string> names = {"", std::string(129, 'a'), "a\nb", "\x1b[2J", "\xff", a.id.str()};
  for (const std::string& name : names) EXPECT_EQ(tenants_->create_tenant(name, {}, kActor).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(tenants_->create_tenant("a", {}, kActor).error().code, ErrorCode::kFailedPrecondition);
  for (const int64_t value : {int64_t{-2}, INT64_MAX, INT64_MIN}) {
    EXPECT_EQ(tenants_->create_tenant("b", {.tokens_per_minute = value}, kActor).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(tenants_->create_tenant("b", {.kv_share_percent = value}, kActor).error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(tenants_->create_key({.tenant = TenantId::fresh(), .name = "k"}, kActor).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(tenants_->create_key({.tenant = a.id, .name = "k", .scopes = Scope::kNone}, kActor).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(tenants_->rename_tenant(TenantId::fresh(), "x", kActor).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(tenants_->rename_tenant(a.id, "renamed", kActor).ok());
  EXPECT_EQ(tenants_->find_tenant("renamed")->id, a.id);
  EXPECT_FALSE(tenants_->find_tenant("a").has_value());
}

TEST_F(TenantsTest, ManyThreadsAuthenticateWhileKeysChange) {
  const TenantRecord a = tenant("a");
  const CreatedKey steady = key(a);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 300; ++n) EXPECT_TRUE(tenants_->authenticate(steady.secret).ok());
    });
  }
  for (int n = 0; n < 20; ++n) {
    const CreatedKey made = key(a);
    EXPECT_TRUE(tenants_->revoke_key(a.id, made.record.id, kActor).ok());
    EXPECT_FALSE(tenants_->authenticate(made.secret).ok());
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(TenantsTest, FirstStartMakesAKeyOnce) {
  const std::string state = folder_.file("state/deep");
  auto secret = load_or_create_secret(state);
  ASSERT_TRUE(secret.ok()) << secret.error().message;
  secret_ = *secret;
  reopen();
  const auto first = tenants_->bootstrap(state);
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_TRUE(first->first_start);
  std::string text = read_file(first->admin_key_path, 4096).value();
  text.pop_back();
  const auto admin = tenants_->authenticate(text);
  ASSERT_TRUE(admin.ok());
  EXPECT_TRUE(admin->may(Scope::kAdmin) && admin->may(Scope::kInference | Scope::kTenantAdmin));
  EXPECT_EQ(admin->tenant_name, "default");
  for (const std::string& path : {first->admin_key_path, state + "/server.secret"}) {
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
  }
  struct stat folder {};
  ASSERT_EQ(::stat(state.c_str(), &folder), 0);
  EXPECT_EQ(folder.st_mode & 0777, 0700u);
  // Later starts change nothing; a removed file stays removed.
  const auto second = tenants_->bootstrap(state);
  ASSERT_TRUE(second.ok());
  EXPECT_FALSE(second->first_start);
  EXPECT_EQ(second->admin_key_path, first->admin_key_path);
  ::unlink(first->admin_key_path.c_str());
  EXPECT_EQ(tenants_->bootstrap(state)->admin_key_path, "");
  EXPECT_EQ(tenants_->list_keys(admin->tenant).size(), 1u);
}

TEST_F(TenantsTest, SecretThatOthersMayReadIsRefused) {
  const std::string state = folder_.file("state");
  ASSERT_TRUE(load_or_create_secret(state).ok());
  ASSERT_EQ(::chmod((state + "/server.secret").c_str(), 0640), 0);
  EXPECT_EQ(load_or_create_secret(state).error().code, ErrorCode::kFailedPrecondition);
  ASSERT_EQ(::chmod((state + "/server.secret").c_str(), 0600), 0);
  EXPECT_TRUE(load_or_create_secret(state).ok());
  ASSERT_TRUE(write_file_atomic(state + "/server.secret", "short\n").ok());
  ASSERT_EQ(::chmod((state + "/server.secret").c_str(), 0600), 0);
  EXPECT_EQ(load_or_create_secret(state).error().code, ErrorCode::kDataLoss);
}

TEST(ServerSecret, PurposesHaveDifferentKeys) {
  const ServerSecret secret = ServerSecret::fresh();
  EXPECT_NE(secret.derive(ServerSecret::Purpose::kKeyHash), secret.derive(ServerSecret::Purpose::kSession));
  EXPECT_EQ(secret.derive(ServerSecret::Purpose::kKeyHash), secret.derive(ServerSecret::Purpose::kKeyHash));
  EXPECT_NE(secret.derive(ServerSecret::Purpose::kKeyHash), ServerSecret::fresh().derive(ServerSecret::Purpose::kKeyHash));
}

}  // namespace
}  // namespace firesteel
