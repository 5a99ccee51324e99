#include "agents/agent_generator.h"

#include <algorithm>
#include <list>
#include <thread>
#include <utility>

#include "agents/contemplate.h"
#include "agents/run_record.h"
#include "agents/run_stream.h"
#include "agents/tool_run.h"
#include "base/mutex.h"

namespace firesteel {
namespace {

// Turns a run's events into its stream's.
class Publisher {
 public:
  Publisher(std::shared_ptr<RunState> state, const GenerateRequest& request, const AgentTools& tools, std::string digest)
      : state_(std::move(state)), reports_lanes_(request.agents->reports_lanes), digest_(std::move(digest)), request_(request_json(request, tools_json(tools))) {}

  void event(const AgentEvent& event) {
    if (event.kind == AgentEvent::Kind::kOpened && event.record->key == "answer") answer_lane_ = event.lane;
    if (reports_lanes_ || event.kind == AgentEvent::Kind::kConfirm) {
      GenerateEvent out;
      out.kind = GenerateEvent::Kind::kAgent;
      out.report = std::make_shared<const Json>(event.to_json());
      state_->publish(std::move(out));
    }
    // One agent's text is the answer as it comes.
    if (event.lane != answer_lane_) return;
    if (event.kind == AgentEvent::Kind::kText) {
      if (!event.thinking) streamed_ += event.text;
      text((event.thinking ? thoughts_ : texts_).next(event.text), event.thinking);
    } else if (event.kind == AgentEvent::Kind::kToolResult) {
      texts_.end_round();
      thoughts_.end_round();
    }
  }
  void done(Result<AgentAnswer> result) {
    GenerateEvent end;
    end.kind = GenerateEvent::Kind::kDone;
    if (result.ok()) {
      AgentAnswer& answer = result.value();
      if (streamed_.empty()) text(answer.text, false);
      end.reason = answer.reason;
      end.error = answer.error;
      end.usage = answer.ledger.sum();
      Json report = answer.ledger.to_json();
      if (answer.ledger.strategy == "vote") report.set("agreement", answer.agreement);
      report.set("answer", answer.text);
      report.set("model_digest", digest_);
      report.set("request", request_);
      end.report = std::make_shared<const Json>(std::move(report));
    } else {
      end.reason = FinishReason::kError;
      end.error = result.error();
    }
    state_->publish(std::move(end));
  }

 private:
  void text(const std::string& words, bool thinking) {
    if (words.empty()) return;
    GenerateEvent out;
    out.text = words;
    out.thinking = thinking;
    state_->publish(std::move(out));
  }
  std::shared_ptr<RunState> state_;
  const bool reports_lanes_;
  const std::string digest_;
  const Json request_;  // for a replay
  int answer_lane_ = -2;  // no lane: notes have -1
  RoundTexts texts_, thoughts_;
  std::string streamed_;
};

}  // namespace

struct AgentGenerator::Runs {
  struct Run {
    std::shared_ptr<RunState> state;
    std::thread thread;
    bool is_tool_run = false;
    bool over = false;
  };
  Mutex mutex;
  std::list<Run> open FS_GUARDED_BY(mutex);

