// From evaluation reports to what a suite gate reads.
#pragma once

#include <vector>

#include "base/result.h"
#include "eval/compare.h"
#include "eval/report.h"
#include "release/rollout.h"

namespace firesteel {

// Candidate against champion, whole suites and their slices. kFailedPrecondition: nothing in common, or other items under the same name.
Result<std::vector<SuiteResult>> suite_results(const Report& champion, const Report& candidate);
std::vector<SuiteResult> suite_results(const std::vector<SuiteComparison>& comparisons);

// From the counts of pairs: both right, only the champion, only the candidate, neither.
SuiteResult paired_result(const std::string& suite, const std::string& slice, int64_t n_both, int64_t n_only_champion, int64_t n_only_candidate, int64_t n_neither);

}  // namespace firesteel
