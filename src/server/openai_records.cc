#include "server/openai_records.h"

#include <utility>

#include <fmt/format.h>

namespace firesteel {

HttpResponse records_error(const Call& call, const Error& error) {
  ApiError shown = own_api_error(error);
  if (error.code == ErrorCode::kResourceExhausted) shown = {.kind = ApiErrorKind::kQuotaExhausted, .message = error.message, .code = "storage_limit_reached"};
  if (error.code == ErrorCode::kFailedPrecondition) shown = {.kind = ApiErrorKind::kConflict, .message = error.message, .headers = {{"x-should-retry", "false"}}};
  return error_response(shown, Dialect::kOpenAi, call.request.request_id);
}

HttpResponse no_such(const Call& call, std::string_view what) {
  return error_response({.kind = ApiErrorKind::kNotFound, .message = fmt::format("there is no such {}", what), .param = "id"}, Dialect::kOpenAi, call.request.request_id);
}

HttpResponse bad_request(const Call& call, const std::string& param, const std::string& message, const std::string& code) {
  return error_response({.kind = ApiErrorKind::kInvalidRequest, .message = param.empty() ? message : param + ": " + message, .param = param, .code = code},
                        Dialect::kOpenAi, call.request.request_id);
}

HttpResponse list_of(Json::Array data, bool has_more) {
  const Json first = data.empty() ? Json() : *data.front().find("id");
  const Json last = data.empty() ? Json() : *data.back().find("id");
  return json_response(200, Json(Json::Object{{"object", "list"}, {"data", std::move(data)}, {"first_id", first}, {"last_id", last}, {"has_more", has_more}}).dump());
}

Result<std::optional<int64_t>> expires_after_seconds(const Json& object, std::string_view name) {
  const Json* found = object.find(name);
  if (found == nullptr || found->is_null()) return std::optional<int64_t>();
  const std::string place(name);
  if (!found->is_object()) return Error{ErrorCode::kInvalidArgument, place + ": expected an object with anchor and seconds"};
  const Json* anchor = found->find("anchor");
  if (anchor == nullptr || *anchor != Json("created_at")) return Error{ErrorCode::kInvalidArgument, place + ".anchor: expected \"created_at\""};
  for (const Json::Member& member : found->as_object()) {
    if (member.first != "anchor" && member.first != "seconds") return Error{ErrorCode::kInvalidArgument, place + "." + member.first + ": is not known; expected anchor and seconds"};
  }
  const Result<std::optional<int64_t>> seconds = int_field(*found, "seconds", kExpiryMinS, kExpiryMaxS);
  if (!seconds.ok() || !*seconds) return Error{ErrorCode::kInvalidArgument, fmt::format("{}.seconds: expected an integer from {} to {}", place, kExpiryMinS, kExpiryMaxS)};
  return seconds;
}

}  // namespace firesteel
