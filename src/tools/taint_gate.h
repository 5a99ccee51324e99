// The rule that text of strangers does not act: once a run has read any, no tool with effects runs unless a person confirms that very call
// (or has allowed its tool for the conversation) or it is part of a plan that was fixed before. The gate is the only maker of ActPermit,
// taint never goes away again, and one gate serves all lanes of a run, because what one lane has read reaches the others through their
// answers. Tools of which the operator wants every call confirmed are asked about without strangers' text, too.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
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

// Why a call ran, or did not: kept in the ledger.
enum class Consent : uint8_t {
  kNotNeeded,      // it does not act, or no stranger's text was read
  kPlanned,        // part of the plan
  kAllowed,        // a person said yes to this call,
  kAllowedAlways,  // ... and to later ones of this tool in the conversation
  kStanding,       // a person had said so before
  kDenied,         // a person said no
  kTimedOut,       // a person was asked and did not answer in time, or the run ended meanwhile
  kNobody,         // there was nobody to ask
};
const char* consent_name(Consent consent);  // "", "planned", "allowed", "always", "standing", "denied", "timed_out", "nobody"

// What a person is asked. Borrowed for the call.
struct ConsentQuestion {
  const PlannedCall& call;
  std::string tainted_by = {};                // whose text was read; empty: nobody's, the tool is asked about every time
  bool may_always = false;                    // whether kAllowedAlways is an answer
  int lane = -1;                              // of a run of agents
  const std::function<bool()>& cancelled;     // may be empty
};

// Thread-safe.
class TaintGate {
 public:
  struct Policy {
    // Calls that may be made whatever is read, each once: fixed by the caller before the run began.
    std::vector<PlannedCall> plan = {};
    // Tools that a person has allowed for the whole conversation before.
    std::set<std::string> allowed = {};
    // A person's word for this very call: kAllowed, kAllowedAlways, kDenied, kTimedOut or kNobody. Asked on the tool's thread, and may
    // wait. Empty: nobody to ask.
    std::function<Consent(const ConsentQuestion& question)> confirm = {};
  };
  TaintGate() = default;
  explicit TaintGate(Policy policy) : policy_(std::move(policy)), used_(policy_.plan.size(), false) {}

  // Strangers' words have come in. `source`: a tool's name, "the conversation"; the first one is kept for messages.
  void taint(std::string_view source) FS_EXCLUDES(mutex_);
  bool tainted() const FS_EXCLUDES(mutex_);
  std::string tainted_by() const FS_EXCLUDES(mutex_);  // empty: not tainted

  // kFailedPrecondition, in words for the model: neither plan nor person allows the call. `tool` is asked whether it wants every call
  // confirmed; `consent`, unless null, gets what happened. A call that was denied is not asked about again.
  Result<ActPermit> permit(const ActingTool& tool, const PlannedCall& call, const ToolContext& context, Consent* consent) FS_EXCLUDES(mutex_);

 private:
  Result<ActPermit> refused(const PlannedCall& call, const std::string& source, Consent why) const;

  Policy policy_;
  mutable Mutex mutex_;
  std::string source_ FS_GUARDED_BY(mutex_);  // empty: not tainted
  std::vector<bool> used_ FS_GUARDED_BY(mutex_);
  std::set<std::string> always_ FS_GUARDED_BY(mutex_);       // tools that were allowed meanwhile
  std::vector<PlannedCall> denied_ FS_GUARDED_BY(mutex_);
};

// Runs one call of a tool under the gate: the only place where a tool is run on behalf of a model. Taints the gate before the result is
// seen by anybody, failed calls included: an error's text may be a stranger's, too.
Result<ToolResult> run_tool(const AgentTool& tool, const Json& arguments, const ToolContext& context, TaintGate* gate, Consent* consent = nullptr);

}  // namespace firesteel
