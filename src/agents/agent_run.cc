#include "agents/agent_run.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/check.h"

namespace firesteel {
namespace {

// What a lane's rounds have in common: passes requests on to the generator and watches the tokens that come back.
class LaneGenerator final : public Generator {
 public:
  explicit LaneGenerator(Generator* inner) : inner_(inner) {}

  Result<std::unique_ptr<TokenStream>> submit(GenerateRequest request) override {
    FS_TRY(std::unique_ptr<TokenStream> stream, inner_->submit(std::move(request)));
    return std::unique_ptr<TokenStream>(std::make_unique<Watched>(std::move(stream), this));
  }
  Result<std::shared_ptr<Context>> prefill(GenerateRequest request) override { return inner_->prefill(std::move(request)); }
  Result<std::vector<std::unique_ptr<TokenStream>>> fork(const std::shared_ptr<Context>& context, std::vector<BranchRequest> branches) override {
    return inner_->fork(context, std::move(branches));
  }
  Result<std::shared_ptr<Context>> context_of(const TokenStream& stream, int64_t n) override { return inner_->context_of(stream, n); }
  Result<int64_t> count_tokens(const Prompt& prompt, std::span<const ImagePtr> images) override { return inner_->count_tokens(prompt, images); }
  Result<std::vector<TokenId>> tokenize(const Prompt& prompt, std::span<const ImagePtr> images) override { return inner_->tokenize(prompt, images); }
  Result<std::string> detokenize(std::span<const TokenId> ids) override { return inner_->detokenize(ids); }
  std::string token_text(TokenId id) const override { return inner_->token_text(id); }
  ModelInfo info() const override { return inner_->info(); }
  GeneratorStats stats() const override { return inner_->stats(); }
  Result<std::vector<float>> embed(const Prompt& prompt) override { return inner_->embed(prompt); }

  double mean_logprob() const { return n_answer_tokens_ == 0 ? 0 : logprob_sum_ / static_cast<double>(n_answer_tokens_); }
  std::vector<TokenLogprob> take_tops() { return std::move(tops_); }

 private:
  class Watched final : public TokenStream {
   public:
    Watched(std::unique_ptr<TokenStream> inner, LaneGenerator* owner) : inner_(std::move(inner)), owner_(owner) {}
    std::optional<GenerateEvent> next() override { return watch(inner_->next()); }
    std::optional<GenerateEvent> try_next() override { return watch(inner_->try_next()); }
    bool done() const override { return inner_->done(); }
    void set_waker(std::function<void()> waker) override { inner_->set_waker(std::move(waker)); }
    void cancel() override { inner_->cancel(); }

   private:
    std::optional<GenerateEvent> watch(std::optional<GenerateEvent> event) {
      if (!event || event->kind != GenerateEvent::Kind::kToken || event->thinking) return event;
      owner_->logprob_sum_ += static_cast<double>(event->logprob);
      ++owner_->n_answer_tokens_;
      // Of the alternatives a fixed number per token, so that a probe can tell them apart.
      if (!event->top.empty()) owner_->tops_.insert(owner_->tops_.end(), event->top.begin(), event->top.end());
      return event;
    }
    std::unique_ptr<TokenStream> inner_;
    LaneGenerator* owner_;
  };

