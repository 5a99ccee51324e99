// One SQLite connection with its prepared statements. Used by one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "store/batch_store.h"

struct sqlite3;
struct sqlite3_stmt;

namespace firesteel {

class SqliteConnection final : public StoreConnection {
 public:
  enum class Mode { kWriter, kReader };
  // Sets what the rules ask for: no mmap, synchronous=FULL, write-ahead log (writer), read-only (reader).
  static Result<std::unique_ptr<SqliteConnection>> open(const std::string& path, Mode mode, const std::string& vfs, int64_t busy_timeout_ms);
  ~SqliteConnection() override;
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  Status each(Sql sql, const Params& params, const std::function<bool(const Row&)>& row) override;
  Result<int64_t> execute(Sql sql, const Params& params) override;

  Status begin_write() override;
  Status begin_read() override;
  Status commit() override;
  void rollback() override;
  bool in_transaction() const override;
  int64_t n_changes() const override;
  bool is_broken() const override { return saw_io_error_; }
  Status run_script(const char* text) override;

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
