// Runs a suite: asks every item, grades the answers, and keeps what was asked across an interruption.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "eval/suite.h"

namespace firesteel {

struct AttemptCall {
  std::string name, arguments, result;
  bool failed = false;
  bool operator==(const AttemptCall&) const = default;
};

// What was answered to one item.
struct Attempt {
  std::string text, thinking;
  std::vector<AttemptCall> calls = {};
  int choice = -1;              // by_logprob: the index of the likeliest choice
  std::string program = {};     // of a program that was run: kProgramPasses, or how it ended (eval/program.h)
  int64_t prompt_tokens = 0, generated_tokens = 0;
  int64_t time_us = 0;
  std::string finish = {};      // "stop", "length", "rounds" ...
  std::string error = {};       // why there is no answer
  bool cancelled = false;       // the run is being stopped: not an answer, not kept
  bool operator==(const Attempt&) const = default;
};

struct ItemResult {
  std::string id;
  bool right = false;
  std::string read;             // what the grader took for the answer
  Attempt attempt;
};

// Called from several threads at once. `index`: of the item in its suite.
using Solve = std::function<Attempt(const Suite& suite, const EvalItem& item, size_t index)>;

struct RunOptions {
  int n_parallel = 48;          // items in flight
  // Results are appended here as they come, and those of an earlier, interrupted run are taken from here. Empty: nothing is kept.
  std::string journal = {};
  Json settings = {};           // what a result depends on besides the item (model digest, mode ...): a journal of others is refused
  std::function<void(size_t n_done, size_t n_right)> on_progress = {};  // one call at a time
  const std::atomic<bool>* stop = nullptr;                              // true: no further items are begun
};

struct SuiteRun {
  std::vector<ItemResult> results;  // one for each item, in their order
  size_t n_resumed = 0;             // taken from the journal
  int64_t wall_us = 0;              // of the items that were asked now
};

// kCancelled when stopped before the end (the journal has what was done). kFailedPrecondition: the journal belongs to another run.
// kIo, kDataLoss: the journal; a last line that was cut off by a crash is dropped and asked again.
Result<SuiteRun> run_suite(const Suite& suite, const Solve& solve, const RunOptions& options);

}  // namespace firesteel
