// What a run of agents did, lane by lane: exact counts, times, tools, outcomes, texts. Stored as JSON; what replay needs is in it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agents/tool_loop.h"
#include "api/generator.h"
#include "base/json.h"
#include "base/result.h"

namespace firesteel {

enum class LaneState : uint8_t {
  kRunning,
  kDone,       // it answered
  kCut,        // max_tokens, its budget or the run's
  kCancelled,  // by a person, or because the others have decided
  kDeadline,
  kFailed,     // an error; `error` has it
  kSkipped,    // never started: what it needs has failed, or nothing was left to spend
};
LaneState lane_state_of(FinishReason reason, ToolLoopAnswer::End end);
const char* lane_state_name(LaneState state);  // "running", "done", "cut", "cancelled", "deadline", "failed", "skipped"

struct LaneRecord {
  int id = 0;                 // index in the ledger
  int parent = -1;            // lane that it came from
  int depth = 1;
  int attempt = 1;            // 2: the retry of a lane that failed
  std::string key;            // names it within the run, also in a replay: "sample/3", "part/2", "part/2/retry"
  std::string role;           // "probe", "plan", "part", "sample", "draft", "distil", "refine", "join", "answer"
  std::string title;          // its task, for people
  LaneState state = LaneState::kRunning;
  std::string error;          // kFailed, kSkipped: why
  std::string text, thinking;
  std::vector<ToolCall> tools;
  uint64_t seed = 0;
  Usage usage;                // of all rounds
  double mean_logprob = 0;    // of the answer's tokens; 0 when there are none or they were not asked for
  int64_t start_us = 0, end_us = 0;  // since the run began
  std::vector<TokenLogprob> first_tops;  // not stored; of a probe: see router.h
  bool ok() const { return state == LaneState::kDone; }
};

struct Ledger {
  std::vector<LaneRecord> lanes;
  std::string mode;           // as answered: "instant", "thinking", "contemplating"
  std::string strategy;       // "", "split", "vote", "refine"
  std::string why;
  int n_agents = 1;
  std::string tainted_by;     // whose text was read: a tool's name, "the conversation"; empty: nobody's
  int64_t budget_tokens = -1;
  int64_t total_us = 0;
  Json details;               // of the strategy: the plan; votes, margin, agreement; the router's probe

  Usage sum() const;          // tokens added up, times of the run
  Json to_json(bool with_texts = true) const;
};

// What a replay holds a lane to: nothing where it ended by itself (it does so again), else how many tokens it had generated, and its end.
struct LanePin {
  int64_t n_tokens = -1;
  LaneState state = LaneState::kDone;
  std::string error = {};
};
using LanePins = std::map<std::string, LanePin>;  // by key
Result<LanePins> lane_pins(const Json& ledger);

}  // namespace firesteel
