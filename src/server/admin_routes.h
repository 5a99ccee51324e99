// The console's routes (docs/api.md, "Admin"), in three files: who may do what (admin_routes.cc), how things stand
// (admin_overview.cc), and adapters (adapter_routes.cc).
#pragma once

#include "server/router.h"
#include "server/server_context.h"

namespace firesteel {

void add_overview_routes(ServerContext* context, Router* router);
void add_label_routes(ServerContext* context, Router* router);  // queues, tasks and labels; label_routes.cc
void add_monitor_routes(ServerContext* context, Router* router);  // what answers were like over time; monitor_routes.cc
void add_erase_routes(ServerContext* context, Router* router);  // a person's data; erase_routes.cc
void add_adapter_routes(ServerContext* context, Router* router);

// All of them need the scope admin.
using AdminHandler = HttpReply (*)(ServerContext* context, Call& call);
void add_admin_route(ServerContext* context, Router* router, HttpMethod method, std::string_view path, std::string_view name, AdminHandler handler);

}  // namespace firesteel
