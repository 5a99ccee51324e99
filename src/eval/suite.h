// A suite: a name, settings and items. Suites are data: a folder with suite.toml and items.jsonl, or a TOML file that names where its items
// come from (a curriculum's evaluation split, or the files of a public set). docs/evaluation.md has the format.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "eval/item.h"

namespace firesteel {

enum class EvalMode : uint8_t { kInstant, kThinking, kTools };
const char* eval_mode_name(EvalMode mode);  // "instant", "thinking", "tools"
std::optional<EvalMode> eval_mode(std::string_view name);

struct SuiteSource {
  enum class Kind : uint8_t { kItems, kSynth, kExternal };
  Kind kind = Kind::kItems;
  // kItems: the JSONL file, beside the suite.
  std::string file = "items.jsonl";
  // kSynth: shares of kinds, by prefix; sample i of (seed, "eval").
  std::vector<std::pair<std::string, double>> kinds = {};
  uint64_t seed = 1;
  int64_t count = 0;
  int parts_min = 0, parts_max = 0;  // above 0: so many of them are asked in one question (eval/compound.h)
  std::string grader = {};  // instead of the samples' own: "refusal", "reply"
  // kExternal: a reader of readers.h and a path below the data folder.
  std::string reader = {};
  std::string path = {};
  std::string question = {};   // for pictures without one
  std::string filter = {};     // "held_out": only what the callback of that name says
  // What the items' digest was when the suite was written; empty: not said.
  std::string digest = {};
};

struct Suite {
  std::string name;
  std::string title = {};
  std::string file = {};         // it was read from
  EvalMode mode = EvalMode::kThinking;
  double temperature = 0;
  int64_t max_tokens = 512;      // of one generation
  bool by_logprob = false;       // choices: the likeliest letter instead of what the model writes
  std::string system = {};
  std::optional<double> floor, goal;  // shares that the result is held against
  SuiteSource source = {};
  std::vector<EvalItem> items = {};
  std::string digest = {};       // of the items as they were read
  bool sealed = false;           // out of a vault: its content is never written anywhere
};

// What reading items needs and this folder does not have. An absent function makes suites that need it fail with kUnsupported.
struct SuiteInputs {
  std::string data_folder = {};  // of the external sets
  std::function<Result<RgbImage>(const std::string& path)> read_image = {};
  std::function<Result<std::vector<EvalItem>>(const SuiteSource& source)> synthesise = {};
  std::function<bool(const std::string& filter, const EvalItem& item)> keep = {};
};

// The suite files that `path` names: itself when it is a file, the folder's suite.toml, or all suites below the folder in order of name.
Result<std::vector<std::string>> find_suites(const std::string& path);

// Settings only. kInvalidArgument: an unknown or wrong key, with its place.
Result<Suite> read_suite(const std::string& file);
// read_suite from text, for tests.
Result<Suite> parse_suite(const std::string& text, const std::string& file);

// Reads or makes the items, at most n_max of them (-1: all). kDataLoss names file and line.
Status load_items(Suite* suite, const SuiteInputs& inputs, int64_t n_max);

// One JSONL line of an items file; `folder` for the images it names.
Result<EvalItem> parse_item(const std::string& line, const std::string& where, const std::string& folder, const SuiteInputs& inputs);

}  // namespace firesteel
