// POST /v1/fork: one context, several suffixes that are answered from it in one batch (docs/api.md, "Fork").
#pragma once

#include "server/router.h"
#include "server/server_context.h"

namespace firesteel {

void add_fork_routes(ServerContext* context, Router* router);

}  // namespace firesteel
