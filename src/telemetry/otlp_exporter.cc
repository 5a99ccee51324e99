#include "telemetry/otlp_exporter.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "base/clock.h"

namespace firesteel {
namespace {

constexpr size_t kAnswerBytesMax = 64u << 10;

struct Socket {
  int fd = -1;
  ~Socket() {
    if (fd >= 0) ::close(fd);
  }
};

// Until the descriptor can do `events`; false when the time is over.
bool wait_for(int fd, int16_t events, int64_t until_us) {
  for (;;) {
    const int64_t left_us = until_us - system_clock().now_us();
    if (left_us <= 0) return false;
    pollfd waits{fd, events, 0};
    const int n = ::poll(&waits, 1, static_cast<int>((left_us + 999) / 1000));
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) return false;
  }
}

Error unreachable(const OtlpOptions& to, const char* why) { return {ErrorCode::kUnavailable, fmt::format("collector {}:{}: {}", to.host, to.port, why)}; }

Status connect_to(const OtlpOptions& to, int64_t until_us, Socket* out) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(to.host.c_str(), to.port.c_str(), &hints, &found) != 0) return unreachable(to, "the name is not known");
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Socket socket{::socket(one->ai_family, one->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, one->ai_protocol)};
    if (socket.fd < 0) continue;
    if (::connect(socket.fd, one->ai_addr, one->ai_addrlen) != 0) {
      if (errno != EINPROGRESS || !wait_for(socket.fd, POLLOUT, until_us)) continue;
      int error = 0;
      socklen_t size = sizeof error;
      if (getsockopt(socket.fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) continue;
    }
    std::swap(out->fd, socket.fd);
    return {};
  }
  return unreachable(to, "nobody answers there");
}

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

Status parse_otlp_url(std::string_view url, bool is_base, OtlpOptions* out) {
  const auto wrong = [&](const char* what) { return Error{ErrorCode::kInvalidArgument, fmt::format("OTLP endpoint {}: {}", url.substr(0, 200), what)}; };
  constexpr std::string_view kScheme = "http://";
  if (url.substr(0, 8) == "https://") return wrong("only http is spoken; send to a collector on this machine, which has TLS");
  if (url.substr(0, kScheme.size()) != kScheme) return wrong("expected http://HOST:PORT");
  for (const char c : url) {
    if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\') return wrong("has a character that no address has");
  }
  std::string_view rest = url.substr(kScheme.size());
  const size_t path_at = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, path_at);
  std::string path(rest.substr(path_at));
  if (authority.find('@') != std::string_view::npos) return wrong("credentials belong into OTEL_EXPORTER_OTLP_HEADERS");
  std::string_view port = "4318";
  if (!authority.empty() && authority.front() == '[') {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return wrong("expected ] after the address");
    out->host = authority.substr(1, end - 1);
    if (end + 1 < authority.size()) {
      if (authority[end + 1] != ':') return wrong("expected :PORT after ]");
      port = authority.substr(end + 2);
    }
  } else {
    const size_t colon = std::min(authority.find(':'), authority.size());
    out->host = authority.substr(0, colon);
    if (colon < authority.size()) port = authority.substr(colon + 1);
  }
  uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (out->host.empty()) return wrong("has no host");
  if (error != std::errc() || end != port.data() + port.size() || number == 0) return wrong("expected a port from 1 to 65535");
  out->port = port;
  if (is_base) {
    while (!path.empty() && path.back() == '/') path.pop_back();
    path += "/v1/traces";
  }
  out->path = path.empty() ? "/" : path;
  return {};
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

Result<int> post_http(const OtlpOptions& to, const std::string& body) {
  const int64_t until_us = system_clock().now_us() + to.timeout_us;
  Socket socket;
  FS_TRY_VOID(connect_to(to, until_us, &socket));
  const std::string host = to.host.find(':') == std::string::npos ? to.host : "[" + to.host + "]";
  std::string request = fmt::format("POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n", to.path, host, to.port, body.size());
  for (const auto& [name, value] : to.headers) request += name + ": " + value + "\r\n";
  request += "\r\n" + body;
  for (std::string_view rest = request; !rest.empty();) {
    const ssize_t n = ::send(socket.fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n > 0) rest.remove_prefix(static_cast<size_t>(n));
    else if (n < 0 && errno != EAGAIN && errno != EINTR) return unreachable(to, "the connection broke");
    else if (!wait_for(socket.fd, POLLOUT, until_us)) return unreachable(to, "takes too long");
  }
  std::string answer;
  while (answer.find("\r\n\r\n") == std::string::npos && answer.size() < kAnswerBytesMax) {
    char bytes[4096];
    const ssize_t n = ::recv(socket.fd, bytes, sizeof bytes, 0);
    if (n > 0) answer.append(bytes, static_cast<size_t>(n));
    else if (n == 0) break;
    else if (errno != EAGAIN && errno != EINTR) return unreachable(to, "the connection broke");
    else if (!wait_for(socket.fd, POLLIN, until_us)) return unreachable(to, "takes too long");
  }
  int status = 0;
  if (answer.substr(0, 7) != "HTTP/1." || answer.size() < 12) return unreachable(to, "does not speak HTTP");
  const auto [end, error] = std::from_chars(answer.data() + 9, answer.data() + 12, status);
  if (error != std::errc() || end != answer.data() + 12) return unreachable(to, "does not speak HTTP");
  return status;
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
    const Result<int> status = post_http(options_, otlp_json(batch, options_.resource, version_));
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
