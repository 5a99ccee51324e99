// /firesteel/v1/documents: a tenant's own documents, for the tool that searches them.
#pragma once

#include "server/router.h"
#include "server/server_context.h"

namespace firesteel {

// POST ?name=FILE (the body is the file), GET, GET /search?q=, DELETE /{id}; scope files.
void add_document_routes(ServerContext* context, Router* router);

}  // namespace firesteel
