// What evaluation cannot know: how items become requests, where problems are made, how pictures are read.
#pragma once

#include <atomic>
#include <string>

#include "api/generator.h"
#include "eval/run.h"
#include "eval/suite.h"
#include "load_model.h"

namespace firesteel {

struct EvalSettings {
  std::optional<EvalMode> mode;             // instead of the suite's own
  std::optional<double> temperature;
  std::optional<int64_t> max_tokens;
  uint64_t seed = 0;
  std::optional<AgentParams> agents = {};   // several agents answer each item, by a strategy or as the router says
  std::string adapter;                      // digest; empty: the base model
  int n_votes = 1;                          // answers to each item, of which the most frequent counts
  bool one_by_one = false;                  // the parts of a compound question one after the other in one conversation
};

// Answers items with the engine, many at a time. `generator` and `loaded` must outlive it.
Solve make_solver(Generator* generator, const LoadedModel& loaded, const EvalSettings& settings);

// Curricula for synthesised suites, and the external sets below data_folder.
SuiteInputs make_suite_inputs(const std::string& data_folder);

}  // namespace firesteel
