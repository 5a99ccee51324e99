// A bounded tree of lanes. Each lane is one subagent: a conversation with tools (tool_loop.h), on a thread of its own, because tools
// may block; their tokens come out of the engine's one batch. The caller's thread starts lanes, waits for ends and gets all events.
//
// Lanes share the prompt's prefix through the engine's prefix cache: the first computes it, the others take its blocks.
// Bounds: fan-out and depth, tokens (a RequestGroup around all lanes: the engine counts), a deadline. A lane that would be beyond a bound
// is recorded as skipped and never started. Every lane ends in exactly one state.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agents/confirmations.h"
#include "agents/ledger.h"
#include "agents/tool_loop.h"
#include "api/generator.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"

namespace firesteel {

struct AgentEvent {
  enum class Kind : uint8_t { kNote, kOpened, kText, kToolCall, kToolResult, kConfirm, kEnded, kAnswer };
  Kind kind = Kind::kNote;
  int lane = -1;
  bool thinking = false;     // kText
  std::string text = {};     // kNote: what the run decided and why; kText; kAnswer: the answer, whole
  ToolCall call = {};        // kToolCall, kToolResult
  Json confirm = {};         // kConfirm: a question for a person, or its end, as Confirmations::ask tells them
  const LaneRecord* record = nullptr;  // kOpened, kEnded: of the ledger; valid during the call

  // {"type": "note"|"lane"|"text"|"tool"|"result"|"confirm"|"confirmed"|"end"|"answer", ...} as docs/subagents.md has them.
  Json to_json() const;
};

struct LaneTask {
  std::string key = {}, role = {}, title = {};  // as in LaneRecord
  GenerateRequest request = {};  // prompt: a conversation. group, flow and so on are set by the run
  int parent = -1;
  int attempt = 1;
  bool with_tools = false;
};

// What run and lanes may use.
struct AgentLimits {
  int n_lanes_max = 64;      // over the whole run
  int fan_out_max = kFanOutMax;  // running at a time
  int depth_max = kForkDepthMax;
  int64_t budget_tokens = -1;
  int64_t deadline_us = 0;   // on the clock
  ToolLoopLimits tools = {};
};

// Running lanes of a run, for those who may end one from outside. Thread-safe; lives as long as its last holder.
class LaneHandles {
 public:
  void add(int lane, std::shared_ptr<RequestGroup> group) FS_EXCLUDES(mutex_);
  void remove(int lane) FS_EXCLUDES(mutex_);
  bool cancel(int lane) FS_EXCLUDES(mutex_);  // false: it does not run

 private:
  Mutex mutex_;
  std::map<int, std::shared_ptr<RequestGroup>> running_ FS_GUARDED_BY(mutex_);
};

class AgentRun {
 public:
  struct Options {
    AgentLimits limits;
    AgentTools tools;
    std::shared_ptr<TaintGate> gate = {};                 // of all lanes: what one has read reaches the others; null: one of its own,
    TaintGate::Policy policy = {};                        // ... with this policy,
    std::shared_ptr<Confirmations> confirmations = {};    // ... which asks here, unless null
    const Clock* clock = nullptr;                         // nullptr: system_clock()
    std::shared_ptr<RequestGroup> parent_group = nullptr;   // whose cancel and budget hold as well
    // Replay of a stored run: lanes are held to the tokens they had then, those that did not run then are skipped, none is cancelled by
    // a strategy, and deadlines do not count.
    std::optional<LanePins> replay = {};
    std::function<void(const AgentEvent&)> on_event = {};  // on the caller's thread
    std::shared_ptr<LaneHandles> handles = {};             // where running lanes are to be entered
  };
  AgentRun(Generator* generator, Options options);
  ~AgentRun();  // cancels what runs, and waits for it

  // The lane's id. A lane beyond a bound is recorded as skipped, with the bound in its error; wait() gives it at once.
  int start(LaneTask task);
  // Records a lane that is not to run.
  int skip(LaneTask task, std::string why);
  // Until one more lane has ended: its id. -1 when none runs and all ends were given.
  int wait_any();
  const LaneRecord& wait(int lane);
  // What was started and has not been given by wait_any yet is forgotten by it; waits for all.
  void wait_all();

  void cancel(int lane);
  void cancel_all();
  bool cancelled() const { return group_->cancelled(); }

  void note(std::string text);
  void emit(const AgentEvent& event) const;
  const LaneRecord& lane(int id) const { return ledger_.lanes[static_cast<size_t>(id)]; }
  int n_lanes() const { return static_cast<int>(ledger_.lanes.size()); }
  Ledger& ledger() { return ledger_; }
  const TaintGate& gate() const { return *options_.gate; }
  int64_t elapsed_us() const { return clock_->now_us() - start_us_; }
  int64_t tokens_left() const { return group_->tokens_left(); }
  bool may_go_on() const;  // neither cancelled, nor out of tokens, nor too late
  // Whether start() of such a lane would run it; in a replay: whether it was there the first time.
  bool would_start(const std::string& key) const { return options_.replay ? options_.replay->contains(key) : may_go_on(); }

 private:
  struct Lane;
  struct Signal;  // from lanes' threads
  void run_lane(Lane* lane);
  void send(Signal signal) FS_EXCLUDES(mutex_);  // from any thread
  bool is_late(const RequestGroup& group) const;
  void pump_one();  // waits for one signal and handles it
  void handle(Signal signal);
  int add_record(const LaneTask& task);
  int end_at_once(const LaneTask& task, LaneState state, std::string why);
  const LanePin* pin_of(const std::string& key) const;  // of a lane that did not end by itself; nullptr without

  Generator* generator_;
  Options options_;
  const Clock* clock_;
  int64_t start_us_;
  const bool shows_texts_;  // somebody hears events: lanes tell their texts as they come
  std::shared_ptr<RequestGroup> group_;
  Ledger ledger_;
  std::vector<std::unique_ptr<Lane>> lanes_;  // by id; null for skipped ones
  std::deque<int> ended_;                     // not given by wait_any yet
  int n_running_ = 0;

  Mutex mutex_;
  CondVar came_;
  std::deque<Signal> signals_ FS_GUARDED_BY(mutex_);
};

}  // namespace firesteel
