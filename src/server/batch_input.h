// The input of a batch: lines of JSON in a stored file, each a request of one endpoint.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/json.h"
#include "base/result.h"
#include "store/request_batches.h"
#include "store/stored_files.h"

namespace firesteel {

// The lines of a stored file in order, a piece of it in memory. Lines of blanks are passed over.
class StoredLines {
 public:
  StoredLines(Store* store, TenantId tenant, StoredFile file, size_t line_bytes_max)
      : store_(store), tenant_(std::move(tenant)), file_(std::move(file)), line_bytes_max_(line_bytes_max) {}

  // False at the end. kNotFound: somebody deleted the file; kInvalidArgument: a line is too long; kUnavailable (then again later).
  Result<bool> next(std::string* line);
  int64_t index() const { return index_; }        // of the line that next() gave, among those that are not blank, from 0
  int64_t line_number() const { return number_; } // of the same in the file, from 1

 private:
  Store* store_;
  TenantId tenant_;
  StoredFile file_;
  size_t line_bytes_max_;
  std::string held_;
  size_t at_ = 0;             // in held_
  int64_t next_piece_ = 0, n_read_ = 0;
  int64_t index_ = -1, number_ = 0;
};

struct BatchLine {
  std::string custom_id;
  std::string body;           // JSON
};
struct LineProblem {
  std::string code, message, param;
};
// {"custom_id", "method": "POST", "url": endpoint, "body": {...}} and nothing else.
std::variant<BatchLine, LineProblem> read_batch_line(std::string_view text, std::string_view endpoint);

struct InputCheck {
  int64_t n_lines = 0;
  Json::Array problems = {};  // as the API shows them; at most 100
};
// Every line, and that no custom_id is there twice. Errors are those of StoredLines.
Result<InputCheck> check_input(StoredLines lines, std::string_view endpoint);

}  // namespace firesteel
