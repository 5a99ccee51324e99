// Variants, rollouts and monitoring on a real PostgreSQL server: the same people on both stores, and the same figures come back.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/rng.h"
#include "release/controller.h"
#include "release/monitor.h"
#include "release/monitor_history.h"
#include "release/registry.h"
#include "store/postgres_server.h"
#include "store/postgres_store.h"
#include "store/sqlite_store.h"

namespace firesteel {
namespace {

constexpr int64_t kStartHour = 500'000, kHourUs = int64_t{3600} * 1'000'000;

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

const char* const kRules = R"(
[[rule]]
name = "errors"
metric = "error_rate"
above = 0.02
min_answers = 10
window_hours = 24
by = ["surface", "tenant"]
[[rule]]
name = "lengths"
metric = "output_drift"
above = 0.01
min_answers = 20
window_hours = 24
[[rule]]
name = "grades"
metric = "judge_score"
below = 0.9
min_answers = 5
window_hours = 24
)";

// Everything of one installation, on the store that is given.
struct World {
  explicit World(std::unique_ptr<Store> store_in) : store(std::move(store_in)) {
    clock.advance_us(kStartHour * kHourUs);
    tenants = Tenants::open(*store, secret, {.wall = &clock}).value();
    registry = std::make_unique<Registry>(*store, *tenants, clock);
    controller = std::make_unique<ReleaseController>(*store, *tenants, secret, std::function<void(const RolloutRecord&, const RolloutEvent&)>(), clock);
  }

  Assignment assignment(const std::string& digest, const std::string& surface) const {
    Assignment out;
    out.name = "kindling";
    out.digest = digest;
    out.surface = surface;
    return out;
  }

