// Watches what variants do in production: rates, lengths and drift per variant, surface and tenant, against rules; an alert begins and ends.
//
// Everything comes from the hourly sums that ReleaseController keeps (variant_hours). Drift is the population stability index of the buckets of
// lengths (or of topics, topic.h) between a window and the time before it: sum over buckets of (now - before) ln(now / before), on shares. Below 0.1 nothing, above 0.25
// much has changed, by custom. Source: Siddiqi 2006, "Credit Risk Scorecards".
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace firesteel {

// Counts per bucket of the same length. Twenty answers, spread as both together are, are added to each side, so that an empty bucket is
// finite and few answers are not taken for a change. 0 when either side is empty.
double population_stability_index(std::span<const int64_t> before, std::span<const int64_t> now);

enum class MonitorMetric : uint8_t { kErrorRate, kRefusalRate, kCutRate, kThumbsDownRate, kFeedbackRate, kFirstTokenMs, kAnswerTokens, kAnswers, kInputDrift, kOutputDrift, kTopicDrift };
const char* monitor_metric_name(MonitorMetric metric);  // "error_rate", ..., "input_drift", "output_drift", "topic_drift"

struct MonitorRule {
  std::string name;
  MonitorMetric metric = MonitorMetric::kErrorRate;
  double above = 1e300;           // alerts beyond ...
  double below = -1e300;          // ... or under
  int64_t window_hours = 1;       // the current hour and those before it
  int64_t baseline_hours = 168;   // for drift: the time before the window
  int64_t min_answers = 100;      // in the window (and in the baseline, for drift): fewer say nothing
  bool by_surface = false, by_tenant = false;  // always by variant
  std::string webhook = {};       // http://HOST[:PORT]/PATH, or https; empty: the log only
};

// [[rule]] tables; kInvalidArgument with place and expectation.
Result<std::vector<MonitorRule>> parse_monitor_rules(std::string_view toml, std::string_view where);

struct MonitorReading {
  std::string rule, variant, surface, tenant;   // surface, tenant: empty when not told apart
  double value = 0;
  int64_t n = 0;                  // answers in the window
  bool known = false;             // enough of them
  bool alerting = false;
};

// hour: Unix hours.
Result<std::vector<MonitorReading>> read_monitors(Store& store, const std::vector<MonitorRule>& rules, int64_t hour);

struct MonitorAlert {
  MonitorReading reading;
  bool begins = true;             // false: it is over
  std::string text;               // for people
  std::string webhook;
};

// Keeps which alerts are on, so that each begins and ends once. Used by one thread.
class MonitorState {
 public:
  std::vector<MonitorAlert> update(const std::vector<MonitorRule>& rules, const std::vector<MonitorReading>& readings);

 private:
  std::map<std::string, MonitorReading> on_;
};

// Forgets sums and attributions older than so many days, and everything of a tenant when `tenant` is given (days 0). Returns rows.
Result<int64_t> forget_monitoring(Store& store, int64_t before_hour, const std::string& tenant);

}  // namespace firesteel
