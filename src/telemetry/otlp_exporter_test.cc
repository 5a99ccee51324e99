// Against a collector made of a socket.
#include "telemetry/otlp_exporter.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

namespace firesteel {
namespace {

// Takes `n` requests, one after the other, and answers each with `status_line`.
class Collector {
 public:
  Collector(int n, std::string status_line) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd_, 8), 0);
    socklen_t size = sizeof address;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port = std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this, n, status_line] {
      for (int i = 0; i < n; ++i) serve_one(status_line);
    });
  }
  ~Collector() {
    if (thread_.joinable()) thread_.join();
    ::close(fd_);
  }
  std::vector<std::string> take() {
    thread_.join();
    return std::move(requests_);
  }
  std::string port;

 private:
  void serve_one(const std::string& status_line) {
    const int client = ::accept(fd_, nullptr, nullptr);
    const timeval timeout{20, 0};
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    std::string request;
    char bytes[4096];
    for (;;) {
      const size_t head = request.find("\r\n\r\n");
      const size_t length = request.find("Content-Length: ");
      if (head != std::string::npos && length != std::string::npos && request.size() >= head + 4 + std::stoul(request.substr(length + 16))) break;
      const ssize_t n = ::recv(client, bytes, sizeof bytes, 0);
      if (n <= 0) break;
      request.append(bytes, static_cast<size_t>(n));
    }
    requests_.push_back(request);
    const std::string answer = status_line + "\r\nContent-Length: 2\r\n\r\n{}";
    EXPECT_EQ(::send(client, answer.data(), answer.size(), MSG_NOSIGNAL), static_cast<ssize_t>(answer.size()));
    ::close(client);
  }
  int fd_ = -1;
  std::vector<std::string> requests_;
  std::thread thread_;
};

OtlpOptions options_for(const std::string& port) {
  OtlpOptions options;
  options.url = parse_otlp_url("http://127.0.0.1:" + port, true).value();
  options.headers = {{"x-token", "t"}};
  options.resource = {{"service.name", "firesteel"}};
  options.interval_us = 1000;
  return options;
}

SpanRecord span(const std::string& name) {
  SpanRecord out;
  out.name = name;
  out.context = *parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  out.start_us = 1'700'000'000'000'001;
  out.end_us = 1'700'000'000'500'000;
  out.attributes = {{"text", "a"}, {"n", 7}, {"x", 0.5}, {"on", true}, {"list", Json::Array{"stop"}}};
  out.error_type = "timeout";
  return out;
}

TEST(Otlp, SpansArriveInTheJsonOfTheProtocol) {
  Collector collector(1, "HTTP/1.1 200 OK");
  {
    OtlpExporter exporter(options_for(collector.port), "1.2");
    exporter.take(span("chat m"));
  }  // what waits is delivered at the end
  const std::string request = collector.take().at(0);
  EXPECT_EQ(request.substr(0, 25), "POST /v1/traces HTTP/1.1\r");
  EXPECT_NE(request.find("\r\nx-token: t\r\n"), std::string::npos);
  const Json body = Json::parse(request.substr(request.find("\r\n\r\n") + 4)).value();
  const Json expected = Json::parse(R"({"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"firesteel"}}]},
    "scopeSpans":[{"scope":{"name":"firesteel","version":"1.2"},"spans":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7",
    "name":"chat m","kind":1,"startTimeUnixNano":"1700000000000001000","endTimeUnixNano":"1700000000500000000",
    "attributes":[{"key":"text","value":{"stringValue":"a"}},{"key":"n","value":{"intValue":"7"}},{"key":"x","value":{"doubleValue":0.5}},
    {"key":"on","value":{"boolValue":true}},{"key":"list","value":{"arrayValue":{"values":[{"stringValue":"stop"}]}}}],"status":{"code":2}}]}]}]})").value();
  EXPECT_EQ(body, expected) << body.dump();
}

TEST(Otlp, WhatCannotBeDeliveredIsCountedAndNobodyWaits) {
  std::string gone;
  {
    Collector closed(0, "");
    gone = closed.port;
  }
  OtlpOptions options = options_for(gone);
  options.queue_capacity = 4;
  {
    OtlpExporter exporter(options, "1");
    for (int i = 0; i < 100; ++i) exporter.take(span("x"));
    EXPECT_GE(exporter.counts().dropped, 90u);
    EXPECT_EQ(exporter.counts().exported, 0u);
  }
  Collector refuses(1, "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(post_otlp(options_for(refuses.port), "{}").value(), 503);
  EXPECT_EQ(post_otlp(options, "{}").error().code, ErrorCode::kUnavailable);
}

TEST(Otlp, AddressesAndLists) {
  const auto said = [](const HttpUrl& url) { return url.host + " " + std::to_string(url.port) + " " + url.path; };
  EXPECT_EQ(said(parse_otlp_url("http://[::1]:99/a/", true).value()), "::1 99 /a/v1/traces");
  EXPECT_EQ(said(parse_otlp_url("http://collector/x", false).value()), "collector 4318 /x");
  EXPECT_EQ(said(parse_otlp_url("https://collector", true).value()), "collector 443 /v1/traces");
  for (const char* const wrong : {"", "collector:4318", "ftp://a:1", "http://", "http://a:0", "http://a:b", "http://u@a", "http://a\r\nb", "http://[::1", "http://[::1]x"}) {
    EXPECT_FALSE(parse_otlp_url(wrong, true).ok()) << wrong;
  }
  const auto list = parse_otel_list("a=1, b=x%20y,");
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(*list, (std::vector<std::pair<std::string, std::string>>{{"a", "1"}, {"b", "x y"}}));
  for (const char* const wrong : {"a", "=1", "a=%0d%0a", "a=%2"}) EXPECT_FALSE(parse_otel_list(wrong).ok()) << wrong;
}

}  // namespace
}  // namespace firesteel
