// One SQLite connection with its prepared statements. Used by one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "store/store.h"

struct sqlite3;
struct sqlite3_stmt;

namespace firesteel {

class SqliteConnection final : public Transaction {
 public:
  enum class Mode { kWriter, kReader };
  // Sets what the rules ask for: no mmap, synchronous=FULL, write-ahead log (writer), read-only (reader).
  static Result<std::unique_ptr<SqliteConnection>> open(const std::string& path, Mode mode, const std::string& vfs, int64_t busy_timeout_ms);
  ~SqliteConnection() override;
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  Status each(Sql sql, const Params& params, const std::function<bool(const Row&)>& row) override;
  Result<int64_t> execute(Sql sql, const Params& params) override;

  Status begin_write();
  Status begin_read();
  Status commit();
  void rollback();                // also after SQLite has rolled back by itself
  bool in_transaction() const;    // false: SQLite has rolled everything back after an I/O error
  int64_t n_changes() const;      // of all time
  bool saw_io_error() const { return saw_io_error_; }

  Status run_script(const char* text);  // several statements, for migrations
  Status copy_to(const std::string& path);
  Status check_integrity();

 private:
  explicit SqliteConnection(sqlite3* db) : db_(db) {}
  Error error(int code);
  Result<sqlite3_stmt*> prepared(Sql sql, const Params& params);
  void give_back(Sql sql, sqlite3_stmt* statement);

  sqlite3* db_;
  bool saw_io_error_ = false;
  std::unordered_map<const char*, sqlite3_stmt*> statements_;  // by the literal's address
};

}  // namespace firesteel
