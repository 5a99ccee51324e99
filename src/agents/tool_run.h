// One agent's answer that may call tools on its way, as the events of one stream and a ledger with one lane.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "agents/confirmations.h"
#include "agents/ledger.h"
#include "agents/tool_loop.h"
#include "api/generator.h"

namespace firesteel {

// What an answer shows of several rounds, one after the other: a later one begins a paragraph.
class RoundTexts {
 public:
  std::string next(std::string_view text);
  void end_round() { gap_ = any_; }

 private:
  bool any_ = false, gap_ = false;
};

struct ToolRun {
  std::string text, thinking;  // all that was shown, of all rounds
  FinishReason reason = FinishReason::kStop;
  Error error = {};
  Ledger ledger = {};          // of one lane, "answer"
};

// publish: kToken events without ids, one per token that shows something or is a thinking one; kAgent events {"type": "tool"|"result",
// "call"} where the request wants them. No kDone: done_event() makes it.
//
// max_tokens bounds all rounds together. `first`: see run_tool_loop; null: submitted here, a refusal is an answer with kError. Calls that
// need a person's word are put to `confirmations`, and are kAgent events then; null: there is nobody.
ToolRun answer_with_tools(Generator* generator, const GenerateRequest& request, const AgentTools& tools, std::unique_ptr<TokenStream> first,
                          const std::function<void(GenerateEvent)>& publish, Confirmations* confirmations = nullptr);

// What the request says about calls that act.
TaintGate::Policy policy_of(const ToolUse& use);

// The kDone of such a run. Where tools were called, or a limit of theirs ended the run, its report is the ledger as docs/subagents.md has
// it, with "tool_calls", the answer and the request.
GenerateEvent done_event(const ToolRun& run, const GenerateRequest& request, const std::string& model_digest);

}  // namespace firesteel
