#include "tenants/directory.h"

#include <algorithm>
#include <utility>

#include "base/json.h"

namespace firesteel {
namespace {

template <typename Id>
Id id_of(const std::string& text) { return Id::parse(text).value_or(Id()); }

// Written by us and checked then; what cannot be read allows nothing.
Limits limits_of(const std::string& text) {
  const Result<Json> json = Json::parse(text, {.depth = 4, .values = 64});
  if (json.ok()) {
    if (const Result<Limits> limits = parse_limits(*json); limits.ok()) return *limits;
  }
  return {.requests_per_minute = 0, .tokens_per_minute = 0, .tokens_per_day = 0, .concurrency = 0, .kv_share_percent = 1, .spend_micros_per_month = 0};
}

std::vector<std::string> models_of(const std::string& text) {
  std::vector<std::string> models;
  const Result<Json> json = Json::parse(text, {.depth = 4, .values = 4096});
  if (!json.ok() || !json->is_array()) return {"unreadable"};  // not "all"
  for (const Json& model : json->as_array()) {
    if (model.is_string()) models.push_back(model.as_string());
  }
  return models;
}

Status read_tenants_and_users(Reader& reader, int64_t after, DirectoryChanges* changes) {
  FS_TRY_VOID(reader.each("SELECT id, name, disabled, created_us, flow, limits FROM tenants WHERE generation > $1", {after}, [&](const Row& row) {
    changes->tenants.push_back({.id = id_of<TenantId>(row.text(0)), .name = row.text(1), .disabled = row.integer(2) != 0,
                                .created_us = row.integer(3), .flow = row.integer(4), .limits = limits_of(row.text(5))});
    return true;
  }));
  return reader.each("SELECT id, tenant, name, disabled, created_us FROM users WHERE generation > $1", {after}, [&](const Row& row) {
    changes->users.push_back({.id = id_of<UserId>(row.text(0)), .tenant = id_of<TenantId>(row.text(1)), .name = row.text(2),
                              .disabled = row.integer(3) != 0, .created_us = row.integer(4)});
    return true;
  });
}

Status read_keys_and_prices(Reader& reader, int64_t after, DirectoryChanges* changes) {
  FS_TRY_VOID(reader.each(
      "SELECT id, tenant, user_id, name, hint, scopes, allowed_models, consent, limits, created_us, expires_us, revoked_us, last_used_us, "
      "replaced_by, hash FROM api_keys WHERE generation > $1",
      {after}, [&](const Row& row) {
        KeyRecord key{.id = id_of<KeyId>(row.text(0)), .tenant = id_of<TenantId>(row.text(1)), .user = id_of<UserId>(row.text(2)),
                      .name = row.text(3), .hint = row.text(4), .scopes = static_cast<Scope>(row.integer(5)),
                      .allowed_models = models_of(row.text(6)), .consent = row.integer(7) != 0, .limits = limits_of(row.text(8)),
                      .created_us = row.integer(9), .expires_us = row.integer(10), .revoked_us = row.integer(11),
                      .last_used_us = row.integer(12), .replaced_by = id_of<KeyId>(row.text(13))};
        changes->keys.emplace_back(std::move(key), row.blob(14));
        return true;
      }));
  return reader.each("SELECT model, prompt, cached, generated FROM prices WHERE generation > $1", {after}, [&](const Row& row) {
    changes->prices.push_back({.model = row.text(0), .prompt = row.integer(1), .cached = row.integer(2), .generated = row.integer(3)});
    return true;
  });
}

}  // namespace

int64_t Directory::cost_micros(const std::string& model, const TokenCounts& tokens) const {
  auto price = prices.find(model);
  if (price == prices.end()) price = prices.find("*");
  if (price == prices.end()) return 0;
  // In whole millions of tokens and the rest, so that nothing overflows: prices are at most 10^12 (set_price), counts 10^10 here.
  int64_t micros = 0;
  int64_t fractions = 0;  // millionths of a micro
  const auto add = [&](int64_t n_tokens, int64_t per_million) {
    n_tokens = std::clamp<int64_t>(n_tokens, 0, 10'000'000'000);
    micros += n_tokens / 1'000'000 * per_million;
    fractions += n_tokens % 1'000'000 * per_million;
  };
  add(tokens.prompt - tokens.cached, price->second.prompt);
  add(tokens.cached, price->second.cached);
  add(tokens.generated, price->second.generated);
  return micros + (fractions + 999'999) / 1'000'000;
}

Result<DirectoryChanges> read_changes(Store& store, int64_t after_generation) {
  DirectoryChanges changes;
  const Status status = store.read([&](Reader& reader) -> Status {
    changes = {};
    FS_TRY(const std::optional<Row> generation, reader.first("SELECT value FROM counters WHERE name = 'tenants'", {}));
    if (!generation) return Error{ErrorCode::kDataLoss, "store: the tenants' counter is missing"};
    changes.generation = generation->integer(0);
    if (changes.generation == after_generation) return {};
    FS_TRY_VOID(read_tenants_and_users(reader, after_generation, &changes));
    return read_keys_and_prices(reader, after_generation, &changes);
  });
  FS_TRY_VOID(status);
  return changes;
}

Result<std::vector<UsedRow>> read_used(Store& store, int64_t from_day) {
  std::vector<UsedRow> rows;
  const Status status = store.read([&](Reader& reader) {
    return reader.each(
        "SELECT tenant, key_id, day, CAST(sum(prompt + generated) AS BIGINT), CAST(sum(cost_micros) AS BIGINT) FROM usage_daily "
        "WHERE day >= $1 GROUP BY tenant, key_id, day",
        {from_day}, [&](const Row& row) {
          rows.push_back({.tenant = row.text(0), .key = row.text(1), .day = row.integer(2), .tokens = row.integer(3), .cost_micros = row.integer(4)});
          return true;
        });
  });
  FS_TRY_VOID(status);
  return rows;
}

Result<int64_t> count_other_replicas(Store& store, const std::string& own_id, int64_t since_us) {
  int64_t n_others = 0;
  const Status status = store.read([&](Reader& reader) -> Status {
    FS_TRY(const std::optional<Row> row, reader.first("SELECT count(*) FROM replicas WHERE id <> $1 AND seen_us > $2", {own_id, since_us}));
    n_others = row->integer(0);
    return {};
  });
  FS_TRY_VOID(status);
  return n_others;
}

Result<int64_t> bump_generation(Transaction& transaction) {
  FS_TRY_VOID(transaction.execute("UPDATE counters SET value = value + 1 WHERE name = 'tenants'", {}));
  FS_TRY(const std::optional<Row> generation, transaction.first("SELECT value FROM counters WHERE name = 'tenants'", {}));
  if (!generation) return Error{ErrorCode::kDataLoss, "store: the tenants' counter is missing"};
  return generation->integer(0);
}

}  // namespace firesteel
