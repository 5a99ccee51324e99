// Durable records of one installation: SQLite by default (sqlite_store.h), one interface for other databases.
//
// Writes are pieces of work that run one after the other on the store's writer thread; several share one commit, and each is
// acknowledged only when that commit is on disk. A piece that fails is undone alone. Reads see the last commit.
//
// Errors: kUnavailable when the disk is full, read-only or broken, or the queue is full: nothing was stored, and a later call may
// work (recovery needs no restart). kDataLoss when the database is damaged. Anything else comes from the work itself.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/sql.h"

namespace firesteel {

using Params = std::vector<Value>;

// Valid inside the work that it was given to, on that thread.
class Reader {
 public:
  virtual ~Reader() = default;
  // Calls `row` until it returns false or the rows end.
  virtual Status each(Sql sql, const Params& params, const std::function<bool(const Row&)>& row) = 0;
  // All rows; kResourceExhausted above max_rows: queries carry their LIMIT.
  Result<std::vector<Row>> query(Sql sql, const Params& params, size_t max_rows = 100'000);
  // The first row, if there is one.
  Result<std::optional<Row>> first(Sql sql, const Params& params);
};

class Transaction : public Reader {
 public:
  // Number of rows that were inserted, changed or deleted. kFailedPrecondition when a unique or other constraint refuses.
  virtual Result<int64_t> execute(Sql sql, const Params& params) = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  using Write = std::function<Status(Transaction&)>;
  using Read = std::function<Status(Reader&)>;
  // Queues `work`; `done` is called once, on the writer's thread, when the commit is durable or has failed (or at once, on this
  // thread, with kUnavailable when the queue is full). `done` must not wait for the store. `work` may run again after a failed
  // commit, so it must set, not add to, what it captures.
  virtual void submit(Write work, std::function<void(Status)> done) = 0;
  // Submits and waits. Not from inside a Write or a done callback.
  Status write(Write work);

  virtual Status read(const Read& work) = 0;

  // True while the last commit worked; when it did not, the store tries a small write of its own about once in 500 ms as long as
  // somebody asks, so that callers who refuse work meanwhile see the end of the trouble.
  virtual bool writable() = 0;

  // Whole database, consistent, while work goes on. `path` must not exist.
  virtual Status backup(const std::string& path) = 0;
  // Slow: reads everything. kDataLoss with the first problem.
  virtual Status check_integrity() = 0;
};

}  // namespace firesteel
