// The state machine of a rollout: evidence in, the next state and what happened out. Pure: no clock, no store, no threads, so that it is
// simulated from seeds and replayed from records.
//
//   gate > running (per surface: shadow > canary steps > passed) > ready > promoted
//   gate > blocked        running > rolled_back | undecided        any of the first three > cancelled
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "release/plan.h"
#include "release/sequential.h"

namespace firesteel {

enum class Verdict : uint8_t { kPass, kFail, kNotEnough };
const char* verdict_name(Verdict verdict);   // "pass", "fail", "not enough evidence"

// One suite, or one slice of it, candidate against champion on the same items.
struct SuiteResult {
  std::string suite, slice = {};    // slice empty: all of it; else "topic=ages"
  int64_t n = 0;
  int64_t champion_right = 0, candidate_right = 0;
  double low = -1, high = 1;        // 95 % interval of the difference of shares, candidate - champion
  double p_worse = 1;               // one-sided, exact: chance of so many losses if neither were better
  bool operator==(const SuiteResult&) const = default;
};

struct SurfaceEvidence {
  using Rates = std::array<RateCounts, kLiveMetrics>;
  int64_t n_shadow = 0;             // answers that the candidate gave to nobody
  int64_t n_candidate = 0;          // ... and to users
  Rates champion = {}, candidate = {};
  Rates champion_shadowed = {}, shadow = {};  // while the surface was in its shadow phase
};

struct Evidence {
  std::vector<SuiteResult> suites = {};
  std::vector<SurfaceEvidence> surfaces = {};  // in the plan's order
};

enum class SurfacePhase : uint8_t { kWaiting, kShadow, kCanary, kPassed, kBack, kUndecided };
const char* surface_phase_name(SurfacePhase phase);  // "waiting", "shadow", "canary", "passed", "back", "undecided"

struct SurfaceState {
  SurfacePhase phase = SurfacePhase::kWaiting;
  int step = 0;                     // of the plan's steps, in kCanary
  int64_t since_us = 0;             // of the phase or step
  int64_t n_at_step = 0;            // candidate's answers when the step began
  std::string reason = {};          // of kBack, kUndecided
  bool operator==(const SurfaceState&) const = default;
};

enum class RolloutStatus : uint8_t { kGate, kRunning, kReady, kPromoted, kBlocked, kRolledBack, kUndecided, kCancelled };
const char* rollout_status_name(RolloutStatus status);  // "gate", "running", "ready", "promoted", "blocked", "rolled_back", "undecided", "cancelled"
bool is_over(RolloutStatus status);

struct RolloutState {
  RolloutStatus status = RolloutStatus::kGate;
  std::vector<SurfaceState> surfaces = {};
  std::string reason = {};          // why it stands where it stands
  bool operator==(const RolloutState&) const = default;
};

struct RolloutEvent {
  int64_t at_us = 0;
  std::string kind;                 // "started", "gate", "step", "held", "passed", "rolled_back", "promoted" ...
  std::string surface = {};
  std::string text;                 // for people
};

// How one gate stands.
struct GateReading {
  std::string gate;                 // "suite kindling/math", "live thumbs_down"
  std::string surface = {};         // live gates
  std::string needs;                // "low end over -3.0 points"
  Verdict verdict = Verdict::kNotEnough;
  int64_t n = 0;                    // items, or the candidate's answers that count
  double difference = 0;            // candidate - champion: of suites, positive is better; of live rates, negative is better
  double low = -1, high = 1;
  std::string note = {};            // what would settle it, which slice failed
};

// A plan's state before anything happened.
RolloutState new_rollout(const RolloutPlan& plan);

std::vector<GateReading> read_suite_gates(const RolloutPlan& plan, const std::vector<SuiteResult>& suites);
// Of one surface, in its phase.
// Without bounds, which cost more than the verdict, low and high stay -1 and 1.
std::vector<GateReading> read_live_gates(const RolloutPlan& plan, size_t surface, const SurfaceEvidence& evidence, SurfacePhase phase, bool with_bounds);

// Moves on as far as the evidence carries, and appends what happened. Idempotent for the same evidence and time: a second call changes
// nothing, but for a further step when min_answers is already there.
void advance(const RolloutPlan& plan, const Evidence& evidence, int64_t now_us, RolloutState* state, std::vector<RolloutEvent>* events);

// The candidate's share of a surface's users, 0 to 1.
double candidate_share(const RolloutPlan& plan, const RolloutState& state, size_t surface);

Json state_json(const RolloutState& state);
Result<RolloutState> state_from_json(const Json& json);
Json suite_results_json(const std::vector<SuiteResult>& results);
Result<std::vector<SuiteResult>> suite_results_from_json(const Json& json);

}  // namespace firesteel
