// Answers that are programs are run where they can do no harm.
#pragma once

#include <vector>

#include "base/result.h"
#include "eval/run.h"
#include "eval/suite.h"

namespace firesteel {

// `solve`, and behind it for items that are graded by running them a run in the sandbox (tools/sandbox.h). Unchanged where no suite has
// such items. kUnavailable: there is no sandbox here; the message says what is missing.
Result<Solve> with_programs(Solve solve, const std::vector<Suite>& suites);

}  // namespace firesteel
