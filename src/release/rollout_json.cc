// States and results as records.
#include <array>
#include <cstring>

#include "release/record_reader.h"
#include "release/rollout.h"

namespace firesteel {
namespace {

constexpr std::array<const char*, 6> kPhases = {"waiting", "shadow", "canary", "passed", "back", "undecided"};
constexpr std::array<const char*, 8> kStatuses = {"gate", "running", "ready", "promoted", "blocked", "rolled_back", "undecided", "cancelled"};

template <size_t n>
std::vector<std::string> words(const std::array<const char*, n>& names) { return {names.begin(), names.end()}; }

}  // namespace

const char* surface_phase_name(SurfacePhase phase) { return kPhases[static_cast<size_t>(phase)]; }
const char* rollout_status_name(RolloutStatus status) { return kStatuses[static_cast<size_t>(status)]; }

Json state_json(const RolloutState& state) {
  Json::Array surfaces;
  for (const SurfaceState& surface : state.surfaces) {
    surfaces.push_back(Json::Object{{"phase", surface_phase_name(surface.phase)}, {"step", surface.step}, {"since_us", surface.since_us},
                                    {"n_at_step", surface.n_at_step}, {"reason", surface.reason}});
  }
  return Json::Object{{"status", rollout_status_name(state.status)}, {"reason", state.reason}, {"surfaces", std::move(surfaces)}};
}

Result<RolloutState> state_from_json(const Json& json) {
  RolloutState state;
  Status status;
  RecordReader r(json, "rollout state", &status);
  size_t word = 0;
  r.choice("status", words(kStatuses), &word);
  state.status = static_cast<RolloutStatus>(word);
  r.text("reason", &state.reason, 4096);
  for (const Json* one : r.objects("surfaces")) {
    RecordReader s(*one, "rollout state: surface", &status);
    SurfaceState surface;
    size_t phase = 0;
    int64_t step = 0;
    s.choice("phase", words(kPhases), &phase);
    surface.phase = static_cast<SurfacePhase>(phase);
    s.integer("step", 0, 63, &step);
    surface.step = static_cast<int>(step);
    s.integer("since_us", 0, INT64_MAX, &surface.since_us);
    s.integer("n_at_step", 0, INT64_MAX, &surface.n_at_step);
    s.text("reason", &surface.reason, 4096);
    s.finish();
    state.surfaces.push_back(std::move(surface));
  }
  r.finish();
  if (!status.ok()) return Error{ErrorCode::kDataLoss, status.error().message};
  return state;
}

Json suite_results_json(const std::vector<SuiteResult>& results) {
  Json::Array list;
  for (const SuiteResult& result : results) {
    list.push_back(Json::Object{{"suite", result.suite}, {"slice", result.slice}, {"n", result.n}, {"champion_right", result.champion_right},
                                {"candidate_right", result.candidate_right}, {"low", result.low}, {"high", result.high}, {"p_worse", result.p_worse}});
  }
  return list;
}

Result<std::vector<SuiteResult>> suite_results_from_json(const Json& json) {
  std::vector<SuiteResult> results;
  if (!json.is_array() || json.as_array().size() > 100'000) return Error{ErrorCode::kDataLoss, "suite results: expected a list"};
  for (const Json& one : json.as_array()) {
    Status status;
    RecordReader r(one, "suite result", &status);
    SuiteResult result;
    r.text("suite", &result.suite);
    r.text("slice", &result.slice, 1024);
    r.integer("n", 0, INT64_MAX, &result.n);
    r.integer("champion_right", 0, result.n, &result.champion_right);
    r.integer("candidate_right", 0, result.n, &result.candidate_right);
    r.number("low", -1, 1, &result.low);
    r.number("high", -1, 1, &result.high);
    r.number("p_worse", 0, 1, &result.p_worse);
    r.finish();
    if (!status.ok()) return Error{ErrorCode::kDataLoss, status.error().message};
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace firesteel
