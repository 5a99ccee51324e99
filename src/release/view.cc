#include "release/view.h"

#include <algorithm>

namespace firesteel {
namespace {

Json gate_json(const GateReading& reading) {
  return Json::Object{{"gate", reading.gate}, {"surface", reading.surface}, {"needs", reading.needs}, {"verdict", verdict_name(reading.verdict)},
                      {"n", reading.n}, {"difference", reading.difference}, {"low", reading.low}, {"high", reading.high}, {"note", reading.note}};
}

double share_of(int64_t n, int64_t of) { return of == 0 ? 0 : static_cast<double>(n) / static_cast<double>(of); }

const char* reading_word(const SuiteResult& result) {
  if (result.low > 0) return "better";
  if (result.high < 0) return "worse";
  if (result.low > -0.01 && result.high < 0.01) return "no difference";
  return "not enough evidence";
}

Json suite_json(const SuiteResult& result) {
  return Json::Object{{"suite", result.suite}, {"slice", result.slice}, {"n", result.n}, {"champion", share_of(result.champion_right, result.n)},
                      {"candidate", share_of(result.candidate_right, result.n)}, {"low", result.low}, {"high", result.high}, {"reading", reading_word(result)}};
}

Json surface_json(const RolloutRecord& rollout, size_t index, const SurfaceEvidence& evidence) {
  const SurfacePlan& plan = rollout.plan.surfaces[index];
  const SurfaceState& state = rollout.state.surfaces[index];
  Json::Array steps;
  if (plan.shadow > 0) {
    const bool now = state.phase == SurfacePhase::kShadow;
    steps.push_back(Json::Object{{"name", "Shadow"}, {"state", now ? "now" : state.phase == SurfacePhase::kWaiting ? "next" : "done"},
                                 {"n", evidence.n_shadow}, {"min", plan.shadow}});
  }
  const bool in_steps = state.phase != SurfacePhase::kWaiting && state.phase != SurfacePhase::kShadow;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const char* word = "next";
    if (in_steps && i < static_cast<size_t>(state.step)) word = "done";
    if (in_steps && i == static_cast<size_t>(state.step)) {
      word = state.phase == SurfacePhase::kPassed ? "done" : state.phase == SurfacePhase::kBack ? "back" : state.phase == SurfacePhase::kUndecided ? "held" : "now";
    }
    const bool here = in_steps && i == static_cast<size_t>(state.step) && state.phase == SurfacePhase::kCanary;
    steps.push_back(Json::Object{{"name", ""}, {"percent", plan.steps[i]}, {"state", word},
                                 {"n", here ? evidence.n_candidate - state.n_at_step : int64_t{0}}, {"min", plan.min_answers}});
  }
  const char* const all = rollout.state.status == RolloutStatus::kPromoted ? "done" : "next";
  steps.push_back(Json::Object{{"name", "All"}, {"state", all}, {"n", 0}, {"min", 0}});
  return Json::Object{{"name", plan.name}, {"phase", surface_phase_name(state.phase)}, {"reason", state.reason}, {"since_us", state.since_us},
                      {"share", candidate_share(rollout.plan, rollout.state, index)}, {"answers", evidence.n_candidate}, {"steps", std::move(steps)}};
}

}  // namespace

std::vector<GateReading> all_gates(const RolloutRecord& rollout, const Evidence& evidence) {
  std::vector<GateReading> readings = read_suite_gates(rollout.plan, evidence.suites);
  for (size_t i = 0; i < rollout.plan.surfaces.size(); ++i) {
    const std::vector<GateReading> live = read_live_gates(rollout.plan, i, evidence.surfaces[i], rollout.state.surfaces[i].phase, true);
    readings.insert(readings.end(), live.begin(), live.end());
  }
  const auto rank = [](const GateReading& r) { return r.verdict == Verdict::kFail ? 0 : r.verdict == Verdict::kNotEnough ? 1 : 2; };
  std::stable_sort(readings.begin(), readings.end(), [&](const GateReading& a, const GateReading& b) { return rank(a) < rank(b); });
  return readings;
}

std::vector<SuiteResult> regressions_first(std::vector<SuiteResult> results) {
  const auto difference = [](const SuiteResult& r) { return share_of(r.candidate_right - r.champion_right, r.n); };
  std::stable_sort(results.begin(), results.end(), [&](const SuiteResult& a, const SuiteResult& b) { return difference(a) < difference(b); });
  return results;
}

Json variant_view(const Variant& variant, const std::vector<AliasRecord>& aliases) {
  Json::Array names;
  for (const AliasRecord& alias : aliases) {
    if (alias.digest == variant.digest) names.emplace_back(alias.alias);
  }
  return Json::Object{{"name", variant.name}, {"number", variant.number}, {"digest", variant.digest}, {"aliases", std::move(names)},
                      {"base", variant.spec.base}, {"adapter", variant.spec.adapter}, {"chat_template", variant.spec.chat_template},
                      {"system", variant.spec.system}, {"settings", variant.spec.settings}, {"created_us", variant.created_us}, {"created_by", variant.created_by},
                      {"dataset", variant.dataset}, {"report", variant.report}, {"note", variant.note}};
}

Result<Json> rollout_view(Registry* registry, const RolloutRecord& rollout, int64_t n_events) {
  FS_TRY(const Evidence evidence, registry->evidence(rollout));
  FS_TRY(const std::vector<RolloutEvent> events, registry->events(rollout.id, n_events));
  Json::Array gates, surfaces, suites, happened;
  for (const GateReading& reading : all_gates(rollout, evidence)) gates.push_back(gate_json(reading));
  for (size_t i = 0; i < rollout.plan.surfaces.size(); ++i) surfaces.push_back(surface_json(rollout, i, evidence.surfaces[i]));
  for (const SuiteResult& result : regressions_first(rollout.suites)) suites.push_back(suite_json(result));
  for (const RolloutEvent& event : events) {
    happened.push_back(Json::Object{{"at_us", event.at_us}, {"kind", event.kind}, {"surface", event.surface}, {"text", event.text}});
  }
  return Json(Json::Object{{"id", rollout.id}, {"name", rollout.name}, {"champion", rollout.champion}, {"candidate", rollout.candidate},
                           {"status", rollout_status_name(rollout.state.status)}, {"reason", rollout.state.reason}, {"created_us", rollout.created_us},
                           {"updated_us", rollout.updated_us}, {"surfaces", std::move(surfaces)}, {"gates", std::move(gates)}, {"suites", std::move(suites)},
                           {"events", std::move(happened)}});
}

}  // namespace firesteel
