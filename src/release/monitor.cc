#include "release/monitor.h"

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "base/toml_json.h"
#include "release/record_reader.h"

namespace firesteel {
namespace {

using Group = std::tuple<std::string, std::string, std::string>;   // variant, surface, tenant

Result<std::map<Group, MetricSums>> sums_between(Store& store, const MonitorRule& rule, int64_t from_hour, int64_t until_hour) {
  std::map<Group, MetricSums> groups;
  FS_TRY_VOID(store.read([&](Reader& reader) {
    return reader.each("SELECT variant, surface, tenant, metric, CAST(sum(value) AS BIGINT) FROM variant_hours WHERE hour >= $1 AND hour < $2 GROUP BY variant, surface, tenant, metric LIMIT 1000000",
                       {from_hour, until_hour}, [&](const Row& row) {
                         groups[{row.text(0), rule.by_surface ? row.text(1) : "", rule.by_tenant ? row.text(2) : ""}][row.text(3)] += row.integer(4);
                         return true;
                       });
  }));
  return groups;
}

std::string place_of(const MonitorReading& reading) {
  std::string text = reading.variant.substr(0, 12);
  if (!reading.surface.empty()) text += " on " + reading.surface;
  if (!reading.tenant.empty()) text += " for " + reading.tenant;
  return text;
}

MonitorRule read_rule(RecordReader* t) {
  MonitorRule rule;
  std::vector<std::string> names;
  for (size_t i = 0; i < kMonitorMetrics; ++i) names.emplace_back(monitor_metric_name(static_cast<MonitorMetric>(i)));
  size_t metric = 0;
  t->text("name", &rule.name, 64);
  if (!t->has("metric")) t->fail("metric", fmt::format("one of {}", fmt::join(names, ", ")));
  t->choice("metric", names, &metric);
  rule.metric = static_cast<MonitorMetric>(metric);
  t->number("above", -1e9, 1e9, &rule.above);
  t->number("below", -1e9, 1e9, &rule.below);
  t->integer("window_hours", 1, 8760, &rule.window_hours);
  t->integer("baseline_hours", 1, 87600, &rule.baseline_hours);
  t->integer("min_answers", 0, 1'000'000'000, &rule.min_answers);
  std::vector<std::string> by;
  t->texts("by", &by);
  for (const std::string& word : by) {
    if (word == "surface") rule.by_surface = true;
    else if (word == "tenant") rule.by_tenant = true;
    else if (word != "variant") t->fail("by", "variant, surface, tenant");
  }
  t->text("webhook", &rule.webhook, 512);
  t->finish();  // a name that is misspelt comes before what it leaves out
  if (!t->has("above") && !t->has("below")) t->fail("above", "a limit: above, below or both");
  if (!rule.webhook.empty() && !rule.webhook.starts_with("http://") && !rule.webhook.starts_with("https://")) t->fail("webhook", "http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH");
  return rule;
}

// The last that was told of a rule in a place; none: never.
Result<std::optional<bool>> is_on(Transaction& t, const MonitorReading& reading) {
  FS_TRY(const std::optional<Row> row, t.first("SELECT begins FROM monitor_alerts WHERE rule = $1 AND variant = $2 AND surface = $3 AND tenant = $4 ORDER BY at_us DESC LIMIT 1",
                                               {reading.rule, reading.variant, reading.surface, reading.tenant}));
  if (!row) return std::optional<bool>();
  return std::optional<bool>(row->integer(0) != 0);
}

}  // namespace

Result<MonitorFile> parse_monitor_file(std::string_view toml, std::string_view where) {
  FS_TRY(const Json json, parse_toml(toml, where));
  Status status;
  MonitorFile file;
  RecordReader r(json, std::string(where), &status);
  std::set<std::string> names;
  for (const Json* one : r.objects("rule")) {
    RecordReader t(*one, fmt::format("{}: rule {}", where, file.rules.size() + 1), &status);
    MonitorRule rule = read_rule(&t);
    if (rule.name.empty() || !names.insert(rule.name).second) t.fail("name", "a name of its own");
    file.rules.push_back(std::move(rule));
  }
  if (const Json* sample = r.object("sample"); sample != nullptr) {
    RecordReader t(*sample, fmt::format("{}: sample", where), &status);
    t.number("embed", 0, 1, &file.sample.embed_share);
    t.number("judge", 0, 1, &file.sample.judge_share);
    t.text("criterion", &file.sample.criterion, 2000);
    t.finish();
  }
  if (const Json* keep = r.object("keep"); keep != nullptr) {
    RecordReader t(*keep, fmt::format("{}: keep", where), &status);
    t.integer("days", 0, 36500, &file.keep_days);
    t.integer("hourly_days", 1, 3650, &file.hourly_days);
    t.finish();
  }
  r.finish();
  if (!status.ok()) return status.error();
  return file;
}

Result<std::vector<MonitorReading>> read_monitors(Store& store, const std::vector<MonitorRule>& rules, int64_t hour) {
  std::vector<MonitorReading> readings;
  for (const MonitorRule& rule : rules) {
    const int64_t from = hour - rule.window_hours + 1;
    FS_TRY(const auto now, sums_between(store, rule, from, hour + 1));
    std::map<Group, MetricSums> before;
    if (is_drift(rule.metric)) {
      FS_TRY(before, sums_between(store, rule, from - rule.baseline_hours, from));
    }
    for (const auto& [group, sums] : now) {
      const auto base = before.find(group);
      const MetricValue found = metric_value(rule.metric, sums, base == before.end() ? MetricSums() : base->second);
      MonitorReading reading;
      reading.rule = rule.name;
      std::tie(reading.variant, reading.surface, reading.tenant) = group;
      reading.n = found.n;
      reading.value = found.value;
      reading.known = found.n >= rule.min_answers && (!is_drift(rule.metric) || found.n_before >= rule.min_answers);
      reading.alerting = reading.known && (reading.value > rule.above || reading.value < rule.below);
      readings.push_back(std::move(reading));
    }
  }
  return readings;
}

Result<std::vector<MonitorAlert>> update_alerts(Store& store, const std::vector<MonitorRule>& rules, const std::vector<MonitorReading>& readings, int64_t now_us) {
  std::vector<MonitorAlert> alerts;
  // Most of the time nothing changes: a look without a commit says so.
  bool any = false;
  for (const MonitorReading& reading : readings) any = any || reading.known;
  if (!any) return alerts;
  const Status status = store.write([&](Transaction& t) -> Status {
    alerts.clear();
    for (const MonitorReading& reading : readings) {
      const auto rule = std::find_if(rules.begin(), rules.end(), [&](const MonitorRule& one) { return one.name == reading.rule; });
      if (rule == rules.end() || !reading.known) continue;
      FS_TRY(const std::optional<bool> on, is_on(t, reading));
      if (reading.alerting == on.value_or(false)) continue;
      const double limit = reading.value > rule->above ? rule->above : rule->below;
      std::string text = reading.alerting ? fmt::format("{}: {} of {} is {:.4g}, limit {:.4g}, over {} answers", reading.rule, monitor_metric_name(rule->metric), place_of(reading), reading.value, limit, reading.n)
                                          : fmt::format("{}: {} of {} is {:.4g} again", reading.rule, monitor_metric_name(rule->metric), place_of(reading), reading.value);
      FS_TRY_VOID(t.execute("INSERT INTO monitor_alerts(rule, variant, surface, tenant, at_us, begins, value_ppm, n, text) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                            {reading.rule, reading.variant, reading.surface, reading.tenant, now_us, int64_t{reading.alerting},
                             static_cast<int64_t>(std::clamp(reading.value * 1e6, -1e18, 1e18)), reading.n, text}));
      alerts.push_back({reading, reading.alerting, std::move(text), rule->webhook, now_us});
    }
    return {};
  });
  FS_TRY_VOID(status);
  return alerts;
}

Result<std::vector<MonitorAlert>> read_alerts(Store& store, int64_t from_us, int64_t limit) {
  std::vector<MonitorAlert> alerts;
  FS_TRY_VOID(store.read([&](Reader& reader) {
    return reader.each("SELECT rule, variant, surface, tenant, at_us, begins, value_ppm, n, text FROM monitor_alerts WHERE at_us >= $1 ORDER BY at_us DESC, rule, variant, surface, tenant LIMIT $2",
                       {from_us, std::clamp<int64_t>(limit, 0, 1000)}, [&](const Row& row) {
                         MonitorAlert alert;
                         alert.reading = {row.text(0), row.text(1), row.text(2), row.text(3), static_cast<double>(row.integer(6)) * 1e-6, row.integer(7), true, row.integer(5) != 0};
                         alert.at_us = row.integer(4);
                         alert.begins = row.integer(5) != 0;
                         alert.text = row.text(8);
                         alerts.push_back(std::move(alert));
                         return true;
                       });
  }));
  return alerts;
}

Result<int64_t> forget_monitoring(Store& store, int64_t before_hour, const std::string& tenant) {
  int64_t n_rows = 0;
  FS_TRY_VOID(store.write([&](Transaction& t) -> Status {
    FS_TRY(const int64_t sums, t.execute("DELETE FROM variant_hours WHERE hour < $1 OR ($2 <> '' AND tenant = $2)", {before_hour, tenant}));
    FS_TRY(const int64_t answers, t.execute("DELETE FROM answered_by WHERE at_us < $1 OR ($2 <> '' AND tenant = $2)", {before_hour * 3'600'000'000, tenant}));
    FS_TRY(const int64_t alerts, t.execute("DELETE FROM monitor_alerts WHERE at_us < $1 OR ($2 <> '' AND tenant = $2)", {before_hour * 3'600'000'000, tenant}));
    n_rows = sums + answers + alerts;
    return {};
  }));
  return n_rows;
}

Result<int64_t> fold_monitoring(Store& store, int64_t before_hour) {
  const int64_t before_day = before_hour - before_hour % 24;
  int64_t n_rows = 0;
  const Status status = store.write([&](Transaction& t) -> Status {
    n_rows = 0;
    // Whoever moves the mark does it: the other waits for this row, and finds it moved.
    FS_TRY_VOID(t.execute("INSERT INTO counters(name, value) VALUES('monitor_folded', 0) ON CONFLICT(name) DO NOTHING", {}));
    FS_TRY(const int64_t mine, t.execute("UPDATE counters SET value = $1 WHERE name = 'monitor_folded' AND value < $1", {before_day}));
    if (mine == 0) return {};
    FS_TRY_VOID(t.execute("INSERT INTO variant_hours(variant, surface, tenant, hour, metric, value) SELECT variant, surface, tenant, hour - hour % 24, metric, CAST(sum(value) AS BIGINT) FROM variant_hours "
                          "WHERE hour < $1 AND hour % 24 <> 0 GROUP BY variant, surface, tenant, hour - hour % 24, metric "
                          "ON CONFLICT(variant, surface, tenant, hour, metric) DO UPDATE SET value = variant_hours.value + excluded.value", {before_day}));
    FS_TRY(n_rows, t.execute("DELETE FROM variant_hours WHERE hour < $1 AND hour % 24 <> 0", {before_day}));
    return {};
  });
  FS_TRY_VOID(status);
  return n_rows;
}

}  // namespace firesteel
