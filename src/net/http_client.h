// One HTTP request to another server that the operator has named (a collector, a webhook, an MCP server): HTTP/1.1, with TLS for https, no
// redirects, no proxy, no cookies, and no header that the caller did not give. Blocks its thread, within a time; names are looked up by the
// system, which keeps times of its own. Certificates are checked against the system's, or the file that SSL_CERT_FILE names.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace firesteel {

struct HttpUrl {
  bool tls = false;
  std::string host;       // without brackets
  uint16_t port = 80;
  std::string path = "/";  // with its query
};
// "http://127.0.0.1:9000/mcp", "https://[::1]/x". Without a port: 443, or plain_port for http. kInvalidArgument: anything else; names,
// passwords and fragments too.
Result<HttpUrl> parse_http_url(std::string_view text, uint16_t plain_port = 80);
// "host", "[::1]:9000": as messages and the Host header say it, without the scheme's own port.
std::string authority_of(const HttpUrl& url);

struct HttpClientRequest {
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  int64_t timeout_ms = 30'000;      // for all of it
  size_t body_bytes_max = 4u << 20;
  std::function<bool()> cancelled = {};
  // Called with each piece of the body; false ends the exchange well. Empty: the body is collected.
  std::function<bool(std::string_view piece)> on_body = {};
  // Called once, before the first piece.
  std::function<void(int status, const std::function<const std::string*(std::string_view lower_name)>& header)> on_head = {};
};
struct HttpClientReply {
  int status = 0;
  std::string body;
};

// kUnavailable: not reached, or TLS does not trust it. kDeadlineExceeded, kCancelled, kDataLoss, kResourceExhausted: see HttpReplyReader.
Result<HttpClientReply> http_post(const HttpUrl& url, const HttpClientRequest& request);

}  // namespace firesteel
