// A request answered by one agent or several: the router, and the strategies split, vote and refine over an AgentRun.
#pragma once

#include <string>

#include "agents/agent_run.h"
#include "agents/router.h"
#include "api/agents.h"
#include "api/generator.h"

namespace firesteel {

struct AgentAnswer {
  std::string text = {}, thinking = {};
  FinishReason reason = FinishReason::kStop;
  Error error = {};          // kError
  double agreement = 0;      // vote: the share of samples that said so
  Ledger ledger = {};
};

// Whether answer_with_agents would take the request.
Status check_agents(const GenerateRequest& request);

// request: a conversation that ends in a user message, with `agents` set. Runs on this thread until the answer is there; options.on_event
// hears everything. The answer's bytes depend on (request, model) alone, unless a budget, a deadline or a cancel cut something; then the
// ledger tells where, and with it (options.replay) they come out again.
//
// kInvalidArgument: another prompt, a parameter out of range. What goes wrong later is in the answer: its reason, its error, its ledger.
Result<AgentAnswer> answer_with_agents(Generator* generator, GenerateRequest request, AgentRun::Options options);

// The strategies, for their tests. `base` has passed the checks of answer_with_agents; the answer's ledger is filled in by it.
struct StrategyInput {
  GenerateRequest base;
  AgentParams params;     // with the route's choices
  ModelInfo info;
  int parent = -1;        // the lane that came before (a probe), for the tree
};
AgentAnswer run_single(AgentRun* run, const StrategyInput& input, bool thinking);
AgentAnswer run_vote(AgentRun* run, const StrategyInput& input);
AgentAnswer run_split(AgentRun* run, const StrategyInput& input);
AgentAnswer run_refine(AgentRun* run, const StrategyInput& input);

// A finished lane as the answer.
AgentAnswer answer_of(const LaneRecord& lane);

// "[1]" and the like that name none of `known` (numbers from 1) are taken out; `n_left` counts the others.
std::string checked_citations(const std::string& text, const std::vector<int>& known, int* n_left);

}  // namespace firesteel
