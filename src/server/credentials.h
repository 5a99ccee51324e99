// Who a request says it comes from, and whether a browser was made to send it. Only reading; whether a key is right is for Tenants.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/http_message.h"

namespace firesteel {

struct Credentials {
  std::string secret;    // of x-api-key, which wins, or Authorization: Bearer
  std::string session;   // of the cookie; only looked at when there is no secret
  bool malformed = false;  // an Authorization header of another kind
};
inline constexpr std::string_view kSessionCookie = "firesteel_session";
inline constexpr std::string_view kCsrfHeader = "x-firesteel-csrf";

// The one place that reads credentials, for every dialect.
Credentials read_credentials(const HttpRequest& request);

// What a page must send back with a change that its cookie authenticates. Says nothing about the token.
std::string csrf_token(std::string_view session_token);
// Time does not depend on where the two differ.
bool equal_secrets(std::string_view a, std::string_view b);

// Names under which this server may be addressed. A name that an attacker's DNS points here (rebinding) is not among them.
struct HostPolicy {
  bool any_host = false;                  // beyond loopback: keys protect, names are the operator's business
  std::vector<std::string> more_hosts;    // besides localhost and the loopback addresses; lower case, without port
  std::vector<std::string> more_origins;  // "https://app.example.org", for CORS; none by default
};
bool host_allowed(const HostPolicy& policy, const HttpRequest& request);
// True without an Origin header (no browser), for our own origin and for listed ones.
bool origin_allowed(const HostPolicy& policy, const HttpRequest& request);

// What lets a page of a listed origin read the answer; nothing for others. preflight: also what an OPTIONS request asks.
HttpHeaders cors_headers(const HostPolicy& policy, const HttpRequest& request, bool preflight);

bool changes_something(HttpMethod method);  // POST, PUT, PATCH, DELETE

}  // namespace firesteel
