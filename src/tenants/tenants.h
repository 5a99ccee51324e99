// Identity and limits of everything that reaches the engine: who calls (keys), what they may use (quotas), what they used (usage),
// and what was done (audit). Thread-safe; one object per process.
//
//   authenticate(secret) -> Principal  >  admit(principal, tokens) -> Admission  >  ... engine ...  >  settle(admission, usage)
//
// Keys and tenants live in memory as a snapshot that follows the store: changes by this process count at once, those of another
// process (the command line, a replica) within kRefreshIntervalUs, checked when a key is used.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "schema/audit.h"
#include "schema/identity.h"
#include "schema/ids.h"
#include "schema/usage.h"
#include "tenants/server_secret.h"

namespace firesteel {

class Store;
class Transaction;

// Who calls. A value; holds no secret.
struct Principal {
  TenantId tenant = {};
  KeyId key = {};
  UserId user = {};                              // empty: the key belongs to the tenant itself
  std::string tenant_name = {};
  Scope scopes = Scope::kNone;
  std::vector<std::string> allowed_models = {};  // empty: all
  bool consent = false;                     // content may be kept for improvement
  FlowId flow = {};                              // the tenant's fairness flow
  CacheNamespace cache_namespace = {};           // keyed hash(server secret, tenant): prefix cache and files are shared inside it only

  bool may(Scope needed) const { return has_scope(scopes, needed); }
  bool may_use_model(std::string_view model) const;
};

// What x-ratelimit-* headers show: the tighter of the key's and the tenant's limit; -1: no limit.
struct RateView {
  int64_t limit = -1;
  int64_t remaining = -1;
  int64_t reset_ms = 0;    // until the whole limit is available again
};

// A place among the running requests, with tokens reserved. Movable; dropped without settle it gives everything back (the request
// never ran). Holds no pointer into Tenants' lifetime beyond a shared state, so it may outlive it.
class Admission {
 public:
  Admission();
  ~Admission();
  Admission(Admission&&) noexcept;
  Admission& operator=(Admission&&) noexcept;
  bool empty() const { return state_ == nullptr; }
  const RateView& requests() const;   // as seen right after admission
  const RateView& tokens() const;
  int64_t kv_share_percent() const;   // -1: no limit

 private:
  friend class Tenants;
  struct State;
  std::unique_ptr<State> state_;
};

// Why a request may not run now.
struct Refusal {
  enum class Kind : uint8_t {
    kRate,            // requests or tokens per minute: retry after retry_after_ms
    kConcurrency,     // too many at once, or too much of the KV pool: retry after retry_after_ms (a guess)
    kQuotaExhausted,  // tokens per day or spend: do not retry (x-should-retry: false)
    kTooLarge,        // the request alone is above a limit: it can never run
    kUnavailable,     // the store cannot take usage records now: 503
    kRevoked,         // key or tenant were revoked or disabled after authentication: 401
  };
  Kind kind = Kind::kRate;
  std::string message = {};        // names the limit, its value and what was asked
  int64_t retry_after_ms = 0;
  RateView requests = {}, tokens = {};
};
using AdmissionOrRefusal = std::variant<Admission, Refusal>;

struct KeySpec {
  TenantId tenant = {};
  UserId user = {};                              // empty: the tenant itself
  std::string name = {};
  Scope scopes = kDefaultScopes;
  std::vector<std::string> allowed_models = {};
  bool consent = false;
  Limits limits = {};
  int64_t expires_us = 0;                   // 0: never
};

struct CreatedKey {
  KeyRecord record = {};
  std::string secret = {};                       // "fs-...": shown once, never stored
};

// Price of a model in millionths of the currency unit per million tokens.
struct ModelPrice {
  std::string model = {};                        // "*": every model without a line of its own
  int64_t prompt = 0, cached = 0, generated = 0;
};

struct Bootstrap {
  std::string admin_key_path = {};    // empty: the operator has removed the file
  bool first_start = false;
};

// Who did it, for the audit log.
struct Actor {
  std::string name = {};                         // key id, "cli", "server"
};

class Tenants {
 public:
  static constexpr int64_t kRefreshIntervalUs = 250'000;
  static constexpr int64_t kHeartbeatUs = 2'000'000;  // replicas: how often each tells that it lives and reads what the others used
  static constexpr int64_t kMaxStaleUs = 5'000'000;   // a snapshot that could not be refreshed for longer admits nobody

  struct Options {
    const Clock* clock = &system_clock();   // windows and timeouts
    const Clock* wall = &wall_clock();      // days, months, expiry dates, what people read
    // Several processes admit requests on one store: limits per minute and at once are divided by the number of those that gave a sign
    // of life in the last 15 s, days and months are counted together. A process that was idle joins with its first request.
    bool replicated = false;
    int64_t kv_tokens = 0;                  // tokens that the engine's KV pool holds; 0: KV shares are not checked at admission
    std::string checkpoint_path = {};       // audit checkpoints are appended here as JSON lines; empty: kept in the store only
  };

  // Reads the snapshot. `store` must outlive this. kUnavailable, kDataLoss.
  static Result<std::unique_ptr<Tenants>> open(Store& store, const ServerSecret& secret, Options options);
  ~Tenants();
  Tenants(const Tenants&) = delete;
  Tenants& operator=(const Tenants&) = delete;

