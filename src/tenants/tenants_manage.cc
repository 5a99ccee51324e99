// Management of tenants, users, keys and prices; audit; first start.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "base/utf8.h"
#include "tenants/crypto.h"
#include "tenants/directory.h"
#include "tenants/impl.h"
#include "tenants/key_secret.h"
#include "tenants/private_file.h"
#include "tenants/tenants.h"
#include "tenants/usage_log.h"

namespace firesteel {
namespace {

constexpr size_t kNameBytes = 128;
constexpr size_t kModelsMax = 256;
constexpr size_t kKeysPerTenantMax = 10'000;
constexpr size_t kUsersPerTenantMax = 100'000;
constexpr int64_t kPriceMax = 1'000'000'000'000;  // a million currency units per million tokens
constexpr const char* kFirstKeyName = "first start";

// Names come back on terminals, in tables and logs: no control characters.
Status check_name(const char* what, const std::string& name) {
  if (name.empty() || name.size() > kNameBytes || !is_valid_utf8(name)) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("{} must be 1 to {} bytes of UTF-8", what, kNameBytes)};
  }
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return Error{ErrorCode::kInvalidArgument, fmt::format("{} has a control character", what)};
  }
  return {};
}

Error no_such(const char* what) { return Error{ErrorCode::kNotFound, fmt::format("no such {}", what)}; }

std::string models_json(const std::vector<std::string>& models) {
  Json::Array list;
  for (const std::string& model : models) list.emplace_back(model);
  return Json(std::move(list)).dump();
}

Status insert_key(Transaction& transaction, const KeyRecord& key, const std::string& hash, int64_t generation) {
  FS_TRY_VOID(transaction.execute(
      "INSERT INTO api_keys(id, tenant, user_id, name, hint, hash, scopes, allowed_models, consent, limits, created_us, expires_us, revoked_us, "
      "last_used_us, replaced_by, generation) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 0, '', $13)",
      {key.id.str(), key.tenant.str(), key.user.str(), key.name, key.hint, Blob{hash}, static_cast<int64_t>(key.scopes), models_json(key.allowed_models),
       int64_t{key.consent}, limits_json(key.limits).dump(), key.created_us, key.expires_us, generation}));
  return {};
}

// One row must have been meant, of this tenant.
Status one_changed(const Result<int64_t>& n_changed, const char* what) {
  if (!n_changed.ok()) return n_changed.error();
  if (*n_changed == 0) return no_such(what);
  return {};
}

Status name_taken(Status status, const char* what) {
  if (!status.ok() && status.error().code == ErrorCode::kFailedPrecondition) {
    return Error{ErrorCode::kFailedPrecondition, fmt::format("a {} of this name exists already", what)};
  }
  return status;
}

std::string key_details(const KeyRecord& key) {
  Json details;
  details.set("name", key.name);
  details.set("scopes", scopes_text(key.scopes));
  details.set("expires_us", key.expires_us);
  details.set("limits", limits_json(key.limits));
  details.set("consent", key.consent);
  return details.dump();
}

