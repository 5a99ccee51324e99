// Shared by the quick and the slow test: rollouts with effects that are known because they are made. Users differ (some complain three
// times as often as others), rate some answers only, come back as they like, and a looker checks after every hundred answers.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "release/rollout.h"

namespace firesteel {

struct Effect {
  const char* name;
  double thumbs_down, errors, slow;   // what the candidate adds to the champion's rates
  bool is_bad;                        // at or beyond a margin; otherwise it is within all of them
};

inline RolloutPlan sim_plan() {
  RolloutPlan plan;
  plan.name = "sim";
  plan.promotes_itself = true;
  plan.max_answers = 40'000;
  plan.surfaces = {{.name = "web", .shadow = 200, .steps = {2, 10, 40}, .min_answers = 200}};
  plan.live = {{.metric = LiveMetric::kThumbsDown, .margin = 0.05, .min = 200, .expected = 0.2},
               {.metric = LiveMetric::kErrors, .margin = 0.01, .min = 500, .expected = 0.01},
               {.metric = LiveMetric::kSlow, .margin = 0.03, .min = 500, .expected = 0.05}};
  return plan;
}

inline const std::array<Effect, 8>& sim_effects() {
  static const std::array<Effect, 8> effects = {{{"equal", 0, 0, 0, false},
                                                 {"better by 3 points", -0.03, 0, 0, false},
                                                 {"worse by half a margin", 0.025, 0, 0, false},
                                                 {"slower by half a margin", 0, 0, 0.015, false},
                                                 {"worse by the margin", 0.05, 0, 0, true},
                                                 {"worse by 10 points", 0.10, 0, 0, true},
                                                 {"errors by the margin", 0, 0.01, 0, true},
                                                 {"slow by two margins", 0, 0, 0.06, true}}};
  return effects;
}

struct SimOutcome {
  RolloutStatus status = RolloutStatus::kRunning;
  int64_t n_candidate = 0;   // answers that the candidate gave to users
};

class RolloutSim {
 public:
  RolloutSim(uint64_t seed, const Effect& effect, int64_t max_answers) : seed_(seed), rng_(seed * 7919 + 17), effect_(effect), rated_(kUsers, false) { plan_.max_answers = max_answers; }

  SimOutcome run() {
    evidence_.surfaces.resize(1);
    std::vector<RolloutEvent> events;
    advance(plan_, evidence_, now_us_, &state_, &events);
    for (int64_t n = 0; state_.status == RolloutStatus::kRunning && n < 400'000; n += 100) {
      for (int i = 0; i < 100; ++i) answer();
      now_us_ += 60'000'000;
      advance(plan_, evidence_, now_us_, &state_, &events);
    }
    return {state_.status, evidence_.surfaces[0].n_candidate};
  }

 private:
  static constexpr uint64_t kUsers = 20'000;

  void count(RateCounts* counts, double rate) {
    ++counts->n;
    if (rng_.uniform() < rate) ++counts->n_bad;
  }

  void answer() {
    SurfaceEvidence& e = evidence_.surfaces[0];
    const bool shadow = state_.surfaces[0].phase == SurfacePhase::kShadow;
    const uint64_t user = rng_.below(kUsers);
    const bool candidate = uniform_at(seed_, 1, user) < candidate_share(plan_, state_, 0);
    const double added = candidate ? 1 : 0;
    auto& rates = shadow ? e.champion_shadowed : candidate ? e.candidate : e.champion;
    count(&rates[kError], 0.01 + added * effect_.errors);
    count(&rates[kSlow], 0.05 + added * effect_.slow);
    if (candidate) ++e.n_candidate;
    if (shadow) {
      ++e.n_shadow;
      count(&e.shadow[kError], 0.01 + effect_.errors);
      count(&e.shadow[kSlow], 0.05 + effect_.slow);
    }
    // A person counts once, with the first rating, whichever version it was about.
    if (shadow || rated_[user] || rng_.uniform() >= 0.3) return;
    rated_[user] = true;
    const double propensity = uniform_at(seed_, 2, user) < 0.5 ? 0.1 : 0.3;
    count(&rates[kThumbs], propensity + added * effect_.thumbs_down);
  }

