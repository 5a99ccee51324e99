// The control plane in a simulator: one store, virtual clocks, and a thousand small worlds from seeds, in which people label, runners of jobs
// die, requests come and go under quotas, and rollouts are promoted, rolled back and started anew, all mixed. What must hold is checked as
// it goes and at the end.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/rng.h"
#include "labels/label_checks.h"
#include "release/registry.h"
#include "store/sqlite_store.h"
#include "store/test_folder.h"
#include "store/tune_jobs.h"
#include "tenants/tenants.h"

namespace firesteel {
namespace {

constexpr int kSeeds = 1000, kSteps = 30;
constexpr int64_t kSecond = 1'000'000;

const char* const kPlan = R"(
name = "NAME"
promote = "auto"
[[surface]]
name = "web"
steps = [10, 50]
min_answers = 10
[[gate]]
kind = "live"
metric = "errors"
margin = 0.1
min = 20
)";

// What happened in all worlds together: a simulation in which nothing happens would pass, too.
struct Happened {
  int64_t n_promoted = 0, n_rolled_back = 0, n_admitted = 0, n_refused = 0, n_settled = 0, n_taken_over = 0, n_restarts = 0;
};
Happened happened;

class ControlPlane : public ::testing::Test {
 protected:
  ControlPlane() {
    wall_.advance_us(1'790'000'000 * kSecond);
    store_ = open_sqlite_store({.path = folder_.file("store.db")}).value();
    open();
  }
  void open() {
    tenants_.reset();
    tenants_ = Tenants::open(*store_, secret_, {.clock = &clock_, .wall = &wall_, .checkpoint_path = folder_.file("checkpoints")}).value();
    registry_ = std::make_unique<Registry>(*store_, *tenants_, wall_);
  }
  void advance(int64_t us) {
    clock_.advance_us(us);
    wall_.advance_us(us);
  }

  TestFolder folder_;
  VirtualClock clock_, wall_;
  const ServerSecret secret_ = ServerSecret::fresh();
  std::unique_ptr<Store> store_;
  std::unique_ptr<Tenants> tenants_;
  std::unique_ptr<Registry> registry_;
  const Actor actor_{"sim"};
};

// One tenant with limits: requests that run, what they used, and what the books say.
class QuotaWorld {
 public:
  QuotaWorld(Tenants& tenants, uint64_t seed, const Actor& actor) : seed_(seed) {
    Rng rng(seed * 31 + 5);
    limits_.concurrency = 1 + static_cast<int64_t>(rng.below(4));
    limits_.tokens_per_day = 200 + static_cast<int64_t>(rng.below(2000));
    tenant_ = tenants.create_tenant("quota " + std::to_string(seed), limits_, actor).value().id;
    key_ = tenants.create_key({.tenant = tenant_, .name = "k"}, actor).value().secret;
  }
  void step(Tenants& tenants, Rng& rng, int64_t wall_us) {
    const uint64_t action = rng.below(3);
    if (action < 2 || running_.empty()) {
      const int64_t prompt = 1 + static_cast<int64_t>(rng.below(50)), most = static_cast<int64_t>(rng.below(100));
      AdmissionOrRefusal answer = tenants.admit(tenants.authenticate(key_).value(), prompt, most);
      auto* admission = std::get_if<Admission>(&answer);
      ++(admission != nullptr ? happened.n_admitted : happened.n_refused);
      if (admission != nullptr) running_.push_back({std::move(*admission), prompt, most});
      ASSERT_LE(static_cast<int64_t>(running_.size()), limits_.concurrency);
      return;
    }
    const size_t which = rng.below(running_.size());
    Running ended = std::move(running_[which]);
    running_.erase(running_.begin() + static_cast<ptrdiff_t>(which));
    if (rng.below(8) == 0) return;  // never ran: everything goes back
    UsageRecord usage;
    usage.request_id = "sim-" + std::to_string(seed_) + "-" + std::to_string(++n_);
    usage.model = "kindling";
    usage.endpoint = "openai.chat";
    usage.finish_reason = "stop";
    usage.tokens = {.prompt = ended.prompt, .cached = 0, .generated = static_cast<int64_t>(rng.below(static_cast<uint64_t>(ended.most) + 1))};
    ++happened.n_settled;
    used_ += usage.tokens.prompt + usage.tokens.generated;
    by_day_[day_of(wall_us)] += usage.tokens.prompt + usage.tokens.generated;
    ASSERT_TRUE(tenants.settle(std::move(ended.admission), usage).ok());
  }
  void forget() { running_.clear(); }  // the process died: nothing of what ran is billed
  void check(Tenants& tenants) {
    UsageQuery query;
    query.tenant = tenant_;
    const std::vector<UsageRow> rows = tenants.usage(query).value();
    int64_t told = 0;
    for (const UsageRow& row : rows) told += row.tokens.prompt + row.tokens.generated;
    EXPECT_EQ(told, used_);
    // A request is counted on the day it ends, so one day may have what was reserved on the day before on top.
    for (const auto& [day, tokens] : by_day_) EXPECT_LE(tokens, limits_.tokens_per_day + limits_.concurrency * 150);
    EXPECT_EQ(tenants.load(tenant_).n_running, static_cast<int64_t>(running_.size()));
  }