  // Joins threads that have ended.
  void reap() FS_EXCLUDES(mutex) {
    std::list<Run> ended;
    {
      MutexLock lock(mutex);
      for (auto it = open.begin(); it != open.end();) {
        const auto next = std::next(it);
        if (it->over) ended.splice(ended.end(), open, it);
        it = next;
      }
    }
    for (Run& run : ended) run.thread.join();
  }
};

AgentGenerator::AgentGenerator(Generator* inner, Options options) : inner_(inner), options_(std::move(options)), runs_(std::make_shared<Runs>()) {}

AgentGenerator::~AgentGenerator() {
  {
    MutexLock lock(runs_->mutex);
    for (Runs::Run& run : runs_->open) run.state->group->cancel();
  }
  for (;;) {
    Runs::Run* run = nullptr;
    {
      MutexLock lock(runs_->mutex);
      if (runs_->open.empty()) return;
      run = &runs_->open.front();
    }
    run->thread.join();
    MutexLock lock(runs_->mutex);
    runs_->open.pop_front();
  }
}

// Starts a thread for a run, unless n_max are open.
Result<std::unique_ptr<TokenStream>> AgentGenerator::start(const std::shared_ptr<RunState>& state, bool is_tool_run, std::function<void()> work) {
  runs_->reap();
  MutexLock lock(runs_->mutex);
  const auto n_open = std::count_if(runs_->open.begin(), runs_->open.end(), [&](const Runs::Run& run) { return run.is_tool_run == is_tool_run; });
  if (n_open >= (is_tool_run ? options_.n_tool_runs_max : options_.n_runs_max)) {
    return Error{ErrorCode::kResourceExhausted, (is_tool_run ? "tools: " : "agents: ") + std::to_string(n_open) + " runs are open, which is the limit"};
  }
  Runs::Run& entry = runs_->open.emplace_back();
  entry.state = state;
  entry.is_tool_run = is_tool_run;
  entry.thread = std::thread([runs = runs_, self = &entry, run = std::move(work)]() mutable {
    run();
    MutexLock done_lock(runs->mutex);
    self->over = true;
  });
  return std::unique_ptr<TokenStream>(std::make_unique<RunStream>(state));
}

Result<AgentTools> AgentGenerator::tools_of(const ToolUse& use) const {
  AgentTools out;
  for (const std::string& name : use.names) {
    const auto named = [&](const auto& tool) { return tool->name() == name; };
    auto found = std::find_if(options_.tools.begin(), options_.tools.end(), named);
    if (found == options_.tools.end()) {
      found = std::find_if(options_.more_tools.begin(), options_.more_tools.end(), named);
      if (found == options_.more_tools.end()) return Error{ErrorCode::kInvalidArgument, "tools: there is no \"" + name + "\" here"};
    }
    out.push_back(*found);
  }
  return out;
}

// The first round is submitted here, so that refusals are submit's.
Result<std::unique_ptr<TokenStream>> AgentGenerator::submit_with_tools(GenerateRequest request) {
  FS_TRY(const AgentTools tools, tools_of(*request.tools));
  const auto* chat = std::get_if<ChatPrompt>(&request.prompt);
  if (tools.empty() || chat == nullptr || request.sampling.n_top_logprobs >= 0) {
    if (!tools.empty()) return Error{ErrorCode::kInvalidArgument, chat == nullptr ? "tools need a conversation, found a raw prompt" : "logprobs: not together with tools"};
    request.tools.reset();
    return inner_->submit(std::move(request));
  }
  RequestGroup::Options group;
  group.parent = std::exchange(request.group, nullptr);
  const auto state = std::make_shared<RunState>(std::make_shared<RequestGroup>(std::move(group)));
  request.group = state->group;
  GenerateRequest round = request;
  round.tools.reset();
  FS_TRY(std::unique_ptr<TokenStream> opened, inner_->submit(std::move(round)));
  const auto first = std::make_shared<std::unique_ptr<TokenStream>>(std::move(opened));
  const auto asked = std::make_shared<const GenerateRequest>(std::move(request));
  if (asked->tools->confirms) state->confirmations = std::make_shared<Confirmations>(options_.confirm_ms);
  return start(state, /*is_tool_run=*/true, [inner = inner_, state, first, asked, tools] {
    const ToolRun run = answer_with_tools(inner, *asked, tools, std::move(*first), [&state](GenerateEvent event) { state->publish(std::move(event)); }, state->confirmations.get());
    state->publish(done_event(run, *asked, inner->info().digest));
  });
}

Result<std::unique_ptr<TokenStream>> AgentGenerator::submit(GenerateRequest request) {
  if (!request.agents) return request.tools ? submit_with_tools(std::move(request)) : inner_->submit(std::move(request));
  FS_TRY_VOID(check_agents(request));
  if (request.sampling.n_top_logprobs >= 0) return Error{ErrorCode::kInvalidArgument, "logprobs: a joined answer has none; leave them out, or ask for one agent"};
  const auto* chat = std::get_if<ChatPrompt>(&request.prompt);
  if (chat != nullptr && !chat->tools.is_null()) return Error{ErrorCode::kInvalidArgument, "tools: agents use the server's tools only; leave them out, or ask for one agent"};
  AgentTools tools = options_.tools;
  if (request.tools) {
    FS_TRY(tools, tools_of(*request.tools));
  }

  RequestGroup::Options group;
  group.parent = std::exchange(request.group, nullptr);
  const auto state = std::make_shared<RunState>(std::make_shared<RequestGroup>(std::move(group)));
  AgentRun::Options run;
  run.limits = options_.limits;
  run.limits.budget_tokens = request.agents->budget_tokens;
  run.limits.deadline_us = request.deadline_us;
  run.tools = std::move(tools);
  run.clock = options_.clock;
  run.parent_group = state->group;
  run.handles = state->lanes;
  if (request.tools) {
    run.policy = policy_of(*request.tools);
    if (request.tools->confirms) state->confirmations = run.confirmations = std::make_shared<Confirmations>(options_.confirm_ms);
  }
  const auto publisher = std::make_shared<Publisher>(state, request, run.tools, inner_->info().digest);
  run.on_event = [publisher](const AgentEvent& event) { publisher->event(event); };

  const auto asked = std::make_shared<GenerateRequest>(std::move(request));
  return start(state, /*is_tool_run=*/false, [inner = inner_, publisher, asked, options = std::move(run)]() mutable {
    publisher->done(answer_with_agents(inner, std::move(*asked), std::move(options)));
  });
}

Result<std::shared_ptr<Context>> AgentGenerator::prefill(GenerateRequest request) { return inner_->prefill(std::move(request)); }
Result<std::vector<std::unique_ptr<TokenStream>>> AgentGenerator::fork(const std::shared_ptr<Context>& context, std::vector<BranchRequest> branches) {
  return inner_->fork(context, std::move(branches));
}
Result<std::shared_ptr<Context>> AgentGenerator::context_of(const TokenStream& stream, int64_t n_generated) { return inner_->context_of(stream, n_generated); }
Result<int64_t> AgentGenerator::count_tokens(const Prompt& prompt, std::span<const ImagePtr> images) { return inner_->count_tokens(prompt, images); }
Result<std::vector<TokenId>> AgentGenerator::tokenize(const Prompt& prompt, std::span<const ImagePtr> images) { return inner_->tokenize(prompt, images); }
Result<std::string> AgentGenerator::detokenize(std::span<const TokenId> ids) { return inner_->detokenize(ids); }
std::string AgentGenerator::token_text(TokenId id) const { return inner_->token_text(id); }
ModelInfo AgentGenerator::info() const {
  ModelInfo info = inner_->info();
  info.has_agents = true;
  for (const AgentTools* const list : {&options_.tools, &options_.more_tools}) {
    for (const auto& tool : *list) info.tools.push_back({tool->name(), tools_json({tool}).as_array().front(), list == &options_.tools, std::string(tool->scope())});
  }
  return info;
}
GeneratorStats AgentGenerator::stats() const { return inner_->stats(); }
Result<std::vector<float>> AgentGenerator::embed(const Prompt& prompt) { return inner_->embed(prompt); }

}  // namespace firesteel
