#include "server/batch_output.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "server/batch_input.h"

namespace firesteel {
namespace {

constexpr int64_t kResultsPageBytes = 4 << 20;

// Lines that have no result go into the file of errors.
Status write_unfinished(Store* store, const Clock& wall, size_t line_bytes_max, const StoredBatch& batch, BatchState state, std::optional<StoredFiles::Writer>* errors) {
  StoredFiles files(*store);
  const Result<StoredFile> file = files.get(batch.tenant, batch.input_file, wall.now_us());
  if (!file.ok()) return file.error().code == ErrorCode::kUnavailable ? Status(file.error()) : Status();
  FS_TRY(const std::vector<int64_t> finished, RequestBatches(*store).finished_lines(batch.id));
  StoredLines lines(store, batch.tenant, *file, line_bytes_max);
  std::string text;
  for (;;) {
    const Result<bool> more = lines.next(&text);
    if (!more.ok()) return more.error().code == ErrorCode::kUnavailable ? Status(more.error()) : Status();
    if (!*more) return {};
    if (std::binary_search(finished.begin(), finished.end(), lines.index())) continue;
    const std::variant<BatchLine, LineProblem> read = read_batch_line(text, batch.endpoint);
    if (!std::holds_alternative<BatchLine>(read)) return {};  // never validated
    if (!*errors) {
      const int64_t wall_us = wall.now_us();
      FS_TRY(StoredFiles::Writer writer, files.begin(batch.tenant, "batch_output", batch.id.str() + "_error.jsonl", 0, wall_us));
      errors->emplace(std::move(writer));
    }
    FS_TRY_VOID((*errors)->append(batch_unfinished_text(batch_request_id(batch.id, lines.index()), std::get<BatchLine>(read).custom_id, state) + "\n"));
  }
}

}  // namespace

std::string batch_request_id(const BatchId& batch, int64_t line) { return fmt::format("batch_req_{}_{}", batch.str().substr(BatchTag::kPrefix.size()), line); }

std::string batch_result_text(const std::string& request_id, const std::string& custom_id, const HttpResponse& response) {
  std::string body = response.body;
  std::replace(body.begin(), body.end(), '\n', ' ');  // between tokens of JSON only: in strings they are escaped
  return fmt::format(R"({{"id":{},"custom_id":{},"response":{{"status_code":{},"request_id":{},"body":{}}},"error":null}})", Json(request_id).dump(),
                     Json(custom_id).dump(), response.status, Json(request_id).dump(), body.empty() ? "null" : body);
}

std::string batch_unfinished_text(const std::string& request_id, const std::string& custom_id, BatchState state) {
  const bool expired = state == BatchState::kExpired;
  const Json error = Json::Object{{"code", expired ? "batch_expired" : state == BatchState::kCancelled ? "batch_cancelled" : "batch_failed"},
                                  {"message", expired ? "This request could not be executed before the completion window expired." : "This request was not executed: the batch ended before."}};
  return fmt::format(R"({{"id":{},"custom_id":{},"response":null,"error":{}}})", Json(request_id).dump(), Json(custom_id).dump(), error.dump());
}

Status finish_batch(Store* store, const std::string& runner, const Clock& wall, size_t line_bytes_max, const EndingBatch& ending) {
  const StoredBatch& batch = *ending.batch;
  RequestBatches batches(*store);
  StoredFiles files(*store);
  const bool no_files = batch.state == BatchState::kValidating && !ending.problems.empty();
  const bool no_room = !ending.problems.empty() && !ending.has_input;
  BatchState state = ending.cancelled ? BatchState::kCancelled : !ending.problems.empty() ? BatchState::kFailed : BatchState::kCompleted;
  if (state == BatchState::kCompleted) FS_TRY_VOID(batches.set_finalizing(batch.id, wall.now_us()));
  if (state == BatchState::kCompleted && ending.expired) {
    FS_TRY(const std::vector<int64_t> finished, batches.finished_lines(batch.id));
    FS_TRY(const StoredBatch now, batches.get(batch.tenant, batch.id));
    if (static_cast<int64_t>(finished.size()) < now.n_total || now.n_total == 0) state = BatchState::kExpired;
  }
  std::optional<StoredFiles::Writer> outputs[2];  // answers, errors
  if (!no_files && !no_room) {
    const Json* const seconds = batch.times.find("output_expires_after_s");
    const int64_t wall_us = wall.now_us();
    const int64_t expires_us = seconds != nullptr && seconds->is_int() ? wall_us + seconds->as_int() * 1'000'000 : 0;
    for (const bool failed : {false, true}) {
      std::optional<StoredFiles::Writer>& output = outputs[failed ? 1 : 0];
      for (int64_t after = -1;;) {
        FS_TRY(const std::vector<BatchResult> page, batches.results(batch.id, failed, after, kResultsPageBytes));
        if (page.empty()) break;
        if (!output) {
          FS_TRY(StoredFiles::Writer writer, files.begin(batch.tenant, "batch_output", batch.id.str() + (failed ? "_error.jsonl" : "_output.jsonl"), expires_us, wall_us));
          output.emplace(std::move(writer));
        }
        for (const BatchResult& result : page) FS_TRY_VOID(output->append(result.text + "\n"));
        after = page.back().line;
        if (!ending.keep_hold()) return {};
      }
    }
    if (state != BatchState::kCompleted) FS_TRY_VOID(write_unfinished(store, wall, line_bytes_max, batch, state, &outputs[1]));
  }
  for (std::optional<StoredFiles::Writer>& output : outputs) {
    if (output) FS_TRY_VOID(output->flush());
  }
  RequestBatches::End end;
  end.state = state;
  if (outputs[0]) end.output_file = outputs[0]->id();
  if (outputs[1]) end.error_file = outputs[1]->id();
  if (!ending.problems.empty()) end.problems = ending.problems;
  return store->write([&](Transaction& transaction) -> Status {
    for (std::optional<StoredFiles::Writer>& output : outputs) {
      if (output) FS_TRY_VOID(output->publish(transaction));
    }
    return RequestBatches::finish(transaction, batch.id, runner, end, wall.now_us());
  });
}

}  // namespace firesteel
