#include "ask_agents.h"

#include <charconv>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "agents/agent_generator.h"
#include "answering.h"
#include "lanes_view.h"

namespace firesteel {
namespace {

constexpr int64_t kTerminalConfirmMs = 3600'000;  // a terminal waits for its person

Error wrong(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

}  // namespace

void add_agent_options(Command* command, AgentOptions* options) {
  command->text("--agents", &options->agents, "Subagents that work in parallel: 2 to 16, or auto");
  command->choice("--strategy", &options->strategy, {"auto", "split", "vote", "refine"}, "How subagents share the work (default auto)");
  command->integer("--budget-tokens", &options->budget_tokens, 1, int64_t{1} << 40, "At most N generated tokens of all subagents together");
  command->number("--error-bound", &options->error_bound, 0, 0.5, "vote: how likely stopping early may change the answer (default 0.05; 0: never stop early)");
  command->choice("--vote-by", &options->vote_by, {"count", "confidence"}, "vote: samples count alike, or weigh as much as their words were likely (default count)");
}

Result<std::optional<AgentParams>> agent_params(const AgentOptions& options, const std::string& mode) {
  AgentParams params;
  if (!options.agents.empty() && options.agents != "auto") {
    const char* const end = options.agents.data() + options.agents.size();
    const auto [at, error] = std::from_chars(options.agents.data(), end, params.n_agents);
    if (error != std::errc() || at != end || params.n_agents < 1 || params.n_agents > kFanOutMax) {
      return wrong(fmt::format("--agents {}: expected auto, or 1 to {}", options.agents, kFanOutMax));
    }
  }
  if (mode == "contemplating" && params.n_agents == 1) return wrong("--mode contemplating takes 2 or more --agents");
  const bool wanted = !options.agents.empty() || !options.strategy.empty() || options.budget_tokens >= 0 || mode == "contemplating" || mode == "auto";
  if (!wanted || (options.agents == "1" && options.strategy.empty() && mode != "auto")) return std::optional<AgentParams>();
  if (mode == "instant" || mode == "thinking") return wrong("--mode " + mode + " is for one agent: leave it out, or --agents and --strategy");
  params.mode = mode == "contemplating" ? AnswerMode::kContemplating : AnswerMode::kAuto;
  if (params.n_agents == 1) params.n_agents = 0;
  if (!options.strategy.empty()) params.strategy = *find_agent_strategy(options.strategy);
  params.budget_tokens = options.budget_tokens;
  params.error_bound = options.error_bound;
  if (!options.vote_by.empty()) params.vote_by = *find_vote_by(options.vote_by);
  params.reports_lanes = true;
  return std::optional<AgentParams>(params);
}

Result<Answer> answer_by_agents(Generator* generator, GenerateRequest request, AgentTools tools, bool quiet, InterruptWatcher* interrupt) {
  if (!tools.empty()) {
    ToolUse use;
    use.confirms = can_ask_on_terminal();
    for (const auto& tool : tools) use.names.push_back(tool->name());
    request.tools = std::move(use);
  }
  AgentGenerator agents(generator, {.tools = std::move(tools), .confirm_ms = kTerminalConfirmMs});
  FS_TRY(const std::unique_ptr<TokenStream> stream, agents.submit(std::move(request)));
  Answer answer;
  LanesView view(quiet);
  if (interrupt != nullptr) interrupt->arm(stream.get());  // Ctrl-C ends all lanes; their ledger is still told
  while (std::optional<GenerateEvent> event = stream->next()) {
    if (event->kind == GenerateEvent::Kind::kAgent) {
      const Json &report = *event->report, *type = report.find("type"), *number = report.find("confirm"), *call = report.find("call");
      if (type != nullptr && *type == Json("confirm") && number != nullptr && call != nullptr) {
        view.fold();  // the lanes are drawn again below the question
        const auto text = [](const Json* json) { return json != nullptr && json->is_string() ? json->as_string() : std::string(); };
        const Json* always = report.find("may_always");
        const ConfirmWord word = ask_on_terminal(text(call->find("name")) + " " + text(call->find("arguments")), text(report.find("tainted_by")), always != nullptr && *always == Json(true));
        if (!stream->confirm(number->as_int(), word)) fmt::print(stderr, "firesteel: too late, the call was not made\n");
        continue;
      }
      view.event(report);
      continue;
    }
    (event->thinking ? answer.thinking : answer.text) += event->text;
    if (event->kind == GenerateEvent::Kind::kDone) answer.done = std::move(*event);
  }
  if (interrupt != nullptr) interrupt->disarm();
  view.fold();
  if (!quiet) {
    std::fwrite(answer.text.data(), 1, answer.text.size(), stdout);
    std::fflush(stdout);
  }
  return answer;
}

}  // namespace firesteel
