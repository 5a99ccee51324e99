#include "server/authenticate.h"

#include <sys/random.h>

#include <utility>

#include "base/clock.h"
#include "server/credentials.h"

namespace firesteel {

std::string make_request_id() {
  static constexpr char kAlphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
  unsigned char bytes[20];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
    const int64_t now = system_clock().now_us();
    for (size_t i = 0; i < sizeof bytes; ++i) bytes[i] = static_cast<unsigned char>(now >> (i % 8 * 8));
  }
  std::string id = "req_";
  for (const unsigned char byte : bytes) id += kAlphabet[byte & 31];
  return id;
}

std::optional<ApiError> authenticate(ServerContext* context, const HttpRequest& request, const Route& route, std::optional<Principal>* out,
                                     std::string* session) {
  const Credentials credentials = read_credentials(request);
  Result<Principal> principal = Error{ErrorCode::kUnauthenticated,
                                      "no key was sent: use the header 'Authorization: Bearer KEY' or 'x-api-key: KEY'"};
  session->clear();
  if (!credentials.secret.empty()) {
    principal = context->tenants.authenticate(credentials.secret);
  } else if (!credentials.session.empty()) {
    principal = context->tenants.authenticate_session(credentials.session);
    if (principal.ok()) *session = credentials.session;
  } else if (credentials.malformed) {
    principal = Error{ErrorCode::kUnauthenticated, "the Authorization header is not 'Bearer KEY'"};
  }
  if (!principal.ok() && principal.error().code == ErrorCode::kUnavailable) {
    return ApiError{.kind = ApiErrorKind::kUnavailable, .message = "keys cannot be checked at the moment; try again", .code = "store_unavailable"};
  }
  // Without keys a wrong one does no harm: clients that insist on sending something may.
  if (!principal.ok() && context->options.anonymous) principal = *context->options.anonymous;
  if (!principal.ok()) {
    return ApiError{.kind = ApiErrorKind::kUnauthenticated, .message = principal.error().message, .headers = {{"www-authenticate", "Bearer"}}};
  }
  if (!session->empty() && changes_something(request.method)) {
    const std::string* token = request.header(kCsrfHeader);
    if (token == nullptr || !equal_secrets(*token, csrf_token(*session))) {
      return ApiError{.kind = ApiErrorKind::kForbidden, .message = "the header x-firesteel-csrf is missing or wrong", .code = "csrf"};
    }
  }
  if (!principal->may(route.access().scope())) {
    return ApiError{.kind = ApiErrorKind::kForbidden,
                    .message = "this key lacks the scope " + scopes_text(route.access().scope()),
                    .code = "missing_scope"};
  }
  *out = std::move(principal).value();
  return std::nullopt;
}

}  // namespace firesteel
