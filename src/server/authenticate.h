// The one place that decides who a request comes from and whether it may use a route, for every dialect and for each message of a WebSocket.
#pragma once

#include <optional>
#include <string>

#include "server/api_error.h"
#include "server/router.h"
#include "server/server_context.h"

namespace firesteel {

// Worker thread: asks the store when a key is not known yet. On success fills *principal, and *session when a cookie was the credential.
std::optional<ApiError> authenticate(ServerContext* context, const HttpRequest& request, const Route& route, std::optional<Principal>* principal,
                                     std::string* session);

// 96 random bits: enough to be unique, short enough to read out. The client's own id is not taken: it names usage records.
std::string make_request_id();

}  // namespace firesteel
