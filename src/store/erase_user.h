// Everything that the store holds of one person, gone in one transaction: conversations with their ledgers, feedback, label tasks about what
// they said, answers that are kept for them, batches, files and tuning of their keys, and which variant answered them. What is counted for
// bills stays, without their name; the audit log stays: it holds no content.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "schema/ids.h"
#include "store/store.h"

namespace firesteel {

struct ErasedRecords {
  std::vector<std::pair<std::string, int64_t>> rows = {};  // "conversations", 3 ...; every kind, also those with 0
  std::vector<std::string> adapters = {};                  // digests of what was tuned for their keys: whoever keeps files retires them
  int64_t total() const {
    int64_t n = 0;
    for (const auto& [kind, count] : rows) n += count;
    return n;
  }
};

// dry_run: the same counts, nothing changes. Again: zeros. kInvalidArgument without a user: the tenant's own rows are nobody's.
Result<ErasedRecords> erase_user_records(Store& store, const TenantId& tenant, const UserId& user, bool dry_run);

// Of any tenant; nothing when no tenant has this user.
Result<TenantId> tenant_of_user(Store& store, const UserId& user);

}  // namespace firesteel
