#include "store/store.h"

#include <memory>
#include <string>
#include <utility>

#include "base/mutex.h"

namespace firesteel {

Result<std::vector<Row>> Reader::query(Sql sql, const Params& params, size_t max_rows) {
  std::vector<Row> rows;
  bool too_many = false;
  FS_TRY_VOID(each(sql, params, [&](const Row& row) {
    too_many = rows.size() == max_rows;
    if (!too_many) rows.push_back(row);
    return !too_many;
  }));
  if (too_many) return Error{ErrorCode::kResourceExhausted, "more than " + std::to_string(max_rows) + " rows; ask for less at once"};
  return rows;
}

Result<std::optional<Row>> Reader::first(Sql sql, const Params& params) {
  std::optional<Row> found;
  FS_TRY_VOID(each(sql, params, [&](const Row& row) {
    found = row;
    return false;
  }));
  return found;
}

Status Store::write(Write work) {
  struct Wait {
    Mutex mutex;
    CondVar changed;
    bool done FS_GUARDED_BY(mutex) = false;
    Status status FS_GUARDED_BY(mutex);
  };
  // Shared: the caller may wake and return before the writer has left notify.
  const auto wait = std::make_shared<Wait>();
  submit(std::move(work), [wait](Status status) {
    MutexLock lock(wait->mutex);
    wait->status = std::move(status);
    wait->done = true;
    wait->changed.notify_one();
  });
  MutexLock lock(wait->mutex);
  while (!wait->done) wait->changed.wait(wait->mutex);
  return wait->status;
}

}  // namespace firesteel
