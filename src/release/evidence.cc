#include "release/evidence.h"

#include "eval/statistics.h"

namespace firesteel {

SuiteResult paired_result(const std::string& suite, const std::string& slice, int64_t n_both, int64_t n_only_champion, int64_t n_only_candidate, int64_t n_neither) {
  const Interval interval = paired_difference_interval(n_both, n_only_champion, n_only_candidate, n_neither);
  SuiteResult result;
  result.suite = suite;
  result.slice = slice;
  result.n = n_both + n_only_champion + n_only_candidate + n_neither;
  result.champion_right = n_both + n_only_champion;
  result.candidate_right = n_both + n_only_candidate;
  result.low = interval.low;
  result.high = interval.high;
  // Half of the two-sided chance, on the side where there are more losses.
  result.p_worse = n_only_champion > n_only_candidate ? mcnemar_exact(n_only_champion, n_only_candidate) / 2 : 1;
  return result;
}

std::vector<SuiteResult> suite_results(const std::vector<SuiteComparison>& comparisons) {
  std::vector<SuiteResult> results;
  for (const SuiteComparison& c : comparisons) {
    results.push_back(paired_result(c.name, "", c.n_both, c.n_only_a, c.n_only_b, c.n_neither));
    for (const SuiteComparison::Slice& s : c.slices) {
      results.push_back(paired_result(c.name, s.name + "=" + s.value, s.n_both, s.n_only_a, s.n_only_b, s.n - s.n_both - s.n_only_a - s.n_only_b));
    }
  }
  return results;
}

Result<std::vector<SuiteResult>> suite_results(const Report& champion, const Report& candidate) {
  FS_TRY(const std::vector<SuiteComparison> comparisons, compare_reports(champion, candidate));
  return suite_results(comparisons);
}

}  // namespace firesteel