std::string csv_field(const std::string& text) {
  // A spreadsheet runs what begins like a formula.
  std::string field = !text.empty() && std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos ? "'" + text : text;
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string quoted = "\"";
  for (const char c : field) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

// --- Impl --------------------------------------------------------------------------------------------------------------------------

void Tenants::Impl::copy_checkpoint(const std::string& line) {
  if (line.empty() || options.checkpoint_path.empty()) return;
  MutexLock lock(checkpoint_mutex);
  const int fd = ::open(options.checkpoint_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return;  // the checkpoint is in the store as well; the next one is copied again
  const ssize_t n_written = ::write(fd, line.data(), line.size());
  static_cast<void>(n_written);  // a torn last line is tolerated by the reader
  ::fsync(fd);
  ::close(fd);
}

Status Tenants::Impl::audited(const TenantId& chain, const Actor& actor, const std::string& action, const std::string& target,
                              const std::string& details, const Store::Write& work) {
  std::string checkpoint;
  const AuditEntry entry{.chain = chain.empty() ? "system" : chain.str(), .seq = 0, .at_us = options.wall->now_us(), .actor = actor.name,
                         .action = action, .target = target, .details = details, .previous = {}, .hash = {}};
  const Status status = store.write([&](Transaction& transaction) -> Status {
    if (work != nullptr) FS_TRY_VOID(work(transaction));
    return audit_log.append(transaction, entry, &checkpoint);
  });
  FS_TRY_VOID(status);
  copy_checkpoint(checkpoint);
  return {};
}

Status Tenants::Impl::change(const TenantId& chain, const Actor& actor, const std::string& action, const std::string& target,
                             const std::string& details, const std::function<Status(Transaction&, int64_t generation)>& work) {
  FS_TRY_VOID(audited(chain, actor, action, target, details, [&](Transaction& transaction) -> Status {
    Result<int64_t> new_generation = bump_generation(transaction);
    if (!new_generation.ok()) return std::move(new_generation).error();
    return work(transaction, *new_generation);
  }));
  // Stored: if it cannot be read back at this moment, the next request will.
  static_cast<void>(refresh(true));
  return {};
}

// --- tenants -----------------------------------------------------------------------------------------------------------------------

Result<TenantRecord> Tenants::create_tenant(const std::string& name, const Limits& limits, const Actor& actor) {
  FS_TRY_VOID(check_name("the tenant's name", name));
  FS_TRY_VOID(check_limits(limits));
  if (TenantId::parse(name).has_value()) return Error{ErrorCode::kInvalidArgument, "the tenant's name looks like an id"};
  TenantRecord made{.id = TenantId::fresh(), .name = name, .disabled = false, .created_us = impl_->options.wall->now_us(), .flow = 0, .limits = limits};
  Json details;
  details.set("name", name);
  details.set("limits", limits_json(limits));
  const Status status = impl_->change(made.id, actor, "tenant.create", made.id.str(), details.dump(), [&](Transaction& transaction, int64_t generation) -> Status {
    FS_TRY(const std::optional<Row> flow, transaction.first("SELECT coalesce(max(flow), 0) + 1 FROM tenants", {}));
    made.flow = flow->integer(0);
    FS_TRY_VOID(transaction.execute("INSERT INTO tenants(id, name, disabled, created_us, flow, limits, generation) VALUES($1, $2, 0, $3, $4, $5, $6)",
                                    {made.id.str(), made.name, made.created_us, made.flow, limits_json(limits).dump(), generation}));
    return {};
  });
  FS_TRY_VOID(name_taken(status, "tenant"));
  return made;
}

Status Tenants::rename_tenant(const TenantId& tenant, const std::string& name, const Actor& actor) {
  FS_TRY_VOID(check_name("the tenant's name", name));
  if (TenantId::parse(name).has_value()) return Error{ErrorCode::kInvalidArgument, "the tenant's name looks like an id"};
  Json details;
  details.set("name", name);
  return name_taken(impl_->change(tenant, actor, "tenant.rename", tenant.str(), details.dump(), [&](Transaction& transaction, int64_t generation) {
    return one_changed(transaction.execute("UPDATE tenants SET name = $1, generation = $2 WHERE id = $3", {name, generation, tenant.str()}), "tenant");
  }), "tenant");
}

Status Tenants::set_tenant_limits(const TenantId& tenant, const Limits& limits, const Actor& actor) {
  FS_TRY_VOID(check_limits(limits));
  return impl_->change(tenant, actor, "tenant.limits", tenant.str(), limits_json(limits).dump(), [&](Transaction& transaction, int64_t generation) {
    return one_changed(transaction.execute("UPDATE tenants SET limits = $1, generation = $2 WHERE id = $3",
                                           {limits_json(limits).dump(), generation, tenant.str()}), "tenant");
  });
}

Status Tenants::set_tenant_disabled(const TenantId& tenant, bool disabled, const Actor& actor) {
  return impl_->change(tenant, actor, disabled ? "tenant.disable" : "tenant.enable", tenant.str(), "{}", [&](Transaction& transaction, int64_t generation) {
    return one_changed(transaction.execute("UPDATE tenants SET disabled = $1, generation = $2 WHERE id = $3",
                                           {int64_t{disabled}, generation, tenant.str()}), "tenant");
  });
}

std::vector<TenantRecord> Tenants::list_tenants() {
  static_cast<void>(impl_->refresh(false));
  std::vector<TenantRecord> tenants;
  {
    MutexLock lock(impl_->directory->mutex);
    for (const auto& [id, entry] : impl_->directory->tenants) tenants.push_back(entry->record);
  }
  std::sort(tenants.begin(), tenants.end(), [](const TenantRecord& a, const TenantRecord& b) { return a.flow < b.flow; });
  return tenants;
}

std::optional<TenantRecord> Tenants::find_tenant(std::string_view id_or_name) {
  for (TenantRecord& tenant : list_tenants()) {
    if (tenant.id.str() == id_or_name || tenant.name == id_or_name) return std::move(tenant);
  }
  return std::nullopt;
}

// --- users -------------------------------------------------------------------------------------------------------------------------

Result<UserRecord> Tenants::create_user(const TenantId& tenant, const std::string& name, const Actor& actor) {
  FS_TRY_VOID(check_name("the user's name", name));
  const UserRecord made{.id = UserId::fresh(), .tenant = tenant, .name = name, .disabled = false, .created_us = impl_->options.wall->now_us()};
  Json details;
  details.set("name", name);
  const Status status = impl_->change(tenant, actor, "user.create", made.id.str(), details.dump(), [&](Transaction& transaction, int64_t generation) -> Status {
    FS_TRY(const std::optional<Row> known, transaction.first("SELECT 1 FROM tenants WHERE id = $1", {tenant.str()}));
    if (!known) return no_such("tenant");
    FS_TRY(const std::optional<Row> count, transaction.first("SELECT count(*) FROM users WHERE tenant = $1", {tenant.str()}));
    if (count->integer(0) >= static_cast<int64_t>(kUsersPerTenantMax)) return Error{ErrorCode::kResourceExhausted, "the tenant has too many users"};
    FS_TRY_VOID(transaction.execute("INSERT INTO users(id, tenant, name, disabled, created_us, generation) VALUES($1, $2, $3, 0, $4, $5)",
                                    {made.id.str(), tenant.str(), name, made.created_us, generation}));
    return {};
  });
  FS_TRY_VOID(name_taken(status, "user"));
  return made;
}

Status Tenants::set_user_disabled(const TenantId& tenant, const UserId& user, bool disabled, const Actor& actor) {
  return impl_->change(tenant, actor, disabled ? "user.disable" : "user.enable", user.str(), "{}", [&](Transaction& transaction, int64_t generation) {
    return one_changed(transaction.execute("UPDATE users SET disabled = $1, generation = $2 WHERE id = $3 AND tenant = $4",
                                           {int64_t{disabled}, generation, user.str(), tenant.str()}), "user");
  });
}

Result<std::vector<UserRecord>> Tenants::list_users(const TenantId& tenant) {
  FS_TRY_VOID(impl_->refresh(false));
  std::vector<UserRecord> users;
  {
    MutexLock lock(impl_->directory->mutex);
    for (const auto& [id, record] : impl_->directory->users) {
      if (record.tenant == tenant) users.push_back(record);
    }
  }
  std::sort(users.begin(), users.end(), [](const UserRecord& a, const UserRecord& b) { return a.name < b.name; });
  return users;
}

// --- keys --------------------------------------------------------------------------------------------------------------------------

Result<CreatedKey> Tenants::create_key(const KeySpec& spec, const Actor& actor) {
  FS_TRY_VOID(check_name("the key's name", spec.name));
  FS_TRY_VOID(check_limits(spec.limits));
  if (spec.scopes == Scope::kNone) return Error{ErrorCode::kInvalidArgument, "a key without scopes can do nothing"};
  if (spec.allowed_models.size() > kModelsMax) return Error{ErrorCode::kInvalidArgument, "too many allowed models"};
  for (const std::string& model : spec.allowed_models) FS_TRY_VOID(check_name("a model's name", model));
  const int64_t now_us = impl_->options.wall->now_us();
  if (spec.expires_us != 0 && spec.expires_us <= now_us) return Error{ErrorCode::kInvalidArgument, "the key would have expired already"};
  CreatedKey made;
  made.secret = random_secret("fs-");
  made.record = {.id = KeyId::fresh(), .tenant = spec.tenant, .user = spec.user, .name = spec.name, .hint = secret_hint(made.secret),
                 .scopes = spec.scopes, .allowed_models = spec.allowed_models, .consent = spec.consent, .limits = spec.limits,
                 .created_us = now_us, .expires_us = spec.expires_us, .revoked_us = 0, .last_used_us = 0, .replaced_by = {}};
  const std::string hash = keyed_hash(impl_->key_hash_key, made.secret);
  FS_TRY_VOID(impl_->change(spec.tenant, actor, "key.create", made.record.id.str(), key_details(made.record), [&](Transaction& transaction, int64_t new_generation) -> Status {
    const Result<std::optional<Row>> tenant = transaction.first("SELECT 1 FROM tenants WHERE id = $1", {spec.tenant.str()});
    if (!tenant.ok()) return tenant.error();
    if (!tenant->has_value()) return no_such("tenant");
    if (!spec.user.empty()) {
      const Result<std::optional<Row>> user = transaction.first("SELECT 1 FROM users WHERE id = $1 AND tenant = $2", {spec.user.str(), spec.tenant.str()});
      if (!user.ok()) return user.error();
      if (!user->has_value()) return no_such("user");
    }
    const Result<std::optional<Row>> count = transaction.first("SELECT count(*) FROM api_keys WHERE tenant = $1", {spec.tenant.str()});
    if (!count.ok()) return count.error();
    if ((*count)->integer(0) >= static_cast<int64_t>(kKeysPerTenantMax)) return Error{ErrorCode::kResourceExhausted, "the tenant has too many keys"};
    return insert_key(transaction, made.record, hash, new_generation);
  }));
  return made;
}

Result<CreatedKey> Tenants::rotate_key(const TenantId& tenant, const KeyId& key, int64_t overlap_us, const Actor& actor) {
  const std::optional<KeyRecord> old = find_key(tenant, key);
  if (!old) return no_such("key");
  const int64_t now_us = impl_->options.wall->now_us();
  if (old->revoked_us != 0 || (old->expires_us != 0 && old->expires_us <= now_us)) {
    return Error{ErrorCode::kFailedPrecondition, "the key is revoked or has expired; create a new one"};
  }
  if (!old->replaced_by.empty()) return Error{ErrorCode::kFailedPrecondition, "the key was rotated already, to " + old->replaced_by.str()};
  CreatedKey made;
  made.secret = random_secret("fs-");
  made.record = *old;
  made.record.id = KeyId::fresh();
  made.record.hint = secret_hint(made.secret);
  made.record.created_us = now_us;
  made.record.last_used_us = 0;
  const std::string hash = keyed_hash(impl_->key_hash_key, made.secret);
  int64_t ends_us = now_us + std::max<int64_t>(overlap_us, 0);
  if (old->expires_us != 0) ends_us = std::min(ends_us, old->expires_us);
  Json details;
  details.set("new_key", made.record.id.str());
  details.set("old_key_ends_us", ends_us);
  const Status status = impl_->change(tenant, actor, "key.rotate", key.str(), details.dump(), [&](Transaction& transaction, int64_t generation) -> Status {
    FS_TRY_VOID(one_changed(transaction.execute(
        "UPDATE api_keys SET expires_us = $1, replaced_by = $2, generation = $3 WHERE id = $4 AND tenant = $5 AND revoked_us = 0 AND replaced_by = ''",
        {ends_us, made.record.id.str(), generation, key.str(), tenant.str()}), "key"));
    return insert_key(transaction, made.record, hash, generation);
  });
  FS_TRY_VOID(status);
  return made;
}

Status Tenants::revoke_key(const TenantId& tenant, const KeyId& key, const Actor& actor) {
  const int64_t now_us = impl_->options.wall->now_us();
  return impl_->change(tenant, actor, "key.revoke", key.str(), "{}", [&](Transaction& transaction, int64_t generation) {
    return one_changed(transaction.execute("UPDATE api_keys SET revoked_us = $1, generation = $2 WHERE id = $3 AND tenant = $4 AND revoked_us = 0",
                                           {now_us, generation, key.str(), tenant.str()}), "key that is not revoked yet");
  });
}

Status Tenants::set_key_limits(const TenantId& tenant, const KeyId& key, const Limits& limits, const Actor& actor) {
  FS_TRY_VOID(check_limits(limits));
  return impl_->change(tenant, actor, "key.limits", key.str(), limits_json(limits).dump(), [&](Transaction& transaction, int64_t generation) {
    return one_changed(transaction.execute("UPDATE api_keys SET limits = $1, generation = $2 WHERE id = $3 AND tenant = $4",
                                           {limits_json(limits).dump(), generation, key.str(), tenant.str()}), "key");
  });
}

std::vector<KeyRecord> Tenants::list_keys(const TenantId& tenant) {
  static_cast<void>(impl_->refresh(false));
  std::vector<KeyRecord> keys;
  {
    MutexLock lock(impl_->directory->mutex);
    for (const auto& [id, entry] : impl_->directory->keys) {
      if (entry->record.tenant == tenant) keys.push_back(entry->record);
    }
  }
  std::sort(keys.begin(), keys.end(), [](const KeyRecord& a, const KeyRecord& b) {
    return a.created_us != b.created_us ? a.created_us < b.created_us : a.id < b.id;
  });
  return keys;
}

std::optional<KeyRecord> Tenants::find_key(const TenantId& tenant, const KeyId& key) {
  static_cast<void>(impl_->refresh(false));
  MutexLock lock(impl_->directory->mutex);
  const auto found = impl_->directory->keys.find(key);
  if (found == impl_->directory->keys.end() || found->second->record.tenant != tenant) return std::nullopt;
  return found->second->record;
}

// --- prices, reports, audit ----------------------------------------------------------------------------------------------------------

Status Tenants::set_price(const ModelPrice& price, const Actor& actor) {
  FS_TRY_VOID(check_name("the model's name", price.model));
  for (const int64_t value : {price.prompt, price.cached, price.generated}) {
    if (value < 0 || value > kPriceMax) return Error{ErrorCode::kInvalidArgument, fmt::format("a price must lie between 0 and {}", kPriceMax)};
  }
  Json details;
  details.set("prompt", price.prompt);
  details.set("cached", price.cached);
  details.set("generated", price.generated);
  return impl_->change({}, actor, "price.set", price.model, details.dump(), [&](Transaction& transaction, int64_t generation) -> Status {
    FS_TRY_VOID(transaction.execute(
        "INSERT INTO prices(model, prompt, cached, generated, generation) VALUES($1, $2, $3, $4, $5) ON CONFLICT(model) DO UPDATE SET "
        "prompt = excluded.prompt, cached = excluded.cached, generated = excluded.generated, generation = excluded.generation",
        {price.model, price.prompt, price.cached, price.generated, generation}));
    return {};
  });
}

std::vector<ModelPrice> Tenants::list_prices() {
  static_cast<void>(impl_->refresh(false));
  std::vector<ModelPrice> prices;
  MutexLock lock(impl_->directory->mutex);
  for (const auto& [model, price] : impl_->directory->prices) prices.push_back(price);
  return prices;
}

Result<std::vector<UsageRow>> Tenants::usage(const UsageQuery& query) {
  std::vector<UsageRow> rows;
  const Status status = impl_->store.read([&](Reader& reader) -> Status {
    FS_TRY(rows, query_usage(reader, query));
    return {};
  });
  FS_TRY_VOID(status);
  return rows;
}

std::string usage_csv(const std::vector<UsageRow>& rows) {
  std::string csv = "day,tenant,key,model,requests,prompt_tokens,cached_tokens,generated_tokens,cost_micros\n";
  for (const UsageRow& row : rows) {
    csv += fmt::format("{},{},{},{},{},{},{},{},{}\n", row.day, csv_field(row.tenant), csv_field(row.key), csv_field(row.model), row.n_requests,
                       row.tokens.prompt, row.tokens.cached, row.tokens.generated, row.cost_micros);
  }
  return csv;
}

Status Tenants::audit(const TenantId& chain, const Actor& actor, const std::string& action, const std::string& target, const std::string& details) {
  return audited(chain, actor, action, target, details, nullptr);
}

Status Tenants::audited(const TenantId& chain, const Actor& actor, const std::string& action, const std::string& target, const std::string& details,
                        const std::function<Status(Transaction&)>& work) {
  for (const auto& [text, max_bytes] : {std::pair<const std::string&, size_t>(actor.name, 256), {action, 128}, {target, 512}, {details, 64 << 10}}) {
    if (text.size() > max_bytes || !is_valid_utf8(text) || text.find('\0') != std::string::npos) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("audit: a text is longer than {} bytes or not UTF-8", max_bytes)};
    }
  }
  return impl_->audited(chain, actor, action, target, details, work);
}

