// What the tenants folder keeps in memory: keys, tenants, users and prices as the store has them, and the meters that go with them.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/mutex.h"
#include "base/result.h"
#include "schema/identity.h"
#include "schema/usage.h"
#include "store/store.h"
#include "tenants/quota.h"
#include "tenants/server_secret.h"
#include "tenants/tenants.h"

namespace firesteel {

struct TenantEntry {
  TenantRecord record;
  CacheNamespace cache_namespace;
  Meter meter;
};

struct KeyEntry {
  KeyRecord record;
  std::string hash;
  Meter meter;
};

// Entries are never removed, only changed, so pointers to them are kept by admissions. All of it is guarded by `mutex`.
struct Directory {
  Mutex mutex;
  std::unordered_map<TenantId, std::shared_ptr<TenantEntry>> tenants FS_GUARDED_BY(mutex);
  std::unordered_map<KeyId, std::shared_ptr<KeyEntry>> keys FS_GUARDED_BY(mutex);
  std::unordered_map<std::string, std::shared_ptr<KeyEntry>> keys_by_hash FS_GUARDED_BY(mutex);
  std::unordered_map<UserId, UserRecord> users FS_GUARDED_BY(mutex);
  std::map<std::string, ModelPrice> prices FS_GUARDED_BY(mutex);
  // Usage that was not stored because the disk did not take it; goes along with the next one. Nobody was told that it is stored.
  std::deque<UsageRecord> unstored FS_GUARDED_BY(mutex);

  // Cost of `tokens` by the price list, in millionths of the currency unit, rounded up.
  int64_t cost_micros(const std::string& model, const TokenCounts& tokens) const FS_REQUIRES(mutex);
};

// Rows that changed after a generation, read in one transaction.
struct DirectoryChanges {
  int64_t generation = 0;
  std::vector<TenantRecord> tenants;
  std::vector<std::pair<KeyRecord, std::string>> keys;  // with the hash of the secret
  std::vector<UserRecord> users;
  std::vector<ModelPrice> prices;
};
Result<DirectoryChanges> read_changes(Store& store, int64_t after_generation);

// What was used this month by day and key, to start the meters from.
struct UsedRow {
  std::string tenant, key;
  int64_t day = 0, tokens = 0, cost_micros = 0;
};
Result<std::vector<UsedRow>> read_used(Store& store, int64_t from_day);

// Other processes on this store that lived after `since_us` (wall clock).
Result<int64_t> count_other_replicas(Store& store, const std::string& own_id, int64_t since_us);

// Next generation, in the caller's transaction: whatever it changes carries it.
Result<int64_t> bump_generation(Transaction& transaction);

}  // namespace firesteel
