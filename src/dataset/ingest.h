// Files to a dataset's first version. A bad row is reported with file, row and reason while the rest is taken; the work goes on where it was
// interrupted, by Ctrl-C, kill -9 or a full disk, and gives the same version as without.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "dataset/versions.h"
#include "documents/encoding.h"

namespace firesteel {

struct IngestOptions {
  std::string name = {};
  std::vector<std::string> files = {};
  std::string format = "auto";   // auto (by the file's ending), jsonl, csv, text, markdown, html, pdf
  TextEncoding encoding = TextEncoding::kAuto;
  Lineage origin = {};           // tenant, user, variant of rows that do not say their own
  bool require_consent = false;  // rows without "consent": true are refused
  uint64_t row_bytes_max = 1u << 20;
  uint64_t rows_per_checkpoint = 5000;  // what an interruption loses at most
  uint64_t passage_bytes_max = 2000;  // documents are cut into rows of at most this
};

struct RejectedRow {
  std::string file = {};
  int64_t row = 0;        // line of JSONL and CSV, 1-based; 0: the whole file
  std::string reason = {};
};

struct IngestReport {
  VersionRef version = {};
  uint64_t n_rows = 0;
  uint64_t n_rejected = 0;
  std::vector<RejectedRow> first_rejected = {};  // at most 20; all of them are in rejects.jsonl
};

// progress(bytes done, bytes in all) is called now and then; when it returns false the work stops with kCancelled, and the next call with the same options and unchanged
// files goes on. kFailedPrecondition when not one row could be taken (the report's rows are in the message). Holds one row or document in memory.
Result<IngestReport> ingest(const DatasetStore& store, const IngestOptions& options, int64_t now_us, const std::function<bool(uint64_t, uint64_t)>& progress);

}  // namespace firesteel
