// Answers of /v1/responses in the store, as the dialect sees them: those of one tenant.
#pragma once

#include <memory>

#include "store/conversations.h"
#include "server/exchange.h"
#include "store/store.h"

namespace firesteel {

// One for each request.
std::shared_ptr<ResponseStore> make_response_records(Store* store, const Owner& owner);

}  // namespace firesteel
