// GET /firesteel/v1/tools and POST /firesteel/v1/confirmations/{id}: what the server's tools are, and a person's word about a call of one
// (docs/api.md, "Tools of the server's own").
#pragma once

#include "server/router.h"
#include "server/server_context.h"

namespace firesteel {

void add_tool_routes(ServerContext* context, Router* router);

}  // namespace firesteel
