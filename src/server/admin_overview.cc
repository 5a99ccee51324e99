// How things stand: overview, models, system.
#include <cmath>

#include <fmt/format.h>

#include "base/clock.h"
#include "server/admin_routes.h"
#include "server/own_api.h"

namespace firesteel {
namespace {

constexpr size_t kChartPointsMax = 120;

// Milliseconds, or null without observations.
Json quantile_ms(const std::vector<double>& bounds, const std::vector<uint64_t>& counts, double q) {
  if (counts.size() != bounds.size() + 1) return nullptr;
  const double seconds = histogram_quantile(bounds, counts, q);
  if (!std::isfinite(seconds)) return nullptr;
  return std::round(seconds * 1e5) / 100;
}

Json percentiles(const std::vector<double>& bounds, const std::vector<uint64_t>& counts) {
  const auto or_zero = [](Json value) { return value.is_null() ? Json(0) : value; };
  return Json::Object{{"p50", or_zero(quantile_ms(bounds, counts, 0.5))},
                      {"p95", or_zero(quantile_ms(bounds, counts, 0.95))},
                      {"p99", or_zero(quantile_ms(bounds, counts, 0.99))}};
}

Json point_json(const HistoryPoint& point) {
  const std::vector<double> first = latency_bounds_s(), gap = gap_bounds_s();
  return Json::Object{{"t", point.begin_s * 1000},
                      {"requests", point.n_requests},
                      {"tokens", point.n_tokens},
                      {"errors", point.n_errors},
                      {"ttft_p50_ms", quantile_ms(first, point.first_token_counts, 0.5)},
                      {"ttft_p95_ms", quantile_ms(first, point.first_token_counts, 0.95)},
                      {"ttft_p99_ms", quantile_ms(first, point.first_token_counts, 0.99)},
                      {"itl_p50_ms", quantile_ms(gap, point.gap_counts, 0.5)},
                      {"itl_p95_ms", quantile_ms(gap, point.gap_counts, 0.95)},
                      {"itl_p99_ms", quantile_ms(gap, point.gap_counts, 0.99)},
                      {"n_waiting", point.n_waiting_max},
                      {"kv_used_bytes", static_cast<int64_t>(point.kv_bytes_used_max)}};
}

HttpReply overview(ServerContext* context, Call& call) {
  const std::string period = text_query(call.request, "period");
  const int64_t seconds = period == "24h" ? 24 * 3600 : period == "7d" ? 7 * 24 * 3600 : period == "30d" ? 30 * 24 * 3600 : 3600;
  if (!period.empty() && period != "1h" && seconds == 3600) return own_error(call, bad_field("period", "expected 1h, 24h, 7d or 30d"));
  const int64_t now_us = wall_clock().now_us();
  const int64_t now_s = now_us / 1'000'000;
  const GeneratorStats stats = context->generator.stats();
  context->metrics.set_load(stats);  // so that the last point is now, also without a scraper
  History& history = context->metrics.history();
  const HistoryPoint sum = history.sum(now_s, seconds);
  const int64_t uptime_s = (now_us - context->started_unix_us) / 1'000'000;
  const int64_t observed_s = std::max<int64_t>(1, std::min(seconds, uptime_s));

  std::vector<HistoryPoint> points = history.points(now_s, seconds);
  const size_t stride = (points.size() + kChartPointsMax - 1) / kChartPointsMax;
  Json::Array series;
  for (size_t i = 0; i < points.size(); i += std::max<size_t>(stride, 1)) {
    HistoryPoint merged = points[i];
    for (size_t k = i + 1; k < std::min(points.size(), i + stride); ++k) merge_history(points[k], &merged);
    series.push_back(point_json(merged));
  }
  Json errors = Json::Object{};
  for (const auto& [code, n] : history.errors(now_s, seconds)) errors.set(code, n);
  Json out = Json::Object{{"requests_per_s", static_cast<double>(sum.n_requests) / static_cast<double>(observed_s)},
                          {"ttft_ms", percentiles(latency_bounds_s(), sum.first_token_counts)},
                          {"itl_ms", percentiles(gap_bounds_s(), sum.gap_counts)},
                          {"n_running", stats.n_running},
                          {"n_waiting", stats.n_waiting},
                          {"kv_used_bytes", static_cast<int64_t>(stats.kv_bytes_used)},
                          {"kv_max_bytes", static_cast<int64_t>(stats.kv_bytes_max)},
                          {"errors", std::move(errors)},
                          {"series", std::move(series)},
                          {"version", context->options.version},
                          {"model", context->options.model_id},
                          {"uptime_s", uptime_s},
                          {"ready", !context->draining && context->store.writable()}};
  return json_response(200, out.dump());
}

HttpReply models(ServerContext* context, Call&) {
  const ModelInfo info = context->generator.info();
  Json::Array aliases;
  for (const std::string& alias : context->options.aliases) aliases.push_back(alias);
  Json model = Json::Object{{"id", context->options.model_id},
                            {"state", "ready"},
                            {"aliases", std::move(aliases)},
                            {"context_length", info.context_length},
                            {"n_params", info.n_parameters},
                            {"quantisation", info.quantisation},
                            {"bytes", info.file_bytes},
                            {"digest", info.digest},
                            {"device", "cpu"}};
  return json_response(200, Json(Json::Object{{"data", Json::Array{std::move(model)}}}).dump());
}

HttpReply system(ServerContext* context, Call&) {
  Json::Array checks, config;
  const auto check = [&](const char* name, const char* state, std::string detail) {
    checks.push_back(Json::Object{{"name", name}, {"state", state}, {"detail", std::move(detail)}});
  };
  const bool writable = context->store.writable();
  check("store", writable ? "good" : "bad", writable ? "takes records" : "refuses records: look at the disk; nothing that was acknowledged is lost");
  check("keys", context->options.anonymous ? "warn" : "good", context->options.anonymous ? "--no-auth: every program on this machine may use the API" : "needed for every request");
  const GeneratorStats stats = context->generator.stats();
  const double kv = stats.kv_bytes_max == 0 ? 0 : static_cast<double>(stats.kv_bytes_used) / static_cast<double>(stats.kv_bytes_max);
  check("key-value cache", kv > 0.95 ? "warn" : "good", fmt::format("{:.0f} % used", kv * 100));
  check("queue", stats.n_waiting > 2 * std::max<int64_t>(stats.n_running, 1) ? "warn" : "good", fmt::format("{} running, {} waiting", stats.n_running, stats.n_waiting));
  const HttpServerStats http = context->http_stats();
  check("connections", "good", fmt::format("{} open, {} refused since the start", http.n_connections, http.n_connections_refused));
  if (context->draining) check("drain", "warn", "the server is stopping");
  for (const ConfigEntry& entry : context->options.config) {
    config.push_back(Json::Object{{"name", entry.name}, {"value", entry.value}, {"origin", entry.origin}});
  }
  Json out = Json::Object{{"version", context->options.version}, {"commit", context->options.commit},
                          {"started_at", ms_of(context->started_unix_us)},
                          {"uptime_s", (wall_clock().now_us() - context->started_unix_us) / 1'000'000}};
  out.set("checks", std::move(checks));
  out.set("config", std::move(config));
  return json_response(200, out.dump());
}

}  // namespace

void add_overview_routes(ServerContext* context, Router* router) {
  add_admin_route(context, router, HttpMethod::kGet, "overview", "overview", overview);
  add_admin_route(context, router, HttpMethod::kGet, "models", "models", models);
  add_admin_route(context, router, HttpMethod::kGet, "system", "system", system);
}

}  // namespace firesteel
