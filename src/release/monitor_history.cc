#include "release/monitor_history.h"

#include <algorithm>
#include <map>
#include <set>

namespace firesteel {
namespace {

constexpr int64_t kBaselineHours = 168;
constexpr size_t kChoicesMax = 200;
constexpr int64_t kDriftMin = 20;   // questions on either side: with fewer the index is noise

using Steps = std::map<int64_t, MetricSums>;   // by step; those before the time shown are negative

void add(const MetricSums& from, MetricSums* to) {
  for (const auto& [metric, value] : from) (*to)[metric] += value;
}

std::optional<double> shown(MonitorMetric metric, const MetricValue& value) {
  if (value.n == 0 && metric != MonitorMetric::kAnswers) return std::nullopt;
  if (is_drift(metric) && (value.n < kDriftMin || value.n_before < kDriftMin)) return std::nullopt;
  return value.value;
}

MetricSums sums_of(const Steps& steps, int64_t from, int64_t until) {
  MetricSums out;
  for (auto step = steps.lower_bound(from); step != steps.end() && step->first < until; ++step) add(step->second, &out);
  return out;
}

HistoryLine line_of(const std::string& key, const Steps& steps, const HistoryQuery& query, int64_t n_before) {
  HistoryLine line;
  line.key = key;
  const MetricSums all = sums_of(steps, 0, query.n_steps), before_all = sums_of(steps, -n_before, 0);
  if (const auto answers = all.find("answers"); answers != all.end()) line.n_answers = answers->second;
  for (size_t m = 0; m < kMonitorMetrics; ++m) line.totals[m] = shown(static_cast<MonitorMetric>(m), metric_value(static_cast<MonitorMetric>(m), all, before_all));
  for (int64_t step = 0; step < query.n_steps; ++step) {
    const auto now = steps.find(step);
    const MetricSums& sums = now == steps.end() ? MetricSums() : now->second;
    const MetricSums before = sums.empty() ? MetricSums() : sums_of(steps, step - n_before, step);
    for (size_t m = 0; m < kMonitorMetrics; ++m) line.values[m].push_back(shown(static_cast<MonitorMetric>(m), metric_value(static_cast<MonitorMetric>(m), sums, before)));
  }
  return line;
}

}  // namespace

Result<MonitorHistory> read_history(Store& store, const HistoryQuery& query) {
  if (query.step_hours < 1 || query.n_steps < 1 || query.n_steps > 1000) return Error{ErrorCode::kInvalidArgument, "history: expected 1 to 1,000 steps of an hour or more"};
  MonitorHistory out;
  const int64_t n_before = (kBaselineHours + query.step_hours - 1) / query.step_hours;
  const int64_t from_hour = query.until_hour - query.n_steps * query.step_hours, read_from = from_hour - n_before * query.step_hours;
  std::map<std::string, Steps> groups;
  std::array<std::set<std::string>, 3> choices;
  const Status status = store.read([&](Reader& reader) -> Status {
    groups.clear();
    choices = {};
    FS_TRY_VOID(reader.each("SELECT DISTINCT variant, surface, tenant FROM variant_hours WHERE hour >= $1 AND hour < $2 LIMIT 10000", {from_hour, query.until_hour}, [&](const Row& row) {
      for (size_t i = 0; i < 3; ++i) {
        if (choices[i].size() < kChoicesMax) choices[i].insert(row.text(i));
      }
      return true;
    }));
    return reader.each(
        "SELECT variant, surface, tenant, (hour - $1) / $2, metric, CAST(sum(value) AS BIGINT) FROM variant_hours WHERE hour >= $1 AND hour < $3 AND ($4 = '' OR variant = $4) AND ($5 = '' OR surface = $5) AND ($6 = '' OR tenant = $6) "
        "GROUP BY variant, surface, tenant, (hour - $1) / $2, metric LIMIT 2000000",
        {read_from, query.step_hours, query.until_hour, query.variant, query.surface, query.tenant}, [&](const Row& row) {
          const size_t by = query.by == HistoryBy::kVariant ? 0 : query.by == HistoryBy::kSurface ? 1 : 2;
          groups[row.text(by)][row.integer(3) - n_before][row.text(4)] += row.integer(5);
          return true;
        });
  });
  FS_TRY_VOID(status);
  for (int64_t step = 0; step < query.n_steps; ++step) out.hours.push_back(from_hour + step * query.step_hours);
  std::vector<std::pair<int64_t, std::string>> order;
  for (const auto& [key, steps] : groups) {
    const MetricSums all = sums_of(steps, 0, query.n_steps);
    const auto answers = all.find("answers");
    if (!all.empty()) order.emplace_back(answers == all.end() ? 0 : -answers->second, key);
  }
  std::sort(order.begin(), order.end());
  if (order.size() > query.n_series_max) {
    out.n_left_out = static_cast<int64_t>(order.size() - query.n_series_max);
    order.resize(query.n_series_max);
  }
  for (const auto& [n, key] : order) out.lines.push_back(line_of(key, groups[key], query, n_before));
  out.variants.assign(choices[0].begin(), choices[0].end());
  out.surfaces.assign(choices[1].begin(), choices[1].end());
  out.tenants.assign(choices[2].begin(), choices[2].end());
  return out;
}

}  // namespace firesteel
