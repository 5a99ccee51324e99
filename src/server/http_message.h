// A request and an answer as the routes see them: the wire (connections, chunking, TLS) is behind http_server.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace firesteel {

enum class HttpMethod : uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions };

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;  // names in lower case, in order of arrival

struct HttpRequest {
  HttpMethod method = HttpMethod::kGet;
  std::string path;                                        // decoded, begins with '/', no query
  std::vector<std::pair<std::string, std::string>> query;  // decoded
  std::vector<std::string> path_parameters;                // what the route's {} matched, in order
  HttpHeaders headers;
  std::string body;
  std::string peer;        // address, for logs and audit
  std::string request_id;  // ours, sent back as x-request-id

  // First of that name (lower case), nullptr when absent.
  const std::string* header(std::string_view name) const;
  const std::string* query_parameter(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers;     // content-type first
  std::string body;
};

HttpResponse json_response(int status, std::string body);

}  // namespace firesteel
