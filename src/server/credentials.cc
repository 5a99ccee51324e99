#include "server/credentials.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

#include "base/ascii.h"

namespace firesteel {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// "localhost:8080" -> "localhost", "[::1]:8080" -> "[::1]"
std::string without_port(std::string_view host) {
  const size_t bracket = host.rfind(']');
  const size_t colon = host.rfind(':');
  if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket)) return lower_ascii(host);
  return lower_ascii(host.substr(0, colon));
}

// The names that a page's client wants to send, as a preflight asks: those of an operator's own page, so any, but no other characters than names have. The
// official clients send a dozen that say what they run on.
std::string allowed_headers(const HttpRequest& request) {
  constexpr size_t kBytesMax = 2048;
  std::string names = "authorization, content-type, x-api-key, anthropic-version, anthropic-beta";
  const std::string* asked = request.header("access-control-request-headers");
  if (asked == nullptr || asked->size() > kBytesMax) return names;
  for (size_t begin = 0; begin <= asked->size();) {
    const size_t end = std::min(asked->find(',', begin), asked->size());
    const std::string name = lower_ascii(trim(std::string_view(*asked).substr(begin, end - begin)));
    if (!name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") == std::string::npos) names += ", " + name;
    begin = end + 1;
  }
  return names;
}

bool holds(const std::vector<std::string>& list, const std::string& text) { return std::find(list.begin(), list.end(), text) != list.end(); }

}  // namespace

Credentials read_credentials(const HttpRequest& request) {
  Credentials credentials;
  if (const std::string* key = request.header("x-api-key"); key != nullptr && !key->empty()) {
    credentials.secret = *key;
    return credentials;
  }
  if (const std::string* authorization = request.header("authorization"); authorization != nullptr) {
    const size_t space = authorization->find(' ');
    const std::string_view token = space == std::string::npos ? std::string_view() : trim(std::string_view(*authorization).substr(space + 1));
    credentials.malformed = lower_ascii(std::string_view(*authorization).substr(0, space)) != "bearer" || token.empty();
    if (!credentials.malformed) credentials.secret = token;
    return credentials;
  }
  for (const auto& [name, value] : request.headers) {
    if (name != "cookie") continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const size_t end = rest.find(';');
      const std::string_view pair = trim(rest.substr(0, end));
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      if (pair.size() > kSessionCookie.size() && pair.substr(0, kSessionCookie.size()) == kSessionCookie && pair[kSessionCookie.size()] == '=') {
        credentials.session = pair.substr(kSessionCookie.size() + 1);
      }
    }
  }
  return credentials;
}

std::string csrf_token(std::string_view session_token) {
  const std::string text = "firesteel csrf " + std::string(session_token);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < 16; ++i) {
    out += kHex[digest[i] >> 4];
    out += kHex[digest[i] & 15];
  }
  return out;
}

bool equal_secrets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool host_allowed(const HostPolicy& policy, const HttpRequest& request) {
  if (policy.any_host) return true;
  const std::string* host = request.header("host");
  if (host == nullptr) return false;
  const std::string name = without_port(*host);
  return name == "localhost" || name == "127.0.0.1" || name == "[::1]" || holds(policy.more_hosts, name);
}

bool origin_allowed(const HostPolicy& policy, const HttpRequest& request) {
  const std::string* origin = request.header("origin");
  if (origin == nullptr) return true;
  if (holds(policy.more_origins, *origin)) return true;
  const size_t scheme_end = origin->find("://");
  const std::string* host = request.header("host");
  return scheme_end != std::string::npos && host != nullptr && lower_ascii(std::string_view(*origin).substr(scheme_end + 3)) == lower_ascii(*host);
}

HttpHeaders cors_headers(const HostPolicy& policy, const HttpRequest& request, bool preflight) {
  const std::string* origin = request.header("origin");
  if (origin == nullptr || !holds(policy.more_origins, *origin)) return {};
  HttpHeaders headers{{"access-control-allow-origin", *origin}, {"vary", "origin"}};
  if (preflight) {
    headers.emplace_back("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE");
    headers.emplace_back("access-control-allow-headers", allowed_headers(request));
    headers.emplace_back("access-control-max-age", "600");
  } else {
    headers.emplace_back("access-control-expose-headers",
                         "x-request-id, request-id, retry-after, retry-after-ms, x-should-retry, x-firesteel-ignored, x-ratelimit-limit-requests, "
                         "x-ratelimit-remaining-requests, x-ratelimit-reset-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens");
  }
  return headers;
}

bool changes_something(HttpMethod method) {
  return method == HttpMethod::kPost || method == HttpMethod::kPut || method == HttpMethod::kPatch || method == HttpMethod::kDelete;
}

}  // namespace firesteel
