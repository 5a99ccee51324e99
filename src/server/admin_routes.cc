#include "server/admin_routes.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/clock.h"
#include "server/app.h"
#include "server/own_api.h"

namespace firesteel {
namespace {

constexpr uint64_t kBodyMax = 64u << 10;
constexpr int64_t kMsUs = 1000;

Actor actor_of(const Call& call) { return {.name = call.principal->key.str()}; }

HttpResponse failed(const Call& call, const Error& error) {
  if (error.code == ErrorCode::kFailedPrecondition || error.code == ErrorCode::kResourceExhausted) {
    return own_error(call, {.kind = ApiErrorKind::kConflict, .message = error.message, .code = "conflict"});
  }
  return own_error(call, own_api_error(error));
}

// --- quotas --------------------------------------------------------------------------------------------------------------------------

struct QuotaField {
  const char* name;
  int64_t Limits::*member;
  int64_t max;
};
constexpr QuotaField kQuotaFields[] = {
    {"requests_per_minute", &Limits::requests_per_minute, INT64_C(1) << 40}, {"tokens_per_minute", &Limits::tokens_per_minute, INT64_C(1) << 50},
    {"tokens_per_day", &Limits::tokens_per_day, INT64_C(1) << 50},           {"concurrency", &Limits::concurrency, 1 << 20},
    {"kv_share_percent", &Limits::kv_share_percent, 100},                    {"spend_micros_per_month", &Limits::spend_micros_per_month, INT64_C(1) << 60},
};

Json quota_json(const Limits& limits) {
  Json out = Json::Object{};
  for (const QuotaField& field : kQuotaFields) out.set(field.name, limits.*field.member < 0 ? Json() : Json(limits.*field.member));
  return out;
}

// nullopt when the body has none.
Result<std::optional<Limits>> read_quota(const Json& body) {
  const Json* quota = body.find("quota");
  if (quota == nullptr || quota->is_null()) return std::optional<Limits>();
  if (!quota->is_object()) return Error{ErrorCode::kInvalidArgument, "quota: expected an object"};
  Limits limits;
  for (const auto& [name, value] : quota->as_object()) {
    const auto* field = std::find_if(std::begin(kQuotaFields), std::end(kQuotaFields), [&n = name](const QuotaField& f) { return n == f.name; });
    if (field == std::end(kQuotaFields)) return Error{ErrorCode::kInvalidArgument, "quota: there is no limit '" + name.substr(0, 64) + "'"};
    FS_TRY(const std::optional<int64_t> limit, int_field(*quota, name, 0, field->max));
    limits.*field->member = limit.value_or(-1);
  }
  return std::optional<Limits>(limits);
}

// --- tenants -------------------------------------------------------------------------------------------------------------------------

Json tenant_json(ServerContext* context, const TenantRecord& tenant) {
  const Tenants::Load load = context->tenants.load(tenant.id);
  Json used = Json::Object{{"requests_this_minute", load.requests_this_minute}, {"tokens_today", load.tokens_today}, {"kv_share_percent", load.kv_share_percent}};
  return Json::Object{{"id", tenant.id.str()},
                      {"name", tenant.name},
                      {"state", tenant.disabled ? "suspended" : "active"},
                      {"created_at", ms_of(tenant.created_us)},
                      {"n_keys", static_cast<int64_t>(context->tenants.list_keys(tenant.id).size())},
                      {"quota", quota_json(tenant.limits)},
                      {"used", std::move(used)}};
}

HttpReply list_tenants(ServerContext* context, Call&) {
  Json::Array data;
  for (const TenantRecord& tenant : context->tenants.list_tenants()) data.push_back(tenant_json(context, tenant));
  return json_response(200, Json(Json::Object{{"data", std::move(data)}}).dump());
}

HttpReply create_tenant(ServerContext* context, Call& call) {
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return failed(call, body.error());
  const Result<std::optional<std::string>> name = string_field(*body, "name", 128);
  if (!name.ok()) return failed(call, name.error());
  if (!*name || (*name)->empty()) return own_error(call, bad_field("name", "expected a name"));
  const Result<std::optional<Limits>> quota = read_quota(*body);
  if (!quota.ok()) return failed(call, quota.error());
  const Result<TenantRecord> made = context->tenants.create_tenant(**name, quota->value_or(Limits{}), actor_of(call));
  if (!made.ok()) return failed(call, made.error());
  return json_response(201, tenant_json(context, *made).dump());
}

HttpReply change_tenant(ServerContext* context, Call& call) {
  const std::optional<TenantId> id = TenantId::parse(call.request.path_parameters.at(0));
  if (!id || !context->tenants.find_tenant(id->str())) return not_found(call);
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return failed(call, body.error());
  const Result<std::optional<std::string>> name = string_field(*body, "name", 128);
  if (!name.ok()) return failed(call, name.error());
  const Result<std::optional<std::string>> state = string_field(*body, "state", 16);
  if (!state.ok()) return failed(call, state.error());
  if (*state && **state != "active" && **state != "suspended") return own_error(call, bad_field("state", "expected active or suspended"));
  const Result<std::optional<Limits>> quota = read_quota(*body);
  if (!quota.ok()) return failed(call, quota.error());
  // A suspended tenant's own key could not undo it.
  if (*state && **state == "suspended" && *id == call.principal->tenant) return own_error(call, bad_field("state", "this is your own tenant"));
  Status status;
  if (*name) status = context->tenants.rename_tenant(*id, **name, actor_of(call));
  if (status.ok() && *quota) status = context->tenants.set_tenant_limits(*id, **quota, actor_of(call));
  if (status.ok() && *state) status = context->tenants.set_tenant_disabled(*id, **state == "suspended", actor_of(call));
  if (!status.ok()) return failed(call, status.error());
  const std::optional<TenantRecord> changed = context->tenants.find_tenant(id->str());
  if (!changed) return not_found(call);
  return json_response(200, tenant_json(context, *changed).dump());
}

// --- keys ----------------------------------------------------------------------------------------------------------------------------

Json words(const std::string& list) {
  Json::Array out;
  for (std::string_view rest = list; !rest.empty();) {
    const size_t end = rest.find(',');
    out.push_back(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return out;
}

Json key_json(const KeyRecord& key, const std::string& secret = {}) {
  Json::Array models;
  for (const std::string& model : key.allowed_models) models.push_back(model);
  Json out = Json::Object{{"id", key.id.str()},
                          {"tenant", key.tenant.str()},
                          {"name", key.name},
                          {"prefix", key.hint},
                          {"scopes", words(scopes_text(key.scopes))},
                          {"models", std::move(models)},
                          {"created_at", ms_of(key.created_us)},
                          {"expires_at", time_or_null(key.expires_us)},
                          {"last_used_at", time_or_null(key.last_used_us)},
                          {"revoked_at", time_or_null(key.revoked_us)},
                          {"quota", quota_json(key.limits)},
                          {"consent", key.consent}};
  if (!secret.empty()) out.set("secret", secret);
  return out;
}

// The tenant that the query names; the caller's own without one.
std::optional<TenantId> tenant_of_query(ServerContext* context, const Call& call) {
  const std::string text = text_query(call.request, "tenant");
  if (text.empty()) return call.principal->tenant;
  const std::optional<TenantRecord> tenant = context->tenants.find_tenant(text);
  return tenant ? std::optional<TenantId>(tenant->id) : std::nullopt;
}

HttpReply list_keys(ServerContext* context, Call& call) {
  Json::Array data;
  const auto add = [&](const TenantId& tenant) {
    for (const KeyRecord& key : context->tenants.list_keys(tenant)) data.push_back(key_json(key));
  };
  if (text_query(call.request, "tenant").empty()) {
    for (const TenantRecord& tenant : context->tenants.list_tenants()) add(tenant.id);
  } else {
    const std::optional<TenantId> tenant = tenant_of_query(context, call);
    if (!tenant) return not_found(call);
    add(*tenant);
  }
  return json_response(200, Json(Json::Object{{"data", std::move(data)}}).dump());
}

Result<KeySpec> read_key_spec(const Json& body) {
  KeySpec spec;
  FS_TRY(const std::optional<std::string> name, string_field(body, "name", 128));
  if (!name || name->empty()) return Error{ErrorCode::kInvalidArgument, "name: expected a name"};
  spec.name = *name;
  const Json* scopes = body.find("scopes");
  if (scopes == nullptr || !scopes->is_array()) return Error{ErrorCode::kInvalidArgument, "scopes: expected an array"};
  std::string list;
  for (const Json& one : scopes->as_array()) {
    if (!one.is_string() || list.size() > 1024) return Error{ErrorCode::kInvalidArgument, "scopes: expected an array of words"};
    list += (list.empty() ? "" : ",") + one.as_string();
  }
  Result<Scope> parsed = parse_scopes(list);
  if (!parsed.ok()) return Error{ErrorCode::kInvalidArgument, "scopes: " + parsed.error().message};
  spec.scopes = *parsed;
  if (const Json* models = body.find("models"); models != nullptr && !models->is_null()) {
    if (!models->is_array() || models->as_array().size() > 64) return Error{ErrorCode::kInvalidArgument, "models: expected an array of at most 64 names"};
    for (const Json& one : models->as_array()) {
      if (!one.is_string() || one.as_string().size() > 256) return Error{ErrorCode::kInvalidArgument, "models: expected names"};
      spec.allowed_models.push_back(one.as_string());
    }
  }
  FS_TRY(const std::optional<int64_t> expires_at, int_field(body, "expires_at", 1, INT64_MAX / kMsUs));
  if (expires_at) spec.expires_us = *expires_at * kMsUs;
  FS_TRY(const std::optional<Limits> quota, read_quota(body));
  spec.limits = quota.value_or(Limits{});
  FS_TRY(const std::optional<bool> consent, bool_field(body, "consent"));
  spec.consent = consent.value_or(false);
  return spec;
}

HttpReply create_key(ServerContext* context, Call& call) {
  const std::optional<TenantId> tenant = tenant_of_query(context, call);
  if (!tenant) return not_found(call);
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return failed(call, body.error());
  Result<KeySpec> spec = read_key_spec(*body);
  if (!spec.ok()) return failed(call, spec.error());
  spec->tenant = *tenant;
  const Result<CreatedKey> made = context->tenants.create_key(*spec, actor_of(call));
  if (!made.ok()) return failed(call, made.error());
  return json_response(201, key_json(made->record, made->secret).dump());
}

// Ids name keys of all tenants here; whoever may call this may see them all.
std::optional<KeyRecord> find_key(ServerContext* context, const Call& call) {
  const std::optional<KeyId> id = KeyId::parse(call.request.path_parameters.at(0));
  if (!id) return std::nullopt;
  for (const TenantRecord& tenant : context->tenants.list_tenants()) {
    if (std::optional<KeyRecord> key = context->tenants.find_key(tenant.id, *id)) return key;
  }
  return std::nullopt;
}

HttpReply rotate_key(ServerContext* context, Call& call) {
  const std::optional<KeyRecord> key = find_key(context, call);
  if (!key) return not_found(call);
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return failed(call, body.error());
  const Result<std::optional<int64_t>> overlap_s = int_field(*body, "overlap_s", 0, 365 * 24 * 3600);
  if (!overlap_s.ok()) return failed(call, overlap_s.error());
  const Result<CreatedKey> made = context->tenants.rotate_key(key->tenant, key->id, overlap_s->value_or(0) * 1'000'000, actor_of(call));
  if (!made.ok()) return failed(call, made.error());
  return json_response(201, key_json(made->record, made->secret).dump());
}

HttpReply revoke_key(ServerContext* context, Call& call) {
  const std::optional<KeyRecord> key = find_key(context, call);
  if (!key) return not_found(call);
  const Status revoked = context->tenants.revoke_key(key->tenant, key->id, actor_of(call));
  if (!revoked.ok()) return failed(call, revoked.error());
  return HttpResponse{204, {}, {}};
}

// --- usage ---------------------------------------------------------------------------------------------------------------------------

// "2026-11-23", or milliseconds since 1970: the day that holds them, as days since 1970.
Result<int64_t> day_query(const HttpRequest& request, const char* name, int64_t otherwise) {
  const std::string text = text_query(request, name);
  if (text.find('-') != std::string::npos) {
    const std::optional<int64_t> day = parse_day(text);
    if (!day) return Error{ErrorCode::kInvalidArgument, std::string(name) + ": expected a day such as 2026-11-23"};
    return *day;
  }
  constexpr int64_t kDayMs = 24 * 3600 * 1000;
  FS_TRY(const int64_t ms, int_query(request, name, 0, int64_t{INT32_MAX} * kDayMs, otherwise * kDayMs));
  return ms / kDayMs;
}

struct UsageRequest {
  UsageQuery query;
  std::string group;
};

Result<UsageRequest> read_usage_query(ServerContext* context, const Call& call) {
  UsageRequest out;
  out.group = text_query(call.request, "group");
  if (out.group.empty()) out.group = "day";
  out.query.by_day = out.group == "day";
  out.query.by_model = out.group == "model";
  out.query.by_key = out.group == "key";
  out.query.by_tenant = out.group == "tenant";
  if (!out.query.by_day && !out.query.by_model && !out.query.by_key && !out.query.by_tenant) {
    return Error{ErrorCode::kInvalidArgument, "group: expected day, model, key or tenant"};
  }
  if (!text_query(call.request, "tenant").empty()) {
    const std::optional<TenantId> tenant = tenant_of_query(context, call);
    if (!tenant) return Error{ErrorCode::kNotFound, "tenant"};
    out.query.tenant = *tenant;
  }
  if (const std::string text = text_query(call.request, "key"); !text.empty()) {
    const std::optional<KeyId> key = KeyId::parse(text);
    if (!key) return Error{ErrorCode::kNotFound, "key"};
    out.query.key = *key;
  }
  FS_TRY(out.query.from_day, day_query(call.request, "from", 0));
  FS_TRY(const int64_t last_day, day_query(call.request, "to", INT32_MAX - 1));
  out.query.until_day = last_day + 1;
  return out;
}

Json usage_row_json(const UsageRow& row, const std::string& group, const std::string& label) {
  Json out = Json::Object{{"group", group}};
  if (!label.empty()) out.set("label", label);
  out.set("requests", row.n_requests);
  out.set("prompt_tokens", row.tokens.prompt);
  out.set("cached_tokens", row.tokens.cached);
  out.set("completion_tokens", row.tokens.generated);
  return out;
}

HttpReply usage(ServerContext* context, Call& call) {
  const Result<UsageRequest> request = read_usage_query(context, call);
  if (!request.ok()) return failed(call, request.error());
  const Result<std::vector<UsageRow>> rows = context->tenants.usage(request->query);
  if (!rows.ok()) return failed(call, rows.error());
  std::map<std::string, std::string> labels;  // names of tenants or keys
  for (const TenantRecord& tenant : context->tenants.list_tenants()) {
    if (request->query.by_tenant) labels[tenant.id.str()] = tenant.name;
    if (!request->query.by_key) continue;
    for (const KeyRecord& key : context->tenants.list_keys(tenant.id)) labels[key.id.str()] = key.name;
  }
  Json::Array data;
  UsageRow total;
  for (const UsageRow& row : *rows) {
    const std::string& group = request->query.by_day ? row.day : request->query.by_model ? row.model : request->query.by_key ? row.key : row.tenant;
    const auto label = labels.find(group);
    data.push_back(usage_row_json(row, group, label == labels.end() ? std::string() : label->second));
    total.n_requests += row.n_requests;
    total.tokens.prompt += row.tokens.prompt;
    total.tokens.cached += row.tokens.cached;
    total.tokens.generated += row.tokens.generated;
  }
  return json_response(200, Json(Json::Object{{"data", std::move(data)}, {"total", usage_row_json(total, "total", "")}}).dump());
}

HttpReply usage_as_csv(ServerContext* context, Call& call) {
  const Result<UsageRequest> request = read_usage_query(context, call);
  if (!request.ok()) return failed(call, request.error());
  const Result<std::vector<UsageRow>> rows = context->tenants.usage(request->query);
  if (!rows.ok()) return failed(call, rows.error());
  return HttpResponse{200, {{"content-type", "text/csv; charset=utf-8"}, {"content-disposition", "attachment; filename=\"usage.csv\""}}, usage_csv(*rows)};
}

// --- audit ---------------------------------------------------------------------------------------------------------------------------

std::string hex(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

Json audit_json(const AuditEntry& entry) {
  Json out = Json::Object{{"seq", entry.seq}, {"t", ms_of(entry.at_us)}, {"tenant", entry.chain}, {"actor", entry.actor}, {"action", entry.action}, {"object", entry.target}};
  if (!entry.details.empty() && entry.details != "{}") out.set("detail", entry.details);
  out.set("hash", hex(entry.hash));
  return out;
}

// Rows are numbered without gaps, so the last one is found by doubling and halving.
Result<int64_t> last_seq(ServerContext* context, const TenantId& chain) {
  const auto is_there = [&](int64_t seq) -> Result<bool> {
    FS_TRY(const std::vector<AuditEntry> rows, context->tenants.audit_rows(chain, seq - 1, 1));
    return !rows.empty();
  };
  int64_t low = 0, high = 1;  // low is there (or zero)
  for (;;) {
    FS_TRY(const bool there, is_there(high));
    if (!there) break;
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    FS_TRY(const bool there, is_there(middle));
    (there ? low : high) = middle;
  }
  return low;
}

// The newest rows of a chain below `before`, newest first.
Result<std::vector<AuditEntry>> newest(ServerContext* context, const TenantId& chain, int64_t before, int64_t limit) {
  FS_TRY(const int64_t last, last_seq(context, chain));
  const int64_t end = std::min(before, last + 1);  // exclusive
  const int64_t begin = std::max<int64_t>(1, end - limit);
  if (end <= begin) return std::vector<AuditEntry>();
  FS_TRY(std::vector<AuditEntry> rows, context->tenants.audit_rows(chain, begin - 1, end - begin));
  std::reverse(rows.begin(), rows.end());
  return rows;
}

HttpReply list_audit(ServerContext* context, Call& call) {
  const Result<int64_t> limit = int_query(call.request, "limit", 1, 1000, 100);
  if (!limit.ok()) return failed(call, limit.error());
  const Result<int64_t> before = int_query(call.request, "before", 1, INT64_MAX, INT64_MAX);
  if (!before.ok()) return failed(call, before.error());
  std::vector<AuditEntry> entries;
  bool has_more = false;
  const std::string tenant = text_query(call.request, "tenant");
  if (!tenant.empty() && tenant != "system") {
    const std::optional<TenantId> chain = tenant_of_query(context, call);
    if (!chain) return not_found(call);
    Result<std::vector<AuditEntry>> rows = newest(context, *chain, *before, *limit);
    if (!rows.ok()) return failed(call, rows.error());
    entries = std::move(*rows);
    has_more = !entries.empty() && entries.back().seq > 1;
  } else {
    // Sequence numbers are per chain, so without a tenant there is one page: the newest of all chains.
    std::vector<TenantId> chains{TenantId()};
    if (tenant.empty()) {
      for (const TenantRecord& one : context->tenants.list_tenants()) chains.push_back(one.id);
    }
    for (const TenantId& chain : chains) {
      Result<std::vector<AuditEntry>> rows = newest(context, chain, tenant.empty() ? INT64_MAX : *before, *limit);
      if (!rows.ok()) return failed(call, rows.error());
      entries.insert(entries.end(), std::make_move_iterator(rows->begin()), std::make_move_iterator(rows->end()));
    }
    std::stable_sort(entries.begin(), entries.end(), [](const AuditEntry& a, const AuditEntry& b) { return a.at_us > b.at_us; });
    if (static_cast<int64_t>(entries.size()) > *limit) entries.resize(static_cast<size_t>(*limit));
    has_more = !tenant.empty() && !entries.empty() && entries.back().seq > 1;
  }
  Json::Array data;
  for (const AuditEntry& entry : entries) data.push_back(audit_json(entry));
  return json_response(200, Json(Json::Object{{"data", std::move(data)}, {"has_more", has_more}}).dump());
}

HttpReply verify_audit(ServerContext* context, Call& call) {
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return failed(call, body.error());
  const Result<std::optional<std::string>> tenant = string_field(*body, "tenant", 128);
  if (!tenant.ok()) return failed(call, tenant.error());
  const Result<std::vector<AuditReport>> reports = context->tenants.verify_audit("");
  if (!reports.ok()) return failed(call, reports.error());
  Json out = Json::Object{{"ok", true}};
  int64_t n_checked = 0;
  for (const AuditReport& report : *reports) {
    if (*tenant && report.chain != **tenant) continue;
    n_checked += report.n_rows;
    if (report.ok() || *out.find("ok") == Json(false)) continue;
    out.set("ok", false);
    out.set("bad_seq", report.first_bad_seq);
    out.set("message", report.chain + ": " + report.problem);
  }
  out.set("checked", n_checked);
  return json_response(200, out.dump());
}

}  // namespace

void add_admin_route(ServerContext* context, Router* router, HttpMethod method, std::string_view path, std::string_view name, AdminHandler handler) {
  const uint64_t body_bytes_max = changes_something(method) && method != HttpMethod::kDelete ? kBodyMax : 0;
  router->add(Route(method, "/firesteel/v1/admin/" + std::string(path), "admin." + std::string(name), RouteAccess::needs(Scope::kAdmin),
                    RouteLimits(body_bytes_max), Dialect::kFiresteel, [context, handler](Call& call) { return handler(context, call); }));
}

void add_admin_routes(ServerContext* context, Router* router) {
  const auto add = [&](HttpMethod method, std::string_view path, std::string_view name, AdminHandler handler) {
    add_admin_route(context, router, method, path, name, handler);
  };
  add(HttpMethod::kGet, "tenants", "tenants.list", list_tenants);
  add(HttpMethod::kPost, "tenants", "tenants.create", create_tenant);
  add(HttpMethod::kPatch, "tenants/{}", "tenants.change", change_tenant);
  add(HttpMethod::kGet, "keys", "keys.list", list_keys);
  add(HttpMethod::kPost, "keys", "keys.create", create_key);
  add(HttpMethod::kPost, "keys/{}/rotate", "keys.rotate", rotate_key);
  add(HttpMethod::kDelete, "keys/{}", "keys.revoke", revoke_key);
  add(HttpMethod::kGet, "usage", "usage", usage);
  add(HttpMethod::kGet, "usage.csv", "usage.csv", usage_as_csv);
  add(HttpMethod::kGet, "audit", "audit.list", list_audit);
  add(HttpMethod::kPost, "audit/verify", "audit.verify", verify_audit);
  add_overview_routes(context, router);
  add_label_routes(context, router);
  add_adapter_routes(context, router);
  add_erase_routes(context, router);
  add_monitor_routes(context, router);
}

}  // namespace firesteel
