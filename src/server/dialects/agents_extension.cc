// The part of the extension object that is about agents: {"mode": "contemplating" | "auto", "agents", "strategy", "error_bound", "vote_by"}.
#include <string>

#include "server/dialects/generation.h"

namespace firesteel {

bool read_agents(const BodyReader& object, const ModelInfo& info, Generation* out) {
  const auto mode = object.choice("mode", {"instant", "thinking", "contemplating", "auto"});
  const auto n_agents = object.integer("agents", 1, kFanOutMax);
  const auto strategy = object.choice("strategy", {"auto", "split", "vote", "refine"});
  const auto error_bound = object.number("error_bound", 0, 0.5);
  const auto vote_by = object.choice("vote_by", {"count", "confidence"});
  const auto budget = object.integer("budget_tokens", 0, kTokensMax);
  if (!object.ok()) return false;
  const bool contemplating = mode && *mode == "contemplating";
  const bool several = contemplating || (n_agents && *n_agents > 1) || strategy.has_value();
  if (!several && !(mode && *mode == "auto" && info.has_agents)) {
    if (error_bound) object.fail("error_bound", "only with agents");
    if (vote_by) object.fail("vote_by", "only with agents");
    return false;
  }
  if (!info.has_agents) {
    const char* const name = contemplating ? "mode" : strategy ? "strategy" : "agents";
    object.fail(name, "this server answers with one agent: expected " + std::string(contemplating ? "instant, thinking or auto" : strategy ? "nothing" : "1"));
    return false;
  }
  if (several && mode && (*mode == "instant" || *mode == "thinking")) {
    object.fail("mode", "several agents are contemplating, or auto; found \"" + *mode + "\"");
    return false;
  }
  if (!out->tools.is_null()) {
    if (!several) return false;  // auto with the client's tools: one agent
    object.fail(contemplating ? "mode" : "agents", "agents use the server's tools: not together with tools", "unsupported_parameter");
    return false;
  }
  if (out->n > 1) {
    if (!several) return false;
    object.fail(contemplating ? "mode" : "agents", "one answer of several agents at a time: n is " + std::to_string(out->n), "unsupported_parameter");
    return false;
  }
  if (out->sampling.n_top_logprobs >= 0) {
    if (!several) return false;
    object.fail(contemplating ? "mode" : "agents", "a joined answer has no logprobs", "unsupported_parameter");
    return false;
  }
  if (contemplating && n_agents && *n_agents == 1) {
    object.fail("agents", "contemplating takes 2 or more, found 1");
    return false;
  }
  AgentParams params;
  params.mode = contemplating ? AnswerMode::kContemplating : AnswerMode::kAuto;
  params.n_agents = n_agents && *n_agents > 1 ? static_cast<int>(*n_agents) : 0;
  if (strategy) params.strategy = *find_agent_strategy(*strategy);
  if (error_bound) params.error_bound = *error_bound;
  if (vote_by) params.vote_by = *find_vote_by(*vote_by);
  if (budget && *budget > 0) params.budget_tokens = *budget;
  out->agents = params;
  out->thinking.mode = answer_mode_name(params.mode);
  return true;
}

}  // namespace firesteel
