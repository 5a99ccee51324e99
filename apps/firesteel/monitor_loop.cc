#include "monitor_loop.h"

#include <chrono>
#include <utility>

#include "base/clock.h"
#include "base/json.h"
#include "net/http_client.h"

namespace firesteel {
namespace {

constexpr int64_t kPeriodUs = 60'000'000, kHourUs = 3'600'000'000;
constexpr size_t kUndeliveredMax = 100;
constexpr int kTriesMax = 10;
constexpr int64_t kTimeoutMs = 5000;

}  // namespace

Status post_webhook(const std::string& url, const std::string& body, const std::function<bool()>& cancelled) {
  const auto failed = [&](ErrorCode code, const std::string& why) { return Error{code, "webhook " + url + ": " + why}; };
  const Result<HttpUrl> to = parse_http_url(url);
  if (!to.ok()) return failed(ErrorCode::kInvalidArgument, "expected http://HOST[:PORT]/PATH or https://...");
  HttpClientRequest request;
  request.headers = {{"Content-Type", "application/json"}};
  request.body = body;
  request.timeout_ms = kTimeoutMs;
  request.body_bytes_max = 64u << 10;
  request.cancelled = cancelled;
  const Result<HttpClientReply> reply = http_post(*to, request);
  if (!reply.ok()) return failed(ErrorCode::kUnavailable, reply.error().message);
  if (reply->status / 100 != 2) return failed(ErrorCode::kUnavailable, "answered " + std::to_string(reply->status));
  return {};
}

MonitorLoop::MonitorLoop(Store& store, MonitorFile file, Notice notice)
    : store_(store), file_(std::move(file)), notice_(std::move(notice)), thread_([this] { run(); }) {}

MonitorLoop::~MonitorLoop() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool MonitorLoop::is_stopped() {
  MutexLock lock(mutex_);
  return stopped_;
}

void MonitorLoop::send_again() {
  std::vector<Undelivered> still;
  for (Undelivered& one : undelivered_) {
    const Status delivered = post_webhook(one.webhook, one.body, [this] { return is_stopped(); });
    if (!delivered.ok() && ++one.n_tries < kTriesMax) still.push_back(std::move(one));
  }
  undelivered_ = std::move(still);
}

void MonitorLoop::look(int64_t now_us) {
  if (file_.rules.empty()) return;
  const auto readings = read_monitors(store_, file_.rules, now_us / kHourUs);
  if (!readings.ok()) return;  // a store that is away comes back
  const auto alerts = update_alerts(store_, file_.rules, *readings, now_us);
  if (!alerts.ok()) return;
  for (const MonitorAlert& alert : *alerts) {
    Status delivered;
    if (!alert.webhook.empty()) {
      const std::string body = Json(Json::Object{{"rule", alert.reading.rule}, {"variant", alert.reading.variant}, {"surface", alert.reading.surface},
                                                 {"tenant", alert.reading.tenant}, {"value", alert.reading.value}, {"n", alert.reading.n},
                                                 {"state", alert.begins ? "begins" : "over"}, {"text", alert.text}}).dump();
      delivered = post_webhook(alert.webhook, body, [this] { return is_stopped(); });
      if (!delivered.ok() && undelivered_.size() < kUndeliveredMax) undelivered_.push_back({alert.webhook, body, 1});
    }
    notice_(alert, delivered);
  }
}

void MonitorLoop::tidy(int64_t now_us) {
  const int64_t hour = now_us / kHourUs;
  if (hour == tidied_hour_) return;
  tidied_hour_ = hour;
  static_cast<void>(fold_monitoring(store_, hour - file_.hourly_days * 24));  // what failed is done in an hour
  if (file_.keep_days > 0) static_cast<void>(forget_monitoring(store_, hour - file_.keep_days * 24, ""));
}

void MonitorLoop::run() {
  while (true) {
    send_again();
    look(wall_clock().now_us());
    tidy(wall_clock().now_us());
    MutexLock lock(mutex_);
    const int64_t until_us = system_clock().now_us() + kPeriodUs;
    while (!stopped_ && system_clock().now_us() < until_us) static_cast<void>(changed_.wait_for(mutex_, std::chrono::microseconds(kPeriodUs)));
    if (stopped_) return;
  }
}

}  // namespace firesteel
