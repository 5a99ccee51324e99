// What a batch leaves behind: a line of text for each answer, and at the end the files of answers and of errors.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "server/http_message.h"
#include "store/request_batches.h"
#include "store/store.h"
#include "store/stored_files.h"

namespace firesteel {

// "batch_req_ID_LINE": the same in every run of the line, so that it is billed once.
std::string batch_request_id(const BatchId& batch, int64_t line);
// The line of an answer, and of a request that was not executed because the batch ended in `state`.
std::string batch_result_text(const std::string& request_id, const std::string& custom_id, const HttpResponse& response);
std::string batch_unfinished_text(const std::string& request_id, const std::string& custom_id, BatchState state);

// A batch of which nothing runs any more.
struct EndingBatch {
  const StoredBatch* batch = nullptr;
  bool cancelled = false, expired = false;
  bool has_input = true;               // false: its lines cannot be told from those without a result
  Json::Array problems = {};           // why it could not go on
  std::function<bool()> keep_hold;     // asked between pages; false when another runner has it by now
};

// Writes both files and ends the batch in one transaction. kFailedPrecondition: it is somebody else's; kResourceExhausted: the tenant has no
// room for the files; others: try again later.
Status finish_batch(Store* store, const std::string& runner, const Clock& wall, size_t line_bytes_max, const EndingBatch& ending);

}  // namespace firesteel
