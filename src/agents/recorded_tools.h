// Tools of a replay: they answer what the ledger says they answered, so that nothing is done twice to the world, and what documents and
// other servers said then is what the model reads again.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "tools/tool.h"

namespace firesteel {

// The tools that the ledger's request was offered, in their order. Those that are in `live`, are declared alike, compute from their
// arguments alone and do not act run again; all others answer from the ledger, lane by lane and call by call, and a call that it does not
// have fails. A ledger without declarations (of before they were kept): `live`.
Result<AgentTools> replay_tools_of(const Json& ledger, const AgentTools& live);

}  // namespace firesteel
