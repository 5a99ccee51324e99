#include "server/app.h"
namespace firesteel { void add_conversation_routes(ServerContext*, Router*) {} }
