#include "tools/taint_gate.h"

#include <algorithm>
#include <utility>

namespace firesteel {
namespace {

bool is_same(const PlannedCall& a, const PlannedCall& b) { return a.name == b.name && a.arguments == b.arguments; }

}  // namespace

const char* consent_name(Consent consent) {
  switch (consent) {
    case Consent::kNotNeeded: return "";
    case Consent::kPlanned: return "planned";
    case Consent::kAllowed: return "allowed";
    case Consent::kAllowedAlways: return "always";
    case Consent::kStanding: return "standing";
    case Consent::kDenied: return "denied";
    case Consent::kTimedOut: return "timed_out";
    case Consent::kNobody: return "nobody";
  }
  return "?";
}

void TaintGate::taint(std::string_view source) {
  MutexLock lock(mutex_);
  if (source_.empty()) source_ = source.empty() ? "a tool" : std::string(source);
}

bool TaintGate::tainted() const {
  MutexLock lock(mutex_);
  return !source_.empty();
}

std::string TaintGate::tainted_by() const {
  MutexLock lock(mutex_);
  return source_;
}

Result<ActPermit> TaintGate::refused(const PlannedCall& call, const std::string& source, Consent why) const {
  const std::string text_of = source.empty() ? std::string() : "this conversation holds text from " + source + ", and after such text ";
  const char* reason = "needs a person's confirmation or a plan fixed before";
  if (why == Consent::kDenied) reason = "was put to a person, who said no. Do not try it again";
  if (why == Consent::kTimedOut) reason = "was put to a person, who did not answer in time";
  return Error{ErrorCode::kFailedPrecondition, "not allowed: " + text_of + call.name + " " + reason};
}

Result<ActPermit> TaintGate::permit(const ActingTool& tool, const PlannedCall& call, const ToolContext& context, Consent* consent) {
  Consent ignored;
  Consent& outcome = consent != nullptr ? *consent : ignored;
  outcome = Consent::kNotNeeded;
  std::string source;
  const bool asks_always = tool.asks_always();
  {
    MutexLock lock(mutex_);
    if (source_.empty() && !asks_always) return ActPermit();
    for (size_t i = 0; i < policy_.plan.size(); ++i) {
      if (used_[i] || !is_same(policy_.plan[i], call)) continue;
      used_[i] = true;
      outcome = Consent::kPlanned;
      return ActPermit();
    }
    if (!asks_always && (policy_.allowed.contains(call.name) || always_.contains(call.name))) {
      outcome = Consent::kStanding;
      return ActPermit();
    }
    source = source_;
    if (std::any_of(denied_.begin(), denied_.end(), [&](const PlannedCall& one) { return is_same(one, call); })) outcome = Consent::kDenied;
  }
  if (outcome == Consent::kDenied) return refused(call, source, outcome);
  // Without the lock: a person takes their time, and other lanes go on.
  outcome = policy_.confirm ? policy_.confirm({.call = call, .tainted_by = source, .may_always = !asks_always, .lane = context.lane, .cancelled = context.cancelled}) : Consent::kNobody;
  if (outcome == Consent::kAllowedAlways && asks_always) outcome = Consent::kAllowed;
  if (outcome == Consent::kAllowed) return ActPermit();
  MutexLock lock(mutex_);
  if (outcome == Consent::kAllowedAlways) {
    always_.insert(call.name);
    return ActPermit();
  }
  if (outcome == Consent::kDenied) denied_.push_back(call);
  return refused(call, source, outcome);
}

Result<ToolResult> run_tool(const AgentTool& tool, const Json& arguments, const ToolContext& context, TaintGate* gate, Consent* consent) {
  if (const ActingTool* acting = tool.acting(); acting != nullptr) {
    FS_TRY(const ActPermit permit, gate->permit(*acting, {tool.name(), arguments}, context, consent));
    Result<ToolResult> result = acting->act(arguments, context, permit);
    if (tool.taint() == ToolTaint::kTainted) gate->taint(tool.name());
    return result;
  }
  Result<ToolResult> result = tool.run(arguments, context);
  if (tool.taint() == ToolTaint::kTainted) gate->taint(tool.name());
  return result;
}

}  // namespace firesteel
