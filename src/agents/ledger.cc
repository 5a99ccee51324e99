#include "agents/ledger.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace firesteel {
namespace {

constexpr LaneState kLaneStates[] = {LaneState::kDone, LaneState::kCut, LaneState::kCancelled, LaneState::kDeadline, LaneState::kFailed, LaneState::kSkipped};

}  // namespace

LaneState lane_state_of(FinishReason reason, ToolLoopAnswer::End end) {
  switch (reason) {
    case FinishReason::kStop: return end == ToolLoopAnswer::End::kAnswered ? LaneState::kDone : LaneState::kCut;
    case FinishReason::kLength: return LaneState::kCut;
    case FinishReason::kCancelled: return LaneState::kCancelled;
    case FinishReason::kDeadline: return LaneState::kDeadline;
    case FinishReason::kError: return LaneState::kFailed;
  }
  return LaneState::kFailed;
}

const char* lane_state_name(LaneState state) {
  switch (state) {
    case LaneState::kRunning: return "running";
    case LaneState::kDone: return "done";
    case LaneState::kCut: return "cut";
    case LaneState::kCancelled: return "cancelled";
    case LaneState::kDeadline: return "deadline";
    case LaneState::kFailed: return "failed";
    case LaneState::kSkipped: return "skipped";
  }
  return "?";
}

Usage Ledger::sum() const {
  Usage sum;
  bool first = true;
  for (const LaneRecord& lane : lanes) {
    sum.prompt_tokens += lane.usage.prompt_tokens;
    sum.cached_tokens += lane.usage.cached_tokens;
    sum.generated_tokens += lane.usage.generated_tokens;
    if (lane.usage.generated_tokens > 0) {
      const int64_t at_us = lane.start_us + lane.usage.first_token_us;
      sum.first_token_us = first ? at_us : std::min(sum.first_token_us, at_us);
      first = false;
    }
  }
  sum.total_us = total_us;
  return sum;
}

Json Ledger::to_json(bool with_texts) const {
  Json::Array list;
  for (const LaneRecord& lane : lanes) {
    Json one = Json::Object{{"id", lane.id}, {"key", lane.key}, {"depth", lane.depth}, {"role", lane.role}, {"title", lane.title},
                            {"state", lane_state_name(lane.state)}};
    if (lane.parent >= 0) one.set("parent", lane.parent);
    if (lane.attempt > 1) one.set("attempt", lane.attempt);
    if (!lane.error.empty()) one.set("error", lane.error);
    one.set("seed", std::to_string(lane.seed));  // 64 bits, which readers of JSON often do not have
    one.set("prompt_tokens", lane.usage.prompt_tokens);
    one.set("cached_tokens", lane.usage.cached_tokens);
    one.set("generated_tokens", lane.usage.generated_tokens);
    one.set("start_ms", static_cast<double>(lane.start_us) * 1e-3);
    one.set("end_ms", static_cast<double>(lane.end_us) * 1e-3);
    if (lane.mean_logprob != 0) one.set("mean_logprob", lane.mean_logprob);
    if (!lane.tools.empty()) {
      Json::Array tools;
      for (const ToolCall& call : lane.tools) {
        Json tool = Json::Object{{"name", call.name}, {"arguments", call.arguments}, {"result", call.result}};
        if (call.failed) tool.set("failed", true);
        if (call.consent != Consent::kNotNeeded) tool.set("consent", consent_name(call.consent));
        tool.set("start_ms", static_cast<double>(call.start_us) * 1e-3);
        tool.set("end_ms", static_cast<double>(call.end_us) * 1e-3);
        tools.push_back(std::move(tool));
      }
      one.set("tools", std::move(tools));
    }
    if (with_texts) {
      one.set("text", lane.text);
      if (!lane.thinking.empty()) one.set("thinking", lane.thinking);
    }
    list.push_back(std::move(one));
  }
  const Usage all = sum();
  Json out = Json::Object{{"version", 1}, {"mode", mode}};
  if (!strategy.empty()) out.set("strategy", strategy);
  if (!why.empty()) out.set("why", why);
  out.set("agents", n_agents);
  if (!tainted_by.empty()) out.set("tainted_by", tainted_by);
  if (budget_tokens >= 0) out.set("budget_tokens", budget_tokens);
  out.set("usage", Json::Object{{"prompt_tokens", all.prompt_tokens}, {"cached_tokens", all.cached_tokens}, {"generated_tokens", all.generated_tokens}});
  out.set("total_ms", static_cast<double>(total_us) * 1e-3);
  if (!details.is_null()) out.set("details", details);
  out.set("lanes", std::move(list));
  return out;
}

Result<LanePins> lane_pins(const Json& ledger) {
  const auto broken = [](const char* what) { return Error{ErrorCode::kDataLoss, std::string("ledger: ") + what}; };
  const Json* lanes = ledger.find("lanes");
  if (lanes == nullptr || !lanes->is_array()) return broken("no lanes");
  LanePins out;
  for (const Json& lane : lanes->as_array()) {
    const Json* key = lane.find("key");
    const Json* tokens = lane.find("generated_tokens");
    const Json* state = lane.find("state");
    if (key == nullptr || !key->is_string() || tokens == nullptr || !tokens->is_int() || tokens->as_int() < 0 || state == nullptr || !state->is_string()) {
      return broken("a lane without key, tokens or state");
    }
    LanePin pin;
    const auto known = std::find_if(std::begin(kLaneStates), std::end(kLaneStates), [&](LaneState one) { return state->as_string() == lane_state_name(one); });
    if (known == std::end(kLaneStates)) return broken("a lane in a state that does not exist");
    pin.state = *known;
    if (pin.state != LaneState::kDone) pin.n_tokens = tokens->as_int();
    if (const Json* error = lane.find("error"); error != nullptr && error->is_string()) pin.error = error->as_string();
    out[key->as_string()] = std::move(pin);
  }
  return out;
}

}  // namespace firesteel
