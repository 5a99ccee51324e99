// One answer of a model that may call tools on the way: generate, run the calls, tell the model the results, go on until it answers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/tool.h"
#include "api/generator.h"
#include "base/clock.h"
#include "tools/taint_gate.h"

namespace firesteel {

struct ToolLoopLimits {
  int n_rounds_max = 8;              // generations
  int n_identical_max = 3;           // of the same call with the same arguments
  int n_calls_max = 32;
  int64_t n_tokens_max = -1;         // generated over all rounds; -1: no limit
  size_t result_bytes_max = 16384;   // longer results are cut
};

struct ToolCall {
  std::string name = {};
  std::string arguments = {};  // a JSON object
  std::string result = {};     // what the model was told
  bool failed = false;    // the result is an error
  Consent consent = Consent::kNotNeeded;  // of a call that acts: who allowed it, or why it did not run
  int64_t start_us = 0, end_us = 0;  // when it ran, by the loop's clock; in a ledger since the run began
};

struct ToolLoopAnswer {
  enum class End : uint8_t { kAnswered, kRounds, kIdentical, kCalls, kTokens };

  std::string text;        // of the last round
  std::string thinking;    // of all rounds, with a blank line between
  std::vector<ToolCall> calls;
  GenerateEvent done;      // of the last round, with the usage of all rounds
  End end = End::kAnswered;
  int n_rounds = 0;
};

// What happened, as it happens. Text between the rounds belongs to the answer like any other.
struct ToolLoopHooks {
  std::function<void(std::string_view text, bool thinking)> on_text = {};
  // Once per token (and for what is held back until the end): what became showable with it, which may be nothing.
  std::function<void(std::string_view text, std::string_view thought, bool is_thinking_token)> on_token = {};
  std::function<void(const ToolCall& call)> on_call = {};    // result not known yet
  std::function<void(const ToolCall& call)> on_result = {};
  // The stream that is being read, for those who may cancel it; nullptr when it is not read any more.
  std::function<void(TokenStream* stream)> on_stream = {};
};

// What a loop's tools may see and do beside their arguments.
struct ToolSurroundings {
  std::shared_ptr<TaintGate> gate = {};  // shared by all loops of a run; null: one of its own
  std::function<bool()> cancelled = {};  // for tools that wait
  const Clock* clock = nullptr;          // for the times of calls; null: the system's
  int lane = -1;                         // of a run of agents: number and name
  std::string lane_key = {};
};

const char* tool_loop_end_name(ToolLoopAnswer::End end);  // "answered", "rounds" ...

// request.prompt must be a ChatPrompt (kInvalidArgument otherwise); the tools are offered in it unless it names some itself. Every round has
// the request's sampling and its max_tokens; its thinking budget is shared by all rounds. Calls run on this thread. `first`: the stream of
// the first round, where the caller has submitted it already (with the tools in its prompt). Without tools it is one plain generation.
// A conversation that holds results of tools already is tainted from the start (taint_gate.h). Pictures that a tool gives are shown to the
// model in a message after its text. request.tools->owner is whose documents tools may read.
// Errors: what submit() refuses in the first round; a later refusal and kError end in `done` with what there is. A run that met a limit has
// its last round's text, and `end` says why.
Result<ToolLoopAnswer> run_tool_loop(Generator* generator, GenerateRequest request, const AgentTools& tools, const ToolLoopLimits& limits,
                                     const ToolLoopHooks& hooks, std::unique_ptr<TokenStream> first = nullptr, ToolSurroundings around = {});

}  // namespace firesteel
