// Python and shell for models, in the sandbox (sandbox.h).
#pragma once

#include <memory>

#include "tools/sandbox.h"
#include "tools/tool.h"

namespace firesteel {

// "python" with one string parameter "code", "shell" with "command". Both hold the sandbox. What they print is the result; a failure's
// text says how it ended: exit code, time, memory.
std::shared_ptr<const AgentTool> make_python(std::shared_ptr<const Sandbox> sandbox);
std::shared_ptr<const AgentTool> make_shell(std::shared_ptr<const Sandbox> sandbox);

}  // namespace firesteel
