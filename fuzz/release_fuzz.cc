// What people write for releases: plans and rules of monitoring in TOML, variants and results in JSON. What is accepted keeps its limits and can be written and read again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "release/monitor.h"
#include "release/plan.h"
#include "release/rollout.h"
#include "release/variant.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace firesteel;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const Result<RolloutPlan> plan = parse_plan(text, "plan"); plan.ok()) {
    CHECK(!plan->surfaces.empty() && plan->surfaces.size() <= 64);
    for (const SurfacePlan& surface : plan->surfaces) CHECK(!surface.steps.empty() && surface.steps.back() < 100);
    const Json json = plan_json(*plan);
    const Result<RolloutPlan> again = plan_from_json(json, "again");
    CHECK(again.ok() && plan_json(*again) == json);
    RolloutState state = new_rollout(*plan);
    Evidence evidence;
    evidence.surfaces.resize(plan->surfaces.size());
    std::vector<RolloutEvent> events;
    advance(*plan, evidence, 1, &state, &events);
    const Result<RolloutState> kept = state_from_json(state_json(state));
    CHECK(kept.ok() && *kept == state);
  }
  if (const Result<MonitorFile> file = parse_monitor_file(text, "rules"); file.ok()) {
    CHECK(file->rules.size() <= 64 && file->keep_days >= 0 && file->hourly_days >= 1);
    for (const MonitorRule& rule : file->rules) CHECK(!rule.name.empty() && rule.window_hours >= 1);
  }
  const Result<Json> json = Json::parse(text, {.depth = 16, .values = 4096});
  if (!json.ok()) return 0;
  if (const Result<VariantSpec> spec = variant_from_json(*json, "variant"); spec.ok()) {
    const Result<VariantSpec> again = variant_from_json(variant_json(*spec), "again");
    CHECK(again.ok() && variant_digest(*again) == variant_digest(*spec));
  }
  (void)state_from_json(*json).ok();
  (void)suite_results_from_json(*json).ok();
  return 0;
}
