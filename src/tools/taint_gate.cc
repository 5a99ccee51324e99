#include "tools/taint_gate.h"

#include <utility>

namespace firesteel {

void TaintGate::taint(std::string_view source) {
  MutexLock lock(mutex_);
  if (source_.empty()) source_ = source.empty() ? "a tool" : std::string(source);
}

bool TaintGate::tainted() const {
  MutexLock lock(mutex_);
  return !source_.empty();
}

Result<ActPermit> TaintGate::permit(const PlannedCall& call) {
  std::string source;
  {
    MutexLock lock(mutex_);
    if (source_.empty()) return ActPermit();
    for (size_t i = 0; i < policy_.plan.size(); ++i) {
      if (used_[i] || policy_.plan[i].name != call.name || !(policy_.plan[i].arguments == call.arguments)) continue;
      used_[i] = true;
      return ActPermit();
    }
    source = source_;
  }
  // Without the lock: a person takes their time, and other lanes go on.
  if (policy_.confirm && policy_.confirm(call, source)) return ActPermit();
  return Error{ErrorCode::kFailedPrecondition, "not allowed: this conversation holds text from " + source + ", and after such text " + call.name +
                                                   " needs a person's confirmation or a plan fixed before"};
}

Result<ToolResult> run_tool(const AgentTool& tool, const Json& arguments, const ToolContext& context, TaintGate* gate) {
  if (const ActingTool* acting = tool.acting(); acting != nullptr) {
    FS_TRY(const ActPermit permit, gate->permit({tool.name(), arguments}));
    Result<ToolResult> result = acting->act(arguments, context, permit);
    if (tool.taint() == ToolTaint::kTainted) gate->taint(tool.name());
    return result;
  }
  Result<ToolResult> result = tool.run(arguments, context);
  if (tool.taint() == ToolTaint::kTainted) gate->taint(tool.name());
  return result;
}

}  // namespace firesteel
