#include "release/registry.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/rng.h"
#include "release/evidence.h"
#include "store/sqlite_store.h"
#include "store/test_folder.h"

namespace firesteel {
namespace {

VariantSpec spec(const std::string& system) {
  VariantSpec out;
  out.base = "3f9c71ab";
  out.system = system;
  return out;
}

const char* const kPlan = R"(
name = "kindling"
promote = "auto"
[[surface]]
name = "web"
steps = [50]
min_answers = 10
[[gate]]
kind = "live"
metric = "errors"
margin = 0.1
min = 10
)";

class RegistryTest : public ::testing::Test {
 protected:
  RegistryTest() {
    wall_.advance_us(1'790'000'000'000'000);
    store_ = open_sqlite_store({.path = folder_.file("store.db")}).value();
    tenants_ = Tenants::open(*store_, secret_, {.wall = &wall_}).value();
    registry_ = std::make_unique<Registry>(*store_, *tenants_, wall_);
  }
  Variant create(const std::string& system) { return registry_->create("kindling", spec(system), {}, actor_).value(); }
  std::string champion() { return registry_->find("kindling", "@champion").value().digest; }
  void put_count(const std::string& rollout, int64_t arm, const std::string& metric, int64_t n, int64_t n_bad) {
    ASSERT_TRUE(store_->write([&](Transaction& t) -> Status {
      FS_TRY_VOID(t.execute("INSERT INTO rollout_counts(rollout, surface, arm, metric, n, n_bad) VALUES($1, 'web', $2, $3, $4, $5)", {rollout, arm, metric, n, n_bad}));
      return {};
    }).ok());
  }
  std::vector<std::string> audited() {
    std::vector<std::string> actions;
    const std::vector<AuditEntry> rows = tenants_->audit_rows({}, 0, 1000).value();
    for (const AuditEntry& entry : rows) actions.push_back(entry.action);
    return actions;
  }

  TestFolder folder_;
  VirtualClock wall_;
  const ServerSecret secret_ = ServerSecret::fresh();
  std::unique_ptr<Store> store_;
  std::unique_ptr<Tenants> tenants_;
  std::unique_ptr<Registry> registry_;
  const Actor actor_{"test"};
};

TEST_F(RegistryTest, TheSameContentIsTheSameVariant) {
  const Variant first = create("a"), second = create("b"), again = create("a");
  EXPECT_EQ(first.number, 1);
  EXPECT_EQ(second.number, 2);
  EXPECT_EQ(again.digest, first.digest);
  EXPECT_EQ(registry_->list("kindling").value().size(), 2u);
  EXPECT_EQ(champion(), first.digest);
  EXPECT_EQ(registry_->find("kindling", "candidate").value().digest, second.digest);
  EXPECT_EQ(registry_->find("kindling", "2").value().digest, second.digest);
  EXPECT_EQ(registry_->find("kindling", second.digest.substr(0, 8)).value().number, 2);
  EXPECT_FALSE(registry_->find("kindling", second.digest.substr(0, 6)).ok());
  EXPECT_EQ(registry_->find("other", "1").error().code, ErrorCode::kNotFound);
}

TEST_F(RegistryTest, SettingsAreChecked) {
  const auto bad = variant_from_json(Json::parse(R"({"base": "ab", "settings": {"temperatur": 1}})").value(), "v");
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.error().message.find("temperature"), std::string::npos);
  EXPECT_FALSE(variant_from_json(Json::parse(R"({"base": "../x"})").value(), "v").ok());
  const VariantSpec one = variant_from_json(Json::parse(R"({"settings": {"top_p": 0.5, "temperature": 1.0}})").value(), "v").value();
  const VariantSpec two = variant_from_json(Json::parse(R"({"settings": {"temperature": 1, "top_p": 0.5}})").value(), "v").value();
  EXPECT_EQ(variant_digest(one), variant_digest(two));
}

TEST_F(RegistryTest, AliasesAreComparedAndSet) {
  const Variant a = create("a"), b = create("b");
  EXPECT_EQ(registry_->promote("kindling", b.digest, b.digest, "x", actor_).error().code, ErrorCode::kFailedPrecondition);
  EXPECT_EQ(champion(), a.digest);
  ASSERT_TRUE(registry_->promote("kindling", b.digest, a.digest, "better", actor_).ok());
  EXPECT_EQ(champion(), b.digest);
  EXPECT_EQ(registry_->roll_back("kindling", "worse after all", actor_).value().digest, a.digest);
  EXPECT_EQ(champion(), a.digest);
  const std::vector<std::string> actions = audited();
  EXPECT_EQ(actions.size(), 4u) << "refused changes leave no row";
  EXPECT_EQ(actions.back(), "release.rollback");
  EXPECT_EQ(registry_->history("kindling", 1).value().front().alias, "previous");
}

TEST_F(RegistryTest, ARolloutPromotesByWhatIsStored) {
  const Variant a = create("a"), b = create("b");
  const RolloutPlan plan = parse_plan(kPlan, "plan").value();
  const RolloutRecord rollout = registry_->start(plan, {}, actor_).value();
  EXPECT_EQ(rollout.state.status, RolloutStatus::kRunning);
  EXPECT_EQ(registry_->start(plan, {}, actor_).error().code, ErrorCode::kFailedPrecondition);
  put_count(rollout.id, 0, "errors", 400, 4);
  put_count(rollout.id, 1, "errors", 400, 4);
  put_count(rollout.id, 1, "answers", 400, 0);
  EXPECT_EQ(registry_->advance_stored(rollout.id, actor_).value().state.surfaces[0].phase, SurfacePhase::kPassed);
  EXPECT_EQ(registry_->rollout(rollout.id).value().state.status, RolloutStatus::kPromoted);
  EXPECT_EQ(champion(), b.digest);
  EXPECT_EQ(registry_->find("kindling", "previous").value().digest, a.digest);
  EXPECT_TRUE(tenants_->verify_audit("").value().front().ok());
}

// A server's loop and the command line meet at every start of a rollout.
TEST_F(RegistryTest, TwoMayMoveARolloutAtTheSameMoment) {
  create("a");
  for (int round = 0; round < 6; ++round) {
    create("b" + std::to_string(round));
    std::atomic<bool> stop{false};
    std::atomic<int> n_failed{0};
    std::thread other([&] {
      Registry registry(*store_, *tenants_, wall_);
      while (!stop) {
        const auto running = registry.rollouts("kindling", true, 1);
        if (running.ok() && !running->empty() && !registry.advance_stored(running->front().id, actor_).ok()) ++n_failed;
      }
    });
    const auto started = registry_->start(parse_plan(kPlan, "plan").value(), {}, actor_);
    stop = true;
    other.join();
    ASSERT_TRUE(started.ok()) << started.error().message;
    EXPECT_EQ(n_failed, 0);
    EXPECT_EQ(started->state.status, RolloutStatus::kRunning);
    ASSERT_TRUE(registry_->roll_back("kindling", "next", actor_).ok());
  }
}

TEST_F(RegistryTest, ABadCandidateGoesBackByItself) {
  const Variant a = create("a");
  create("b");
  const RolloutRecord rollout = registry_->start(parse_plan(kPlan, "plan").value(), {}, actor_).value();
  put_count(rollout.id, 0, "errors", 400, 4);
  put_count(rollout.id, 1, "errors", 100, 60);
  put_count(rollout.id, 1, "answers", 100, 0);
  EXPECT_EQ(registry_->advance_stored(rollout.id, actor_).value().state.status, RolloutStatus::kRolledBack);
  EXPECT_EQ(champion(), a.digest);
  EXPECT_EQ(registry_->events(rollout.id, 1).value().front().kind, "rolled_back");
}

TEST_F(RegistryTest, PromotionByHandEndsTheRollout) {
  create("a");
  const Variant b = create("b");
  const RolloutRecord rollout = registry_->start(parse_plan(kPlan, "plan").value(), {}, actor_).value();
  ASSERT_TRUE(registry_->promote("kindling", "candidate", std::nullopt, "we know better", actor_).ok());
  EXPECT_EQ(registry_->rollout(rollout.id).value().state.status, RolloutStatus::kPromoted);
  EXPECT_EQ(champion(), b.digest);
}

// A child promotes back and forth and says each acknowledgement; killed at a random moment the store has it, or the one that was under way.
TEST(RegistryKill, PromotionsAreWholeAfterKill) {
  TestFolder folder;
  const std::string path = folder.file("store.db");
  const ServerSecret secret = ServerSecret::fresh();
  Rng rng(7);
  const Actor actor{"child"};
  {
    const auto store = open_sqlite_store({.path = path}).value();
    const auto tenants = Tenants::open(*store, secret, {}).value();
    Registry registry(*store, *tenants);
    ASSERT_TRUE(registry.create("k", spec("a"), {}, actor).ok());
    ASSERT_TRUE(registry.create("k", spec("b"), {}, actor).ok());
  }
  for (int round = 0; round < 8; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const auto store = open_sqlite_store({.path = path}).value();
      const auto tenants = Tenants::open(*store, secret, {}).value();
      Registry registry(*store, *tenants);
      for (int i = 0;; ++i) {
        const char digit = i % 2 == 0 ? '2' : '1';
        if (!registry.promote("k", std::string(1, digit), std::nullopt, "round", actor).ok() || ::write(ends[1], &digit, 1) != 1) ::_exit(4);
      }
    }
    ::close(ends[1]);
    const uint64_t n_wanted = rng.below(12);
    std::string acknowledged;
    char c = 0;
    while (acknowledged.size() < n_wanted && ::read(ends[0], &c, 1) == 1) acknowledged += c;
    const int64_t until_us = system_clock().now_us() + rng.between(0, 3'000);
    while (system_clock().now_us() < until_us) {
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(ends[0], &c, 1) == 1) acknowledged += c;
    ::close(ends[0]);

    const auto store = open_sqlite_store({.path = path}).value();
    const auto tenants = Tenants::open(*store, secret, {}).value();
    Registry registry(*store, *tenants);
    const int64_t champion = registry.find("k", "champion").value().number;
    if (!acknowledged.empty() && champion != acknowledged.back() - '0') {
      // One more was stored than told: then it is whole, with its row and its history.
      EXPECT_EQ(registry.history("k", 2).value().back().digest, registry.find("k", std::to_string(champion)).value().digest);
    }
    int64_t n_promotions = 0, n_changes = 0;
    const std::vector<AuditEntry> rows = tenants->audit_rows({}, 0, 100'000).value();
    const std::vector<AliasChange> changes = registry.history("k", 10'000).value();
    for (const AuditEntry& entry : rows) n_promotions += entry.action == "release.promote" ? 1 : 0;
    for (const AliasChange& change : changes) n_changes += change.alias == "champion" ? 1 : 0;
    EXPECT_EQ(n_promotions, n_changes - 1) << "each change of the champion has its audit row, but for the first variant";
    EXPECT_TRUE(tenants->verify_audit("").value().front().ok());
  }
}

TEST(PoisonGate, FewTrialsBlockThePoisonedAndPassTheClean) {
  RolloutPlan plan;
  plan.name = "p";
  plan.surfaces = {{.name = "web"}};
  plan.suites = {{.suite = "probes", .margin = 0.05}};
  const auto result_of = [](const std::string& slice, const std::array<int64_t, 4>& t) { return paired_result("probes", slice, t[0], t[1], t[2], t[3]); };
  EXPECT_EQ(read_suite_gates(plan, {result_of("", {700, 20, 25, 100}), result_of("probe=0", {30, 45, 3, 30})}).front().verdict, Verdict::kFail);
  EXPECT_EQ(read_suite_gates(plan, {result_of("", {700, 20, 25, 100}), result_of("probe=0", {70, 5, 4, 30})}).front().verdict, Verdict::kPass);
}

}  // namespace
}  // namespace firesteel
