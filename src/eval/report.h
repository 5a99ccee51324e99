// What a run found, for people and programs: a table, JSON that eval compare reads, and a page that needs no network.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/rgb_image.h"
#include "eval/run.h"
#include "eval/statistics.h"
#include "eval/suite.h"

namespace firesteel {

struct ReportCount {
  std::string name;  // of a slice: "kind", "topic"
  std::string value;
  int64_t n = 0, n_right = 0;
};

struct ReportItem {
  std::string id;
  bool right = false;
  std::string question;             // the conversation as text
  std::string expected, read;
  Attempt attempt;
  std::vector<RgbImage> images = {};  // not part of the JSON
  std::vector<std::pair<std::string, std::string>> slices = {};  // the item's: ("topic", "ages")
};

struct SuiteReport {
  std::string name, title;
  std::string items_digest;
  std::string digest_said = {};     // by the suite file, when it differs
  bool sealed = false;              // items have an id, right or wrong, and slices; nothing that they say
  std::string mode;
  int64_t n = 0, n_right = 0;
  int64_t n_errors = 0;             // no answer at all
  int64_t n_cut = 0;                // ended by a limit on tokens or calls
  int64_t n_calls = 0;
  int64_t prompt_tokens = 0, generated_tokens = 0;
  std::optional<double> floor, goal;
  std::vector<ReportCount> slices = {};
  std::vector<ReportItem> items = {};
  // Not repeatable, so kept apart in the JSON.
  int64_t wall_us = 0, item_us_median = 0;
};

struct Report {
  std::string model, model_digest;
  int64_t n_parameters = 0;
  std::string version;              // of the program, with its commit
  Json settings;                    // object
  std::vector<SuiteReport> suites;
};

SuiteReport make_suite_report(const Suite& suite, EvalMode mode, const SuiteRun& run);

// Two runs of the same model, suites and settings differ in "timing" (the last member) only.
Json report_json(const Report& report);
// kDataLoss: what is missing or wrong.
Result<Report> parse_report(const Json& json);
Result<Report> read_report(const std::string& path);

// Suites as lines, with their slices below when `slices`.
std::string report_table(const Report& report, bool slices);

// At most n_failures of each suite with transcript and pictures.
std::string report_html(const Report& report, int64_t n_failures);

// "right 93.4 % [91.0, 95.2]": for tables and pages.
std::string percent(double share);

}  // namespace firesteel
