// What variants did over time, for the console's charts: the figures of monitor_metric.h in steps of an hour to some days, one series for
// each variant, surface or tenant.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "release/monitor_metric.h"
#include "store/store.h"

namespace firesteel {

enum class HistoryBy : uint8_t { kVariant, kSurface, kTenant };

struct HistoryQuery {
  int64_t until_hour = 0;            // Unix hours, exclusive
  int64_t step_hours = 1, n_steps = 24;
  HistoryBy by = HistoryBy::kVariant;
  std::string variant = {}, surface = {}, tenant = {};   // empty: all
  size_t n_series_max = 5;           // those with most answers
};

struct HistoryLine {
  std::string key;                   // variant's digest (or a model's name, where there are no variants), surface, or tenant's id
  int64_t n_answers = 0;
  // [metric][step]; nothing where nothing of the kind was seen. Drift compares each step with the week before it.
  std::array<std::vector<std::optional<double>>, kMonitorMetrics> values;
  std::array<std::optional<double>, kMonitorMetrics> totals;   // of the whole time; drift: with the week before it
};

struct MonitorHistory {
  std::vector<int64_t> hours;        // where each step begins
  std::vector<HistoryLine> lines;    // most answers first
  int64_t n_left_out = 0;
  std::vector<std::string> variants, surfaces, tenants;   // that there are in this time, whatever is asked for; at most 200 each
};

Result<MonitorHistory> read_history(Store& store, const HistoryQuery& query);

}  // namespace firesteel
