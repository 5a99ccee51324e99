#include "store/postgres_store.h"

#include <utility>

#include "store/batch_store.h"
#include "store/migrations.h"
#include "store/postgres_connection.h"

namespace firesteel {
namespace {

class PostgresStore final : public BatchStore {
 public:
  explicit PostgresStore(const PostgresOptions& options)
      : BatchStore({.queue_capacity = options.queue_capacity, .batch_max = options.batch_max, .n_readers = options.n_readers}, *options.clock),
        conninfo_(options.conninfo) {}
  ~PostgresStore() override { stop(); }

  Status open() {
    FS_TRY(std::unique_ptr<StoreConnection> writer, open_writer());
    FS_TRY_VOID(migrate(*writer, Database::kPostgres));
    start(std::move(writer));
    return {};
  }

  Status backup(const std::string&) override {
    return Error{ErrorCode::kUnsupported, "a PostgreSQL store is backed up with PostgreSQL's own tools: pg_basebackup or pg_dump"};
  }

  // PostgreSQL checks pages as it reads them (data checksums, if the cluster has them); this reads every row of ours.
  Status check_integrity() override {
    return read([](Reader& reader) -> Status {
      const auto ignore = [](const Row&) { return true; };
      FS_TRY_VOID(reader.each("SELECT count(*), sum(length(details)) FROM audit", {}, ignore));
      FS_TRY_VOID(reader.each("SELECT count(*), sum(length(request_id)) FROM usage", {}, ignore));
      FS_TRY_VOID(reader.each("SELECT count(*), sum(length(content)) FROM messages", {}, ignore));
      return reader.each("SELECT count(*), sum(length(name)) FROM api_keys", {}, ignore);
    });
  }

 protected:
  Result<std::unique_ptr<StoreConnection>> open_writer() override { return connect(PostgresConnection::Mode::kWriter); }
  Result<std::unique_ptr<StoreConnection>> open_reader() override { return connect(PostgresConnection::Mode::kReader); }

 private:
  Result<std::unique_ptr<StoreConnection>> connect(PostgresConnection::Mode mode) {
    FS_TRY(std::unique_ptr<PostgresConnection> connection, PostgresConnection::open(conninfo_, mode));
    return std::unique_ptr<StoreConnection>(std::move(connection));
  }

  const std::string conninfo_;
};

}  // namespace

Result<std::unique_ptr<Store>> open_postgres_store(const PostgresOptions& options) {
  auto store = std::make_unique<PostgresStore>(options);
  FS_TRY_VOID(store->open());
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace firesteel
