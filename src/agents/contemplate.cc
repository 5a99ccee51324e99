#include "agents/contemplate.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "agents/prompts.h"

namespace firesteel {
namespace {

constexpr int kProbeTokens = 8;
constexpr int kProbeAlternatives = 20;

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

Json probe_json(const Probe& probe) {
  return Json::Object{{"tokens", probe.n_tokens}, {"entropy_max", probe.entropy_max}, {"margin_min", probe.margin_min}};
}

// Greedy first tokens of an instant answer. An answer that fails makes no probe; the run goes on without.
Probe make_probe(AgentRun* run, const GenerateRequest& base, const ModelInfo& info) {
  LaneTask task{.key = "probe", .role = "probe", .title = "How sure is the model?", .request = with_thinking(base, /*thinking=*/false, info)};
  task.request.sampling.temperature = 0;
  task.request.sampling.n_top_logprobs = kProbeAlternatives;
  task.request.stop.max_tokens = kProbeTokens;
  task.request.constraint.reset();
  const LaneRecord& lane = run->wait(run->start(std::move(task)));
  return read_probe(lane.first_tops, kProbeAlternatives);
}

}  // namespace

Status check_agents(const GenerateRequest& request) {
  if (!request.agents) return invalid("agents: nothing was asked for");
  const auto* chat = std::get_if<ChatPrompt>(&request.prompt);
  if (chat == nullptr) return invalid("agents: expected a conversation, found a raw prompt");
  if (question_of(chat->messages).empty()) return invalid("agents: the conversation has no question of a user");
  const AgentParams& params = *request.agents;
  if (params.n_agents < 0 || params.n_agents > kFanOutMax) return invalid(fmt::format("agents: expected 1 to {}, or 0 for the router's choice, found {}", kFanOutMax, params.n_agents));
  if (params.n_at_once < 0 || params.n_at_once > kFanOutMax) return invalid(fmt::format("agents at once: expected 0 to {}, found {}", kFanOutMax, params.n_at_once));
  if (!(params.error_bound >= 0 && params.error_bound < 1)) return invalid(fmt::format("error bound: expected 0 to below 1, found {}", params.error_bound));
  if (params.n_rounds < 1 || params.n_rounds > 4) return invalid(fmt::format("rounds: expected 1 to 4, found {}", params.n_rounds));
  if (params.budget_tokens == 0 || params.budget_tokens < -1) return invalid(fmt::format("budget: expected at least one token, found {}", params.budget_tokens));
  if (params.mode == AnswerMode::kContemplating && params.n_agents == 1) return invalid("agents: one agent cannot contemplate; expected 2 or more, or another mode");
  return {};
}

AgentAnswer answer_of(const LaneRecord& lane) {
  AgentAnswer answer;
  answer.text = lane.text;
  answer.thinking = lane.thinking;
  switch (lane.state) {
    case LaneState::kRunning:
    case LaneState::kDone: answer.reason = FinishReason::kStop; break;
    case LaneState::kCut: answer.reason = FinishReason::kLength; break;
    case LaneState::kCancelled: answer.reason = FinishReason::kCancelled; break;
    case LaneState::kDeadline: answer.reason = FinishReason::kDeadline; break;
    case LaneState::kFailed:
    case LaneState::kSkipped:
      answer.reason = FinishReason::kError;
      answer.error = {ErrorCode::kInternal, lane.role + ": " + lane.error};
      break;
  }
  return answer;
}

std::string checked_citations(const std::string& text, const std::vector<int>& known, int* n_left) {
  *n_left = 0;
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t open = text.find('[', at);
    out += text.substr(at, open == std::string::npos ? open : open - at);
    if (open == std::string::npos) break;
    int number = 0;
    const auto [end, error] = std::from_chars(text.data() + open + 1, text.data() + text.size(), number);
    const bool is_citation = error == std::errc() && end != text.data() + text.size() && *end == ']' && number > 0;
    if (!is_citation) {
      out.push_back('[');
      at = open + 1;
      continue;
    }
    at = static_cast<size_t>(end - text.data()) + 1;
    if (std::find(known.begin(), known.end(), number) != known.end()) {
      out += text.substr(open, at - open);
      ++*n_left;
    } else if (!out.empty() && out.back() == ' ') {
      out.pop_back();
    }
  }
  return out;
}

AgentAnswer run_single(AgentRun* run, const StrategyInput& input, bool thinking) {
  LaneTask task{.key = "answer", .role = "answer", .title = thinking ? "Think and answer" : "Answer", .request = with_thinking(input.base, thinking, input.info), .parent = input.parent};
  task.with_tools = thinking || !input.info.can_think;  // a model that can think works with its tools when it does
  return answer_of(run->wait(run->start(std::move(task))));
}

Result<AgentAnswer> answer_with_agents(Generator* generator, GenerateRequest request, AgentRun::Options options) {
  FS_TRY_VOID(check_agents(request));
  StrategyInput input{.base = std::move(request), .params = {}, .info = generator->info()};
  input.params = *std::exchange(input.base.agents, std::nullopt);
  if (input.params.budget_tokens >= 0) options.limits.budget_tokens = input.params.budget_tokens;
  if (input.base.deadline_us != 0 && options.limits.deadline_us == 0) options.limits.deadline_us = input.base.deadline_us;
  if (input.base.group != nullptr) options.parent_group = std::exchange(input.base.group, nullptr);
  AgentRun run(generator, std::move(options));

  const QuestionShape shape = question_shape(question_of(std::get<ChatPrompt>(input.base.prompt).messages));
  Probe probe;
  if (wants_probe(input.params, shape)) {
    probe = make_probe(&run, input.base, input.info);
    if (run.n_lanes() > 0) input.parent = -1;  // a probe is not what an answer comes from
  }
  const AnswerRoute route = choose_route(input.params, shape, probe, input.info.can_think);
  input.params.mode = route.mode;
  input.params.strategy = route.strategy;
  input.params.n_agents = route.n_agents;
  Ledger& ledger = run.ledger();
  ledger.mode = answer_mode_name(route.mode);
  if (route.mode == AnswerMode::kContemplating) ledger.strategy = agent_strategy_name(route.strategy);
  ledger.why = route.why;
  ledger.n_agents = route.n_agents;
  if (probe.n_tokens > 0) ledger.details = Json::Object{{"probe", probe_json(probe)}};
  run.note(route.mode == AnswerMode::kContemplating ? fmt::format("{}, {} agents: {}", ledger.strategy, route.n_agents, route.why) : fmt::format("{}: {}", ledger.mode, route.why));

  AgentAnswer answer;
  if (route.mode != AnswerMode::kContemplating) answer = run_single(&run, input, route.mode == AnswerMode::kThinking);
  else if (route.strategy == AgentStrategy::kVote) answer = run_vote(&run, input);
  else if (route.strategy == AgentStrategy::kSplit) answer = run_split(&run, input);
  else answer = run_refine(&run, input);
  run.wait_all();
  if (run.cancelled() && answer.reason != FinishReason::kStop) answer.reason = FinishReason::kCancelled;
  if (answer.reason != FinishReason::kError) run.emit({.kind = AgentEvent::Kind::kAnswer, .text = answer.text});
  ledger.total_us = run.elapsed_us();
  ledger.tainted_by = run.gate().tainted_by();
  answer.ledger = std::move(ledger);
  return answer;
}

}  // namespace firesteel