  Generator* inner_;
  double logprob_sum_ = 0;
  int64_t n_answer_tokens_ = 0;
  std::vector<TokenLogprob> tops_;
};

Json call_json(const ToolCall& call, bool with_result) {
  Json out = Json::Object{{"name", call.name}, {"arguments", call.arguments}};
  if (with_result) out.set("result", call.result);
  if (call.failed) out.set("failed", true);
  if (call.consent != Consent::kNotNeeded) out.set("consent", consent_name(call.consent));
  return out;
}

}  // namespace

Json AgentEvent::to_json() const {
  switch (kind) {
    case Kind::kNote: return Json::Object{{"type", "note"}, {"text", text}};
    case Kind::kOpened: {
      Json out = Json::Object{{"type", "lane"}, {"lane", lane}, {"key", record->key}, {"role", record->role}, {"title", record->title}};
      if (record->parent >= 0) out.set("parent", record->parent);
      if (record->attempt > 1) out.set("attempt", record->attempt);
      return out;
    }
    case Kind::kText: return Json::Object{{"type", "text"}, {"lane", lane}, {thinking ? "thinking" : "text", text}};
    case Kind::kConfirm: return confirm;
    case Kind::kToolCall:
    case Kind::kToolResult: {
      Json out = Json::Object{{"type", kind == Kind::kToolCall ? "tool" : "result"}};
      if (lane >= 0) out.set("lane", lane);
      out.set("call", call_json(call, kind == Kind::kToolResult));
      return out;
    }
    case Kind::kEnded: {
      Json out = Json::Object{{"type", "end"}, {"lane", lane}, {"state", lane_state_name(record->state)}, {"tokens", record->usage.generated_tokens},
                              {"cached_tokens", record->usage.cached_tokens}, {"ms", static_cast<double>(record->end_us - record->start_us) * 1e-3}};
      if (!record->error.empty()) out.set("error", record->error);
      return out;
    }
    case Kind::kAnswer: return Json::Object{{"type", "answer"}, {"text", text}};
  }
  return {};
}

void LaneHandles::add(int lane, std::shared_ptr<RequestGroup> group) {
  MutexLock lock(mutex_);
  running_[lane] = std::move(group);
}

void LaneHandles::remove(int lane) {
  MutexLock lock(mutex_);
  running_.erase(lane);
}

bool LaneHandles::cancel(int lane) {
  std::shared_ptr<RequestGroup> group;
  {
    MutexLock lock(mutex_);
    const auto found = running_.find(lane);
    if (found == running_.end()) return false;
    group = found->second;
  }
  group->cancel();
  return true;
}

struct AgentRun::Lane {
  int id = 0;
  LaneTask task;
  std::shared_ptr<RequestGroup> group;
  std::thread thread;
  bool ended = false;  // its end was handled
};

struct AgentRun::Signal {
  AgentEvent event;
  std::optional<Result<ToolLoopAnswer>> answer = {};  // the end
  double mean_logprob = 0;
  std::vector<TokenLogprob> tops = {};
};

AgentRun::AgentRun(Generator* generator, Options options)
    : generator_(generator), options_(std::move(options)), clock_(options_.clock != nullptr ? options_.clock : &system_clock()), start_us_(clock_->now_us()), shows_texts_(options_.on_event != nullptr) {
  RequestGroup::Options group;
  group.budget_tokens = options_.limits.budget_tokens;
  group.deadline_us = options_.replay ? 0 : options_.limits.deadline_us;
  group.parent = options_.parent_group;
  group_ = std::make_shared<RequestGroup>(std::move(group));
  if (options_.gate == nullptr) {
    if (options_.confirmations != nullptr) {
      options_.policy.confirm = [this](const ConsentQuestion& question) {
        return options_.confirmations->ask(question, [&](Json event) { send({.event = {.kind = AgentEvent::Kind::kConfirm, .lane = question.lane, .confirm = std::move(event)}}); });
      };
    }
    options_.gate = std::make_shared<TaintGate>(std::move(options_.policy));
  }
  ledger_.budget_tokens = options_.limits.budget_tokens;
  ledger_.lanes.reserve(static_cast<size_t>(options_.limits.n_lanes_max) + 1);
}

AgentRun::~AgentRun() {
  group_->cancel();
  options_.on_event = {};
  while (n_running_ > 0) pump_one();
}

bool AgentRun::is_late(const RequestGroup& group) const { return group.deadline_us() != 0 && clock_->now_us() >= group.deadline_us(); }

bool AgentRun::may_go_on() const { return !group_->cancelled() && !group_->exhausted() && !is_late(*group_); }

int AgentRun::add_record(const LaneTask& task) {
  LaneRecord record;
  record.id = n_lanes();
  record.parent = task.parent;
  record.depth = task.parent < 0 ? 1 : lane(task.parent).depth + 1;
  record.attempt = task.attempt;
  record.key = task.key;
  record.role = task.role;
  record.title = task.title;
  record.seed = task.request.sampling.seed;
  record.start_us = record.end_us = elapsed_us();
  ledger_.lanes.push_back(std::move(record));
  lanes_.push_back(nullptr);
  return n_lanes() - 1;
}

const LanePin* AgentRun::pin_of(const std::string& key) const {
  if (!options_.replay) return nullptr;
  const auto pin = options_.replay->find(key);
  return pin == options_.replay->end() || pin->second.state == LaneState::kDone ? nullptr : &pin->second;
}

int AgentRun::skip(LaneTask task, std::string why) { return end_at_once(task, LaneState::kSkipped, std::move(why)); }

int AgentRun::end_at_once(const LaneTask& task, LaneState state, std::string why) {
  const int id = add_record(task);
  LaneRecord& record = ledger_.lanes[static_cast<size_t>(id)];
  record.state = state;
  record.error = std::move(why);
  emit({.kind = AgentEvent::Kind::kOpened, .lane = id, .record = &record});
  emit({.kind = AgentEvent::Kind::kEnded, .lane = id, .record = &record});
  ended_.push_back(id);
  return id;
}

int AgentRun::start(LaneTask task) {
  const AgentLimits& limits = options_.limits;
  if (n_lanes() >= limits.n_lanes_max) return skip(std::move(task), "the run has " + std::to_string(n_lanes()) + " lanes, which is the limit");
  if (n_running_ >= limits.fan_out_max) return skip(std::move(task), std::to_string(n_running_) + " lanes run, which is the limit");
  if (task.parent >= 0 && lane(task.parent).depth >= limits.depth_max) return skip(std::move(task), "it would be deeper than " + std::to_string(limits.depth_max) + " lanes");
  const LanePin* const pin = pin_of(task.key);
  if (options_.replay && !options_.replay->contains(task.key)) return skip(std::move(task), "it was not there the first time");
  if (pin != nullptr && pin->n_tokens == 0) return end_at_once(task, pin->state, pin->error);
  if (!options_.replay && !may_go_on()) {
    return skip(std::move(task), group_->cancelled() ? "the run was cancelled" : group_->exhausted() ? "the run's tokens are spent" : "the run's deadline has passed");
  }

  const int id = add_record(task);
  auto lane = std::make_unique<Lane>();
  lane->id = id;
  RequestGroup::Options own;
  if (pin != nullptr) own.budget_tokens = pin->n_tokens;
  own.parent = group_;
  lane->group = std::make_shared<RequestGroup>(std::move(own));
  task.request.group = lane->group;
  task.request.agents.reset();
  if (options_.replay) task.request.deadline_us = 0;
  lane->task = std::move(task);
  emit({.kind = AgentEvent::Kind::kOpened, .lane = id, .record = &ledger_.lanes[static_cast<size_t>(id)]});
  ++n_running_;
  if (options_.handles != nullptr) options_.handles->add(id, lane->group);
  lanes_[static_cast<size_t>(id)] = std::move(lane);
  Lane* const started = lanes_[static_cast<size_t>(id)].get();
  started->thread = std::thread([this, started] { run_lane(started); });
  return id;
}

void AgentRun::send(Signal signal) {
  {
    MutexLock lock(mutex_);
    signals_.push_back(std::move(signal));
  }
  came_.notify_one();
}

void AgentRun::run_lane(Lane* lane) {
  const int id = lane->id;
  ToolLoopHooks hooks;
  if (shows_texts_) {
    hooks.on_text = [this, id](std::string_view text, bool thinking) {
      send({.event = {.kind = AgentEvent::Kind::kText, .lane = id, .thinking = thinking, .text = std::string(text)}});
    };
  }
  hooks.on_call = [this, id](const ToolCall& call) { send({.event = {.kind = AgentEvent::Kind::kToolCall, .lane = id, .call = call}}); };
  hooks.on_result = [this, id](const ToolCall& call) { send({.event = {.kind = AgentEvent::Kind::kToolResult, .lane = id, .call = call}}); };
  LaneGenerator generator(generator_);
  static const AgentTools no_tools;
  Signal end;
  end.event = {.kind = AgentEvent::Kind::kEnded, .lane = id};
  end.answer.emplace(run_tool_loop(&generator, std::move(lane->task.request), lane->task.with_tools ? options_.tools : no_tools, options_.limits.tools, hooks, nullptr,
                                   {.gate = options_.gate, .cancelled = [this, group = lane->group] { return group->cancelled() || is_late(*group); }, .clock = clock_, .lane = id,
                                    .lane_key = lane->task.key}));
  end.mean_logprob = generator.mean_logprob();
  end.tops = generator.take_tops();
  send(std::move(end));
}

void AgentRun::pump_one() {
  std::optional<Signal> signal;
  {
    MutexLock lock(mutex_);
    while (signals_.empty()) came_.wait(mutex_);
    signal.emplace(std::move(signals_.front()));
    signals_.pop_front();
  }
  handle(std::move(*signal));
}

void AgentRun::handle(Signal signal) {
  if (!signal.answer) return emit(signal.event);
  const auto index = static_cast<size_t>(signal.event.lane);
  Lane& lane = *lanes_[index];
  lane.thread.join();
  lane.ended = true;
  --n_running_;
  if (options_.handles != nullptr) options_.handles->remove(signal.event.lane);
  LaneRecord& record = ledger_.lanes[index];
  record.end_us = elapsed_us();
  record.mean_logprob = signal.mean_logprob;
  record.first_tops = std::move(signal.tops);
  if (signal.answer->ok()) {
    ToolLoopAnswer& answer = signal.answer->value();
    record.state = lane_state_of(answer.done.reason, answer.end);
    record.error = answer.done.error.message;
    if (record.error.empty() && answer.end != ToolLoopAnswer::End::kAnswered) record.error = std::string("a limit of its tools: ") + tool_loop_end_name(answer.end);
    record.text = std::move(answer.text);
    record.thinking = std::move(answer.thinking);
    record.tools = std::move(answer.calls);
    for (ToolCall& call : record.tools) {
      call.start_us -= start_us_;
      call.end_us -= start_us_;
    }
    record.usage = answer.done.usage;
  } else {
    record.state = LaneState::kFailed;
    record.error = signal.answer->error().message;
  }
  if (const LanePin* pin = pin_of(record.key); pin != nullptr) {
    record.state = pin->state;  // where it was held to its tokens, it would say that it was cut
    record.error = pin->error;
  }
  ended_.push_back(signal.event.lane);
  emit({.kind = AgentEvent::Kind::kEnded, .lane = signal.event.lane, .record = &record});
}

int AgentRun::wait_any() {
  while (ended_.empty() && n_running_ > 0) pump_one();
  if (ended_.empty()) return -1;
  const int id = ended_.front();
  ended_.pop_front();
  return id;
}

const LaneRecord& AgentRun::wait(int id) {
  const auto is_over = [&] { return lane(id).state != LaneState::kRunning; };
  while (!is_over()) pump_one();
  std::erase(ended_, id);
  return lane(id);
}

void AgentRun::wait_all() {
  while (n_running_ > 0) pump_one();
  ended_.clear();
}

void AgentRun::cancel(int id) {
  Lane* const lane = lanes_[static_cast<size_t>(id)].get();
  if (lane != nullptr && !lane->ended && !options_.replay) lane->group->cancel();
}

void AgentRun::cancel_all() {
  for (int id = 0; id < n_lanes(); ++id) cancel(id);
}

void AgentRun::note(std::string text) { emit({.kind = AgentEvent::Kind::kNote, .text = std::move(text)}); }

void AgentRun::emit(const AgentEvent& event) const {
  if (options_.on_event) options_.on_event(event);
}

}  // namespace firesteel
