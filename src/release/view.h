// Variants and rollouts as JSON, for `--json` and the console: what stands where, and why.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "release/registry.h"

namespace firesteel {

Json variant_view(const Variant& variant, const std::vector<AliasRecord>& aliases);

// State, surfaces with their steps and counts, gates with their readings (those that hold it up first), suites (regressions first), events.
Result<Json> rollout_view(Registry* registry, const RolloutRecord& rollout, int64_t n_events);

// Gates of suites and of every surface, failed ones first, then those that wait.
std::vector<GateReading> all_gates(const RolloutRecord& rollout, const Evidence& evidence);

// Whole suites and slices, the worst difference first.
std::vector<SuiteResult> regressions_first(std::vector<SuiteResult> results);

}  // namespace firesteel
