#include "server/app.h"
namespace firesteel { void add_admin_routes(ServerContext*, Router*) {} }
