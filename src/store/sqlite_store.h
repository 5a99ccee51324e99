// The store in one SQLite file. Rules (reference: WAL-reset corruption in versions before 3.51.3 needs two connections that write or
// checkpoint at the same moment): one writer connection on one thread, which alone checkpoints; readers are read-only; all writers of
// other processes (the command line beside a running server) are kept apart by a lock file held during each commit. No mmap,
// synchronous=FULL, write-ahead log.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "store/store.h"

namespace firesteel {

struct SqliteOptions {
  std::string path = {};                // made when absent, mode 0600; its folder must exist
  size_t queue_capacity = 4096;    // pieces of work that may wait
  size_t batch_max = 256;          // that share a commit
  int n_readers = 4;               // connections kept for reuse; more are opened when needed
  int64_t busy_timeout_ms = 2000;  // for the lock file and SQLite's own locks
  std::string vfs = {};                 // name of a registered VFS, for tests; empty: the default
  const Clock* clock = &system_clock();
};

// Opens, migrates to the newest schema, starts the writer. kUnavailable, kDataLoss (not a database, or damaged), kUnsupported (made
// by a newer program).
Result<std::unique_ptr<Store>> open_sqlite_store(const SqliteOptions& options);

}  // namespace firesteel
