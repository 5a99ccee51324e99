#include "release/rollout.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/check.h"

namespace firesteel {
namespace {

double rate(const RateCounts& counts) { return counts.n == 0 ? 0 : static_cast<double>(counts.n_bad) / static_cast<double>(counts.n); }

bool fits(const SuiteGate& gate, const std::string& suite) {
  if (!gate.suite.empty() && gate.suite.back() == '*') return suite.starts_with(std::string_view(gate.suite).substr(0, gate.suite.size() - 1));
  return suite == gate.suite;
}

// Items like these that would bring the interval's low end above the limit, if the difference stays as seen.
std::string items_needed(const SuiteResult& result, double limit) {
  const double seen = static_cast<double>(result.candidate_right - result.champion_right) / static_cast<double>(std::max<int64_t>(result.n, 1));
  const double half = seen - result.low;
  if (seen <= limit || half <= 0 || result.n == 0) return {};
  const double factor = std::pow(half / (seen - limit), 2);
  const auto more = static_cast<int64_t>(std::ceil(static_cast<double>(result.n) * (factor - 1)));
  return more > 0 ? fmt::format("about {} more items like these would settle it", more) : std::string();
}

Verdict suite_verdict(const SuiteGate& gate, const SuiteResult& result) {
  if (gate.needs == SuiteGate::Needs::kBetter) {
    if (result.low > 0) return Verdict::kPass;
    return result.high < 0 ? Verdict::kFail : Verdict::kNotEnough;
  }
  if (result.low > -gate.margin) return Verdict::kPass;
  return result.high < -gate.margin ? Verdict::kFail : Verdict::kNotEnough;
}

// Slices are many and small: they stop a candidate only where they show a loss, with the level shared among them.
void read_slices(const std::vector<SuiteResult>& suites, const std::string& suite, double alpha, GateReading* reading) {
  int64_t n_slices = 0;
  for (const SuiteResult& result : suites) n_slices += result.suite == suite && !result.slice.empty() ? 1 : 0;
  for (const SuiteResult& result : suites) {
    if (result.suite != suite || result.slice.empty()) continue;
    if (result.candidate_right < result.champion_right && result.p_worse < alpha / static_cast<double>(n_slices)) {
      reading->verdict = Verdict::kFail;
      reading->note = fmt::format("slice {}: {} of {} instead of {}", result.slice, result.candidate_right, result.n, result.champion_right);
      return;
    }
  }
}

int64_t n_live_tests(const RolloutPlan& plan) {
  int64_t n = 0;
  for (const SurfacePlan& surface : plan.surfaces) {
    for (const LiveGate& gate : plan.live) {
      if (!gate.surface.empty() && gate.surface != surface.name) continue;
      n += 1 + (surface.shadow > 0 && gate.metric != LiveMetric::kThumbsDown ? 1 : 0);
    }
  }
  return std::max<int64_t>(n, 1);
}

GateReading read_live_gate(const RolloutPlan& plan, const LiveGate& gate, const SurfacePlan& surface, const RateCounts& champion, const RateCounts& candidate, bool with_bounds) {
  GateReading reading;
  reading.gate = std::string("live ") + live_metric_name(gate.metric);
  reading.surface = surface.name;
  reading.needs = fmt::format("worse by less than {:.1f} points", 100 * gate.margin);
  reading.n = candidate.n;
  const RatePrior prior = gate.expected ? prior_from_history(*gate.expected, 1000) : RatePrior{};
  reading.difference = rate(candidate) - rate(champion);
  if (with_bounds) {
    const DifferenceBounds bounds = difference_bounds(champion, candidate, prior, 0.05);
    reading.low = bounds.low;
    reading.high = bounds.high;
  }
  // Any of the tests can end the rollout, so they share the level; each gate alone must pass, so each has all of it.
  const double alpha_fail = plan.alpha_rollback / static_cast<double>(n_live_tests(plan));
  if (log_evidence_worse(champion, candidate, prior, gate.margin) >= std::log(1 / alpha_fail)) {
    reading.verdict = Verdict::kFail;
    reading.note = fmt::format("{:.1f} % instead of {:.1f} % over {} answers", 100 * rate(candidate), 100 * rate(champion), candidate.n);
  } else if (candidate.n >= gate.min && log_evidence_not_worse(champion, candidate, prior, gate.margin) >= std::log(1 / plan.alpha_promote)) {
    reading.verdict = Verdict::kPass;
  } else if (candidate.n < gate.min) {
    reading.note = fmt::format("{} of at least {}", candidate.n, gate.min);
  }
  return reading;
}

const GateReading* first_failed(const std::vector<GateReading>& readings) {
  const auto found = std::find_if(readings.begin(), readings.end(), [](const GateReading& r) { return r.verdict == Verdict::kFail; });
  return found == readings.end() ? nullptr : &*found;
}

class Mover {
 public:
  Mover(const RolloutPlan& plan, const Evidence& evidence, int64_t now_us, RolloutState* state, std::vector<RolloutEvent>* events)
      : plan_(plan), evidence_(evidence), now_us_(now_us), state_(*state), events_(*events) {}

