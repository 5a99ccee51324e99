#include "tenants/usage_log.h"

#include <utility>

namespace firesteel {

Status insert_usage(Transaction& transaction, const UsageRecord& record) {
  FS_TRY(const int64_t n_inserted, transaction.execute(
      "INSERT INTO usage(tenant, request_id, key_id, user_id, model, endpoint, finish_reason, prompt, cached, generated, at_us, total_us, "
      "first_token_us, cost_micros) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT(tenant, request_id) DO NOTHING",
      {record.tenant.str(), record.request_id, record.key.str(), record.user.str(), record.model, record.endpoint, record.finish_reason,
       record.tokens.prompt, record.tokens.cached, record.tokens.generated, record.at_us, record.total_us, record.first_token_us, record.cost_micros}));
  if (n_inserted == 0) return {};
  for (size_t i = 0; i < record.branches.size(); ++i) {
    const BranchUsage& branch = record.branches[i];
    FS_TRY_VOID(transaction.execute(
        "INSERT INTO usage_branches(tenant, request_id, branch, name, prompt, cached, generated) VALUES($1, $2, $3, $4, $5, $6, $7)",
        {record.tenant.str(), record.request_id, static_cast<int64_t>(i), branch.name, branch.tokens.prompt, branch.tokens.cached, branch.tokens.generated}));
  }
  FS_TRY_VOID(transaction.execute(
      "INSERT INTO usage_daily(tenant, key_id, model, day, n_requests, prompt, cached, generated, cost_micros) "
      "VALUES($1, $2, $3, $4, 1, $5, $6, $7, $8) ON CONFLICT(tenant, day, key_id, model) DO UPDATE SET "
      "n_requests = usage_daily.n_requests + 1, prompt = usage_daily.prompt + excluded.prompt, cached = usage_daily.cached + excluded.cached, "
      "generated = usage_daily.generated + excluded.generated, cost_micros = usage_daily.cost_micros + excluded.cost_micros",
      {record.tenant.str(), record.key.str(), record.model, day_of(record.at_us), record.tokens.prompt, record.tokens.cached,
       record.tokens.generated, record.cost_micros}));
  FS_TRY_VOID(transaction.execute("UPDATE api_keys SET last_used_us = $1 WHERE id = $2 AND tenant = $3 AND last_used_us < $1",
                                  {record.at_us, record.key.str(), record.tenant.str()}));
  return {};
}

Result<std::vector<UsageRow>> query_usage(Reader& reader, const UsageQuery& query) {
  std::vector<UsageRow> rows;
  // One text for all groupings: a column that is not grouped by is the same empty value in every row.
  FS_TRY_VOID(reader.each(
      "SELECT CASE WHEN $1 = 1 THEN tenant ELSE '' END AS by_tenant, CASE WHEN $2 = 1 THEN key_id ELSE '' END AS by_key, "
      "CASE WHEN $3 = 1 THEN model ELSE '' END AS by_model, CASE WHEN $4 = 1 THEN day ELSE -1 END AS by_day, "
      "CAST(sum(n_requests) AS BIGINT), CAST(sum(prompt) AS BIGINT), CAST(sum(cached) AS BIGINT), CAST(sum(generated) AS BIGINT), "
      "CAST(sum(cost_micros) AS BIGINT) FROM usage_daily "
      "WHERE ($5 = '' OR tenant = $5) AND ($6 = '' OR key_id = $6) AND ($7 = '' OR model = $7) AND day >= $8 AND day < $9 "
      "GROUP BY 1, 2, 3, 4 ORDER BY 4, 1, 2, 3 LIMIT 1000000",
      {int64_t{query.by_tenant}, int64_t{query.by_key}, int64_t{query.by_model}, int64_t{query.by_day}, query.tenant.str(), query.key.str(),
       query.model, query.from_day, query.until_day},
      [&](const Row& row) {
        rows.push_back({.tenant = row.text(0), .key = row.text(1), .model = row.text(2),
                        .day = row.integer(3) < 0 ? "" : day_text(row.integer(3)), .n_requests = row.integer(4),
                        .tokens = {.prompt = row.integer(5), .cached = row.integer(6), .generated = row.integer(7)}, .cost_micros = row.integer(8)});
        return true;
      }));
  return rows;
}

}  // namespace firesteel
