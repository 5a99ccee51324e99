// Watches what variants do in production: figures per variant, surface and tenant, against rules; an alert begins and ends. Figures come
// from the sums that ReleaseController keeps (variant_hours; monitor_metric.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "release/monitor_metric.h"
#include "store/store.h"

namespace firesteel {

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

// What is looked at more closely, by chance. Texts are seen in memory only; numbers are kept.
struct MonitorSample {
  double embed_share = 0;         // of answers: where their question lies among others (embedding_drift)
  double judge_share = 0;         // of answers: a grade by the base model (judge_score)
  std::string criterion = {};     // what the judge is asked for; empty: correct, complete and clear
};

struct MonitorFile {
  std::vector<MonitorRule> rules;
  MonitorSample sample;
  int64_t keep_days = 90;         // sums and alerts; 0: for ever
  int64_t hourly_days = 14;       // then sums of days take the place of those of hours
};

// [[rule]] tables, [sample], [keep]; kInvalidArgument with place and expectation.
Result<MonitorFile> parse_monitor_file(std::string_view toml, std::string_view where);

struct MonitorReading {
  std::string rule, variant, surface, tenant;   // surface, tenant: empty when not told apart
  double value = 0;
  int64_t n = 0;                  // answers in the window, or what else the metric counts
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
  int64_t at_us = 0;
};

// Compares readings with the alerts that are stored, and stores which begin and which are over: each does so once, after a restart and
// among replicas, too. Too few answers leave an alert on.
Result<std::vector<MonitorAlert>> update_alerts(Store& store, const std::vector<MonitorRule>& rules, const std::vector<MonitorReading>& readings, int64_t now_us);

// Newest first, at most `limit`.
Result<std::vector<MonitorAlert>> read_alerts(Store& store, int64_t from_us, int64_t limit);

// Forgets sums, attributions and alerts older than that hour, and everything of a tenant when `tenant` is given (before_hour 0). Returns rows.
Result<int64_t> forget_monitoring(Store& store, int64_t before_hour, const std::string& tenant);

// Sums of hours before `before_hour` become sums of days. Two replicas may do it at once. Returns rows that went.
Result<int64_t> fold_monitoring(Store& store, int64_t before_hour);

}  // namespace firesteel
