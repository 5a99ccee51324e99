#include "tenants/tenants.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/utf8.h"
#include "tenants/crypto.h"
#include "tenants/directory.h"
#include "tenants/impl.h"
#include "tenants/key_secret.h"
#include "tenants/usage_log.h"

namespace firesteel {
namespace {

constexpr std::string_view kKeyPrefix = "fs-";
constexpr std::string_view kSessionPrefix = "fss-";
constexpr size_t kUnstoredMax = 10'000;
constexpr int64_t kTokensMax = 10'000'000'000;
constexpr int64_t kBusyRetryMs = 1000;  // when a place depends on another request's end, which nobody knows
constexpr int64_t kDayUs = 86'400'000'000;
constexpr int64_t kMinuteUs = 60'000'000;
constexpr int64_t kReplicaLifeUs = 15'000'000;  // without a sign of life for so long, a replica has no share of the limits

Error unauthenticated() { return Error{ErrorCode::kUnauthenticated, "no valid API key"}; }

// Both of them hold; the tighter one is what a client should see.
RateView tighter(const TokenBucket& a, const TokenBucket& b) {
  const auto view = [](const TokenBucket& bucket) {
    return RateView{.limit = bucket.limit(), .remaining = bucket.remaining(), .reset_ms = (bucket.full_in_us() + 999) / 1000};
  };
  if (b.limit() < 0) return view(a);
  if (a.limit() < 0) return view(b);
  return a.remaining() <= b.remaining() ? view(a) : view(b);
}

// Why `demand` does not fit, as the check of one meter; nullopt when it does.
struct Check {
  const char* whose;     // "key", "tenant"
  const Limits& whole;   // as people set them
  const Limits& limits;  // this replica's share
  const Meter& meter;
  Demand demand;
  int64_t kv_tokens;     // of the engine
  int64_t day_ends_ms;   // from now
};

Refusal refuse(Refusal::Kind kind, std::string message, int64_t retry_after_ms) {
  return {.kind = kind, .message = std::move(message), .retry_after_ms = retry_after_ms, .requests = {}, .tokens = {}};
}

std::optional<Refusal> too_large(const Check& check) {
  const auto above = [&](int64_t limit, const char* name) -> std::optional<Refusal> {
    if (limit < 0 || check.demand.tokens <= limit) return std::nullopt;
    return refuse(Refusal::Kind::kTooLarge, fmt::format("the request may need {} tokens, the {}'s limit is {} {}", check.demand.tokens, check.whose, limit, name), 0);
  };
  if (auto refusal = above(check.whole.tokens_per_minute, "tokens per minute")) return refusal;
  if (auto refusal = above(check.limits.tokens_per_day, "tokens per day")) return refusal;
  if (check.limits.kv_share_percent < 0 || check.kv_tokens <= 0) return std::nullopt;
  return above(check.kv_tokens * check.limits.kv_share_percent / 100, "tokens of context at once");
}

// What does not come back for long: never retried.
std::optional<Refusal> exhausted(const Check& check) {
  const Limits& limits = check.limits;
  const Meter& meter = check.meter;
  if (limits.requests_per_minute == 0 || limits.concurrency == 0) {
    return refuse(Refusal::Kind::kQuotaExhausted, fmt::format("the {} may run no requests", check.whose), 0);
  }
  if (limits.tokens_per_day >= 0 && meter.tokens_today + check.demand.tokens > limits.tokens_per_day) {
    return refuse(Refusal::Kind::kQuotaExhausted, fmt::format("the {}'s limit is {} tokens per day, {} are used and the request may need {}", check.whose,
                                                              limits.tokens_per_day, meter.tokens_today, check.demand.tokens), check.day_ends_ms);
  }
  if (limits.spend_micros_per_month >= 0 && meter.spend_month + check.demand.spend_micros > limits.spend_micros_per_month) {
    return refuse(Refusal::Kind::kQuotaExhausted, fmt::format("the {}'s budget for this month is used up", check.whose), 0);
  }
  return std::nullopt;
}

// What other requests hold at the moment, and rates.
std::optional<Refusal> busy(const Check& check) {
  const Limits& limits = check.limits;
  const Meter& meter = check.meter;
  const auto wait = [&](std::string message) { return refuse(Refusal::Kind::kConcurrency, std::move(message), kBusyRetryMs); };
  if (limits.concurrency >= 0 && meter.n_running >= limits.concurrency) {
    return wait(fmt::format("the {}'s limit is {} requests at once", check.whose, limits.concurrency));
  }
  if (limits.kv_share_percent >= 0 && check.kv_tokens > 0 &&
      meter.tokens_reserved + check.demand.tokens > check.kv_tokens * limits.kv_share_percent / 100) {
    return wait(fmt::format("the {}'s share of the memory for contexts ({} %) is in use", check.whose, limits.kv_share_percent));
  }
  if (limits.tokens_per_day >= 0 && meter.tokens_today + meter.tokens_reserved + check.demand.tokens > limits.tokens_per_day) {
    return wait(fmt::format("running requests of the {} may use up its {} tokens per day", check.whose, limits.tokens_per_day));
  }
  if (limits.spend_micros_per_month >= 0 && meter.spend_month + meter.spend_reserved + check.demand.spend_micros > limits.spend_micros_per_month) {
    return wait(fmt::format("running requests of the {} may use up its budget for this month", check.whose));
  }
  // A request above this replica's share (not above the limit) goes when the bucket is full, and overdraws it.
  const int64_t tokens = limits.tokens_per_minute >= 0 ? std::min(check.demand.tokens, limits.tokens_per_minute) : check.demand.tokens;
  const int64_t requests_wait_us = meter.requests.wait_us(1);
  const int64_t wait_us = std::max(requests_wait_us, meter.tokens.wait_us(tokens));
  if (wait_us <= 0) return std::nullopt;
  const bool by_requests = wait_us == requests_wait_us;
  return refuse(Refusal::Kind::kRate, fmt::format("the {}'s limit is {} {} per minute", check.whose, by_requests ? check.whole.requests_per_minute : check.whole.tokens_per_minute,
                                                  by_requests ? "requests" : "tokens"), (wait_us + 999) / 1000);
}

void reserve(Meter* meter, const Demand& demand, int64_t minute) {
  meter->requests.take(1);
  if (meter->minute != minute) {
    meter->minute = minute;
    meter->requests_in_minute = 0;
  }
  ++meter->requests_in_minute;
  meter->tokens.take(demand.tokens);
  ++meter->n_running;
  meter->tokens_reserved += demand.tokens;
  meter->spend_reserved += demand.spend_micros;
}

void count_used(Meter* meter, int64_t tokens, int64_t cost_micros) {
  meter->tokens.take(tokens);
  meter->tokens_today += tokens;
  meter->spend_month += cost_micros;
}

Status check_usage(const UsageRecord& usage) {
  const auto sane = [](const TokenCounts& tokens) {
    return tokens.prompt >= 0 && tokens.prompt <= kTokensMax && tokens.cached >= 0 && tokens.cached <= tokens.prompt && tokens.generated >= 0 &&
           tokens.generated <= kTokensMax;
  };
  // Text that no database would refuse, or one bad record would keep others from being stored.
  const auto plain = [](const std::string& text) { return text.size() <= 1024 && is_valid_utf8(text) && text.find('\0') == std::string::npos; };
  bool all_sane = sane(usage.tokens) && usage.branches.size() <= 4096 && usage.total_us >= 0 && usage.first_token_us >= 0;
  for (const std::string* text : {&usage.request_id, &usage.model, &usage.endpoint, &usage.finish_reason}) all_sane = all_sane && plain(*text);
  for (const BranchUsage& branch : usage.branches) all_sane = all_sane && sane(branch.tokens) && plain(branch.name);
  if (!all_sane) return Error{ErrorCode::kInvalidArgument, "usage: a count is negative or absurd, or a text is not UTF-8 of at most 1,024 bytes"};
  if (usage.request_id.empty() || usage.request_id.size() > 128) return Error{ErrorCode::kInvalidArgument, "usage: no request id, or one above 128 bytes"};
  return {};
}

}  // namespace

bool Principal::may_use_model(std::string_view model) const {
  return allowed_models.empty() || std::find(allowed_models.begin(), allowed_models.end(), model) != allowed_models.end();
}

// --- Admission ---------------------------------------------------------------------------------------------------------------------

Admission::Admission() = default;
Admission::Admission(Admission&&) noexcept = default;
Admission& Admission::operator=(Admission&& other) noexcept {
  Admission old(std::move(*this));
  state_ = std::move(other.state_);
  return *this;
}
Admission::~Admission() {
  if (state_ == nullptr) return;
  MutexLock lock(state_->directory->mutex);
  state_->release(/*ran=*/false);
}
const RateView& Admission::requests() const { CHECK(!empty()); return state_->requests; }
const RateView& Admission::tokens() const { CHECK(!empty()); return state_->tokens; }
int64_t Admission::kv_share_percent() const { CHECK(!empty()); return state_->kv_share_percent; }

void Admission::State::release(bool ran) {
  for (Meter* meter : {&key->meter, &tenant->meter}) {
    if (!ran) meter->requests.give_back(1);
    meter->tokens.give_back(reserved.tokens);
    --meter->n_running;
    meter->tokens_reserved -= reserved.tokens;
    meter->spend_reserved -= reserved.spend_micros;
  }
}

// --- Impl --------------------------------------------------------------------------------------------------------------------------

Tenants::Impl::Impl(Store& store_in, const ServerSecret& secret, Options options_in)
    : store(store_in), options(std::move(options_in)), key_hash_key(secret.derive(ServerSecret::Purpose::kKeyHash)),
      namespace_key(secret.derive(ServerSecret::Purpose::kCacheNamespace)), session_key(secret.derive(ServerSecret::Purpose::kSession)),
      audit_log(secret) {}

CacheNamespace Tenants::Impl::namespace_of(const TenantId& tenant) const {
  const std::string hash = keyed_hash(namespace_key, tenant.str());
  CacheNamespace name;
  std::memcpy(&name.high, hash.data(), sizeof name.high);
  std::memcpy(&name.low, hash.data() + sizeof name.high, sizeof name.low);
  return name;
}

void Tenants::Impl::apply(DirectoryChanges changes) {
  for (TenantRecord& record : changes.tenants) {
    std::shared_ptr<TenantEntry>& entry = directory->tenants[record.id];
    if (entry == nullptr) {
      entry = std::make_shared<TenantEntry>();
      entry->cache_namespace = namespace_of(record.id);
    }
    entry->record = std::move(record);
  }
  for (UserRecord& record : changes.users) directory->users[record.id] = std::move(record);
  for (auto& [record, hash] : changes.keys) {
    std::shared_ptr<KeyEntry>& entry = directory->keys[record.id];
    if (entry == nullptr) {
      entry = std::make_shared<KeyEntry>();
      entry->hash = std::move(hash);
      directory->keys_by_hash[entry->hash] = entry;
    }
    record.last_used_us = std::max(record.last_used_us, entry->record.last_used_us);
    entry->record = std::move(record);
  }
  for (ModelPrice& price : changes.prices) {
    std::string model = price.model;
    directory->prices[std::move(model)] = std::move(price);
  }
}

Status Tenants::Impl::refresh(bool now) {
  MutexLock lock(refresh_mutex);
  const int64_t now_us = options.clock->now_us();
  if (!now && now_us - checked_us < kRefreshIntervalUs) return {};
  const Status known_long_ago = now_us - checked_us < kMaxStaleUs ? Status() : Status(Error{ErrorCode::kUnavailable, "the store of keys cannot be read"});
  // A database that is away may take seconds to say so: not every request asks.
  if (!now && now_us - tried_us < kRefreshIntervalUs) return known_long_ago;
  tried_us = now_us;
  Result<DirectoryChanges> changes = read_changes(store, generation);
  if (!changes.ok()) return known_long_ago;
  checked_us = now_us;
  generation = changes->generation;
  {
    MutexLock directory_lock(directory->mutex);
    apply(std::move(*changes));
  }
  if (options.replicated && now_us - synced_us >= kHeartbeatUs) sync_replicas(now_us);
  store_unstored();
  return {};
}

void Tenants::Impl::store_unstored() {
  {
    MutexLock lock(directory->mutex);
    if (directory->unstored.empty()) return;
  }
  if (store.writable()) submit_usage(std::nullopt, [](const Status&) {});
}

// One usage record and what could not be stored before, so that order and total are right as soon as the disk is.
void Tenants::Impl::submit_usage(std::optional<UsageRecord> usage, std::function<void(Status)> done) {
  const auto records = std::make_shared<std::vector<UsageRecord>>();
  {
    MutexLock lock(directory->mutex);
    records->assign(std::make_move_iterator(directory->unstored.begin()), std::make_move_iterator(directory->unstored.end()));
    directory->unstored.clear();
  }
  if (usage) records->push_back(std::move(*usage));
  store.submit(
      [records](Transaction& transaction) -> Status {
        for (const UsageRecord& record : *records) FS_TRY_VOID(insert_usage(transaction, record));
        return {};
      },
      [records, directory = directory, done = std::move(done)](Status status) {
        // Other errors would come again.
        if (!status.ok() && status.error().code == ErrorCode::kUnavailable) {
          MutexLock lock(directory->mutex);
          for (UsageRecord& record : *records) {
            if (directory->unstored.size() < kUnstoredMax) directory->unstored.push_back(std::move(record));
          }
        }
        done(std::move(status));
      });
}

void Tenants::Impl::sync_replicas(int64_t now_us) {
  const int64_t wall_us = options.wall->now_us();
  const Result<int64_t> n_others = count_other_replicas(store, replica_id, wall_us - kReplicaLifeUs);
  if (!n_others.ok() || !load_meters().ok()) return;  // with the next request
  synced_us = now_us;
  n_replicas.store(1 + *n_others);
  store.submit([id = replica_id, wall_us](Transaction& transaction) -> Status {
    FS_TRY_VOID(transaction.execute("INSERT INTO replicas(id, seen_us) VALUES($1, $2) ON CONFLICT(id) DO UPDATE SET seen_us = excluded.seen_us", {id, wall_us}));
    FS_TRY_VOID(transaction.execute("DELETE FROM replicas WHERE seen_us < $1", {wall_us - 100 * kReplicaLifeUs}));
    return {};
  }, [](const Status&) {});
}

Limits Tenants::Impl::share_of(Limits limits) const {
  const int64_t n = n_replicas.load();
  for (int64_t* limit : {&limits.requests_per_minute, &limits.tokens_per_minute, &limits.concurrency}) {
    if (*limit > 0) *limit = std::max<int64_t>(1, *limit / n);
  }
  return limits;
}

Status Tenants::Impl::load_meters() {
  const int64_t wall_us = options.wall->now_us();
  const int64_t today = day_of(wall_us);
  const int64_t month = month_of(wall_us);
  FS_TRY(const std::vector<UsedRow> rows, read_used(store, first_day_of_month(month)));
  MutexLock lock(directory->mutex);
  // Summed up first: a meter may be ahead of the store by what is just being stored, and never goes back.
  std::map<Meter*, std::pair<int64_t, int64_t>> sums;
  for (const UsedRow& row : rows) {
    const auto add = [&](Meter& meter) {
      if (row.day == today) sums[&meter].first += row.tokens;
      sums[&meter].second += row.cost_micros;
    };
    if (const auto key = directory->keys.find(KeyId::parse(row.key).value_or(KeyId())); key != directory->keys.end()) add(key->second->meter);
    if (const auto tenant = directory->tenants.find(TenantId::parse(row.tenant).value_or(TenantId())); tenant != directory->tenants.end()) {
      add(tenant->second->meter);
    }
  }
  for (const auto& [meter, sum] : sums) {
    meter->tokens_today = meter->day == today ? std::max(meter->tokens_today, sum.first) : sum.first;
    meter->spend_month = meter->month == month ? std::max(meter->spend_month, sum.second) : sum.second;
    meter->day = today;
    meter->month = month;
  }
  return {};
}

Result<Principal> Tenants::Impl::principal_of(const KeyEntry& key) {
  const KeyRecord& record = key.record;
  const int64_t wall_us = options.wall->now_us();
  if (record.revoked_us != 0 || (record.expires_us != 0 && wall_us >= record.expires_us)) return unauthenticated();
  const auto tenant = directory->tenants.find(record.tenant);
  if (tenant == directory->tenants.end() || tenant->second->record.disabled) return unauthenticated();
  if (!record.user.empty()) {
    const auto user = directory->users.find(record.user);
    if (user == directory->users.end() || user->second.disabled || user->second.tenant != record.tenant) return unauthenticated();
  }
  return Principal{.tenant = record.tenant, .key = record.id, .user = record.user, .tenant_name = tenant->second->record.name,
                   .scopes = record.scopes, .allowed_models = record.allowed_models, .consent = record.consent,
                   .flow = FlowId{static_cast<uint64_t>(tenant->second->record.flow)}, .cache_namespace = tenant->second->cache_namespace};
}

Result<Principal> Tenants::Impl::checked_in(Status refreshed, const std::function<std::shared_ptr<KeyEntry>()>& find) {
  FS_TRY_VOID(refreshed);
  const std::shared_ptr<KeyEntry> key = find();
  if (key == nullptr) return unauthenticated();
  MutexLock lock(directory->mutex);
  FS_TRY(Principal principal, principal_of(*key));
  key->record.last_used_us = std::max(key->record.last_used_us, options.wall->now_us());
  return principal;
}

// --- at each request ---------------------------------------------------------------------------------------------------------------

Tenants::Tenants(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tenants::~Tenants() {
  impl_->store_unstored();  // the store works off its queue before it closes
}

Result<std::unique_ptr<Tenants>> Tenants::open(Store& store, const ServerSecret& secret, Options options) {
  auto impl = std::make_unique<Impl>(store, secret, std::move(options));
  FS_TRY(DirectoryChanges changes, read_changes(store, 0));
  {
    MutexLock refresh_lock(impl->refresh_mutex);
    impl->generation = changes.generation;
    impl->checked_us = impl->options.clock->now_us();
    MutexLock lock(impl->directory->mutex);
    impl->apply(std::move(changes));
  }
  FS_TRY_VOID(impl->load_meters());
  return std::unique_ptr<Tenants>(new Tenants(std::move(impl)));
}

Result<Principal> Tenants::authenticate(std::string_view secret) {
  if (!is_well_formed_secret(secret, kKeyPrefix)) return unauthenticated();
  const std::string hash = keyed_hash(impl_->key_hash_key, secret);
  return impl_->checked_in(impl_->refresh(false), [&]() -> std::shared_ptr<KeyEntry> {
    Directory& directory = *impl_->directory;
    MutexLock lock(directory.mutex);
    // What the table compares are keyed hashes, of which a caller can neither choose nor learn a part.
    const auto found = directory.keys_by_hash.find(hash);
    return found != directory.keys_by_hash.end() && equal_in_constant_time(found->second->hash, hash) ? found->second : nullptr;
  });
}

Result<Principal> Tenants::principal_of(const TenantId& tenant, const KeyId& key) {
  return impl_->checked_in(impl_->refresh(false), [&]() -> std::shared_ptr<KeyEntry> {
    Directory& directory = *impl_->directory;
    MutexLock lock(directory.mutex);
    const auto found = directory.keys.find(key);
    return found != directory.keys.end() && found->second->record.tenant == tenant ? found->second : nullptr;
  });
}

Result<std::string> Tenants::open_session(const Principal& principal, int64_t ttl_us) {
  std::string token = random_secret(kSessionPrefix);
  const int64_t now_us = impl_->options.wall->now_us();
  const Status status = impl_->store.write([&, hash = keyed_hash(impl_->session_key, token)](Transaction& transaction) -> Status {
    FS_TRY_VOID(transaction.execute("DELETE FROM sessions WHERE expires_us < $1", {now_us}));
    FS_TRY_VOID(transaction.execute("INSERT INTO sessions(hash, tenant, key_id, created_us, expires_us) VALUES($1, $2, $3, $4, $5)",
                                    {Blob{hash}, principal.tenant.str(), principal.key.str(), now_us, now_us + ttl_us}));
    return {};
  });
  FS_TRY_VOID(status);
  return token;
}

Result<Principal> Tenants::authenticate_session(std::string_view token) {
  if (!is_well_formed_secret(token, kSessionPrefix)) return unauthenticated();
  std::optional<Row> row;
  const Status status = impl_->store.read([&, hash = keyed_hash(impl_->session_key, token)](Reader& reader) -> Status {
    FS_TRY(row, reader.first("SELECT key_id, expires_us FROM sessions WHERE hash = $1", {Blob{hash}}));
    return {};
  });
  FS_TRY_VOID(status);
  if (!row || impl_->options.wall->now_us() >= row->integer(1)) return unauthenticated();
  return impl_->checked_in(impl_->refresh(false), [&]() -> std::shared_ptr<KeyEntry> {
    Directory& directory = *impl_->directory;
    MutexLock lock(directory.mutex);
    const auto found = directory.keys.find(KeyId::parse(row->text(0)).value_or(KeyId()));
    return found != directory.keys.end() ? found->second : nullptr;
  });
}

Status Tenants::close_session(std::string_view token) {
  return impl_->store.write([hash = keyed_hash(impl_->session_key, token)](Transaction& transaction) -> Status {
    FS_TRY_VOID(transaction.execute("DELETE FROM sessions WHERE hash = $1", {Blob{hash}}));
    return {};
  });
}

AdmissionOrRefusal Tenants::admit(const Principal& principal, int64_t prompt_tokens, int64_t max_tokens, std::string_view model) {
  const bool writable = impl_->store.writable();
  const int64_t now_us = impl_->options.clock->now_us();
  const int64_t wall_us = impl_->options.wall->now_us();
  const int64_t today = day_of(wall_us);
  prompt_tokens = std::clamp<int64_t>(prompt_tokens, 0, kTokensMax / 2);
  max_tokens = std::clamp<int64_t>(max_tokens, 0, kTokensMax / 2);

  MutexLock lock(impl_->directory->mutex);
  const auto key = impl_->directory->keys.find(principal.key);
  const auto tenant = impl_->directory->tenants.find(principal.tenant);
  if (key == impl_->directory->keys.end() || tenant == impl_->directory->tenants.end() || !impl_->principal_of(*key->second).ok()) {
    return refuse(Refusal::Kind::kRevoked, unauthenticated().message, 0);
  }
  if (!writable) return refuse(Refusal::Kind::kUnavailable, "usage cannot be recorded at the moment", kBusyRetryMs);

  KeyEntry& key_entry = *key->second;
  TenantEntry& tenant_entry = *tenant->second;
  const Limits of_key = impl_->share_of(key_entry.record.limits);
  const Limits of_tenant = impl_->share_of(tenant_entry.record.limits);
  key_entry.meter.advance(of_key, now_us, today, month_of(wall_us));
  tenant_entry.meter.advance(of_tenant, now_us, today, month_of(wall_us));
  const Demand demand{.tokens = prompt_tokens + max_tokens,
                      .spend_micros = impl_->directory->cost_micros(std::string(model), {.prompt = prompt_tokens, .cached = 0, .generated = max_tokens})};
  const int64_t day_ends_ms = ((today + 1) * kDayUs - wall_us + 999) / 1000;
  const Check checks[] = {{"key", key_entry.record.limits, of_key, key_entry.meter, demand, impl_->options.kv_tokens, day_ends_ms},
                          {"tenant", tenant_entry.record.limits, of_tenant, tenant_entry.meter, demand, impl_->options.kv_tokens, day_ends_ms}};
  const RateView requests = tighter(key_entry.meter.requests, tenant_entry.meter.requests);
  const RateView tokens = tighter(key_entry.meter.tokens, tenant_entry.meter.tokens);
  // What never passes first, then what does not pass today, then what passes later.
  std::optional<Refusal> refusal;
  for (const auto rule : {too_large, exhausted, busy}) {
    for (const Check& check : checks) {
      std::optional<Refusal> found = rule(check);
      // Of two that ask to wait the longer wait is the honest one.
      if (found && (!refusal || (found->kind == refusal->kind && found->retry_after_ms > refusal->retry_after_ms))) refusal = std::move(found);
    }
    if (!refusal) continue;
    refusal->requests = requests;
    refusal->tokens = tokens;
    return std::move(*refusal);
  }
  reserve(&key_entry.meter, demand, wall_us / kMinuteUs);
  reserve(&tenant_entry.meter, demand, wall_us / kMinuteUs);
  Admission admission;
  admission.state_ = std::make_unique<Admission::State>();
  *admission.state_ = {.directory = impl_->directory, .key = key->second, .tenant = tenant->second, .principal = principal, .reserved = demand,
                       .requests = tighter(key_entry.meter.requests, tenant_entry.meter.requests),
                       .tokens = tighter(key_entry.meter.tokens, tenant_entry.meter.tokens),
                       .kv_share_percent = tenant_entry.record.limits.kv_share_percent};
  if (of_key.kv_share_percent >= 0) {
    int64_t& share = admission.state_->kv_share_percent;
    share = share < 0 ? of_key.kv_share_percent : std::min(share, of_key.kv_share_percent);
  }
  return admission;
}

void Tenants::settle_async(Admission admission, UsageRecord usage, std::function<void(Status)> done) {
  CHECK(!admission.empty());
  const Status checked = check_usage(usage);
  if (!checked.ok()) {
    done(checked);  // the admission gives back what it held
    return;
  }
  const std::unique_ptr<Admission::State> state = std::move(admission.state_);
  const int64_t wall_us = impl_->options.wall->now_us();
  usage.tenant = state->principal.tenant;
  usage.key = state->principal.key;
  usage.user = state->principal.user;
  if (usage.at_us == 0) usage.at_us = wall_us;
  {
    MutexLock lock(state->directory->mutex);
    usage.cost_micros = state->directory->cost_micros(usage.model, usage.tokens);
    state->release(/*ran=*/true);
    for (auto* meter : {&state->key->meter, &state->tenant->meter}) count_used(meter, usage.tokens.prompt + usage.tokens.generated, usage.cost_micros);
  }
  impl_->submit_usage(std::move(usage), std::move(done));
}

Status Tenants::settle(Admission admission, UsageRecord usage) {
  struct Wait {
    Mutex mutex;
    CondVar changed;
    std::optional<Status> status FS_GUARDED_BY(mutex);
  };
  const auto wait = std::make_shared<Wait>();
  settle_async(std::move(admission), std::move(usage), [wait](Status status) {
    MutexLock lock(wait->mutex);
    wait->status = std::move(status);
    wait->changed.notify_one();
  });
  MutexLock lock(wait->mutex);
  while (!wait->status) wait->changed.wait(wait->mutex);
  return *wait->status;
}

Tenants::Load Tenants::load(const TenantId& tenant) {
  const int64_t wall_us = impl_->options.wall->now_us();
  Directory& directory = *impl_->directory;
  MutexLock lock(directory.mutex);
  const auto found = directory.tenants.find(tenant);
  if (found == directory.tenants.end()) return {};
  const Meter& meter = found->second->meter;
  const int64_t kv_tokens = impl_->options.kv_tokens;
  return {.n_running = meter.n_running,
          .requests_this_minute = meter.minute == wall_us / kMinuteUs ? meter.requests_in_minute : 0,
          .kv_share_percent = kv_tokens > 0 ? meter.tokens_reserved * 100 / kv_tokens : 0,
          .tokens_today = meter.day == day_of(wall_us) ? meter.tokens_today : 0,
          .spend_month_micros = meter.month == month_of(wall_us) ? meter.spend_month : 0};
}

}  // namespace firesteel
