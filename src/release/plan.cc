#include "release/plan.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/toml_json.h"
#include "release/record_reader.h"

namespace firesteel {
namespace {

constexpr std::array<const char*, kLiveMetrics> kMetricNames = {"thumbs_down", "errors", "refusals", "slow", "cut"};

void read_surface(const Json& json, const std::string& where, SurfacePlan* surface, Status* status) {
  RecordReader r(json, where, status);
  r.text("name", &surface->name, 64);
  r.integer("shadow", 0, 10'000'000, &surface->shadow);
  r.numbers("steps", 0.01, 99.99, &surface->steps);
  r.integer("min_answers", 1, 10'000'000, &surface->min_answers);
  r.integer("min_minutes", 0, 525'600, &surface->min_minutes);
  if (surface->name.empty()) r.fail("name", "the surface's name: web, terminal, api, partner:NAME");
  if (surface->steps.empty() || !std::is_sorted(surface->steps.begin(), surface->steps.end(), std::less_equal<>())) {
    r.fail("steps", "per cents that rise, such as [1, 5, 25]");
  }
  r.finish();
}

void read_gate(const Json& json, const std::string& where, RolloutPlan* plan, Status* status) {
  RecordReader r(json, where, status);
  size_t kind = 0;
  r.choice("kind", {"", "suite", "live"}, &kind);
  if (kind == 1) {
    SuiteGate gate;
    size_t needs = 1;
    r.text("suite", &gate.suite);
    r.choice("needs", {"better", "not_worse"}, &needs);
    gate.needs = needs == 0 ? SuiteGate::Needs::kBetter : SuiteGate::Needs::kNotWorse;
    r.number("margin", 0, 0.5, &gate.margin);
    r.boolean("slices", &gate.slices);
    r.text("of", &gate.of);
    if (gate.suite.empty()) r.fail("suite", "a suite's name, or a beginning and *");
    plan->suites.push_back(std::move(gate));
  } else if (kind == 2) {
    LiveGate gate;
    size_t metric = 0;
    std::vector<std::string> names(kMetricNames.begin(), kMetricNames.end());
    if (!r.has("metric")) r.fail("metric", fmt::format("one of {}", fmt::join(names, ", ")));
    r.choice("metric", names, &metric);
    gate.metric = static_cast<LiveMetric>(metric);
    r.number("margin", 0, 0.9, &gate.margin);
    r.integer("min", 1, 10'000'000, &gate.min);
    r.text("surface", &gate.surface, 64);
    if (r.has("expected")) {
      double expected = 0.1;
      r.number("expected", 0.001, 0.999, &expected);
      gate.expected = expected;
    }
    plan->live.push_back(std::move(gate));
  } else {
    r.fail("kind", "suite or live");
  }
  r.finish();
}

}  // namespace

const char* live_metric_name(LiveMetric metric) { return kMetricNames[static_cast<size_t>(metric)]; }

std::optional<LiveMetric> live_metric(std::string_view name) {
  for (size_t i = 0; i < kMetricNames.size(); ++i) {
    if (name == kMetricNames[i]) return static_cast<LiveMetric>(i);
  }
  return std::nullopt;
}

Result<RolloutPlan> plan_from_json(const Json& json, std::string_view where) {
  RolloutPlan plan;
  Status status;
  const std::string file(where);
  RecordReader r(json, file, &status);
  r.text("name", &plan.name, 64);
  r.text("candidate", &plan.candidate, 128);
  size_t promote = 0, on_failure = 0;
  r.choice("promote", {"manual", "auto"}, &promote);
  plan.promotes_itself = promote == 1;
  r.choice("on_failure", {"all", "surface"}, &on_failure);
  plan.one_for_all = on_failure == 0;
  r.number("alpha_promote", 1e-6, 0.5, &plan.alpha_promote);
  r.number("alpha_rollback", 1e-6, 0.5, &plan.alpha_rollback);
  r.integer("max_answers", 1, 1'000'000'000, &plan.max_answers);
  r.integer("slow_ms", 1, 3'600'000, &plan.slow_ms);
  if (plan.name.empty()) r.fail("name", "the name whose champion may be replaced");
  int n = 0;
  std::set<std::string> names;
  for (const Json* surface : r.objects("surface")) {
    plan.surfaces.emplace_back();
    read_surface(*surface, fmt::format("{}: surface {}", file, ++n), &plan.surfaces.back(), &status);
    if (!names.insert(plan.surfaces.back().name).second) r.fail("surface", "each surface once (" + plan.surfaces.back().name + ")");
  }
  n = 0;
  for (const Json* gate : r.objects("gate")) read_gate(*gate, fmt::format("{}: gate {}", file, ++n), &plan, &status);
  if (plan.surfaces.empty()) r.fail("surface", "at least one [[surface]]");
  for (const LiveGate& gate : plan.live) {
    if (!gate.surface.empty() && !names.contains(gate.surface)) r.fail("gate", "a surface of the plan, not '" + gate.surface + "'");
  }
  r.finish();
  if (!status.ok()) return status.error();
  return plan;
}

Result<RolloutPlan> parse_plan(std::string_view toml, std::string_view where) {
  FS_TRY(const Json json, parse_toml(toml, where));
  return plan_from_json(json, where);
}

Json plan_json(const RolloutPlan& plan) {
  Json json(Json::Object{{"name", plan.name},
                         {"candidate", plan.candidate},
                         {"promote", plan.promotes_itself ? "auto" : "manual"},
                         {"on_failure", plan.one_for_all ? "all" : "surface"},
                         {"alpha_promote", plan.alpha_promote},
                         {"alpha_rollback", plan.alpha_rollback},
                         {"max_answers", plan.max_answers},
                         {"slow_ms", plan.slow_ms}});
  Json::Array surfaces, gates;
  for (const SurfacePlan& surface : plan.surfaces) {
    surfaces.push_back(Json::Object{{"name", surface.name}, {"shadow", surface.shadow}, {"steps", Json::Array(surface.steps.begin(), surface.steps.end())},
                                    {"min_answers", surface.min_answers}, {"min_minutes", surface.min_minutes}});
  }
  for (const SuiteGate& gate : plan.suites) {
    gates.push_back(Json::Object{{"kind", "suite"}, {"suite", gate.suite}, {"needs", gate.needs == SuiteGate::Needs::kBetter ? "better" : "not_worse"},
                                 {"margin", gate.margin}, {"slices", gate.slices}, {"of", gate.of}});
  }
  for (const LiveGate& gate : plan.live) {
    Json one(Json::Object{{"kind", "live"}, {"metric", live_metric_name(gate.metric)}, {"margin", gate.margin}, {"min", gate.min}, {"surface", gate.surface}});
    if (gate.expected) one.set("expected", *gate.expected);
    gates.push_back(std::move(one));
  }
  json.set("surface", std::move(surfaces));
  json.set("gate", std::move(gates));
  return json;
}

}  // namespace firesteel
