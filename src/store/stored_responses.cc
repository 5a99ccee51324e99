#include "store/stored_responses.h"

#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"

namespace firesteel {
namespace {

constexpr size_t kBytesMax = 64u << 20;
constexpr int64_t kCountMax = 10'000;
constexpr int64_t kTenantBytesMax = int64_t{1} << 30;

Error not_found() { return {ErrorCode::kNotFound, "no such response"}; }

// Those that are too old, then the oldest of too many. A few at a time: each new one makes room for itself.
Status make_room(Transaction& transaction, const std::string& tenant, int64_t n_bytes, int64_t now_us) {
  FS_TRY_VOID(transaction.execute("DELETE FROM responses WHERE tenant = $1 AND created_us < $2", {tenant, now_us - StoredResponses::kKeptUs}));
  FS_TRY(const std::optional<Row> sums, transaction.first("SELECT count(*), CAST(coalesce(sum(n_bytes), 0) AS BIGINT) FROM responses WHERE tenant = $1", {tenant}));
  int64_t n_left = sums->integer(0), n_bytes_left = sums->integer(1);
  while (n_left >= kCountMax || (n_left > 0 && n_bytes_left + n_bytes > kTenantBytesMax)) {
    FS_TRY(const std::optional<Row> oldest, transaction.first("SELECT id, n_bytes FROM responses WHERE tenant = $1 ORDER BY created_us, id LIMIT 1", {tenant}));
    if (!oldest) break;
    FS_TRY_VOID(transaction.execute("DELETE FROM responses WHERE tenant = $1 AND id = $2", {tenant, oldest->text(0)}));
    n_bytes_left -= oldest->integer(1);
    --n_left;
  }
  return {};
}

}  // namespace

void StoredResponses::put_async(const Owner& owner, StoredResponse response, int64_t now_us, std::function<void(Status)> done) {
  const auto n_bytes = static_cast<int64_t>(response.response.size() + response.messages.size());
  if (n_bytes > static_cast<int64_t>(kBytesMax)) {
    return done(Error{ErrorCode::kInvalidArgument, fmt::format("store: the answer and its conversation have {} bytes, at most {} are kept; send store false", n_bytes, kBytesMax)});
  }
  const auto shared = std::make_shared<const StoredResponse>(std::move(response));  // the work may run twice
  store_.submit([shared, tenant = owner.tenant.str(), user = owner.user.str(), n_bytes, now_us](Transaction& transaction) -> Status {
    FS_TRY_VOID(make_room(transaction, tenant, n_bytes, now_us));
    FS_TRY_VOID(transaction.execute("INSERT INTO responses(tenant, id, response, messages, n_bytes, created_us, user_id) VALUES($1, $2, $3, $4, $5, $6, $7) "
                                    "ON CONFLICT(tenant, id) DO UPDATE SET response = excluded.response, messages = excluded.messages, n_bytes = excluded.n_bytes",
                                    {tenant, shared->id, shared->response, shared->messages, n_bytes, now_us, user}));
    return {};
  }, std::move(done));
}

Result<StoredResponse> StoredResponses::get(const TenantId& tenant, const std::string& id, int64_t now_us) {
  // An id that cannot be one of ours must not reach a database that refuses its bytes.
  if (id.size() > 256 || !is_valid_utf8(id) || id.find('\0') != std::string::npos) return not_found();
  std::optional<Row> row;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    FS_TRY(row, reader.first("SELECT response, messages FROM responses WHERE tenant = $1 AND id = $2 AND created_us >= $3", {tenant.str(), id, now_us - kKeptUs}));
    return {};
  }));
  if (!row) return not_found();
  return StoredResponse{id, row->text(0), row->text(1)};
}

Status StoredResponses::remove(const TenantId& tenant, const std::string& id) {
  if (id.size() > 256 || !is_valid_utf8(id) || id.find('\0') != std::string::npos) return not_found();
  return store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(const int64_t n, transaction.execute("DELETE FROM responses WHERE tenant = $1 AND id = $2", {tenant.str(), id}));
    return n == 0 ? Status(not_found()) : Status();
  });
}

}  // namespace firesteel
