// A request of agents as JSON and back: kept in the ledger of a run, so that it can be replayed.
#pragma once

#include <string>

#include "agents/agent_run.h"
#include "agents/contemplate.h"
#include "api/generator.h"
#include "base/json.h"
#include "base/result.h"

namespace firesteel {

// The conversation, sampling, stops, form and agents of a request. Pictures are not kept: "images" counts them.
Json request_json(const GenerateRequest& request);
// kDataLoss: not such JSON. kUnsupported: it had pictures.
Result<GenerateRequest> request_of(const Json& json);

struct ReplayResult {
  AgentAnswer answer;
  bool same = false;                       // the answer and the text of every lane
  std::vector<std::string> differences;    // of keys of lanes, and "answer"
};
// Runs the request of a stored ledger again, every lane held to what it generated then. The ledger must have "request" and "answer".
Result<ReplayResult> replay_run(Generator* generator, const Json& ledger, AgentRun::Options options);

}  // namespace firesteel