Result<std::vector<AuditEntry>> Tenants::audit_rows(const TenantId& chain, int64_t after_seq, int64_t limit) {
  std::vector<AuditEntry> rows;
  const Status status = impl_->store.read([&](Reader& reader) {
    return reader.each(
        "SELECT chain, seq, at_us, actor, action, target, details, previous, hash FROM audit WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        {chain.empty() ? std::string("system") : chain.str(), after_seq, std::clamp<int64_t>(limit, 0, 100'000)}, [&](const Row& row) {
          rows.push_back({.chain = row.text(0), .seq = row.integer(1), .at_us = row.integer(2), .actor = row.text(3), .action = row.text(4),
                          .target = row.text(5), .details = row.text(6), .previous = row.blob(7), .hash = row.blob(8)});
          return true;
        });
  });
  FS_TRY_VOID(status);
  return rows;
}

Result<std::vector<AuditReport>> Tenants::verify_audit(const std::string& external) {
  std::vector<AuditReport> reports;
  const Status status = impl_->store.read([&](Reader& reader) -> Status {
    FS_TRY(reports, impl_->audit_log.verify(reader, external));
    return {};
  });
  FS_TRY_VOID(status);
  return reports;
}

// --- first start -----------------------------------------------------------------------------------------------------------------------

Result<ServerSecret> load_or_create_secret(const std::string& state_dir) {
  FS_TRY_VOID(make_private_folder(state_dir));
  const std::string path = state_dir + "/server.secret";
  Result<ServerSecret> loaded = ServerSecret::load(path);
  if (loaded.ok() || loaded.error().code != ErrorCode::kNotFound) return loaded;
  const Status saved = ServerSecret::fresh().save(path);
  // Another process may have been faster; what lies there counts.
  if (!saved.ok() && saved.error().code != ErrorCode::kFailedPrecondition) return saved.error();
  return ServerSecret::load(path);
}

