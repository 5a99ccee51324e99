// The inside of Tenants, shared by its files: tenants.cc (each request), tenants_manage.cc (management, audit, first start).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "store/store.h"
#include "tenants/audit_log.h"
#include "tenants/directory.h"
#include "tenants/tenants.h"

namespace firesteel {

// What an admission holds on to; may outlive Tenants.
struct Admission::State {
  std::shared_ptr<Directory> directory;
  std::shared_ptr<KeyEntry> key;
  std::shared_ptr<TenantEntry> tenant;
  Principal principal;
  Demand reserved;
  RateView requests, tokens;
  int64_t kv_share_percent = -1;

  // Takes the reservation back. `ran`: the request counts against the requests per minute.
  void release(bool ran) FS_REQUIRES(directory->mutex);
};

struct Tenants::Impl {
  Impl(Store& store_in, const ServerSecret& secret, Options options_in);

  // Applies what changed in the store; only looks when kRefreshIntervalUs has passed, unless `now`.
  Status refresh(bool now) FS_EXCLUDES(refresh_mutex);
  void apply(DirectoryChanges changes) FS_REQUIRES(directory->mutex);
  Status load_meters();
  // With replicas: tells that this one lives, counts the others, takes over what they used.
  void sync_replicas(int64_t now_us) FS_REQUIRES(refresh_mutex);
  Limits share_of(Limits limits) const;
  void submit_usage(std::optional<UsageRecord> usage, std::function<void(Status)> done);
  void store_unstored();  // when the disk works again
  // The principal of a key, if key, user and tenant are usable at this moment.
  Result<Principal> principal_of(const KeyEntry& key) FS_REQUIRES(directory->mutex);
  Result<Principal> checked_in(Status refreshed, const std::function<std::shared_ptr<KeyEntry>()>& find);
  // Runs `work` and the audit row in one transaction, then takes over what it changed.
  Status change(const TenantId& chain, const Actor& actor, const std::string& action, const std::string& target, const std::string& details,
                const std::function<Status(Transaction&, int64_t generation)>& work);
  Status audited(const TenantId& chain, const Actor& actor, const std::string& action, const std::string& target, const std::string& details,
                 const Store::Write& work);
  void copy_checkpoint(const std::string& line);
  CacheNamespace namespace_of(const TenantId& tenant) const;

  Store& store;
  const Options options;
  const ServerSecret::DerivedKey key_hash_key, namespace_key, session_key;
  const AuditLog audit_log;
  const std::shared_ptr<Directory> directory = std::make_shared<Directory>();

  Mutex refresh_mutex;  // held while reading the store; directory->mutex is taken inside
  int64_t generation FS_GUARDED_BY(refresh_mutex) = 0;
  int64_t checked_us FS_GUARDED_BY(refresh_mutex) = 0;  // last successful look
  int64_t tried_us FS_GUARDED_BY(refresh_mutex) = INT64_MIN / 2;

  const std::string replica_id = random_id_tail();
  int64_t synced_us FS_GUARDED_BY(refresh_mutex) = INT64_MIN / 2;
  std::atomic<int64_t> n_replicas{1};

  Mutex checkpoint_mutex;  // one line at a time
};

}  // namespace firesteel
