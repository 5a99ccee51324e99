// How a candidate reaches people: surfaces, steps, and what has to hold before each. Plans are TOML (docs/loop.md has the format).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace firesteel {

// Rates of something bad, so that "more" is always "worse".
enum class LiveMetric : uint8_t { kThumbsDown, kErrors, kRefusals, kSlow, kCut };
inline constexpr size_t kLiveMetrics = 5;
const char* live_metric_name(LiveMetric metric);   // "thumbs_down" of rated answers, "errors", "refusals", "slow" first tokens, "cut" by a limit
std::optional<LiveMetric> live_metric(std::string_view name);

struct SuiteGate {
  enum class Needs : uint8_t { kBetter, kNotWorse };
  std::string suite;           // name, or a beginning with "*": every suite that fits is a gate of its own
  Needs needs = Needs::kNotWorse;
  double margin = 0.03;        // kNotWorse: share of items by which it may be worse
  bool slices = true;          // also: no slice is shown to be worse
  std::string of = {};         // who brought it, "" is us
};

struct LiveGate {
  LiveMetric metric = LiveMetric::kThumbsDown;
  double margin = 0.02;        // worse by less than this is accepted
  int64_t min = 200;           // of the candidate, before it can pass
  std::string surface = {};    // empty: each surface by itself
  std::optional<double> expected = {};  // the champion's rate, when it is known beforehand
};

struct SurfacePlan {
  std::string name;            // "web", "terminal", "api", "partner:alder"
  int64_t shadow = 0;          // answers that nobody sees before the first step
  std::vector<double> steps = {1, 5, 25};  // per cent of users, ascending, below 100
  int64_t min_answers = 200;   // of the candidate in each step
  int64_t min_minutes = 0;     // in each step
};

struct RolloutPlan {
  std::string name;                     // whose champion may be replaced
  std::string candidate = "candidate";  // alias, number or digest
  bool promotes_itself = false;         // "promote = auto"
  bool one_for_all = true;              // a failed gate ends it on every surface; otherwise on its own only
  double alpha_promote = 0.05;          // chance that a gate passes a candidate that is worse by its margin or more
  double alpha_rollback = 0.05;         // chance that any gate ends a candidate that is within all margins
  int64_t max_answers = 100'000;        // of the candidate per surface; undecided then: not enough evidence, the champion stays
  int64_t slow_ms = 2000;               // what "slow" means
  std::vector<SurfacePlan> surfaces;
  std::vector<SuiteGate> suites;
  std::vector<LiveGate> live;
};

// kInvalidArgument names place, expectation and what was found; unknown keys are refused with the nearest known one.
Result<RolloutPlan> parse_plan(std::string_view toml, std::string_view where);
// As stored with a rollout.
Json plan_json(const RolloutPlan& plan);
Result<RolloutPlan> plan_from_json(const Json& json, std::string_view where);

}  // namespace firesteel