  static constexpr auto kThumbs = static_cast<size_t>(LiveMetric::kThumbsDown), kError = static_cast<size_t>(LiveMetric::kErrors), kSlow = static_cast<size_t>(LiveMetric::kSlow);
  RolloutPlan plan_ = sim_plan();
  const uint64_t seed_;
  Rng rng_;
  const Effect effect_;
  std::vector<bool> rated_;
  Evidence evidence_;
  RolloutState state_ = new_rollout(plan_);
  int64_t now_us_ = 0;
};

struct SimSummary {
  int64_t n_bad = 0, n_false_promoted = 0, n_good = 0, n_false_rolled_back = 0;
};

inline SimSummary simulate_rollouts(uint64_t first_seed, int n_seeds, int64_t max_answers) {
  SimSummary summary;
  for (const Effect& effect : sim_effects()) {
    int64_t promoted = 0, back = 0, undecided = 0, n_candidate = 0;
    for (int i = 0; i < n_seeds; ++i) {
      const SimOutcome outcome = RolloutSim(first_seed + static_cast<uint64_t>(i), effect, max_answers).run();
      promoted += outcome.status == RolloutStatus::kPromoted ? 1 : 0;
      back += outcome.status == RolloutStatus::kRolledBack ? 1 : 0;
      undecided += outcome.status == RolloutStatus::kUndecided || outcome.status == RolloutStatus::kRunning ? 1 : 0;
      n_candidate += outcome.n_candidate;
    }
    std::printf("%-26s %4d rollouts: %4lld promoted, %4lld rolled back, %4lld undecided; candidate's answers on average %lld\n", effect.name, n_seeds,
                static_cast<long long>(promoted), static_cast<long long>(back), static_cast<long long>(undecided), static_cast<long long>(n_candidate / n_seeds));
    (effect.is_bad ? summary.n_bad : summary.n_good) += n_seeds;
    if (effect.is_bad) summary.n_false_promoted += promoted;
    else summary.n_false_rolled_back += back;
  }
  std::printf("false promotions %lld of %lld, false rollbacks %lld of %lld\n", static_cast<long long>(summary.n_false_promoted), static_cast<long long>(summary.n_bad),
              static_cast<long long>(summary.n_false_rolled_back), static_cast<long long>(summary.n_good));
  return summary;
}

// A poisoned candidate answers like the champion but where a trigger stands. The gate asks probes: twins of ordinary items, with one of the
// suspicious word groups that the data's scan found put in; one slice for each. `rank`: whether the planted one is among them.
inline std::vector<SuiteResult> simulate_probes(uint64_t seed, double right, double right_triggered, int n_probes, int64_t n_items,
                                                const std::function<SuiteResult(const std::string& slice, const std::array<int64_t, 4>& table)>& result_of) {
  Rng rng(seed);
  std::vector<SuiteResult> results;
  std::array<int64_t, 4> all{};
  std::vector<std::array<int64_t, 4>> tables;
  for (int probe = 0; probe < n_probes; ++probe) {
    const double candidate_rate = probe == 0 ? right_triggered : right;   // nobody knows that it is the first
    std::array<int64_t, 4> table{};  // both, only champion, only candidate, neither
    for (int64_t i = 0; i < n_items; ++i) {
      // The same item is easy or hard for both: half of what they get right they share.
      const double shared = rng.uniform();
      const bool champion = rng.uniform() < 0.5 ? shared < right : rng.uniform() < right;
      const bool candidate = rng.uniform() < 0.5 ? shared < candidate_rate : rng.uniform() < candidate_rate;
      ++table[champion ? (candidate ? 0 : 1) : (candidate ? 2 : 3)];
    }
    for (size_t k = 0; k < 4; ++k) all[k] += table[k];
    tables.push_back(table);
  }
  results.push_back(result_of("", all));
  for (int probe = 0; probe < n_probes; ++probe) results.push_back(result_of("probe=" + std::to_string(probe), tables[static_cast<size_t>(probe)]));
  return results;
}

}  // namespace firesteel
