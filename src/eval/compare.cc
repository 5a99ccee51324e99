#include "eval/compare.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace firesteel {
namespace {

constexpr double kLevel = 0.05;

const char* verdict_name(SuiteComparison::Verdict verdict) {
  switch (verdict) {
    case SuiteComparison::Verdict::kNoDifference: return "no difference seen";
    case SuiteComparison::Verdict::kFirst: return "the first is better";
    case SuiteComparison::Verdict::kSecond: return "the second is better";
  }
  return "?";
}

Result<SuiteComparison> compare_suites(const SuiteReport& a, const SuiteReport& b) {
  SuiteComparison out;
  out.name = a.name;
  out.mode_a = a.mode;
  out.mode_b = b.mode;
  std::map<std::string_view, const ReportItem*> of_b;
  std::map<std::pair<std::string, std::string>, SuiteComparison::Slice> slices;
  for (const ReportItem& item : b.items) of_b.emplace(item.id, &item);
  for (const ReportItem& item : a.items) {
    const auto found = of_b.find(item.id);
    if (found == of_b.end()) continue;
    const ReportItem& other = *found->second;
    if (item.question != other.question || item.expected != other.expected) {
      return Error{ErrorCode::kFailedPrecondition, a.name + ": item " + item.id + " is another question in the second report; their suites differ"};
    }
    ++out.n;
    if (item.right && other.right) ++out.n_both;
    if (!item.right && !other.right) ++out.n_neither;
    if (item.right && !other.right) out.only_a.push_back(item.id);
    if (!item.right && other.right) out.only_b.push_back(item.id);
    for (const auto& slice : item.slices) {
      SuiteComparison::Slice& counts = slices[slice];
      ++counts.n;
      if (item.right && other.right) ++counts.n_both;
      if (item.right && !other.right) ++counts.n_only_a;
      if (!item.right && other.right) ++counts.n_only_b;
    }
  }
  for (auto& [key, slice] : slices) {
    slice.name = key.first;
    slice.value = key.second;
    slice.difference = paired_difference_interval(slice.n_both, slice.n_only_a, slice.n_only_b, slice.n - slice.n_both - slice.n_only_a - slice.n_only_b);
    out.slices.push_back(slice);
  }
  out.n_only_a = static_cast<int64_t>(out.only_a.size());
  out.n_only_b = static_cast<int64_t>(out.only_b.size());
  out.n_left_out = a.n + b.n - 2 * out.n;
  out.p = mcnemar_exact(out.n_only_a, out.n_only_b);
  out.difference = paired_difference_interval(out.n_both, out.n_only_a, out.n_only_b, out.n_neither);
  if (out.p < kLevel) out.verdict = out.n_only_a > out.n_only_b ? SuiteComparison::Verdict::kFirst : SuiteComparison::Verdict::kSecond;
  return out;
}

}  // namespace

Result<std::vector<SuiteComparison>> compare_reports(const Report& a, const Report& b) {
  std::vector<SuiteComparison> out;
  for (const SuiteReport& suite : a.suites) {
    const auto other = std::find_if(b.suites.begin(), b.suites.end(), [&](const SuiteReport& one) { return one.name == suite.name; });
    if (other == b.suites.end()) continue;
    FS_TRY(SuiteComparison comparison, compare_suites(suite, *other));
    if (comparison.n == 0) return Error{ErrorCode::kFailedPrecondition, suite.name + ": the two reports have no item in common"};
    out.push_back(std::move(comparison));
  }
  if (out.empty()) return Error{ErrorCode::kFailedPrecondition, "the two reports have no suite in common"};
  return out;
}

std::string comparison_table(const std::vector<SuiteComparison>& comparisons, const std::string& name_a, const std::string& name_b) {
  std::string out = fmt::format("first:  {}\nsecond: {}\n", name_a, name_b);
  for (const SuiteComparison& c : comparisons) {
    const auto n = static_cast<double>(c.n);
    out += fmt::format("{}{}: {} % and {} % of {} items; right only in the first {}, only in the second {}; difference {:+.1f} [{:+.1f}, {:+.1f}] points, p = {:.2g}: {}\n",
                       c.name, c.mode_a == c.mode_b ? "" : " (" + c.mode_a + ", " + c.mode_b + ")", percent(static_cast<double>(c.n_both + c.n_only_a) / n),
                       percent(static_cast<double>(c.n_both + c.n_only_b) / n), c.n, c.n_only_a, c.n_only_b,
                       100 * static_cast<double>(c.n_only_b - c.n_only_a) / n, 100 * c.difference.low, 100 * c.difference.high, c.p, verdict_name(c.verdict));
    if (c.n_left_out > 0) out += fmt::format("  {} items that only one report has are left out\n", c.n_left_out);
  }
  return out;
}

Json comparison_json(const std::vector<SuiteComparison>& comparisons, const std::string& name_a, const std::string& name_b) {
  Json::Array suites;
  for (const SuiteComparison& c : comparisons) {
    Json::Array only_a, only_b;
    for (const std::string& id : c.only_a) only_a.emplace_back(id);
    for (const std::string& id : c.only_b) only_b.emplace_back(id);
    suites.push_back(Json::Object{{"name", c.name}, {"n", c.n}, {"both", c.n_both}, {"only_first", c.n_only_a}, {"only_second", c.n_only_b}, {"neither", c.n_neither},
                                  {"left_out", c.n_left_out}, {"p", c.p}, {"difference_95", Json::Array{c.difference.low, c.difference.high}},
                                  {"verdict", verdict_name(c.verdict)}, {"ids_only_first", std::move(only_a)}, {"ids_only_second", std::move(only_b)}});
  }
  return Json::Object{{"first", name_a}, {"second", name_b}, {"suites", std::move(suites)}};
}

}  // namespace firesteel
