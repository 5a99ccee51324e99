#include "server/api_error.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/json.h"

namespace firesteel {
namespace {

struct Row {
  ApiErrorKind kind;
  int status;
  const char* openai_type;
  const char* openai_code;       // when the error brings none; nullptr: null
  const char* anthropic_type;
};

constexpr Row kRows[] = {
    {ApiErrorKind::kInvalidRequest, 400, "invalid_request_error", nullptr, "invalid_request_error"},
    {ApiErrorKind::kUnauthenticated, 401, "invalid_request_error", "invalid_api_key", "authentication_error"},
    {ApiErrorKind::kForbidden, 403, "invalid_request_error", "insufficient_permissions", "permission_error"},
    {ApiErrorKind::kNotFound, 404, "invalid_request_error", nullptr, "not_found_error"},
    {ApiErrorKind::kMethodNotAllowed, 405, "invalid_request_error", "method_not_allowed", "invalid_request_error"},
    {ApiErrorKind::kRequestTimeout, 408, "timeout_error", "request_timeout", "timeout_error"},
    {ApiErrorKind::kConflict, 409, "invalid_request_error", "conflict", "invalid_request_error"},
    {ApiErrorKind::kTooLarge, 413, "invalid_request_error", "request_too_large", "request_too_large"},
    {ApiErrorKind::kUnsupportedMedia, 415, "invalid_request_error", "unsupported_media_type", "invalid_request_error"},
    {ApiErrorKind::kHeadersTooLarge, 431, "invalid_request_error", "headers_too_large", "invalid_request_error"},
    {ApiErrorKind::kRateLimited, 429, "requests", "rate_limit_exceeded", "rate_limit_error"},
    {ApiErrorKind::kQuotaExhausted, 429, "insufficient_quota", "insufficient_quota", "rate_limit_error"},
    {ApiErrorKind::kOverloaded, 429, "requests", "slow_down", "overloaded_error"},
    {ApiErrorKind::kInternal, 500, "server_error", nullptr, "api_error"},
    {ApiErrorKind::kUnavailable, 503, "server_error", "server_is_overloaded", "api_error"},
};

const Row& row_of(ApiErrorKind kind) {
  for (const Row& row : kRows) {
    if (row.kind == kind) return row;
  }
  return kRows[13];
}

// "top_p: expected ..." -> "top_p"; empty when the message does not begin with a name.
std::string leading_name(std::string_view message) {
  const size_t colon = message.find(": ");
  if (colon == std::string_view::npos || colon > 64) return {};
  const std::string_view name = message.substr(0, colon);
  const auto is_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '[' || c == ']';
  };
  return std::all_of(name.begin(), name.end(), is_name) ? std::string(name) : std::string();
}

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

}  // namespace

ApiError to_api_error(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
    case ErrorCode::kFailedPrecondition: {
      ApiError out{.kind = ApiErrorKind::kInvalidRequest, .message = error.message, .param = leading_name(error.message)};
      if (starts_with(error.message, "prompt: too long")) out.code = "context_length_exceeded";
      return out;
    }
    case ErrorCode::kNotFound: return {.kind = ApiErrorKind::kNotFound, .message = error.message};
    case ErrorCode::kResourceExhausted: return {.kind = ApiErrorKind::kOverloaded, .message = error.message, .retry_after_ms = 1000};
    case ErrorCode::kCancelled: return {.kind = ApiErrorKind::kUnavailable, .message = "the server is stopping; try again"};
    case ErrorCode::kDeadlineExceeded: return {.kind = ApiErrorKind::kRequestTimeout, .message = "the request's time is over"};
    case ErrorCode::kUnauthenticated: return {.kind = ApiErrorKind::kUnauthenticated, .message = error.message};
    case ErrorCode::kPermissionDenied: return {.kind = ApiErrorKind::kForbidden, .message = error.message};
    case ErrorCode::kUnavailable: return {.kind = ApiErrorKind::kUnavailable, .message = "a part of the server cannot be used now; try again", .retry_after_ms = 1000};
    case ErrorCode::kDataLoss:
    case ErrorCode::kIo:
    case ErrorCode::kInternal: break;  // nothing of it is for the client
  }
  return {.kind = ApiErrorKind::kInternal, .message = "internal error; the request id finds it in the server's log"};
}

int http_status(ApiErrorKind kind, Dialect dialect) {
  if (kind == ApiErrorKind::kOverloaded && dialect == Dialect::kAnthropic) return 529;
  if (kind == ApiErrorKind::kOverloaded && dialect == Dialect::kOllama) return 503;
  return row_of(kind).status;
}

std::string error_body(const ApiError& error, Dialect dialect, const std::string& request_id) {
  const Row& row = row_of(error.kind);
  switch (dialect) {
    case Dialect::kOllama: return Json(Json::Object{{"error", error.message}}).dump();
    case Dialect::kAnthropic: {
      Json inner = Json::Object{{"type", row.anthropic_type}, {"message", error.message}};
      return Json(Json::Object{{"type", "error"}, {"error", std::move(inner)}, {"request_id", request_id}}).dump();
    }
    case Dialect::kFiresteel:
    case Dialect::kOpenAi: break;
  }
  Json code = !error.code.empty() ? Json(error.code) : row.openai_code != nullptr ? Json(row.openai_code) : Json();
  Json inner = Json::Object{{"message", error.message},
                            {"type", row.openai_type},
                            {"param", error.param.empty() ? Json() : Json(error.param)},
                            {"code", std::move(code)}};
  return Json(Json::Object{{"error", std::move(inner)}}).dump();
}

HttpResponse error_response(const ApiError& error, Dialect dialect, const std::string& request_id) {
  HttpResponse response = json_response(http_status(error.kind, dialect), error_body(error, dialect, request_id));
  response.headers.emplace_back(dialect == Dialect::kAnthropic ? "request-id" : "x-request-id", request_id);
  if (error.retry_after_ms >= 0) {
    // Whole seconds, rounded up: a client that comes too early is refused again.
    response.headers.emplace_back("retry-after", std::to_string(std::max<int64_t>(1, (error.retry_after_ms + 999) / 1000)));
    response.headers.emplace_back("retry-after-ms", std::to_string(error.retry_after_ms));
  }
  if (error.kind == ApiErrorKind::kQuotaExhausted) response.headers.emplace_back("x-should-retry", "false");
  response.headers.insert(response.headers.end(), error.headers.begin(), error.headers.end());
  return response;
}

}  // namespace firesteel
