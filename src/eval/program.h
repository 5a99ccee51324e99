// Answers that are programs: what stands in the answer, the checks it has to pass, and how a run of both ended.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "eval/item.h"

namespace firesteel {

inline constexpr std::string_view kProgramPasses = "passes";

// A program's end: its exit code and what it printed; `how` is empty, or why it did not end by itself ("ended after 10000 ms, the limit").
struct ProgramEnd {
  int code = 0;
  std::string out, err, how;
};

// Runs Python source where it can do no harm. An error is one of the place, not of the program.
using RunProgram = std::function<Result<ProgramEnd>(const std::string& source)>;

// The code of an answer: its last block in fences that says python or nothing, else all of it. Where it defines again what `given` ends in
// (its last "def NAME("), the head of `given` before that definition stands in front of it; else it goes on where `given` stops.
std::string program_source(std::string_view given, std::string_view answer);

// "passes", or one line that tells how it failed: "exit code 1: AssertionError". A program passes when it reaches the line behind its last
// check, so one that leaves early does not. Error: that of `run`.
Result<std::string> try_program(const Grading& grading, std::string_view answer, const RunProgram& run);

}  // namespace firesteel
