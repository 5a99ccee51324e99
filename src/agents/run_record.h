// A request of agents as JSON and back: kept in the ledger of a run, so that it can be replayed.
#pragma once

#include <string>

#include "agents/agent_run.h"
#include "agents/contemplate.h"
#include "api/generator.h"
#include "base/json.h"
#include "base/result.h"

namespace firesteel {

// The conversation, sampling, stops, form and agents of a request; pictures up to a few MiB. `declarations`: of the tools that it was
// offered (tools_json), null without any.
Json request_json(const GenerateRequest& request, const Json& declarations = {});
// kDataLoss: not such JSON. kUnsupported: it had pictures.
Result<GenerateRequest> request_of(const Json& json);

struct ReplayResult {
  AgentAnswer answer;
  bool same = false;                       // the answer and the text of every lane
  std::vector<std::string> differences;    // of keys of lanes, and "answer"
};
// Runs the request of a stored ledger again, every lane held to what it generated then. The ledger must have "request" and "answer".
// options.tools: those that may run again; all others answer from the ledger (recorded_tools.h), so nothing acts twice.
Result<ReplayResult> replay_run(Generator* generator, const Json& ledger, AgentRun::Options options);

}  // namespace firesteel
