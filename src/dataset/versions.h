// Dataset versions in a folder, named by their content:
//
//   STORE/NAME/DIGEST/rows.jsonl      what a trainer reads, one row a line
//   STORE/NAME/DIGEST/lineage.jsonl   where each row came from, the same line
//   STORE/NAME/DIGEST/rejects.jsonl   what ingest could not take: file, row, reason (absent when all was taken)
//   STORE/NAME/DIGEST/card.json       what it is: counts, steps, parent, hashes
//   STORE/NAME/head                   digest of the version that NAME alone means
//   STORE/NAME/DIGEST/retired.json    once retired: why and what replaces it; rows and lineage are gone
//
// DIGEST is SHA-256 of "firesteel dataset 1\n", the SHA-256 of rows.jsonl, "\n", that of lineage.jsonl and "\n", in hex: equal content has one name.
// A version appears whole by a rename, or not at all; folders that begin with '.' are work in progress.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "dataset/row.h"

namespace firesteel {

struct VersionRef {
  std::string name = {}, digest = {};
  std::string text() const { return name + "@" + digest; }
};

struct VersionInfo {
  VersionRef ref = {};
  bool is_head = false;
  bool retired = false;
  Json card = {};
};

struct Dataset {
  VersionRef ref = {};
  std::vector<LineageRow> rows = {};
  Json card = {};
};

struct DatasetLimits {
  uint64_t rows_max = 5'000'000;
  uint64_t file_bytes_max = uint64_t{8} << 30;
};

// Names: 1 to 64 of a-z 0-9 - _ ., beginning with a letter or digit.
Status check_dataset_name(std::string_view name);

// A folder and those above it that are missing, for their owner only. kIo names the one that could not be made.
Status make_folders(const std::string& path);

class DatasetStore {
 public:
  explicit DatasetStore(std::string folder) : folder_(std::move(folder)) {}
  const std::string& folder() const { return folder_; }

  // "NAME" (its head), or "NAME@DIGEST" with at least 8 digits. kNotFound, kInvalidArgument (ambiguous), kFailedPrecondition (retired).
  Result<VersionRef> resolve(std::string_view text) const;
  Result<std::vector<VersionInfo>> list() const;  // by name, then newest first; unreadable ones are errors
  // Checks both files against the digest: kDataLoss when a byte differs.
  Result<Dataset> read(const VersionRef& ref, const DatasetLimits& limits = {}) const;
  Result<Json> read_card(const VersionRef& ref) const;
  std::string path_of(const VersionRef& ref) const { return folder_ + "/" + ref.name + "/" + ref.digest; }

  // Writes a version and makes it the head. `card` gets rows, hashes, digest, time and the parent's steps with this one behind them. Same content again: the version
  // that is there.
  struct Step {
    std::string name = {};   // "ingest", "scrub" ...
    Json options = {}, report = {};
  };
  Result<VersionRef> publish(const std::string& name, const std::vector<LineageRow>& rows, const Json& parent_card, const Step& step, int64_t now_us) const;

  // For ingest, which writes its files itself: `work` (a folder of this store on the same file system) holds rows.jsonl and lineage.jsonl.
  struct Counts {
    uint64_t n_rows = 0;
    Json kinds = {}, languages = {};
    uint64_t n_users = 0, n_tenants = 0;
  };
  Result<VersionRef> publish_folder(const std::string& name, const std::string& work, const Counts& counts, const Json& parent_card, const Step& step, int64_t now_us) const;

  // Removes what interrupted runs left (folders that begin with '.'): they hold rows, too. A run that is still going will fail.
  Status discard_unfinished() const;

  // Rows and lineage go; the card stays with retired.json beside it. Again: the same. replaced_by may be empty.
  Status retire(const VersionRef& ref, const std::string& reason, const std::string& replaced_by, int64_t now_us) const;

 private:
  std::string folder_;
};

DatasetStore::Counts count_rows(const std::vector<LineageRow>& rows);

// A card as a page of Markdown.
std::string card_markdown(const Json& card);

}  // namespace firesteel
