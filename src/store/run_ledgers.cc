#include "store/run_ledgers.h"

#include <optional>
#include <utility>

#include "base/utf8.h"

namespace firesteel {
namespace {

constexpr size_t kLedgerBytes = 8u << 20;

Error not_found() { return {ErrorCode::kNotFound, "no ledger of such an answer"}; }

}  // namespace

Status RunLedgers::put(const Owner& owner, const MessageId& message, const std::string& ledger, int64_t now_us) {
  if (ledger.size() > kLedgerBytes) return Error{ErrorCode::kInvalidArgument, "ledger has " + std::to_string(ledger.size()) + " bytes, at most " + std::to_string(kLedgerBytes)};
  if (!is_valid_utf8(ledger) || ledger.find('\0') != std::string::npos) return Error{ErrorCode::kInvalidArgument, "ledger is not UTF-8 text without null characters"};
  FS_TRY([[maybe_unused]] const Message owned, Conversations(store_).message(owner, message));
  return store_.write([&](Transaction& transaction) -> Status {
    FS_TRY_VOID(transaction.execute("DELETE FROM run_ledgers WHERE tenant = $1 AND message = $2", {owner.tenant.str(), message.str()}));
    FS_TRY_VOID(transaction.execute("INSERT INTO run_ledgers(message, tenant, ledger, created_us) VALUES($1, $2, $3, $4)",
                                    {message.str(), owner.tenant.str(), ledger, now_us}));
    return {};
  });
}

Result<std::string> RunLedgers::get(const Owner& owner, const MessageId& message) {
  const Result<Message> owned = Conversations(store_).message(owner, message);
  if (!owned.ok()) return owned.error().code == ErrorCode::kNotFound ? not_found() : owned.error();
  return get_any(message);
}

Result<std::string> RunLedgers::get_any(const MessageId& message) {
  std::optional<Row> row;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    FS_TRY(row, reader.first("SELECT ledger FROM run_ledgers WHERE message = $1", {message.str()}));
    return {};
  }));
  if (!row) return not_found();
  return row->text(0);
}

}  // namespace firesteel