  void run() {
    if (state_.status == RolloutStatus::kGate) pass_gate();
    if (state_.status != RolloutStatus::kRunning) return;
    for (size_t i = 0; i < plan_.surfaces.size() && state_.status == RolloutStatus::kRunning; ++i) move(i);
    if (state_.status == RolloutStatus::kRunning) conclude();
  }

 private:
  void note(const char* kind, const std::string& surface, std::string text) { events_.push_back({now_us_, kind, surface, std::move(text)}); }
  void end(RolloutStatus status, const char* kind, const std::string& surface, const std::string& reason) {
    state_.status = status;
    state_.reason = reason;
    note(kind, surface, reason);
  }

  void pass_gate() {
    const std::vector<GateReading> readings = read_suite_gates(plan_, evidence_.suites);
    if (const GateReading* failed = first_failed(readings)) {
      end(RolloutStatus::kBlocked, "blocked", "", fmt::format("{} failed: {:+.1f} points ({:+.1f} to {:+.1f}), needs {}{}{}", failed->gate, 100 * failed->difference,
                                                              100 * failed->low, 100 * failed->high, failed->needs, failed->note.empty() ? "" : "; ", failed->note));
      return;
    }
    for (const GateReading& reading : readings) {
      if (reading.verdict == Verdict::kPass) continue;
      const std::string reason = fmt::format("{}: not enough evidence, {:+.1f} points ({:+.1f} to {:+.1f}), needs {}{}{}", reading.gate, 100 * reading.difference,
                                             100 * reading.low, 100 * reading.high, reading.needs, reading.note.empty() ? "" : "; ", reading.note);
      if (state_.reason != reason) note("held", "", reason);
      state_.reason = reason;
      return;
    }
    state_.status = RolloutStatus::kRunning;
    state_.reason.clear();
    note("gate", "", readings.empty() ? "no suite gates in the plan" : fmt::format("all {} suite gates passed", readings.size()));
    for (size_t i = 0; i < plan_.surfaces.size(); ++i) {
      SurfaceState& surface = state_.surfaces[i];
      surface.phase = plan_.surfaces[i].shadow > 0 ? SurfacePhase::kShadow : SurfacePhase::kCanary;
      surface.since_us = now_us_;
      note("step", plan_.surfaces[i].name, surface.phase == SurfacePhase::kShadow ? "shadow begins" : fmt::format("{:g} % begins", plan_.surfaces[i].steps[0]));
    }
  }