Result<Bootstrap> Tenants::bootstrap(const std::string& state_dir) {
  const std::string path = state_dir + "/admin.key";
  const bool has_file = ::access(path.c_str(), F_OK) == 0;
  bool done = false;
  const Status looked = impl_->store.read([&](Reader& reader) -> Status {
    FS_TRY(const std::optional<Row> row, reader.first("SELECT 1 FROM meta WHERE name = 'bootstrapped'", {}));
    done = row.has_value();
    return {};
  });
  FS_TRY_VOID(looked);
  if (done) return Bootstrap{.admin_key_path = has_file ? path : "", .first_start = false};

  const Actor actor{"first start"};
  std::optional<TenantRecord> tenant = find_tenant("default");
  if (!tenant) {
    const Result<TenantRecord> made = create_tenant("default", {}, actor);
    if (!made.ok() && made.error().code != ErrorCode::kFailedPrecondition) return made.error();
    static_cast<void>(impl_->refresh(true));  // a replica that started at the same moment may have been first
    tenant = find_tenant("default");
    if (!tenant) return Error{ErrorCode::kUnavailable, "the first tenant cannot be read back"};
  }
  // A start that was killed half-way left a key that nobody knows, or a file whose key is not stored.
  for (const KeyRecord& key : list_keys(tenant->id)) {
    if (key.name == kFirstKeyName && key.revoked_us == 0) FS_TRY_VOID(revoke_key(tenant->id, key.id, actor));
  }
  if (has_file) ::unlink(path.c_str());
  FS_TRY(const CreatedKey key, create_key({.tenant = tenant->id, .user = {}, .name = kFirstKeyName, .scopes = Scope::kAdmin, .allowed_models = {},
                                           .consent = false, .limits = {}, .expires_us = 0}, actor));
  FS_TRY_VOID(write_private_file(path, key.secret + "\n"));
  const Status noted = impl_->store.write([](Transaction& transaction) -> Status {
    FS_TRY_VOID(transaction.execute("INSERT INTO meta(name, value) VALUES('bootstrapped', '1') ON CONFLICT(name) DO NOTHING", {}));
    return {};
  });
  FS_TRY_VOID(noted);
  return Bootstrap{.admin_key_path = path, .first_start = true};
}

}  // namespace firesteel
