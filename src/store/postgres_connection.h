// One connection to PostgreSQL with its prepared statements. Used by one thread at a time. Values travel in binary.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/batch_store.h"
#include "store/postgres_library.h"

namespace firesteel {

class PostgresConnection final : public StoreConnection {
 public:
  enum class Mode { kWriter, kReader };
  // conninfo: a URL or key=value words, as libpq takes them. Messages never repeat it: it may hold a password.
  static Result<std::unique_ptr<PostgresConnection>> open(const std::string& conninfo, Mode mode);
  ~PostgresConnection() override;
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  Status each(Sql sql, const Params& params, const std::function<bool(const Row&)>& row) override;
  Result<int64_t> execute(Sql sql, const Params& params) override;

  // Writers of all replicas take turns: one transaction at a time holds the lock, and group commit makes that enough.
  Status begin_write() override;
  Status begin_read() override;
  Status commit() override;
  void rollback() override;
  bool in_transaction() const override;
  int64_t n_changes() const override { return n_changes_; }
  bool is_broken() const override;
  Status run_script(const char* text) override;

 private:
  struct ClearResult {
    const PostgresLibrary* library;
    void operator()(PgResult* result) const { library->clear(result); }
  };
  using ResultPtr = std::unique_ptr<PgResult, ClearResult>;
  using StatementKey = std::pair<const char*, std::vector<PostgresLibrary::Oid>>;

  PostgresConnection(const PostgresLibrary& library, PgConnection* connection) : library_(library), connection_(connection) {}
  Result<ResultPtr> checked(PgResult* result);
  Result<std::string> prepared(Sql sql, const std::vector<PostgresLibrary::Oid>& types);
  Result<ResultPtr> run(Sql sql, const Params& params);
  Value value_at(const PgResult* result, int row, int column) const;

  const PostgresLibrary& library_;
  PgConnection* connection_;
  int64_t n_changes_ = 0;
  bool lost_ = false;
  std::map<StatementKey, std::string> statements_;
};

}  // namespace firesteel