  void move(size_t index) {
    const SurfacePlan& plan = plan_.surfaces[index];
    const SurfaceEvidence& evidence = evidence_.surfaces[index];
    SurfaceState& surface = state_.surfaces[index];
    if (surface.phase != SurfacePhase::kShadow && surface.phase != SurfacePhase::kCanary && surface.phase != SurfacePhase::kPassed) return;
    const std::vector<GateReading> readings = read_live_gates(plan_, index, evidence, surface.phase, false);
    if (const GateReading* failed = first_failed(readings)) {
      const std::string reason = fmt::format("{} on {}: {}, needs {}", failed->gate, plan.name, failed->note, failed->needs);
      surface.phase = SurfacePhase::kBack;
      surface.since_us = now_us_;
      surface.reason = reason;
      if (plan_.one_for_all) end(RolloutStatus::kRolledBack, "rolled_back", plan.name, reason);
      else note("rolled_back", plan.name, reason);
      return;
    }
    if (surface.phase == SurfacePhase::kShadow) {
      if (evidence.n_shadow < plan.shadow) return;
      begin_step(index, SurfacePhase::kCanary, 0, fmt::format("shadow done after {} answers, {:g} % begins", evidence.n_shadow, plan.steps[0]));
      return;
    }
    if (surface.phase == SurfacePhase::kPassed) return;
    const int64_t n_here = evidence.n_candidate - surface.n_at_step;
    const bool waited = now_us_ - surface.since_us >= plan.min_minutes * 60'000'000;
    if (n_here >= plan.min_answers && waited) {
      const auto last = static_cast<int>(plan.steps.size()) - 1;
      const bool all_pass = std::all_of(readings.begin(), readings.end(), [](const GateReading& r) { return r.verdict == Verdict::kPass; });
      if (surface.step < last) {
        const auto from = static_cast<size_t>(surface.step);
        begin_step(index, SurfacePhase::kCanary, surface.step + 1, fmt::format("{:g} % to {:g} % after {} answers, no gate failed", plan.steps[from], plan.steps[from + 1], n_here));
        return;
      }
      if (all_pass) {
        begin_step(index, SurfacePhase::kPassed, surface.step, fmt::format("all gates passed after {} answers of the candidate", evidence.n_candidate));
        return;
      }
    }
    if (evidence.n_candidate >= plan_.max_answers) {
      surface.phase = SurfacePhase::kUndecided;
      surface.since_us = now_us_;
      surface.reason = fmt::format("not enough evidence after {} answers", evidence.n_candidate);
      note("undecided", plan.name, surface.reason);
    }
  }

  void begin_step(size_t index, SurfacePhase phase, int step, std::string text) {
    SurfaceState& surface = state_.surfaces[index];
    surface.phase = phase;
    surface.step = step;
    surface.since_us = now_us_;
    surface.n_at_step = evidence_.surfaces[index].n_candidate;
    note(phase == SurfacePhase::kPassed ? "passed" : "step", plan_.surfaces[index].name, std::move(text));
  }

  void conclude() {
    size_t n_passed = 0, n_back = 0, n_undecided = 0;
    for (const SurfaceState& surface : state_.surfaces) {
      n_passed += surface.phase == SurfacePhase::kPassed ? 1 : 0;
      n_back += surface.phase == SurfacePhase::kBack ? 1 : 0;
      n_undecided += surface.phase == SurfacePhase::kUndecided ? 1 : 0;
    }
    if (n_passed + n_back + n_undecided < state_.surfaces.size()) return;
    if (n_passed == state_.surfaces.size()) {
      if (plan_.promotes_itself) end(RolloutStatus::kPromoted, "promoted", "", "every surface passed every gate");
      else end(RolloutStatus::kReady, "ready", "", "every surface passed every gate; waits for a person to promote it");
    } else if (n_back > 0) {
      end(RolloutStatus::kRolledBack, "rolled_back", "", fmt::format("{} of {} surfaces went back", n_back, state_.surfaces.size()));
    } else {
      end(RolloutStatus::kUndecided, "undecided", "", fmt::format("not enough evidence on {} of {} surfaces; the champion stays", n_undecided, state_.surfaces.size()));
    }
  }

