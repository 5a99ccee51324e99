// Two reports, item by item: is one model (or mode, or version) better, or can these items not tell?
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "eval/report.h"

namespace firesteel {

struct SuiteComparison {
  enum class Verdict : uint8_t { kNoDifference, kFirst, kSecond };  // seen at the 5 % level
  std::string name, mode_a, mode_b;
  int64_t n = 0;                    // items that both have
  int64_t n_left_out = 0;           // items that only one has
  int64_t n_both = 0, n_only_a = 0, n_only_b = 0, n_neither = 0;
  double p = 1;                     // McNemar, exact, two-sided
  Interval difference;              // b - a, 95 %
  Verdict verdict = Verdict::kNoDifference;
  std::vector<std::string> only_a = {}, only_b = {};  // ids
  struct Slice {
    std::string name, value;        // "topic", "ages"
    int64_t n = 0, n_both = 0, n_only_a = 0, n_only_b = 0;
    Interval difference;            // b - a, 95 %
  };
  std::vector<Slice> slices = {};   // by name and value; of items that both have
};

// Suites that both have, by name. kFailedPrecondition: none; or one suite with other items (its digests differ), unless the ids agree and
// the questions, too.
Result<std::vector<SuiteComparison>> compare_reports(const Report& a, const Report& b);

std::string comparison_table(const std::vector<SuiteComparison>& comparisons, const std::string& name_a, const std::string& name_b);
Json comparison_json(const std::vector<SuiteComparison>& comparisons, const std::string& name_a, const std::string& name_b);

}  // namespace firesteel
