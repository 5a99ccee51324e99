#include "server/server_metrics.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"

namespace firesteel {
namespace {

int64_t now_s() { return wall_clock().now_us() / 1'000'000; }
double seconds(int64_t us) { return static_cast<double>(us) * 1e-6; }

}  // namespace

ServerMetrics::ServerMetrics(const std::string& model, const std::string& version, bool with_vllm_names, int64_t start_s)
    : model_({{"model_name", model}}),
      first_token_(registry_.histogram("firesteel_time_to_first_token_seconds", "From the request to its first token", latency_bounds_s(), model_)),
      gap_(registry_.histogram("firesteel_inter_token_latency_seconds", "Between two tokens of an answer", gap_bounds_s(), model_)),
      total_(registry_.histogram("firesteel_e2e_request_latency_seconds", "From the request to the end of its answer", latency_bounds_s(), model_)),
      queue_(registry_.histogram("firesteel_request_queue_time_seconds", "Waiting for the engine", latency_bounds_s(), model_)),
      prefill_(registry_.histogram("firesteel_request_prefill_time_seconds", "Reading the prompt", latency_bounds_s(), model_)),
      decode_(registry_.histogram("firesteel_request_decode_time_seconds", "Writing the answer", latency_bounds_s(), model_)) {
  registry_.gauge("firesteel_build_info", "Always 1; the version is a label", {{"version", version}}).set(1);
  registry_.gauge("firesteel_start_time_seconds", "Unix time of the start").set(static_cast<double>(start_s));
  if (!with_vllm_names) return;
  static constexpr std::pair<const char*, const char*> kNames[] = {
      {"firesteel_requests_running", "vllm:num_requests_running"},
      {"firesteel_requests_waiting", "vllm:num_requests_waiting"},
      {"firesteel_kv_usage_ratio", "vllm:kv_cache_usage_perc"},
      {"firesteel_prefix_cache_queries_total", "vllm:prefix_cache_queries_total"},
      {"firesteel_prefix_cache_hits_total", "vllm:prefix_cache_hits_total"},
      {"firesteel_prompt_tokens_total", "vllm:prompt_tokens_total"},
      {"firesteel_generation_tokens_total", "vllm:generation_tokens_total"},
      {"firesteel_request_success_total", "vllm:request_success_total"},
      {"firesteel_preemptions_total", "vllm:num_preemptions_total"},
      {"firesteel_time_to_first_token_seconds", "vllm:time_to_first_token_seconds"},
      {"firesteel_inter_token_latency_seconds", "vllm:inter_token_latency_seconds"},
      {"firesteel_e2e_request_latency_seconds", "vllm:e2e_request_latency_seconds"},
      {"firesteel_request_queue_time_seconds", "vllm:request_queue_time_seconds"},
      {"firesteel_request_prefill_time_seconds", "vllm:request_prefill_time_seconds"},
      {"firesteel_request_decode_time_seconds", "vllm:request_decode_time_seconds"},
  };
  for (const auto& [ours, theirs] : kNames) registry_.alias(ours, theirs);
}

void ServerMetrics::on_http(const std::string& route, const char* method, int status, int64_t duration_us) {
  registry_.counter("firesteel_http_requests_total", "Answers by route and status; status 0: the client left before",
                    {{"route", route}, {"method", method}, {"status", std::to_string(status)}}).add();
  registry_.histogram("firesteel_http_request_duration_seconds", "From the first byte of a request to the last of its answer",
                      latency_bounds_s(), {{"route", route}}).observe(seconds(duration_us));
  if (status < 400) return;
  const char* const code = status == 401 ? "invalid_api_key" : status == 403 ? "forbidden" : status == 404 ? "not_found"
                           : status == 408 ? "timeout" : status == 413 ? "too_large" : status == 429 || status == 529 ? "overloaded"
                           : status == 503 ? "unavailable" : status >= 500 ? "internal" : "invalid_request";
  on_error(code);
}

void ServerMetrics::on_first_token(int64_t duration_us) { first_token_.observe(seconds(duration_us)); }

void ServerMetrics::on_gap(int64_t duration_us) {
  gap_.observe(seconds(duration_us));
  history_.add_gap(now_s(), seconds(duration_us));
}

void ServerMetrics::on_background_generated(const std::string& finish_reason) {
  MetricLabels labels = model_;
  labels.emplace_back("finished_reason", finish_reason);
  registry_.counter("firesteel_request_success_total", "Finished requests by reason", labels).add();
}

void ServerMetrics::on_generated(const std::string& finish_reason, const Usage& usage, int64_t total_us) {
  on_background_generated(finish_reason);
  total_.observe(seconds(total_us));
  queue_.observe(seconds(usage.queued_us));
  if (usage.first_token_us > 0) {
    prefill_.observe(seconds(std::max<int64_t>(0, usage.first_token_us - usage.queued_us)));
    decode_.observe(seconds(std::max<int64_t>(0, usage.total_us - usage.first_token_us)));
  }
  history_.add_request(now_s(), usage.generated_tokens, usage.first_token_us > 0 ? seconds(usage.first_token_us) : -1);
  // A moving average over about eight requests.
  const int64_t before = typical_request_us();
  typical_request_us_.store(before + (total_us - before) / 8, std::memory_order_relaxed);
}

void ServerMetrics::on_error(const std::string& code) {
  registry_.counter("firesteel_errors_total", "Refused and failed requests", {{"code", code}}).add();
  history_.add_error(now_s(), code);
}

void ServerMetrics::set_load(const GeneratorStats& stats) {
  const auto gauge = [this](const char* name, const char* help, double value) { registry_.gauge(name, help, model_).set(value); };
  const auto counter = [this](const char* name, const char* help, uint64_t value) { registry_.counter(name, help, model_).set(value); };
  gauge("firesteel_requests_running", "Requests that advance in the batch", static_cast<double>(stats.n_running));
  gauge("firesteel_requests_waiting", "Requests that wait for the engine", static_cast<double>(stats.n_waiting));
  gauge("firesteel_kv_used_bytes", "Of the key-value pool", static_cast<double>(stats.kv_bytes_used));
  gauge("firesteel_kv_max_bytes", "Size of the key-value pool", static_cast<double>(stats.kv_bytes_max));
  gauge("firesteel_kv_usage_ratio", "Used part of the key-value pool, 0 to 1",
        stats.kv_bytes_max == 0 ? 0 : static_cast<double>(stats.kv_bytes_used) / static_cast<double>(stats.kv_bytes_max));
  counter("firesteel_prompt_tokens_total", "Prompt tokens of accepted requests", stats.prompt_tokens);
  counter("firesteel_cached_tokens_total", "Prompt tokens that were taken from the prefix cache", stats.cached_tokens);
  counter("firesteel_generation_tokens_total", "Tokens generated", stats.generated_tokens);
  counter("firesteel_prefix_cache_queries_total", "Requests that looked into the prefix cache", stats.prefix_queries);
  counter("firesteel_prefix_cache_hits_total", "Requests that found something there", stats.prefix_hits);
  counter("firesteel_preemptions_total", "Sequences that had to give their blocks back", stats.n_preemptions);
  history_.add_load(now_s(), stats.n_waiting, stats.kv_bytes_used);
}

void ServerMetrics::set_connections(const HttpServerStats& stats) {
  registry_.gauge("firesteel_http_connections", "Open connections").set(static_cast<double>(stats.n_connections));
  registry_.gauge("firesteel_http_body_bytes", "Request bodies held in memory").set(static_cast<double>(stats.body_bytes));
  registry_.counter("firesteel_http_disconnects_total", "Clients that left before the end of their answer").set(static_cast<uint64_t>(stats.n_disconnects));
  registry_.counter("firesteel_http_timeouts_total", "Clients that were too slow").set(static_cast<uint64_t>(stats.n_timeouts));
  registry_.counter("firesteel_http_connections_refused_total", "Connections above the limit").set(static_cast<uint64_t>(stats.n_connections_refused));
}

}  // namespace firesteel
