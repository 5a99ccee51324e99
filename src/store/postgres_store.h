// The store in PostgreSQL, for several replicas that share tenants, keys, usage and conversations. Same promises as SQLite's: an
// acknowledgement comes after the commit (synchronous_commit = on); a lost server is kUnavailable and comes back without a restart.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "store/store.h"

namespace firesteel {

struct PostgresOptions {
  std::string conninfo = {};       // "postgresql://user@host/database" or "host=... dbname=..."
  size_t queue_capacity = 4096;
  size_t batch_max = 256;
  size_t n_readers = 4;
  const Clock* clock = &system_clock();
};

// Connects, migrates to the newest schema (replicas that start together take turns), starts the writer. kUnavailable; kUnsupported
// (no libpq, or made by a newer program). backup() is kUnsupported: that is pg_basebackup's or pg_dump's work.
Result<std::unique_ptr<Store>> open_postgres_store(const PostgresOptions& options);

}  // namespace firesteel
