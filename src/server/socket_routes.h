// Answers over a WebSocket: GET /v1/responses with an upgrade, in the manner of OpenAI's clients.
#pragma once

#include "server/router.h"
#include "server/server_context.h"

namespace firesteel {

void add_socket_routes(ServerContext* context, Router* router);

}  // namespace firesteel
