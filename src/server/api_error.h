// One catalogue of errors for all dialects: what went wrong, once, and how each dialect says it.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "server/http_message.h"

namespace firesteel {

enum class Dialect : uint8_t { kFiresteel, kOpenAi, kAnthropic, kOllama };

enum class ApiErrorKind : uint8_t {
  kInvalidRequest,      // 400
  kUnauthenticated,     // 401
  kForbidden,           // 403: the key lacks the scope
  kNotFound,            // 404: unknown, malformed or foreign id
  kMethodNotAllowed,    // 405
  kRequestTimeout,      // 408
  kConflict,            // 409
  kTooLarge,            // 413
  kUnsupportedMedia,    // 415
  kHeadersTooLarge,     // 431
  kRateLimited,         // 429, Retry-After
  kQuotaExhausted,      // 429, x-should-retry: false
  kOverloaded,          // 429 with Retry-After (Anthropic 529, Ollama 503)
  kInternal,            // 500
  kUnavailable,         // 503: loading, draining, store unavailable
};

struct ApiError {
  ApiErrorKind kind = ApiErrorKind::kInternal;
  std::string message = {};       // for people; no internals, no secrets
  std::string param = {};         // JSON path of the parameter at fault, or empty
  std::string code = {};          // the dialect's own code where clients know one ("context_length_exceeded", "model_not_found"), or empty
  int64_t retry_after_ms = -1;    // kRateLimited, kOverloaded
  HttpHeaders headers = {};       // more headers, such as x-ratelimit-*
};

// kInvalidArgument, kUnsupported, kFailedPrecondition -> kInvalidRequest (param: the name before the first ':' of the message);
// kResourceExhausted -> kOverloaded; kNotFound; kCancelled -> kUnavailable; kDeadlineExceeded -> kRequestTimeout; the others are
// kInternal with a message that tells nothing. A prompt that is too long has the code context_length_exceeded.
ApiError to_api_error(const Error& error);

int http_status(ApiErrorKind kind, Dialect dialect);
// The JSON body alone (also for an error inside a stream).
std::string error_body(const ApiError& error, Dialect dialect, const std::string& request_id);
// Has content-type, the dialect's request id header (x-request-id, Anthropic: request-id), retry-after and retry-after-ms when
// retry_after_ms is known, x-should-retry: false on exhausted quota, then error.headers.
HttpResponse error_response(const ApiError& error, Dialect dialect, const std::string& request_id);

}  // namespace firesteel
