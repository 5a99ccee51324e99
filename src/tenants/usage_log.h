// Usage rows: written exactly once per request id, read as sums.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "schema/usage.h"
#include "store/store.h"

namespace firesteel {

// The request, its branches, the day's sum and the key's last use, in the caller's transaction. A request id that is there already
// changes nothing.
Status insert_usage(Transaction& transaction, const UsageRecord& record);

Result<std::vector<UsageRow>> query_usage(Reader& reader, const UsageQuery& query);

}  // namespace firesteel