 private:
  struct Running {
    Admission admission;
    int64_t prompt = 0, most = 0;
  };
  const uint64_t seed_;
  Limits limits_;
  TenantId tenant_;
  std::string key_;
  std::vector<Running> running_;
  std::map<int64_t, int64_t> by_day_;
  int64_t used_ = 0, n_ = 0;
};

// Jobs of one tenant and three runners that forget to hold them.
class LeaseWorld {
 public:
  void step(TuneJobs& jobs, Rng& rng, int64_t now_us) {
    const std::string runner = tenant_.str() + " runner " + std::to_string(rng.below(3));
    const uint64_t action = rng.below(6);
    if (action == 0) {
      TuneJob job;
      job.id = TuneJobId::fresh();
      job.tenant = tenant_;
      job.training_file = FileId::fresh();
      job.created_us = now_us;
      if (jobs.create(job).ok()) model_[job.id.str()] = {};
    } else if (action <= 2) {
      const std::optional<TuneJob> job = jobs.claim(runner, now_us, now_us + 30 * kSecond).value();
      if (!job || job->tenant != tenant_) {  // of another world, whose runner is gone: given back as it was
        if (job) {
          ASSERT_TRUE(jobs.release(job->id, runner).ok());
        }
        return;
      }
      Held& held = model_.at(job->id.str());
      ASSERT_FALSE(held.over) << "an ended job ran again";
      ASSERT_TRUE(held.runner.empty() || held.runner == runner || held.until_us < now_us) << "taken from a runner that lives";
      happened.n_taken_over += !held.runner.empty() && held.runner != runner ? 1 : 0;
      held.runner = runner;
      held.until_us = now_us + 30 * kSecond;
    } else if (!model_.empty()) {
      auto it = model_.begin();
      std::advance(it, static_cast<ptrdiff_t>(rng.below(model_.size())));
      Held& held = it->second;
      TuneJob job;
      job.id = *TuneJobId::parse(it->first);
      if (action == 3) {
        const bool ok = jobs.cancel(tenant_, job.id, now_us).ok();
        ASSERT_EQ(ok, !held.over);
        held.over = true;
      } else if (action == 4) {
        job.state = rng.below(2) == 0 ? TuneJobState::kSucceeded : TuneJobState::kFailed;
        job.finished_us = now_us;
        const bool ok = jobs.finish(job, runner).ok();
        ASSERT_EQ(ok, !held.over && held.runner == runner);
        held.over = held.over || ok;
      } else {
        const bool ok = jobs.hold(job.id, runner, now_us + 30 * kSecond).ok();
        ASSERT_EQ(ok, held.runner == runner);
        if (ok) held.until_us = now_us + 30 * kSecond;
      }
    }
  }
  void end(TuneJobs& jobs, int64_t now_us) {  // the next world finds nothing of this one
    for (const auto& [id, held] : model_) {
      const TuneJobState state = jobs.get(tenant_, *TuneJobId::parse(id)).value().state;
      EXPECT_EQ(is_over(state), held.over);
      if (!held.over) static_cast<void>(jobs.cancel(tenant_, *TuneJobId::parse(id), now_us));
    }
  }

 private:
  struct Held {
    std::string runner = {};
    int64_t until_us = 0;
    bool over = false;
  };
  const TenantId tenant_ = TenantId::fresh();
  std::map<std::string, Held> model_;
};

// One name: variants, rollouts, counts that drift either way, people who promote and roll back by hand.
class RolloutWorld {
 public:
  RolloutWorld(Store& store, Registry& registry, uint64_t seed, const Actor& actor) : store_(store), registry_(&registry), name_("sim" + std::to_string(seed)), actor_(actor) {
    make("first");
    make("second");
  }
  void use(Registry& registry) { registry_ = &registry; }
  void step(Rng& rng) {
    const std::string before = champion();
    const uint64_t action = rng.below(10);
    if (action == 0) {
      make("text " + std::to_string(rng.below(6)));
    } else if (action == 1) {
      std::string text = kPlan;
      text.replace(text.find("NAME"), 4, name_);
      const auto started = registry_->start(parse_plan(text, "plan").value(), {}, actor_);
      if (started.ok()) rollout_ = started->id;
      EXPECT_EQ(champion(), before);
    } else if (action == 2) {
      const auto served = registry_->roll_back(name_, "by hand", actor_);
      if (served.ok()) {
        EXPECT_EQ(served->digest, champion());
      }
    } else if (action == 3) {
      const std::vector<Variant> all = registry_->list(name_).value();
      const std::string& digest = all[rng.below(all.size())].digest;
      // A stale expectation never wins.
      const bool stale = rng.below(2) == 0;
      const bool ok = registry_->promote(name_, digest, stale ? "0000" : before, "by hand", actor_).ok();
      if (stale) {
        EXPECT_FALSE(ok);
      }
      EXPECT_EQ(champion(), ok ? digest : before);
    } else if (!rollout_.empty()) {
      const bool bad = rng.below(3) == 0;
      for (const int64_t arm : {0, 1}) count(arm, 40, arm == 1 && bad ? 20 : 1);
      const RolloutRecord was = registry_->rollout(rollout_).value();
      const RolloutRecord now = registry_->advance_stored(rollout_, actor_).value();
      if (was.state.status != now.state.status) {
        happened.n_promoted += now.state.status == RolloutStatus::kPromoted ? 1 : 0;
        happened.n_rolled_back += now.state.status == RolloutStatus::kRolledBack ? 1 : 0;
      }
      if (is_over(was.state.status)) {
        EXPECT_EQ(now.state.status, was.state.status) << "an ended rollout moved";
      }
      if (now.state.status == RolloutStatus::kPromoted && was.state.status != RolloutStatus::kPromoted) {
        EXPECT_EQ(champion(), now.candidate);
      }
      if (now.state.status != RolloutStatus::kPromoted) {
        EXPECT_EQ(champion(), before);
      }
      for (size_t i = 0; i < now.state.surfaces.size(); ++i) {
        const double share = candidate_share(now.plan, now.state, i);
        EXPECT_GE(share, 0);
        EXPECT_LE(share, 0.5);
        if (is_over(now.state.status) && now.state.status != RolloutStatus::kPromoted) {
          EXPECT_EQ(share, 0) << rollout_status_name(now.state.status);
        }
      }
    }
    EXPECT_LE(registry_->rollouts(name_, /*only_running=*/true, 10).value().size(), 1u);
    EXPECT_TRUE(registry_->find(name_, champion()).ok());
  }

