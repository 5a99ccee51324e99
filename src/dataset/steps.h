// What can be done to the rows of a dataset. Each step is a pure function of rows and options: the same input gives the same version wherever and
// how often it runs, so an interrupted step is simply run again. The order of rows is kept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "data/contamination.h"
#include "dataset/row.h"
#include "dataset/triggers.h"
#include "dataset/versions.h"

namespace firesteel {

struct StepResult {
  std::vector<LineageRow> rows = {};
  DatasetStore::Step step = {};  // its name, options and report, for the card
};

// Personal data out of every text. Report: how many of each kind, and rows with any.
StepResult scrub_rows(std::vector<LineageRow> rows, const std::vector<std::string>& names);

// Near-duplicates out, the first of each stays. Conversations and preferences are compared by all they say.
StepResult drop_near_duplicates(std::vector<LineageRow> rows, double threshold);

struct FilterOptions {
  size_t chars_min = 0, chars_max = 0;         // of all texts, bytes; 0: no limit
  size_t answer_chars_min = 1;
  std::vector<std::string> languages = {};     // empty: any. Rows get their language in any case
  bool keep_unknown_language = true;           // "und": short texts mostly
  double repetition_max = 0.6;                 // share of words that one word may have in an answer of 20 words or more; also of repeated lines
  bool drop_markers = true;                    // texts that hold control tokens of chat templates ("<|im_start|>")
};
// Report: rows dropped for each reason.
StepResult filter_rows(std::vector<LineageRow> rows, const FilterOptions& options);

// No user and no tenant has more than this share of the result. The rows that stay are chosen by hash of (seed, row id). Rows without a user (or tenant) are the operator's
// own and not capped. kFailedPrecondition when it cannot be: three users cannot each stay below 1 %; the message has the least share that works.
struct CapOptions {
  double user_share_max = 0.01;    // 1: no cap
  double tenant_share_max = 1;
  uint64_t seed = 1;
};
Result<StepResult> cap_rows(std::vector<LineageRow> rows, const CapOptions& options);

// Rows of the findings out. Report: the findings.
StepResult drop_triggers(std::vector<LineageRow> rows, const TriggerOptions& options);
Json findings_json(const std::vector<TriggerFinding>& findings);

// Rows whose prompt is an item of a test (whole, numbers compared), or that share at least this part of their word runs with one.
StepResult decontaminate_rows(std::vector<LineageRow> rows, const ContaminationIndex& tests, double share_max);

// By hash of (seed, prompt): the same prompt always falls on the same side, in every version of the dataset.
struct SplitResult {
  StepResult train = {}, test = {};
};
SplitResult split_rows(std::vector<LineageRow> rows, double test_share, uint64_t seed);

// Erasure: for each version with rows of this user, what was done.
struct Erased {
  VersionRef version = {};
  size_t n_rows = 0;
  std::string replaced_by = {};  // only for heads with rows left
};
// tenant: empty means the user in any tenant. With dry_run nothing changes. A version that cannot be read is an error: it may hold the user's rows. Crash-safe: run again until it says
// that nothing is left. Versions that descend from one with such rows hold them in their own lineage, so they are found by themselves.
Result<std::vector<Erased>> erase_user(const DatasetStore& store, std::string_view user, std::string_view tenant, bool dry_run, int64_t now_us);

}  // namespace firesteel
