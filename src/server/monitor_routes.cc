// The console's monitoring: what variants did over time, per variant, surface and tenant, and the alerts of that time.
#include <map>

#include "base/clock.h"
#include "release/monitor.h"
#include "release/monitor_history.h"
#include "server/admin_routes.h"
#include "server/own_api.h"
#include "server/release_routing.h"

namespace firesteel {
namespace {

constexpr int64_t kAlertsShown = 100;
constexpr int64_t kHourMs = 3'600'000;

struct Names {
  std::map<std::string, std::string> variants, tenants;
  std::string of(HistoryBy by, const std::string& key) const {
    if (by == HistoryBy::kSurface) return key;
    const auto& names = by == HistoryBy::kTenant ? tenants : variants;
    if (const auto found = names.find(key); found != names.end()) return found->second;
    return by == HistoryBy::kVariant && key.size() == 64 ? key.substr(0, 12) : key;
  }
};

Result<Names> read_names(ServerContext* context) {
  Names names;
  FS_TRY(const std::vector<Variant> variants, Registry(context->store, context->tenants).list(""));
  for (const Variant& variant : variants) names.variants[variant.digest] = variant.name + " " + std::to_string(variant.number);
  for (const TenantRecord& tenant : context->tenants.list_tenants()) names.tenants[tenant.id.str()] = tenant.name;
  return names;
}

// Steps that cover the period with 24 to 30 points.
struct Period {
  const char* name;
  int64_t step_hours, n_steps;
};
constexpr Period kPeriods[] = {{"24h", 1, 24}, {"7d", 6, 28}, {"30d", 24, 30}, {"90d", 72, 30}};

Json optional_json(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json line_json(const HistoryLine& line, HistoryBy by, const Names& names) {
  Json values = Json::Object{}, totals = Json::Object{};
  for (size_t m = 0; m < kMonitorMetrics; ++m) {
    const char* const name = monitor_metric_name(static_cast<MonitorMetric>(m));
    Json::Array list;
    bool any = false;
    for (const std::optional<double>& value : line.values[m]) {
      any = any || value.has_value();
      list.push_back(optional_json(value));
    }
    if (any) values.set(name, std::move(list));
    totals.set(name, optional_json(line.totals[m]));
  }
  Json out = Json::Object{{"key", line.key}, {"label", names.of(by, line.key)}, {"n_answers", line.n_answers}};
  out.set("values", std::move(values));
  out.set("totals", std::move(totals));
  return out;
}

Json choices_json(const std::vector<std::string>& keys, HistoryBy by, const Names& names) {
  Json::Array out;
  for (const std::string& key : keys) out.push_back(Json::Object{{"key", key}, {"label", names.of(by, key)}});
  return out;
}

Result<Json> monitor_json(ServerContext* context, const HistoryQuery& query, const std::string& period) {
  FS_TRY(const Names names, read_names(context));
  FS_TRY(const MonitorHistory history, read_history(context->store, query));
  FS_TRY(const std::vector<MonitorAlert> alerts, read_alerts(context->store, history.hours.front() * kHourMs * 1000, kAlertsShown));
  Json::Array times, lines, told;
  for (const int64_t hour : history.hours) times.push_back(hour * kHourMs);
  for (const HistoryLine& line : history.lines) lines.push_back(line_json(line, query.by, names));
  for (const MonitorAlert& alert : alerts) {
    const MonitorReading& r = alert.reading;
    told.push_back(Json::Object{{"at", ms_of(alert.at_us)}, {"rule", r.rule}, {"variant", names.of(HistoryBy::kVariant, r.variant)}, {"surface", r.surface},
                                {"tenant", names.of(HistoryBy::kTenant, r.tenant)}, {"value", r.value}, {"n", r.n}, {"state", alert.begins ? "begins" : "over"}, {"text", alert.text}});
  }
  Json out = Json::Object{{"period", period}, {"step_s", query.step_hours * 3600}};
  out.set("times", std::move(times));
  out.set("lines", std::move(lines));
  out.set("left_out", history.n_left_out);
  out.set("variants", choices_json(history.variants, HistoryBy::kVariant, names));
  out.set("surfaces", choices_json(history.surfaces, HistoryBy::kSurface, names));
  out.set("tenants", choices_json(history.tenants, HistoryBy::kTenant, names));
  out.set("alerts", std::move(told));
  return out;
}

HttpReply monitor(ServerContext* context, Call& call) {
  std::string period = text_query(call.request, "period"), by = text_query(call.request, "by");
  if (period.empty()) period = "7d";
  if (by.empty()) by = "variant";
  const Period* found = nullptr;
  for (const Period& one : kPeriods) {
    if (period == one.name) found = &one;
  }
  if (found == nullptr) return own_error(call, bad_field("period", "expected 24h, 7d, 30d or 90d"));
  if (by != "variant" && by != "surface" && by != "tenant") return own_error(call, bad_field("by", "expected variant, surface or tenant"));
  HistoryQuery query;
  query.step_hours = found->step_hours;
  query.n_steps = found->n_steps;
  // Steps begin at the same hours whenever one looks, so that a chart does not move while it is looked at.
  const int64_t now_hour = wall_clock().now_us() / 3'600'000'000;
  query.until_hour = (now_hour / query.step_hours + 1) * query.step_hours;
  query.by = by == "variant" ? HistoryBy::kVariant : by == "surface" ? HistoryBy::kSurface : HistoryBy::kTenant;
  query.variant = text_query(call.request, "variant");
  query.surface = text_query(call.request, "surface");
  query.tenant = text_query(call.request, "tenant");
  const Result<Json> out = monitor_json(context, query, period);
  if (!out.ok()) return own_error(call, own_api_error(out.error()));
  return json_response(200, out->dump());
}

}  // namespace

void add_monitor_routes(ServerContext* context, Router* router) {
  add_admin_route(context, router, HttpMethod::kGet, "monitor", "monitor", monitor);
}

}  // namespace firesteel
