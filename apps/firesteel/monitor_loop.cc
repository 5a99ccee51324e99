#include "monitor_loop.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "base/clock.h"
#include "base/json.h"

namespace firesteel {
namespace {

constexpr int64_t kPeriodUs = 60'000'000;
constexpr size_t kUndeliveredMax = 100;
constexpr int kTriesMax = 10;

struct Address {
  std::string host, port = "80", path = "/";
};
Result<Address> parse_url(const std::string& url) {
  constexpr std::string_view kScheme = "http://";
  const Error wrong{ErrorCode::kInvalidArgument, "webhook " + url + ": expected http://HOST[:PORT]/PATH"};
  if (!url.starts_with(kScheme)) return wrong;
  std::string rest = url.substr(kScheme.size());
  for (const char c : rest) {
    if (c <= ' ' || c > '~') return wrong;
  }
  Address address;
  if (const size_t slash = rest.find('/'); slash != std::string::npos) {
    address.path = rest.substr(slash);
    rest.resize(slash);
  }
  if (const size_t colon = rest.find(':'); colon != std::string::npos) {
    address.port = rest.substr(colon + 1);
    rest.resize(colon);
  }
  if (rest.empty() || rest.find('@') != std::string::npos || address.port.empty() || address.port.find_first_not_of("0123456789") != std::string::npos) return wrong;
  address.host = rest;
  return address;
}

}  // namespace

Status post_webhook(const std::string& url, const std::string& body) {
  FS_TRY(const Address address, parse_url(url));
  const Error unreachable{ErrorCode::kUnavailable, "webhook " + url + ": cannot be reached"};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found) != 0 || found == nullptr) return unreachable;
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval timeout{5, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);  // of connect, too
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  bool good = fd >= 0 && ::connect(fd, found->ai_addr, found->ai_addrlen) == 0;
  ::freeaddrinfo(found);
  const std::string request = "POST " + address.path + " HTTP/1.1\r\nHost: " + address.host + "\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " +
                              std::to_string(body.size()) + "\r\n\r\n" + body;
  for (size_t sent = 0; good && sent < request.size();) {
    const ssize_t n = ::send(fd, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    good = n > 0;
    if (good) sent += static_cast<size_t>(n);
  }
  std::string head(64, '\0');
  const ssize_t n = good ? ::recv(fd, head.data(), head.size(), 0) : -1;
  if (fd >= 0) ::close(fd);
  if (n < 12) return unreachable;
  if (head[9] != '2') return Error{ErrorCode::kUnavailable, "webhook " + url + ": answered " + head.substr(9, 3)};
  return {};
}

MonitorLoop::MonitorLoop(Store& store, std::vector<MonitorRule> rules, Notice notice)
    : store_(store), rules_(std::move(rules)), notice_(std::move(notice)), thread_([this] { run(); }) {}

MonitorLoop::~MonitorLoop() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void MonitorLoop::send_again() {
  std::vector<Undelivered> still;
  for (Undelivered& one : undelivered_) {
    const Status delivered = post_webhook(one.webhook, one.body);
    if (!delivered.ok() && ++one.n_tries < kTriesMax) still.push_back(std::move(one));
  }
  undelivered_ = std::move(still);
}

void MonitorLoop::run() {
  while (true) {
    send_again();
    const auto readings = read_monitors(store_, rules_, wall_clock().now_us() / 3'600'000'000);
    if (readings.ok()) {
      for (const MonitorAlert& alert : state_.update(rules_, *readings)) {
        Status delivered;
        if (!alert.webhook.empty()) {
          const std::string body = Json(Json::Object{{"rule", alert.reading.rule}, {"variant", alert.reading.variant}, {"surface", alert.reading.surface},
                                                                    {"tenant", alert.reading.tenant}, {"value", alert.reading.value}, {"n", alert.reading.n},
                                                                    {"state", alert.begins ? "begins" : "over"}, {"text", alert.text}}).dump();
          delivered = post_webhook(alert.webhook, body);
          if (!delivered.ok() && undelivered_.size() < kUndeliveredMax) undelivered_.push_back({alert.webhook, body, 1});
        }
        notice_(alert, delivered);
      }
    }
    MutexLock lock(mutex_);
    const int64_t until_us = system_clock().now_us() + kPeriodUs;
    while (!stopped_ && system_clock().now_us() < until_us) static_cast<void>(changed_.wait_for(mutex_, std::chrono::microseconds(kPeriodUs)));
    if (stopped_) return;
  }
}

}  // namespace firesteel
