#include "store/sqlite_connection.h"

#include <sqlite3.h>

#include <limits>
#include <utility>

#include <fmt/format.h>

namespace firesteel {
namespace {

// What an SQLite result code means to a caller; the text is SQLite's own and names no data.
ErrorCode code_of(int code) {
  switch (code & 0xFF) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_NOMEM:
    case SQLITE_PROTOCOL:
    case SQLITE_NOLFS: return ErrorCode::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ErrorCode::kDataLoss;
    case SQLITE_CONSTRAINT: return ErrorCode::kFailedPrecondition;
    case SQLITE_TOOBIG: return ErrorCode::kInvalidArgument;
    default: return ErrorCode::kInternal;
  }
}

int bind(sqlite3_stmt* statement, int index, const Value& value) {
  if (const int64_t* integer = std::get_if<int64_t>(&value)) return sqlite3_bind_int64(statement, index, *integer);
  if (const double* real = std::get_if<double>(&value)) return sqlite3_bind_double(statement, index, *real);
  // The values outlive the statement's run, so SQLite need not copy them (a null destructor: SQLITE_STATIC).
  if (const std::string* text = std::get_if<std::string>(&value)) {
    return sqlite3_bind_text64(statement, index, text->data(), text->size(), nullptr, SQLITE_UTF8);
  }
  if (const Blob* blob = std::get_if<Blob>(&value)) {
    return sqlite3_bind_blob64(statement, index, blob->bytes.data(), blob->bytes.size(), nullptr);
  }
  return sqlite3_bind_null(statement, index);
}

Value column(sqlite3_stmt* statement, int index) {
  const auto n_bytes = [&] { return static_cast<size_t>(sqlite3_column_bytes(statement, index)); };
  switch (sqlite3_column_type(statement, index)) {
    case SQLITE_INTEGER: return int64_t{sqlite3_column_int64(statement, index)};
    case SQLITE_FLOAT: return sqlite3_column_double(statement, index);
    case SQLITE_TEXT: {
      const unsigned char* const text = sqlite3_column_text(statement, index);
      return text == nullptr ? Value{std::string()} : Value{std::string(reinterpret_cast<const char*>(text), n_bytes())};
    }
    case SQLITE_BLOB: {
      const void* const bytes = sqlite3_column_blob(statement, index);
      return bytes == nullptr ? Value{Blob{}} : Value{Blob{std::string(static_cast<const char*>(bytes), n_bytes())}};
    }
    default: return {};
  }
}

}  // namespace

Error SqliteConnection::error(int code) {
  const int extended = sqlite3_extended_errcode(db_);
  if ((code & 0xFF) == SQLITE_IOERR || (code & 0xFF) == SQLITE_CORRUPT) saw_io_error_ = true;
  return Error{code_of(code), fmt::format("store: {} ({})", sqlite3_errmsg(db_), extended)};
}

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::open(const std::string& path, Mode mode, const std::string& vfs,
                                                                 int64_t busy_timeout_ms) {
  sqlite3* db = nullptr;
  const int flags = (mode == Mode::kWriter ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX |
                    SQLITE_OPEN_PRIVATECACHE;
  const int code = sqlite3_open_v2(path.c_str(), &db, flags, vfs.empty() ? nullptr : vfs.c_str());
  if (db == nullptr) return Error{ErrorCode::kUnavailable, "store: out of memory"};
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(db));
  if (code != SQLITE_OK) return Error{code_of(code), fmt::format("{}: {}", path, sqlite3_errmsg(db))};
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, static_cast<int>(busy_timeout_ms));
  // Hardening against a hostile file: no functions or virtual tables from the schema, checked cell sizes.
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  if (mode == Mode::kReader) {
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    FS_TRY_VOID(connection->run_script("PRAGMA mmap_size=0; PRAGMA query_only=1; PRAGMA wal_autocheckpoint=0; PRAGMA cell_size_check=1;"));
    return connection;
  }
  if (sqlite3_db_readonly(db, "main") != 0) {
    return Error{ErrorCode::kUnavailable, path + ": may not be written (file or file system is read-only)"};
  }
  FS_TRY_VOID(connection->run_script("PRAGMA mmap_size=0; PRAGMA cell_size_check=1; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
                                     "PRAGMA wal_autocheckpoint=1000; PRAGMA journal_size_limit=67108864;"));
  bool is_wal = false;
  FS_TRY_VOID(connection->each("PRAGMA journal_mode", {}, [&](const Row& row) { is_wal = row.text(0) == "wal"; return false; }));
  if (!is_wal) return Error{ErrorCode::kUnavailable, path + ": the file system does not support a write-ahead log"};
  return connection;
}

