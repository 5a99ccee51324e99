// What the routes of files and batches share: objects of the OpenAI API that are stored, listed page by page.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "server/api_error.h"
#include "server/own_api.h"
#include "server/router.h"

namespace firesteel {

// Errors of the store in the words of this API; what does not fit into the tenant's space is not retried by clients.
HttpResponse records_error(const Call& call, const Error& error);
// 404 for a malformed, unknown or foreign id alike.
HttpResponse no_such(const Call& call, std::string_view what);
HttpResponse bad_request(const Call& call, const std::string& param, const std::string& message, const std::string& code = {});

// {"object": "list", "data": [...], "first_id", "last_id", "has_more"}
HttpResponse list_of(Json::Array data, bool has_more);

// {"anchor": "created_at", "seconds": 3600..2592000}; absent or null: nullopt.
Result<std::optional<int64_t>> expires_after_seconds(const Json& object, std::string_view name);
constexpr int64_t kExpiryMinS = 3600, kExpiryMaxS = 2'592'000;

}  // namespace firesteel
