// One question and its answer in a conversation of the web app (docs/api.md, "Turns").
#pragma once

#include "server/router.h"
#include "server/server_context.h"

namespace firesteel {

void add_turn_routes(ServerContext* context, Router* router);

}  // namespace firesteel
