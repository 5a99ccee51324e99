#include "server/own_api.h"

#include <charconv>

#include <fmt/format.h>

namespace firesteel {
namespace {

Error wrong(std::string_view name, const std::string& what) { return {ErrorCode::kInvalidArgument, std::string(name) + ": " + what}; }

// nullptr: absent or null.
const Json* member(const Json& object, std::string_view name) {
  const Json* found = object.find(name);
  return found == nullptr || found->is_null() ? nullptr : found;
}

}  // namespace

Result<Json> read_json_body(const Call& call) {
  if (call.request.body.empty()) return Json(Json::Object{});
  Result<Json> body = Json::parse(call.request.body, {.depth = 64, .values = 1u << 20});
  if (!body.ok()) return Error{ErrorCode::kInvalidArgument, "the body is not JSON: " + body.error().message};
  if (!body->is_object()) return Error{ErrorCode::kInvalidArgument, "the body is not a JSON object"};
  return body;
}

ApiError own_api_error(const Error& error) {
  if (error.code == ErrorCode::kUnauthenticated) return {.kind = ApiErrorKind::kUnauthenticated, .message = error.message};
  if (error.code == ErrorCode::kUnavailable) {
    return {.kind = ApiErrorKind::kUnavailable, .message = "the server's storage does not work at the moment; try again", .code = "store_unavailable"};
  }
  if (error.code == ErrorCode::kNotFound) return {.kind = ApiErrorKind::kNotFound, .message = "there is nothing here", .code = "not_found"};
  return to_api_error(error);
}

ApiError bad_field(const std::string& name, const std::string& what) {
  return {.kind = ApiErrorKind::kInvalidRequest, .message = name + ": " + what, .param = name};
}

HttpResponse own_error(const Call& call, const ApiError& error) { return error_response(error, Dialect::kFiresteel, call.request.request_id); }

HttpResponse not_found(const Call& call) {
  return own_error(call, {.kind = ApiErrorKind::kNotFound, .message = "there is nothing here", .code = "not_found"});
}

Result<std::optional<std::string>> string_field(const Json& object, std::string_view name, size_t bytes_max) {
  const Json* found = member(object, name);
  if (found == nullptr) return std::optional<std::string>();
  if (!found->is_string()) return wrong(name, "expected a string");
  if (found->as_string().size() > bytes_max) return wrong(name, fmt::format("has {} bytes; at most {} are taken", found->as_string().size(), bytes_max));
  return std::optional<std::string>(found->as_string());
}

Result<std::optional<int64_t>> int_field(const Json& object, std::string_view name, int64_t min, int64_t max) {
  const Json* found = member(object, name);
  if (found == nullptr) return std::optional<int64_t>();
  if (!found->is_int() || found->as_int() < min || found->as_int() > max) return wrong(name, fmt::format("expected an integer from {} to {}", min, max));
  return std::optional<int64_t>(found->as_int());
}

Result<std::optional<double>> number_field(const Json& object, std::string_view name, double min, double max) {
  const Json* found = member(object, name);
  if (found == nullptr) return std::optional<double>();
  if (!found->is_number() || !(found->as_double() >= min && found->as_double() <= max)) {
    return wrong(name, fmt::format("expected a number from {} to {}", min, max));
  }
  return std::optional<double>(found->as_double());
}

Result<std::optional<bool>> bool_field(const Json& object, std::string_view name) {
  const Json* found = member(object, name);
  if (found == nullptr) return std::optional<bool>();
  if (!found->is_bool()) return wrong(name, "expected true or false");
  return std::optional<bool>(found->as_bool());
}

Result<int64_t> int_query(const HttpRequest& request, std::string_view name, int64_t min, int64_t max, int64_t otherwise) {
  const std::string* text = request.query_parameter(name);
  if (text == nullptr || text->empty()) return otherwise;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value < min || value > max) {
    return wrong(name, fmt::format("expected an integer from {} to {}", min, max));
  }
  return value;
}

std::string text_query(const HttpRequest& request, std::string_view name) {
  const std::string* text = request.query_parameter(name);
  return text == nullptr ? std::string() : *text;
}

Json time_or_null(int64_t us) { return us == 0 ? Json() : Json(ms_of(us)); }

}  // namespace firesteel
