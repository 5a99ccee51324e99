#include "release/monitor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "base/toml_json.h"
#include "release/record_reader.h"
#include "release/topic.h"

namespace firesteel {
namespace {

constexpr std::array<const char*, 11> kNames = {"error_rate",     "refusal_rate",  "cut_rate", "thumbs_down_rate", "feedback_rate",
                                                "first_token_ms", "answer_tokens", "answers",  "input_drift",      "output_drift",  "topic_drift"};
constexpr size_t kBuckets = 21;

bool is_drift(MonitorMetric metric) { return metric >= MonitorMetric::kInputDrift; }

using Group = std::tuple<std::string, std::string, std::string>;   // variant, surface, tenant
using Sums = std::map<std::string, int64_t, std::less<>>;

int64_t sum_of(const Sums& sums, std::string_view metric) {
  const auto found = sums.find(metric);
  return found == sums.end() ? 0 : found->second;
}

std::vector<int64_t> buckets_of(const Sums& sums, const char* prefix, size_t n_buckets = kBuckets) {
  std::vector<int64_t> counts(n_buckets);
  for (size_t i = 0; i < n_buckets; ++i) counts[i] = sum_of(sums, prefix + std::to_string(i));
  return counts;
}

Result<std::map<Group, Sums>> sums_between(Store& store, const MonitorRule& rule, int64_t from_hour, int64_t until_hour) {
  std::map<Group, Sums> groups;
  FS_TRY_VOID(store.read([&](Reader& reader) {
    return reader.each("SELECT variant, surface, tenant, metric, CAST(sum(value) AS BIGINT) FROM variant_hours WHERE hour >= $1 AND hour < $2 GROUP BY variant, surface, tenant, metric LIMIT 1000000",
                       {from_hour, until_hour}, [&](const Row& row) {
                         groups[{row.text(0), rule.by_surface ? row.text(1) : "", rule.by_tenant ? row.text(2) : ""}][row.text(3)] += row.integer(4);
                         return true;
                       });
  }));
  return groups;
}

double share(int64_t n, int64_t of) { return of == 0 ? 0 : static_cast<double>(n) / static_cast<double>(of); }

double value_of(MonitorMetric metric, const Sums& now, const Sums& before) {
  const int64_t answers = sum_of(now, "answers"), good = answers - sum_of(now, "errors");
  const int64_t up = sum_of(now, "thumbs_up"), down = sum_of(now, "thumbs_down");
  switch (metric) {
    case MonitorMetric::kErrorRate: return share(sum_of(now, "errors"), answers);
    case MonitorMetric::kRefusalRate: return share(sum_of(now, "refusals"), good);
    case MonitorMetric::kCutRate: return share(sum_of(now, "cut"), good);
    case MonitorMetric::kThumbsDownRate: return share(down, up + down);
    case MonitorMetric::kFeedbackRate: return share(up + down, answers);
    case MonitorMetric::kFirstTokenMs: return share(sum_of(now, "first_token_us"), good) / 1000;
    case MonitorMetric::kAnswerTokens: return share(sum_of(now, "generated_tokens"), good);
    case MonitorMetric::kAnswers: return static_cast<double>(answers);
    case MonitorMetric::kInputDrift: return population_stability_index(buckets_of(before, "in_"), buckets_of(now, "in_"));
    case MonitorMetric::kOutputDrift: return population_stability_index(buckets_of(before, "out_"), buckets_of(now, "out_"));
    case MonitorMetric::kTopicDrift: return population_stability_index(buckets_of(before, "topic_", kTopicBuckets), buckets_of(now, "topic_", kTopicBuckets));
  }
  return 0;
}

std::string place_of(const MonitorReading& reading) {
  std::string text = reading.variant.substr(0, 12);
  if (!reading.surface.empty()) text += " on " + reading.surface;
  if (!reading.tenant.empty()) text += " for " + reading.tenant;
  return text;
}

}  // namespace

const char* monitor_metric_name(MonitorMetric metric) { return kNames[static_cast<size_t>(metric)]; }

double population_stability_index(std::span<const int64_t> before, std::span<const int64_t> now) {
  CHECK(before.size() == now.size());
  double n_before = 0, n_now = 0;
  for (const int64_t count : before) n_before += static_cast<double>(count);
  for (const int64_t count : now) n_now += static_cast<double>(count);
  if (n_before == 0 || n_now == 0) return 0;
  constexpr double kAdded = 20;
  double psi = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    const double a = static_cast<double>(before[i]), b = static_cast<double>(now[i]);
    if (a + b == 0) continue;
    const double added = kAdded * (a + b) / (n_before + n_now);
    const double p = (a + added) / (n_before + kAdded), q = (b + added) / (n_now + kAdded);
    psi += (q - p) * std::log(q / p);
  }
  return psi;
}