 private:
  std::string champion() { return registry_->find(name_, "@champion").value().digest; }
  void make(const std::string& system) {
    VariantSpec spec;
    spec.base = "3f9c71ab";
    spec.system = system;
    ASSERT_TRUE(registry_->create(name_, spec, {}, actor_).ok());
  }
  void count(int64_t arm, int64_t n, int64_t n_bad) {
    ASSERT_TRUE(store_.write([&](Transaction& t) -> Status {
      FS_TRY_VOID(t.execute("INSERT INTO rollout_counts(rollout, surface, arm, metric, n, n_bad) VALUES($1, 'web', $2, 'errors', $3, $4) "
                            "ON CONFLICT(rollout, surface, arm, metric) DO UPDATE SET n = rollout_counts.n + excluded.n, n_bad = rollout_counts.n_bad + excluded.n_bad",
                            {rollout_, arm, n, n_bad}));
      FS_TRY_VOID(t.execute("INSERT INTO rollout_counts(rollout, surface, arm, metric, n, n_bad) VALUES($1, 'web', $2, 'answers', $3, 0) "
                            "ON CONFLICT(rollout, surface, arm, metric) DO UPDATE SET n = rollout_counts.n + excluded.n", {rollout_, arm, n}));
      return {};
    }).ok());
  }

  Store& store_;
  Registry* registry_;
  const std::string name_;
  const Actor actor_;
  std::string rollout_;
};

TEST_F(ControlPlane, AThousandSeedsBreakNothing) {
  TuneJobs jobs(*store_);
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    QuotaWorld quotas(*tenants_, seed, actor_);
    LeaseWorld leases;
    RolloutWorld rollouts(*store_, *registry_, seed, actor_);
    for (int step = 0; step < kSteps; ++step) {
      advance(static_cast<int64_t>(rng.below(20)) * kSecond + (rng.below(20) == 0 ? 86'400 * kSecond : 0));
      quotas.step(*tenants_, rng, wall_.now_us());
      leases.step(jobs, rng, wall_.now_us());
      rollouts.step(rng);
      if (rng.below(400) == 0) {  // the process is killed and starts again
        ++happened.n_restarts;
        quotas.forget();
        open();
        rollouts.use(*registry_);
      }
      if (HasFatalFailure()) return;
    }
    quotas.check(*tenants_);
    quotas.forget();
    leases.end(jobs, wall_.now_us());
    if (seed % 10 == 0) random_labelling_keeps_its_invariants(*store_, seed, kSteps);
    if (HasFailure()) return;
  }
  std::printf("%lld promotions, %lld rollbacks by gates, %lld requests admitted, %lld refused, %lld settled, %lld jobs taken over, %lld restarts\n",
              static_cast<long long>(happened.n_promoted), static_cast<long long>(happened.n_rolled_back), static_cast<long long>(happened.n_admitted),
              static_cast<long long>(happened.n_refused), static_cast<long long>(happened.n_settled), static_cast<long long>(happened.n_taken_over),
              static_cast<long long>(happened.n_restarts));
  for (const int64_t n : {happened.n_promoted, happened.n_rolled_back, happened.n_refused, happened.n_settled, happened.n_taken_over, happened.n_restarts}) EXPECT_GT(n, 10);
  const std::vector<AuditReport> chains = tenants_->verify_audit("").value();  // not in the loop's head, where it would be gone before the first
  EXPECT_FALSE(chains.empty());
  for (const AuditReport& chain : chains) EXPECT_TRUE(chain.ok()) << chain.chain;
}

}  // namespace
}  // namespace firesteel