SqliteConnection::~SqliteConnection() {
  for (const auto& [text, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

Result<sqlite3_stmt*> SqliteConnection::prepared(Sql sql, const Params& params) {
  sqlite3_stmt* statement = nullptr;
  // Taken out while it runs, so that a callback may use the same text.
  if (const auto found = statements_.find(sql.text()); found != statements_.end()) {
    statement = found->second;
    statements_.erase(found);
  } else {
    const int code = sqlite3_prepare_v3(db_, sql.text(), -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) return error(code);
  }
  for (size_t i = 0; i < params.size(); ++i) {
    char name[16];
    *fmt::format_to_n(name, sizeof name - 1, "${}", i + 1).out = '\0';
    const int index = sqlite3_bind_parameter_index(statement, name);
    CHECK(index > 0);  // a parameter that the text does not have
    if (const int code = bind(statement, index, params[i]); code != SQLITE_OK) {
      Error problem = error(code);
      sqlite3_finalize(statement);
      return problem;
    }
  }
  return statement;
}

void SqliteConnection::give_back(Sql sql, sqlite3_stmt* statement) {
  sqlite3_reset(statement);  // its error was reported by step
  sqlite3_clear_bindings(statement);
  if (!statements_.emplace(sql.text(), statement).second) sqlite3_finalize(statement);
}

Status SqliteConnection::each(Sql sql, const Params& params, const std::function<bool(const Row&)>& row) {
  FS_TRY(sqlite3_stmt* const statement, prepared(sql, params));
  Status status;
  for (;;) {
    const int code = sqlite3_step(statement);
    if (code == SQLITE_DONE) break;
    if (code != SQLITE_ROW) {
      status = error(code);
      break;
    }
    const int n_columns = sqlite3_column_count(statement);
    std::vector<Value> values;
    values.reserve(static_cast<size_t>(n_columns));
    for (int i = 0; i < n_columns; ++i) values.push_back(column(statement, i));
    if (!row(Row(std::move(values)))) break;
  }
  give_back(sql, statement);
  return status;
}

Result<int64_t> SqliteConnection::execute(Sql sql, const Params& params) {
  FS_TRY_VOID(each(sql, params, [](const Row&) { return true; }));
  return int64_t{sqlite3_changes64(db_)};
}

Status SqliteConnection::run_script(const char* text) {
  const int code = sqlite3_exec(db_, text, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code);
  return {};
}

Status SqliteConnection::begin_write() { return run_script("BEGIN IMMEDIATE"); }
Status SqliteConnection::begin_read() { return run_script("BEGIN"); }
Status SqliteConnection::commit() { return run_script("COMMIT"); }

void SqliteConnection::rollback() {
  if (in_transaction()) static_cast<void>(run_script("ROLLBACK"));
}

bool SqliteConnection::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }
int64_t SqliteConnection::n_changes() const { return int64_t{sqlite3_total_changes64(db_)}; }

Status SqliteConnection::copy_to(const std::string& path) {
  sqlite3* target = nullptr;
  if (const int code = sqlite3_open_v2(path.c_str(), &target, SQLITE_OPEN_READWRITE, nullptr); code != SQLITE_OK) {
    Error problem{code_of(code), fmt::format("{}: {}", path, target != nullptr ? sqlite3_errmsg(target) : "out of memory")};
    sqlite3_close(target);
    return problem;
  }
  // One step copies all pages under one read transaction: consistent, and the writer goes on meanwhile.
  sqlite3_backup* const backup = sqlite3_backup_init(target, "main", db_, "main");
  int code = backup == nullptr ? sqlite3_errcode(target) : sqlite3_backup_step(backup, -1);
  if (backup != nullptr) {
    const int finished = sqlite3_backup_finish(backup);
    if (code == SQLITE_DONE) code = finished;
  }
  Status status;
  if (code != SQLITE_OK) status = Error{code_of(code), fmt::format("{}: {}", path, sqlite3_errstr(code))};
  if (sqlite3_close(target) != SQLITE_OK && status.ok()) status = Error{ErrorCode::kUnavailable, path + ": cannot be closed"};
  return status;
}

Status SqliteConnection::check_integrity() {
  std::string problem;
  FS_TRY_VOID(each("PRAGMA integrity_check(1)", {}, [&](const Row& row) {
    if (row.text(0) != "ok") problem = row.text(0);
    return true;
  }));
  if (!problem.empty()) return Error{ErrorCode::kDataLoss, "store: " + problem};
  return {};
}

}  // namespace firesteel