  // Four days of answers by two variants over two surfaces and two tenants, with ratings, votes and samples. The same for the same seed.
  void people(uint64_t seed, const std::string& first, const std::string& second, const std::string& prefix) {
    Rng rng(seed);
    for (int64_t i = 0; i < 400; ++i) {
      if (i % 4 == 3) clock.advance_us(kHourUs);
      const Assignment answered = assignment(rng.below(2) == 0 ? first : second, rng.below(3) == 0 ? "api" : "web");
      const std::string tenant = rng.below(4) == 0 ? "ten_b" : "ten_a", request = prefix + std::to_string(i);
      AnswerFacts facts;
      facts.error = rng.below(20) == 0;
      facts.refusal = rng.below(10) == 0;
      facts.cut = rng.below(10) == 0;
      facts.first_token_us = rng.between(1000, 900'000);
      facts.total_us = facts.first_token_us + rng.between(0, 5'000'000);
      facts.prompt_tokens = rng.between(1, 4000);
      facts.generated_tokens = rng.between(1, 2'000'000'000);   // sums beyond 32 bits
      facts.input_bucket = static_cast<int>(rng.below(64));
      if (rng.below(3) == 0) facts.agreement = rng.uniform();
      controller->record(answered, tenant, request, "", facts);
      if (rng.below(5) == 0) controller->rate(tenant, request, "", rng.below(2) == 0 ? 1 : -1);
      SampleFacts sample;
      if (rng.below(4) == 0) sample.judged = rng.uniform();
      if (rng.below(4) == 0) sample.embedding = std::vector<float>(32, static_cast<float>(rng.uniform()));
      controller->record_sample(answered, tenant, sample);
    }
    EXPECT_TRUE(controller->flush().ok());
  }

  // What monitoring says, as text.
  std::string watched() {
    std::string out;
    const std::vector<MonitorRule> rules = parse_monitor_file(kRules, "rules").value().rules;
    for (const int64_t hour : {kStartHour + 30, kStartHour + 99, kStartHour + 100}) {
      const auto readings = read_monitors(*store, rules, hour);
      if (!readings.ok()) return readings.error().message;
      for (const MonitorReading& one : *readings) out += one.rule + " " + one.variant + " " + one.surface + " " + one.tenant + " " + std::to_string(one.value) + " of " + std::to_string(one.n) + "\n";
      const std::vector<MonitorAlert> told = update_alerts(*store, rules, *readings, hour * kHourUs).value();
      for (const MonitorAlert& alert : told) out += (alert.begins ? "begins " : "over ") + alert.text + "\n";
    }
    const std::vector<MonitorAlert> kept = read_alerts(*store, 0, 100).value();
    for (const MonitorAlert& alert : kept) out += alert.text + " at " + std::to_string(alert.at_us) + "\n";
    return out;
  }
  std::string charted() {
    std::string out;
    for (const HistoryBy by : {HistoryBy::kVariant, HistoryBy::kSurface, HistoryBy::kTenant}) {
      for (const char* tenant : {"", "ten_b"}) {
        HistoryQuery query{.until_hour = kStartHour + 104, .step_hours = 24, .n_steps = 5};
        query.by = by;
        query.tenant = tenant;
        const auto history = read_history(*store, query);
        if (!history.ok()) return history.error().message;
        for (const HistoryLine& line : history->lines) {
          out += line.key + " " + std::to_string(line.n_answers);
          for (size_t m = 0; m < kMonitorMetrics; ++m) {
            for (const auto& value : line.values[m]) out += value ? " " + std::to_string(*value) : " -";
            out += line.totals[m] ? " all " + std::to_string(*line.totals[m]) + ";" : " all -;";
          }
          out += "\n";
        }
      }
    }
    return out;
  }

  VirtualClock clock;
  const ServerSecret secret = ServerSecret::fresh();
  std::unique_ptr<Store> store;
  std::unique_ptr<Tenants> tenants;
  std::unique_ptr<Registry> registry;
  std::unique_ptr<ReleaseController> controller;
};

class ReleasePostgresSlow : public ::testing::Test {
 protected:
  void SetUp() override {
    if (PostgresServer::binary_folder().empty()) GTEST_SKIP() << "no PostgreSQL server is installed (Debian: postgresql)";
    server_ = std::make_unique<PostgresServer>();
    ASSERT_TRUE(server_->start());
  }
  std::unique_ptr<Store> postgres() { return open_postgres_store({.conninfo = server_->conninfo()}).value(); }
  std::unique_ptr<Store> sqlite() { return open_sqlite_store({.path = folder_.file("store.db")}).value(); }

  TestFolder folder_;
  std::unique_ptr<PostgresServer> server_;
};

TEST_F(ReleasePostgresSlow, MonitoringSaysTheSameAsOnSqlite) {
  World one(sqlite()), other(postgres());
  for (World* world : {&one, &other}) world->people(1, "aaaa1111", "bbbb2222", "req_");
  const std::string watched = one.watched(), charted = one.charted();
  EXPECT_NE(watched.find("begins"), std::string::npos) << "the figures are of something:\n" << watched;
  EXPECT_NE(charted.find("aaaa1111 "), std::string::npos);
  EXPECT_EQ(other.watched(), watched);
  EXPECT_EQ(other.charted(), charted);
  // Sums of days in the place of hours, and what a tenant's erasure leaves.
  for (World* world : {&one, &other}) EXPECT_GT(fold_monitoring(*world->store, kStartHour + 60).value(), 0);
  EXPECT_EQ(other.charted(), one.charted());
  EXPECT_EQ(forget_monitoring(*other.store, 0, "ten_b").value(), forget_monitoring(*one.store, 0, "ten_b").value());
  EXPECT_EQ(other.charted(), one.charted());
  EXPECT_EQ(one.charted().find("ten_b"), std::string::npos);
}

// Two replicas, each with its own connections, count into the same rows.
TEST_F(ReleasePostgresSlow, ReplicasLoseNoAnswer) {
  World left(postgres()), right(postgres());
  std::thread beside([&] { right.people(3, "aaaa1111", "bbbb2222", "right_"); });
  left.people(2, "aaaa1111", "bbbb2222", "left_");
  beside.join();
  int64_t n = 0;
  ASSERT_TRUE(left.store->read([&](Reader& reader) {
    return reader.each("SELECT value FROM variant_hours WHERE metric = 'answers'", {}, [&](const Row& row) { n += row.integer(0); return true; });
  }).ok());
  EXPECT_EQ(n, 800);
}

TEST_F(ReleasePostgresSlow, ARolloutGoesItsWay) {
  World world(postgres());
  const Actor actor{"test"};
  VariantSpec first, second;
  first.system = "a";
  second.system = "b";
  const Variant a = world.registry->create("kindling", first, {}, actor).value(), b = world.registry->create("kindling", second, {}, actor).value();
  EXPECT_EQ(world.registry->find("kindling", "champion").value().digest, a.digest);
  const RolloutRecord rollout = world.registry->start(parse_plan(kPlan, "plan").value(), {}, actor).value();
  ASSERT_TRUE(world.controller->tick(false).ok());
  int n_candidate = 0;
  for (int i = 0; i < 600; ++i) {
    const auto answered = world.controller->assign("kindling", {"web"}, "ten_a", "u" + std::to_string(i));
    ASSERT_TRUE(answered && answered->rollout == rollout.id);
    n_candidate += answered->candidate ? 1 : 0;
    world.controller->record(*answered, "ten_a", "req_" + std::to_string(i), "", {.first_token_us = 1000, .total_us = 2000, .generated_tokens = 3});
  }
  EXPECT_NEAR(n_candidate, 300, 75);
  ASSERT_TRUE(world.controller->flush().ok());
  ASSERT_TRUE(world.controller->tick(true).ok());
  EXPECT_EQ(world.registry->rollout(rollout.id).value().state.status, RolloutStatus::kPromoted);
  EXPECT_EQ(world.registry->find("kindling", "champion").value().digest, b.digest);
  EXPECT_EQ(world.controller->assign("kindling", {"web"}, "ten_a", "u1")->digest, b.digest) << "the snapshot follows";
  EXPECT_EQ(world.registry->roll_back("kindling", "worse after all", actor).value().digest, a.digest);
  EXPECT_TRUE(world.store->check_integrity().ok());
}

}  // namespace
}  // namespace firesteel