Result<std::vector<MonitorRule>> parse_monitor_rules(std::string_view toml, std::string_view where) {
  FS_TRY(const Json json, parse_toml(toml, where));
  Status status;
  std::vector<MonitorRule> rules;
  RecordReader r(json, std::string(where), &status);
  std::set<std::string> names;
  for (const Json* one : r.objects("rule")) {
    MonitorRule rule;
    RecordReader t(*one, fmt::format("{}: rule {}", where, rules.size() + 1), &status);
    size_t metric = 0;
    t.text("name", &rule.name, 64);
    if (!t.has("metric")) t.fail("metric", fmt::format("one of {}", fmt::join(kNames, ", ")));
    t.choice("metric", {kNames.begin(), kNames.end()}, &metric);
    rule.metric = static_cast<MonitorMetric>(metric);
    t.number("above", -1e9, 1e9, &rule.above);
    t.number("below", -1e9, 1e9, &rule.below);
    t.integer("window_hours", 1, 8760, &rule.window_hours);
    t.integer("baseline_hours", 1, 87600, &rule.baseline_hours);
    t.integer("min_answers", 0, 1'000'000'000, &rule.min_answers);
    std::vector<std::string> by;
    t.texts("by", &by);
    for (const std::string& word : by) {
      if (word == "surface") rule.by_surface = true;
      else if (word == "tenant") rule.by_tenant = true;
      else if (word != "variant") t.fail("by", "variant, surface, tenant");
    }
    t.text("webhook", &rule.webhook, 512);
    t.finish();  // a name that is misspelt comes before what it leaves out
    if (rule.name.empty() || !names.insert(rule.name).second) t.fail("name", "a name of its own");
    if (!t.has("above") && !t.has("below")) t.fail("above", "a limit: above, below or both");
    if (!rule.webhook.empty() && !rule.webhook.starts_with("http://") && !rule.webhook.starts_with("https://")) t.fail("webhook", "http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH");
    rules.push_back(std::move(rule));
  }
  r.finish();
  if (!status.ok()) return status.error();
  return rules;
}

Result<std::vector<MonitorReading>> read_monitors(Store& store, const std::vector<MonitorRule>& rules, int64_t hour) {
  std::vector<MonitorReading> readings;
  for (const MonitorRule& rule : rules) {
    const int64_t from = hour - rule.window_hours + 1;
    FS_TRY(const auto now, sums_between(store, rule, from, hour + 1));
    std::map<Group, Sums> before;
    if (is_drift(rule.metric)) {
      FS_TRY(before, sums_between(store, rule, from - rule.baseline_hours, from));
    }
    for (const auto& [group, sums] : now) {
      const auto base = before.find(group);
      const Sums& old = base == before.end() ? Sums() : base->second;
      MonitorReading reading;
      reading.rule = rule.name;
      std::tie(reading.variant, reading.surface, reading.tenant) = group;
      reading.n = rule.metric == MonitorMetric::kThumbsDownRate ? sum_of(sums, "thumbs_up") + sum_of(sums, "thumbs_down") : sum_of(sums, "answers");
      reading.value = value_of(rule.metric, sums, old);
      reading.known = reading.n >= rule.min_answers && (!is_drift(rule.metric) || sum_of(old, "answers") >= rule.min_answers);
      reading.alerting = reading.known && (reading.value > rule.above || reading.value < rule.below);
      readings.push_back(std::move(reading));
    }
  }
  return readings;
}

std::vector<MonitorAlert> MonitorState::update(const std::vector<MonitorRule>& rules, const std::vector<MonitorReading>& readings) {
  std::vector<MonitorAlert> alerts;
  const auto rule_of = [&](const std::string& name) { return std::find_if(rules.begin(), rules.end(), [&](const MonitorRule& rule) { return rule.name == name; }); };
  std::set<std::string> seen;
  for (const MonitorReading& reading : readings) {
    const std::string key = reading.rule + "\n" + reading.variant + "\n" + reading.surface + "\n" + reading.tenant;
    seen.insert(key);
    const auto rule = rule_of(reading.rule);
    if (rule == rules.end()) continue;
    const bool was_on = on_.contains(key);
    if (reading.alerting && !was_on) {
      const double limit = reading.value > rule->above ? rule->above : rule->below;
      alerts.push_back({reading, true, fmt::format("{}: {} of {} is {:.4g}, limit {:.4g}, over {} answers", reading.rule, monitor_metric_name(rule->metric), place_of(reading), reading.value, limit, reading.n), rule->webhook});
      on_[key] = reading;
    } else if (!reading.alerting && reading.known && was_on) {  // too few answers leave it on
      alerts.push_back({reading, false, fmt::format("{}: {} of {} is {:.4g} again", reading.rule, monitor_metric_name(rule->metric), place_of(reading), reading.value), rule->webhook});
      on_.erase(key);
    }
  }
  return alerts;
}

Result<int64_t> forget_monitoring(Store& store, int64_t before_hour, const std::string& tenant) {
  int64_t n_rows = 0;
  FS_TRY_VOID(store.write([&](Transaction& t) -> Status {
    n_rows = 0;
    FS_TRY(const int64_t sums, t.execute("DELETE FROM variant_hours WHERE hour < $1 OR ($2 <> '' AND tenant = $2)", {before_hour, tenant}));
    FS_TRY(const int64_t answers, t.execute("DELETE FROM answered_by WHERE at_us < $1 OR ($2 <> '' AND tenant = $2)", {before_hour * 3'600'000'000, tenant}));
    n_rows = sums + answers;
    return {};
  }));
  return n_rows;
}

}  // namespace firesteel
