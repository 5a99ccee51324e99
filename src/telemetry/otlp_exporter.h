// Sends spans to a collector by OTLP over HTTP, as JSON. A thread of its own with a bounded queue: what does not fit, or cannot be
// delivered, is dropped and counted; requests never wait for it.
//
// Source: OpenTelemetry protocol specification 1.x, JSON mapping.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "net/http_client.h"
#include "telemetry/trace.h"

namespace firesteel {

struct OtlpOptions {
  HttpUrl url = {};                                               // parse_otlp_url
  std::vector<std::pair<std::string, std::string>> headers = {};  // of each request
  Json::Object resource = {};                                     // "service.name" ...
  size_t queue_capacity = 2048;
  size_t batch_max = 256;
  int64_t interval_us = 2'000'000;                                // between requests, when there is less
  int64_t timeout_us = 5'000'000;                                 // of one request
};
// "http://127.0.0.1:4318" or "https://collector.example:4318" (then /v1/traces is added when `is_base`). kInvalidArgument: not such an address.
Result<HttpUrl> parse_otlp_url(std::string_view text, bool is_base);
// "name=value,name=value" with %XX, as OTEL_EXPORTER_OTLP_HEADERS and OTEL_RESOURCE_ATTRIBUTES are written. kInvalidArgument.
Result<std::vector<std::pair<std::string, std::string>>> parse_otel_list(std::string_view text);

// The body of one request.
std::string otlp_json(const std::vector<SpanRecord>& spans, const Json::Object& resource, std::string_view scope_version);

class OtlpExporter final : public SpanSink {
 public:
  OtlpExporter(OtlpOptions options, std::string version);
  ~OtlpExporter() override;  // tries once to deliver what waits

  void take(SpanRecord span) override FS_EXCLUDES(mutex_);
  struct Counts {
    uint64_t exported = 0, dropped = 0;
  };
  Counts counts() const { return {n_exported_.load(), n_dropped_.load()}; }

 private:
  void run();
  // Waits for the first span, then a little for company. Empty: it is over.
  std::vector<SpanRecord> next_batch() FS_EXCLUDES(mutex_);
  const OtlpOptions options_;
  const std::string version_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<SpanRecord> spans_ FS_GUARDED_BY(mutex_);
  bool closed_ FS_GUARDED_BY(mutex_) = false;
  std::atomic<uint64_t> n_exported_{0}, n_dropped_{0};
  std::thread thread_;
};

// POSTs a body and gives the answer's status. kUnavailable: nobody there, too slow, no HTTP. Waits at most timeout_us.
Result<int> post_otlp(const OtlpOptions& to, std::string body);

}  // namespace firesteel
