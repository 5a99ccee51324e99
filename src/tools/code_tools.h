// Python and shell for models, in the sandbox (sandbox.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tools/sandbox.h"
#include "tools/tool.h"

namespace firesteel {

// "python" with one string parameter "code", "shell" with "command". Both hold the sandbox. What they print is the result; a failure's
// text says how it ended: exit code, time, memory.
std::shared_ptr<const AgentTool> make_python(std::shared_ptr<const Sandbox> sandbox);
std::shared_ptr<const AgentTool> make_shell(std::shared_ptr<const Sandbox> sandbox);

// A Python program, without a model that asks for it.
Result<ProcessEnd> run_python(const Sandbox& sandbox, std::string_view source, const std::function<bool()>& cancelled = {});
// Why a program did not end by itself: "ended after 10000 ms, the limit", "ended by signal 9"; empty where it did.
std::string cut_short(const ProcessEnd& end, const SandboxLimits& limits);

}  // namespace firesteel