  // --- at each request -------------------------------------------------------------------------------------------------------
  // The only authentication there is; takes what came as bearer token or x-api-key. kUnauthenticated (one message for every
  // reason), kUnavailable. Time does not depend on how much of a secret is right: look-up is by keyed hash.
  Result<Principal> authenticate(std::string_view secret);

  // The principal of a key for work that goes on without its secret (batches). kUnauthenticated once the key, its user or its tenant may
  // not be used any more; kUnavailable.
  Result<Principal> principal_of(const TenantId& tenant, const KeyId& key);

  // Browser sessions: a random token for the cookie, bound to the principal's key (revoking the key ends it).
  Result<std::string> open_session(const Principal& principal, int64_t ttl_us);
  Result<Principal> authenticate_session(std::string_view token);
  Status close_session(std::string_view token);

  // A request of prompt_tokens and at most max_tokens more (>= 0) wants to run; `model` is for its price. Never waits for the disk.
  AdmissionOrRefusal admit(const Principal& principal, int64_t prompt_tokens, int64_t max_tokens, std::string_view model = {});
  // Ends the admission, gives back what was reserved and not used, and stores the usage; returns when it is durable (a group commit,
  // 1 to 10 ms). kUnavailable: not stored; the quotas count it nevertheless, and the record is tried again with the next one.
  Status settle(Admission admission, UsageRecord usage);
  // The same without waiting: `done` is called on the store's thread, must not block and must not call Tenants.
  void settle_async(Admission admission, UsageRecord usage, std::function<void(Status)> done);

  // --- management; each writes its audit row in the same transaction ---------------------------------------------------------------
  Result<TenantRecord> create_tenant(const std::string& name, const Limits& limits, const Actor& actor);
  Status rename_tenant(const TenantId& tenant, const std::string& name, const Actor& actor);
  Status set_tenant_limits(const TenantId& tenant, const Limits& limits, const Actor& actor);
  Status set_tenant_disabled(const TenantId& tenant, bool disabled, const Actor& actor);
  std::vector<TenantRecord> list_tenants();
  std::optional<TenantRecord> find_tenant(std::string_view id_or_name);

  Result<UserRecord> create_user(const TenantId& tenant, const std::string& name, const Actor& actor);
  Status set_user_disabled(const TenantId& tenant, const UserId& user, bool disabled, const Actor& actor);
  Result<std::vector<UserRecord>> list_users(const TenantId& tenant);

  Result<CreatedKey> create_key(const KeySpec& spec, const Actor& actor);
  // A new secret with the same rights; the old one goes on working for overlap_us.
  Result<CreatedKey> rotate_key(const TenantId& tenant, const KeyId& key, int64_t overlap_us, const Actor& actor);
  Status revoke_key(const TenantId& tenant, const KeyId& key, const Actor& actor);
  Status set_key_limits(const TenantId& tenant, const KeyId& key, const Limits& limits, const Actor& actor);
  std::vector<KeyRecord> list_keys(const TenantId& tenant);
  // The key, if it is of this tenant.
  std::optional<KeyRecord> find_key(const TenantId& tenant, const KeyId& key);

  Status set_price(const ModelPrice& price, const Actor& actor);
  std::vector<ModelPrice> list_prices();

  // --- reports -------------------------------------------------------------------------------------------------------------------
  Result<std::vector<UsageRow>> usage(const UsageQuery& query);
  // What a tenant has running now, for the admin overview.
  struct Load {
    int64_t n_running = 0;
    int64_t requests_this_minute = 0;  // admitted, by the wall clock's minute
    int64_t kv_share_percent = 0;      // of the engine's tokens, promised to running requests; 0 when Options::kv_tokens is not known
    int64_t tokens_today = 0;
    int64_t spend_month_micros = 0;
  };
  Load load(const TenantId& tenant);

  // --- audit ---------------------------------------------------------------------------------------------------------------------
  // Appends an action that is not one of the above. `details`: a JSON object. `chain`: a tenant, or empty for the system's chain.
  Status audit(const TenantId& chain, const Actor& actor, const std::string& action, const std::string& target, const std::string& details);
  // The same, with `work` in the same transaction: both are stored or neither. For management of records that this folder does not know.
  Status audited(const TenantId& chain, const Actor& actor, const std::string& action, const std::string& target, const std::string& details,
                 const std::function<Status(Transaction&)>& work);
  // Rows after `after_seq` in order, at most `limit`.
  Result<std::vector<AuditEntry>> audit_rows(const TenantId& chain, int64_t after_seq, int64_t limit);
  // Checks every chain against its hashes, its head, its signed checkpoints and the checkpoints that were copied elsewhere
  // (`external`: text of checkpoint_path's file, may be empty).
  Result<std::vector<AuditReport>> verify_audit(const std::string& external);

  // First start: makes tenant "default" and an admin key, written to `state_dir`/admin.key (0600). Later starts change nothing.
  Result<Bootstrap> bootstrap(const std::string& state_dir);

 private:
  struct Impl;
  explicit Tenants(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// "a,b\n" lines of a usage report with a header line; fields that a spreadsheet would take for a formula get a leading apostrophe.
std::string usage_csv(const std::vector<UsageRow>& rows);

// The secret of an installation: `state_dir`/server.secret, made (with the folder, mode 0700) when absent.
Result<ServerSecret> load_or_create_secret(const std::string& state_dir);

}  // namespace firesteel
