#include "agents/agent_generator.h"

#include <deque>
#include <list>
#include <thread>
#include <utility>

#include "agents/contemplate.h"
#include "agents/run_record.h"
#include "api/waker.h"
#include "base/mutex.h"

namespace firesteel {
namespace {

// One run: its thread writes, one reader takes. Bounded by what the run's lanes generate.
class RunState {
 public:
  explicit RunState(std::shared_ptr<RequestGroup> run_group) : group(std::move(run_group)) {}

  void publish(GenerateEvent event) FS_EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      events_.push_back(std::move(event));
    }
    came_.notify_one();
    waker_.wake();
  }
  std::optional<GenerateEvent> take(bool waits) FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (waits && events_.empty() && !done_) came_.wait(mutex_);
    if (events_.empty()) return std::nullopt;
    GenerateEvent event = std::move(events_.front());
    events_.pop_front();
    done_ = event.kind == GenerateEvent::Kind::kDone;
    return event;
  }
  bool done() const FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return done_;
  }
  void set_waker(std::function<void()> waker) FS_EXCLUDES(mutex_) {
    waker_.set(std::move(waker));
    bool is_ready = false;
    {
      MutexLock lock(mutex_);
      is_ready = !events_.empty();
    }
    if (is_ready) waker_.wake();
  }

  const std::shared_ptr<RequestGroup> group;

 private:
  mutable Mutex mutex_;
  CondVar came_;
  Waker waker_;
  std::deque<GenerateEvent> events_ FS_GUARDED_BY(mutex_);
  bool done_ FS_GUARDED_BY(mutex_) = false;
};

class RunStream final : public TokenStream {
 public:
  explicit RunStream(std::shared_ptr<RunState> state) : state_(std::move(state)) {}
  ~RunStream() override {
    state_->set_waker({});
    cancel();
  }
  std::optional<GenerateEvent> next() override { return state_->take(/*waits=*/true); }
  std::optional<GenerateEvent> try_next() override { return state_->take(/*waits=*/false); }
  bool done() const override { return state_->done(); }
  void set_waker(std::function<void()> waker) override { state_->set_waker(std::move(waker)); }
  void cancel() override { state_->group->cancel(); }

 private:
  std::shared_ptr<RunState> state_;
};

// Turns a run's events into its stream's.
class Publisher {
 public:
  Publisher(std::shared_ptr<RunState> state, const GenerateRequest& request, std::string digest)
      : state_(std::move(state)), reports_lanes_(request.agents->reports_lanes), digest_(std::move(digest)), request_(request_json(request)) {}

  void event(const AgentEvent& event) {
    if (event.kind == AgentEvent::Kind::kOpened && event.record->key == "answer") answer_lane_ = event.lane;
    if (reports_lanes_) {
      GenerateEvent out;
      out.kind = GenerateEvent::Kind::kAgent;
      out.report = std::make_shared<const Json>(event.to_json());
      state_->publish(std::move(out));
    }
    // One agent's text is the answer as it comes.
    if (event.kind == AgentEvent::Kind::kText && event.lane == answer_lane_) {
      if (!event.thinking) streamed_ += event.text;
      text(event.text, event.thinking);
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
  int answer_lane_ = -1;
  std::string streamed_;
};

}  // namespace

struct AgentGenerator::Runs {
  struct Run {
    std::shared_ptr<RunState> state;
    std::thread thread;
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

Result<std::unique_ptr<TokenStream>> AgentGenerator::submit(GenerateRequest request) {
  if (!request.agents) return inner_->submit(std::move(request));
  FS_TRY_VOID(check_agents(request));
  if (request.sampling.n_top_logprobs >= 0) return Error{ErrorCode::kInvalidArgument, "logprobs: a joined answer has none; leave them out, or ask for one agent"};
  const auto* chat = std::get_if<ChatPrompt>(&request.prompt);
  if (chat != nullptr && !chat->tools.is_null()) return Error{ErrorCode::kInvalidArgument, "tools: agents use the server's tools only; leave them out, or ask for one agent"};
  runs_->reap();

  RequestGroup::Options group;
  group.parent = std::exchange(request.group, nullptr);
  const auto state = std::make_shared<RunState>(std::make_shared<RequestGroup>(std::move(group)));
  AgentRun::Options run;
  run.limits = options_.limits;
  run.limits.budget_tokens = request.agents->budget_tokens;
  run.limits.deadline_us = request.deadline_us;
  run.tools = options_.tools;
  run.clock = options_.clock;
  run.parent_group = state->group;
  const auto publisher = std::make_shared<Publisher>(state, request, inner_->info().digest);
  run.on_event = [publisher](const AgentEvent& event) { publisher->event(event); };

  MutexLock lock(runs_->mutex);
  if (static_cast<int>(runs_->open.size()) >= options_.n_runs_max) {
    return Error{ErrorCode::kResourceExhausted, "agents: " + std::to_string(runs_->open.size()) + " runs are open, which is the limit"};
  }
  Runs::Run& entry = runs_->open.emplace_back();
  entry.state = state;
  entry.thread = std::thread([inner = inner_, runs = runs_, self = &entry, publisher, asked = std::move(request), options = std::move(run)]() mutable {
    publisher->done(answer_with_agents(inner, std::move(asked), std::move(options)));
    MutexLock done_lock(runs->mutex);
    self->over = true;
  });
  return std::unique_ptr<TokenStream>(std::make_unique<RunStream>(state));
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
  return info;
}
GeneratorStats AgentGenerator::stats() const { return inner_->stats(); }
Result<std::vector<float>> AgentGenerator::embed(const Prompt& prompt) { return inner_->embed(prompt); }

}  // namespace firesteel
