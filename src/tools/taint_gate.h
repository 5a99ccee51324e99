// The rule that text of strangers does not act: once a run has read any, no tool with effects runs unless a person confirms that very call
// or it is part of a plan that was fixed before. The gate is the only maker of ActPermit, taint never goes away again, and one gate
// serves all lanes of a run, because what one lane has read reaches the others through their answers.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/mutex.h"
#include "base/result.h"
#include "tools/tool.h"

namespace firesteel {

// One call, by name and arguments; arguments are compared as JSON, not as text.
struct PlannedCall {
  std::string name;
  Json arguments;
};

class ActPermit {
 public:
  ActPermit(const ActPermit&) = delete;
  ActPermit& operator=(const ActPermit&) = delete;
  ActPermit(ActPermit&&) = default;

 private:
  friend class TaintGate;
  ActPermit() = default;
};

// Thread-safe.
class TaintGate {
 public:
  struct Policy {
    // Calls that may be made whatever is read, each once: fixed by the caller before the run began.
    std::vector<PlannedCall> plan = {};
    // A person's word for this very call; asked on the tool's thread, and may wait. Empty: nobody to ask.
    std::function<bool(const PlannedCall& call, const std::string& tainted_by)> confirm = {};
  };
  TaintGate() = default;
  explicit TaintGate(Policy policy) : policy_(std::move(policy)), used_(policy_.plan.size(), false) {}

  // Strangers' words have come in. `source`: a tool's name, "the conversation"; the first one is kept for messages.
  void taint(std::string_view source) FS_EXCLUDES(mutex_);
  bool tainted() const FS_EXCLUDES(mutex_);

  // kFailedPrecondition, in words for the model: the run is tainted, and neither plan nor person allows the call.
  Result<ActPermit> permit(const PlannedCall& call) FS_EXCLUDES(mutex_);

 private:
  Policy policy_;
  mutable Mutex mutex_;
  std::string source_ FS_GUARDED_BY(mutex_);  // empty: not tainted
  std::vector<bool> used_ FS_GUARDED_BY(mutex_);
};

// Runs one call of a tool under the gate: the only place where a tool is run on behalf of a model. Taints the gate before the result is
// seen by anybody, failed calls included: an error's text may be a stranger's, too.
Result<ToolResult> run_tool(const AgentTool& tool, const Json& arguments, const ToolContext& context, TaintGate* gate);

}  // namespace firesteel
