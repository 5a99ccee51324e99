#include "telemetry/otlp_exporter.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "base/clock.h"

namespace firesteel {
namespace {

constexpr size_t kAnswerBytesMax = 64u << 10;  // collectors say little, and nothing that is needed

Json attribute_value(const Json& value) {
  if (value.is_bool()) return Json::Object{{"boolValue", value}};
  if (value.is_int()) return Json::Object{{"intValue", std::to_string(value.as_int())}};  // 64 bits travel as text
  if (value.is_double()) return Json::Object{{"doubleValue", value}};
  if (value.is_array()) {
    Json::Array values;
    for (const Json& one : value.as_array()) values.push_back(attribute_value(one));
    return Json::Object{{"arrayValue", Json::Object{{"values", std::move(values)}}}};
  }
  return Json::Object{{"stringValue", value.is_string() ? value : Json(value.dump())}};
}

Json attributes(const Json::Object& from) {
  Json::Array out;
  for (const auto& [name, value] : from) out.push_back(Json::Object{{"key", name}, {"value", attribute_value(value)}});
  return out;
}

template <size_t n>
std::string hex(const std::array<uint8_t, n>& bytes) {
  std::string out;
  for (const uint8_t byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

Json span_json(const SpanRecord& span) {
  Json out = Json::Object{{"traceId", hex(span.context.trace_id)}, {"spanId", hex(span.context.span_id)}};
  if (span.parent) out.set("parentSpanId", hex(*span.parent));
  if (!span.context.state.empty()) out.set("traceState", span.context.state);
  out.set("name", span.name);
  out.set("kind", static_cast<int>(span.kind));
  out.set("startTimeUnixNano", std::to_string(span.start_us) + "000");
  out.set("endTimeUnixNano", std::to_string(span.end_us) + "000");
  out.set("attributes", attributes(span.attributes));
  if (!span.error_type.empty()) out.set("status", Json::Object{{"code", 2}});
  return out;
}

}  // namespace

Result<HttpUrl> parse_otlp_url(std::string_view text, bool is_base) {
  Result<HttpUrl> url = parse_http_url(text, 4318);
  if (!url.ok()) return Error{url.error().code, "OTLP endpoint " + url.error().message};
  if (is_base) {
    while (!url->path.empty() && url->path.back() == '/') url->path.pop_back();
    url->path += "/v1/traces";
  }
  return url;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_otel_list(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto decode = [](std::string_view part) -> std::optional<std::string> {
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    std::string plain;
    for (size_t i = 0; i < part.size(); ++i) {
      char c = part[i];
      if (c == '%') {
        unsigned value = 0;
        const std::string_view two = part.substr(i + 1, 2);
        const auto [end, error] = std::from_chars(two.data(), two.data() + two.size(), value, 16);
        if (two.size() != 2 || error != std::errc() || end != two.data() + 2) return std::nullopt;
        c = static_cast<char>(value);
        i += 2;
      }
      if (c < ' ' || c == 0x7f) return std::nullopt;  // no line ends in headers
      plain += c;
    }
    return plain;
  };
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.find_first_not_of(' ') == std::string_view::npos) continue;
    const size_t equals = pair.find('=');
    const auto name = decode(pair.substr(0, equals));
    const auto value = equals == std::string_view::npos ? std::nullopt : decode(pair.substr(equals + 1));
    if (!name || name->empty() || !value || out.size() >= 64) return Error{ErrorCode::kInvalidArgument, "expected at most 64 of name=value,name=value"};
    out.emplace_back(*name, *value);
  }
  return out;
}

std::string otlp_json(const std::vector<SpanRecord>& spans, const Json::Object& resource, std::string_view scope_version) {
  Json::Array list;
  for (const SpanRecord& span : spans) list.push_back(span_json(span));
  const Json scope = Json::Object{{"scope", Json::Object{{"name", "firesteel"}, {"version", scope_version}}}, {"spans", std::move(list)}};
  const Json group = Json::Object{{"resource", Json::Object{{"attributes", attributes(resource)}}}, {"scopeSpans", Json::Array{scope}}};
  return Json(Json::Object{{"resourceSpans", Json::Array{group}}}).dump();
}

Result<int> post_otlp(const OtlpOptions& to, std::string body) {
  HttpClientRequest request;
  request.headers = {{"Content-Type", "application/json"}};
  request.headers.insert(request.headers.end(), to.headers.begin(), to.headers.end());
  request.body = std::move(body);
  request.timeout_ms = to.timeout_us / 1000;
  request.body_bytes_max = kAnswerBytesMax;
  Result<HttpClientReply> reply = http_post(to.url, request);
  if (!reply.ok()) return Error{ErrorCode::kUnavailable, fmt::format("collector {}: {}", authority_of(to.url), reply.error().message)};
  return reply->status;
}

OtlpExporter::OtlpExporter(OtlpOptions options, std::string version) : options_(std::move(options)), version_(std::move(version)) {
  thread_ = std::thread([this] { run(); });
}

OtlpExporter::~OtlpExporter() {
  {
    MutexLock lock(mutex_);
    closed_ = true;
    changed_.notify_one();
  }
  thread_.join();
}

void OtlpExporter::take(SpanRecord span) {
  MutexLock lock(mutex_);
  if (closed_ || spans_.size() >= options_.queue_capacity) {
    n_dropped_.fetch_add(1);
    return;
  }
  spans_.push_back(std::move(span));
  if (spans_.size() == 1 || spans_.size() == options_.batch_max) changed_.notify_one();
}

std::vector<SpanRecord> OtlpExporter::next_batch() {
  MutexLock lock(mutex_);
  while (spans_.empty() && !closed_) changed_.wait(mutex_);
  const int64_t until_us = system_clock().now_us() + options_.interval_us;
  while (spans_.size() < options_.batch_max && !closed_) {
    const int64_t left_us = until_us - system_clock().now_us();
    if (left_us <= 0) break;
    changed_.wait_for(mutex_, std::chrono::microseconds(left_us));
  }
  const size_t n = std::min(spans_.size(), options_.batch_max);
  std::vector<SpanRecord> batch(std::make_move_iterator(spans_.begin()), std::make_move_iterator(spans_.begin() + static_cast<std::ptrdiff_t>(n)));
  spans_.erase(spans_.begin(), spans_.begin() + static_cast<std::ptrdiff_t>(n));
  return batch;
}

void OtlpExporter::run() {
  for (;;) {
    const std::vector<SpanRecord> batch = next_batch();
    if (batch.empty()) return;
    const Result<int> status = post_otlp(options_, otlp_json(batch, options_.resource, version_));
    if (status.ok() && *status / 100 == 2) {
      n_exported_.fetch_add(batch.size());
      continue;
    }
    n_dropped_.fetch_add(batch.size());
    MutexLock lock(mutex_);
    if (!closed_) continue;  // with nobody there, the end does not wait for each batch
    n_dropped_.fetch_add(spans_.size());
    return;
  }
}

}  // namespace firesteel
