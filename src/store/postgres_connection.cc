#include "store/postgres_connection.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "base/check.h"

namespace firesteel {
namespace {

using Oid = PostgresLibrary::Oid;
constexpr Oid kBool = 16, kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kFloat8 = 701, kText = 25;
constexpr int kSqlStateField = 'C';
constexpr int kMessageField = 'M';

// What a five-character SQLSTATE means to a caller.
ErrorCode code_of(std::string_view state) {
  const std::string_view group = state.substr(0, 2);
  if (group == "23") return ErrorCode::kFailedPrecondition;                                              // integrity constraint
  if (group == "22") return ErrorCode::kInvalidArgument;                                                 // value out of range, bad text
  if (state == "XX001" || state == "XX002") return ErrorCode::kDataLoss;                                 // damaged page or index
  // Connection, resources (disk full), operator, system error, serialisation or lock timeout, read-only; no state: the connection broke.
  for (const std::string_view passing : {"08", "53", "57", "58", "40", "55", "25"}) {
    if (group == passing) return ErrorCode::kUnavailable;
  }
  return state.empty() ? ErrorCode::kUnavailable : ErrorCode::kInternal;
}

template <typename Int>
std::string big_endian(Int value) {
  std::string bytes(sizeof value, '\0');
  for (size_t i = 0; i < sizeof value; ++i) bytes[sizeof value - 1 - i] = static_cast<char>(value >> (8 * i) & 0xFF);
  return bytes;
}

int64_t from_big_endian(std::string_view bytes) {
  uint64_t value = !bytes.empty() && (bytes[0] & 0x80) != 0 ? ~uint64_t{0} : 0;  // sign
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return static_cast<int64_t>(value);
}

Oid type_of(const Value& value) {
  if (std::holds_alternative<int64_t>(value)) return kInt8;
  if (std::holds_alternative<double>(value)) return kFloat8;
  if (std::holds_alternative<std::string>(value)) return kText;
  if (std::holds_alternative<Blob>(value)) return kBytea;
  return 0;  // null: whatever stands there
}

// Bytes of a parameter; `scratch` holds what had to be made.
std::string_view bytes_of(const Value& value, std::string* scratch) {
  if (const int64_t* integer = std::get_if<int64_t>(&value)) {
    *scratch = big_endian(static_cast<uint64_t>(*integer));
    return *scratch;
  }
  if (const double* real = std::get_if<double>(&value)) {
    *scratch = big_endian(std::bit_cast<uint64_t>(*real));
    return *scratch;
  }
  if (const std::string* text = std::get_if<std::string>(&value)) return *text;
  if (const Blob* blob = std::get_if<Blob>(&value)) return blob->bytes;
  return {};
}

}  // namespace

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::open(const std::string& conninfo, Mode mode) {
  FS_TRY(const PostgresLibrary* const library, postgres_library());
  PgConnection* const raw = library->connect(conninfo.c_str());
  if (raw == nullptr) return Error{ErrorCode::kUnavailable, "PostgreSQL: out of memory"};
  std::unique_ptr<PostgresConnection> connection(new PostgresConnection(*library, raw));
  if (library->status(raw) != 0) {
    std::string message = library->connection_error(raw);
    while (!message.empty() && message.back() == '\n') message.pop_back();
    return Error{ErrorCode::kUnavailable, "PostgreSQL: " + message};
  }
  library->set_notice_receiver(raw, [](void*, const PgResult*) {}, nullptr);  // or it writes to stderr
  // A server that hangs must not hold the writer for ever; commits reach the disk before they are acknowledged.
  FS_TRY_VOID(connection->run_script("SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; SET synchronous_commit = on;"
                                     "SET statement_timeout = '30s'; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '60s'"));
  if (mode == Mode::kReader) FS_TRY_VOID(connection->run_script("SET default_transaction_read_only = on"));
  return connection;
}

PostgresConnection::~PostgresConnection() { library_.finish(connection_); }

Result<PostgresConnection::ResultPtr> PostgresConnection::checked(PgResult* raw) {
  ResultPtr result(raw, ClearResult{&library_});
  // Nothing to do, done, or rows.
  if (raw != nullptr && library_.result_status(raw) >= 0 && library_.result_status(raw) <= 2) return result;
  const char* const state = raw != nullptr ? library_.error_field(raw, kSqlStateField) : nullptr;
  const char* const message = raw != nullptr ? library_.error_field(raw, kMessageField) : nullptr;
  // libpq may learn of a server's end later than we do: without a state, or told that the server goes down, the connection is of no use.
  const std::string_view state_text = state != nullptr ? state : "";
  if (state_text.empty() || state_text.starts_with("08") || state_text.starts_with("57P")) lost_ = true;
  return Error{code_of(state != nullptr ? state : ""), fmt::format("store: {} ({})", message != nullptr ? message : "the connection to PostgreSQL is lost",
                                                                   state != nullptr ? state : "no state")};
}

Result<std::string> PostgresConnection::prepared(Sql sql, const std::vector<Oid>& types) {
  const StatementKey key{sql.text(), types};
  if (const auto found = statements_.find(key); found != statements_.end()) return found->second;
  std::string name = "s" + std::to_string(statements_.size());
  FS_TRY([[maybe_unused]] const ResultPtr result, checked(library_.prepare(connection_, name.c_str(), sql.text(), static_cast<int>(types.size()), types.data())));
  statements_.emplace(key, name);
  return name;
}

Result<PostgresConnection::ResultPtr> PostgresConnection::run(Sql sql, const Params& params) {
  std::vector<Oid> types;
  for (const Value& value : params) types.push_back(type_of(value));
  FS_TRY(const std::string name, prepared(sql, types));
  std::vector<std::string> scratch(params.size());
  std::vector<const char*> values;
  std::vector<int> lengths;
  const std::vector<int> formats(params.size(), 1);  // binary
  for (size_t i = 0; i < params.size(); ++i) {
    const std::string_view bytes = bytes_of(params[i], &scratch[i]);
    if (bytes.size() > (1u << 30)) return Error{ErrorCode::kInvalidArgument, "store: a value is larger than 1 GiB"};
    const bool is_null = std::holds_alternative<std::monostate>(params[i]);
    values.push_back(is_null ? nullptr : bytes.data() != nullptr ? bytes.data() : "");
    lengths.push_back(static_cast<int>(bytes.size()));
  }
  return checked(library_.exec_prepared(connection_, name.c_str(), static_cast<int>(params.size()), values.data(), lengths.data(), formats.data(), 1));
}

Value PostgresConnection::value_at(const PgResult* result, int row, int column) const {
  if (library_.is_null(result, row, column) != 0) return {};
  const std::string_view bytes(library_.value(result, row, column), static_cast<size_t>(library_.length(result, row, column)));
  switch (library_.field_type(result, column)) {
    case kInt8:
    case kInt4:
    case kInt2:
    case kBool: return from_big_endian(bytes);
    case kFloat8: return std::bit_cast<double>(from_big_endian(bytes));
    case kBytea: return Blob{std::string(bytes)};
    default: return std::string(bytes);
  }
}

Status PostgresConnection::each(Sql sql, const Params& params, const std::function<bool(const Row&)>& row) {
  FS_TRY(const ResultPtr result, run(sql, params));
  const int n_rows = library_.n_rows(result.get());
  const int n_columns = library_.n_fields(result.get());
  for (int i = 0; i < n_rows; ++i) {
    std::vector<Value> values;
    values.reserve(static_cast<size_t>(n_columns));
    for (int k = 0; k < n_columns; ++k) values.push_back(value_at(result.get(), i, k));
    if (!row(Row(std::move(values)))) break;
  }
  return {};
}

Result<int64_t> PostgresConnection::execute(Sql sql, const Params& params) {
  FS_TRY(const ResultPtr result, run(sql, params));
  const std::string_view text = library_.n_affected(result.get());
  int64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  n_changes_ += n;
  return n;
}

Status PostgresConnection::run_script(const char* text) {
  FS_TRY([[maybe_unused]] const ResultPtr result, checked(library_.exec(connection_, text)));
  return {};
}

Status PostgresConnection::begin_write() { return run_script("BEGIN; SELECT pg_advisory_xact_lock(1179866161)"); }
Status PostgresConnection::begin_read() { return run_script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); }

Status PostgresConnection::commit() {
  FS_TRY(const ResultPtr result, checked(library_.exec(connection_, "COMMIT")));
  return {};
}

void PostgresConnection::rollback() {
  if (library_.transaction_status(connection_) != 0 && !is_broken()) static_cast<void>(run_script("ROLLBACK"));
}

// A failed transaction is still one: the job is undone to its savepoint.
bool PostgresConnection::in_transaction() const {
  const int state = library_.transaction_status(connection_);
  return state == 2 || state == 3;
}

bool PostgresConnection::is_broken() const { return lost_ || library_.status(connection_) != 0; }

}  // namespace firesteel
