// The whole improvement loop once, on one machine: people rate, a dataset, a tuned variant, a sealed evaluation, a canary, a promotion; then a
// bad variant that the gate stops, and one that the canary rolls back. Every step is a command of this program or a request to its server.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace firesteel {

struct DemoOptions {
  std::string folder;          // made when absent; what an earlier run left there is refused
  uint64_t seed = 1;
  int64_t n_people = 1000;
  int64_t n_ratings = 240;     // answers that people look at before the first dataset
  int64_t n_suite = 120;       // sealed items
  int64_t n_answers_max = 2500;  // of each rollout
  bool tune = true;            // DPO on a dataset of the pairs; otherwise the candidate thinks before it answers
};

// Prints each step as it goes; report.md and report.json in the folder tell it again. kInternal when a step ended otherwise than it should.
Status run_loop_demo(const DemoOptions& options);

}  // namespace firesteel