  const RolloutPlan& plan_;
  const Evidence& evidence_;
  const int64_t now_us_;
  RolloutState& state_;
  std::vector<RolloutEvent>& events_;
};

}  // namespace

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass: return "pass";
    case Verdict::kFail: return "fail";
    case Verdict::kNotEnough: return "not enough evidence";
  }
  return "";
}

bool is_over(RolloutStatus status) {
  return status != RolloutStatus::kGate && status != RolloutStatus::kRunning && status != RolloutStatus::kReady;
}

RolloutState new_rollout(const RolloutPlan& plan) {
  RolloutState state;
  state.surfaces.resize(plan.surfaces.size());
  return state;
}

std::vector<GateReading> read_suite_gates(const RolloutPlan& plan, const std::vector<SuiteResult>& suites) {
  std::vector<GateReading> readings;
  for (const SuiteGate& gate : plan.suites) {
    bool found = false;
    const std::string needs = gate.needs == SuiteGate::Needs::kBetter ? "low end over 0" : fmt::format("low end over -{:.1f} points", 100 * gate.margin);
    const std::string of = gate.of.empty() ? "" : " of " + gate.of;
    for (const SuiteResult& result : suites) {
      if (!result.slice.empty() || !fits(gate, result.suite)) continue;
      found = true;
      GateReading reading;
      reading.gate = "suite " + result.suite + of;
      reading.needs = needs;
      reading.n = result.n;
      reading.difference = result.n == 0 ? 0 : static_cast<double>(result.candidate_right - result.champion_right) / static_cast<double>(result.n);
      reading.low = result.low;
      reading.high = result.high;
      reading.verdict = suite_verdict(gate, result);
      if (reading.verdict == Verdict::kNotEnough) reading.note = items_needed(result, gate.needs == SuiteGate::Needs::kBetter ? 0 : -gate.margin);
      if (gate.slices && reading.verdict != Verdict::kFail) read_slices(suites, result.suite, plan.alpha_rollback, &reading);
      readings.push_back(std::move(reading));
    }
    if (found) continue;
    GateReading missing;
    missing.gate = "suite " + gate.suite + of;
    missing.needs = needs;
    missing.note = "no report has this suite";
    readings.push_back(std::move(missing));
  }
  return readings;
}

std::vector<GateReading> read_live_gates(const RolloutPlan& plan, size_t surface, const SurfaceEvidence& evidence, SurfacePhase phase, bool with_bounds) {
  CHECK(surface < plan.surfaces.size());
  const bool shadow = phase == SurfacePhase::kShadow;
  std::vector<GateReading> readings;
  for (const LiveGate& gate : plan.live) {
    if (!gate.surface.empty() && gate.surface != plan.surfaces[surface].name) continue;
    if (shadow && gate.metric == LiveMetric::kThumbsDown) continue;
    const auto metric = static_cast<size_t>(gate.metric);
    readings.push_back(read_live_gate(plan, gate, plan.surfaces[surface], shadow ? evidence.champion_shadowed[metric] : evidence.champion[metric],
                                      shadow ? evidence.shadow[metric] : evidence.candidate[metric], with_bounds));
  }
  return readings;
}

void advance(const RolloutPlan& plan, const Evidence& evidence, int64_t now_us, RolloutState* state, std::vector<RolloutEvent>* events) {
  CHECK(evidence.surfaces.size() == plan.surfaces.size() && state->surfaces.size() == plan.surfaces.size());
  Mover(plan, evidence, now_us, state, events).run();
}

double candidate_share(const RolloutPlan& plan, const RolloutState& state, size_t surface) {
  CHECK(surface < plan.surfaces.size() && state.surfaces.size() == plan.surfaces.size());
  if (state.status != RolloutStatus::kRunning && state.status != RolloutStatus::kReady) return 0;
  const SurfaceState& s = state.surfaces[surface];
  if (s.phase != SurfacePhase::kCanary && s.phase != SurfacePhase::kPassed) return 0;
  return plan.surfaces[surface].steps[static_cast<size_t>(s.step)] / 100;
}

}  // namespace firesteel
