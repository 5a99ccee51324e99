// ask with several agents: options, the run with its live lanes, and what is printed of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tools/tool.h"
#include "api/generator.h"
#include "command_line.h"
#include "generation.h"
#include "interrupt.h"

namespace firesteel {

struct AgentOptions {
  std::string agents;           // "", "auto", a number
  std::string strategy;
  int64_t budget_tokens = -1;
  double error_bound = 0.05;
  std::string vote_by;
};

void add_agent_options(Command* command, AgentOptions* options);

// nullopt: one agent, as without these options. kInvalidArgument: a contradiction, or no number.
Result<std::optional<AgentParams>> agent_params(const AgentOptions& options, const std::string& mode);

// Answers the request (whose `agents` is set) over the generator, which is one engine; the ledger is the report of `done`. Lanes are shown
// on stderr unless quiet; Ctrl-C (interrupt, where there is one) ends them all; then the answer is written to stdout, without a line end.
Result<Answer> answer_by_agents(Generator* generator, GenerateRequest request, AgentTools tools, bool quiet, InterruptWatcher* interrupt = nullptr);

}  // namespace firesteel
