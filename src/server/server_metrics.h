// Every metric of the server, by name. docs/api.md and deploy/grafana repeat the names; a test compares.
#pragma once

#include <cstdint>
#include <string>

#include "api/generator.h"
#include "server/http_server.h"
#include "telemetry/history.h"
#include "telemetry/metrics.h"

namespace firesteel {

class ServerMetrics {
 public:
  // with_vllm_names: the names that vLLM's dashboards know, too.
  ServerMetrics(const std::string& model, const std::string& version, bool with_vllm_names, int64_t now_s);

  void on_http(const std::string& route, const char* method, int status, int64_t duration_us);
  void on_first_token(int64_t duration_us);
  void on_gap(int64_t duration_us);
  // One request that the generator accepted has ended.
  void on_generated(const std::string& finish_reason, const Usage& usage, int64_t total_us);
  // The same of background work, whose times say nothing about how long anybody waits.
  void on_background_generated(const std::string& finish_reason);
  void on_error(const std::string& code);
  void set_load(const GeneratorStats& stats);
  void set_connections(const HttpServerStats& stats);

  // About how long a request takes now, for Retry-After; a second before the first one ended.
  int64_t typical_request_us() const { return typical_request_us_.load(std::memory_order_relaxed); }
  MetricRegistry& registry() { return registry_; }
  History& history() { return history_; }

 private:
  MetricRegistry registry_;
  History history_;
  const MetricLabels model_;
  Histogram& first_token_;
  Histogram& gap_;
  Histogram& total_;
  Histogram& queue_;
  Histogram& prefill_;
  Histogram& decode_;
  std::atomic<int64_t> typical_request_us_{1'000'000};
};

}  // namespace firesteel
