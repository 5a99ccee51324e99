// What the handlers of our own API (docs/api.md, "Web app API") share: bodies, fields, errors, times.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "server/api_error.h"
#include "server/router.h"
#include "server/server_context.h"

namespace firesteel {

// The body as a JSON object (empty body: an empty one); kInvalidArgument otherwise.
Result<Json> read_json_body(const Call& call);

// kUnauthenticated and kUnavailable as well as all that to_api_error knows.
ApiError own_api_error(const Error& error);
ApiError bad_field(const std::string& name, const std::string& what);
HttpResponse own_error(const Call& call, const ApiError& error);
HttpResponse not_found(const Call& call);

// Members of an object. Absent or null: nullopt. kInvalidArgument "name: expected ..." for another type or range.
Result<std::optional<std::string>> string_field(const Json& object, std::string_view name, size_t bytes_max);
Result<std::optional<int64_t>> int_field(const Json& object, std::string_view name, int64_t min, int64_t max);
Result<std::optional<double>> number_field(const Json& object, std::string_view name, double min, double max);
Result<std::optional<bool>> bool_field(const Json& object, std::string_view name);

// A query parameter as a number; `otherwise` when absent.
Result<int64_t> int_query(const HttpRequest& request, std::string_view name, int64_t min, int64_t max, int64_t otherwise);
std::string text_query(const HttpRequest& request, std::string_view name);

inline int64_t ms_of(int64_t us) { return us / 1000; }
// 0 becomes null.
Json time_or_null(int64_t us);

}  // namespace firesteel
