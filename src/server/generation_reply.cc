#include "server/generation_reply.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/clock.h"
#include "server/api_error.h"
#include "server/own_tools.h"
#include "server/release_routing.h"
#include "server/request_trace.h"

namespace firesteel {
namespace {

// "6m0s", "1.5s", "20ms": the form that clients of the OpenAI API parse.
std::string duration_text(int64_t ms) {
  if (ms < 1000) return fmt::format("{}ms", std::max<int64_t>(ms, 0));
  const int64_t minutes = ms / 60'000;
  const std::string rest = fmt::format("{:g}s", static_cast<double>(ms % 60'000) / 1000);
  if (minutes < 60) return minutes == 0 ? rest : fmt::format("{}m{}", minutes, rest);
  return fmt::format("{}h{}m{}", minutes / 60, minutes % 60, rest);
}

void add_rate(const char* what, const RateView& view, HttpHeaders* headers) {
  if (view.limit < 0) return;
  headers->emplace_back(fmt::format("x-ratelimit-limit-{}", what), std::to_string(view.limit));
  headers->emplace_back(fmt::format("x-ratelimit-remaining-{}", what), std::to_string(std::max<int64_t>(view.remaining, 0)));
  headers->emplace_back(fmt::format("x-ratelimit-reset-{}", what), duration_text(view.reset_ms));
}

int64_t retry_after_ms(ServerContext* context) {
  const GeneratorStats stats = context->generator.stats();
  const int64_t rounds = 1 + stats.n_waiting / std::max<int64_t>(1, stats.n_running);
  return std::clamp<int64_t>(rounds * context->metrics.typical_request_us() / 1000, 1000, 60'000);
}

// Tokens of context and suffixes, and what the branches may generate.
Result<int64_t> count_fork(ServerContext* context, const ForkWork& fork, int64_t* n_context, int64_t* n_generated_max) {
  FS_TRY(*n_context, context->generator.count_tokens(fork.context));
  const int64_t room = std::max<int64_t>(context->generator.info().context_length - *n_context, 0);
  int64_t n = *n_context;
  for (const BranchRequest& branch : fork.branches) {
    FS_TRY(const int64_t n_suffix, context->generator.count_tokens(branch.suffix));
    n += n_suffix;
    *n_generated_max += std::min(room, branch.stop.max_tokens >= 0 ? branch.stop.max_tokens : context->options.reserved_tokens);
  }
  return n;
}

// Waits for the context to be computed.
Result<std::vector<std::unique_ptr<TokenStream>>> start_fork(ServerContext* context, const Principal& principal, ForkWork fork) {
  GenerateRequest request;
  request.prompt = std::move(fork.context);
  request.adapter = std::move(fork.adapter);
  request.flow = principal.flow;
  request.cache_namespace = principal.cache_namespace;
  FS_TRY(const std::shared_ptr<Context> prefix, context->generator.prefill(std::move(request)));
  return context->generator.fork(prefix, std::move(fork.branches));
}

}  // namespace

void CancelHandle::cancel() {
  MutexLock lock(mutex_);
  cancelled_ = true;
  for (TokenStream* stream : streams_) {
    if (stream != nullptr) stream->cancel();
  }
}

bool CancelHandle::cancel_lane(int lane) {
  MutexLock lock(mutex_);
  for (TokenStream* stream : streams_) {
    if (stream != nullptr && stream->cancel_lane(lane)) return true;
  }
  return false;
}

bool CancelHandle::cancel_branch(size_t branch) {
  MutexLock lock(mutex_);
  if (branch >= streams_.size() || streams_[branch] == nullptr) return false;
  streams_[branch]->cancel();
  return true;
}

bool CancelHandle::confirm(size_t choice, int64_t question, ConfirmWord word) {
  MutexLock lock(mutex_);
  return choice < streams_.size() && streams_[choice] != nullptr && streams_[choice]->confirm(question, word);
}

// The store's answer, which comes on a thread of its own, perhaps after the client has left.
struct Settling {
  std::atomic<bool> over{false};
  bool stored = false;
  std::function<void()> waker;
};

class GenerationReply final : public PendingReply {
 public:
  struct Work {
    ServerContext* context = nullptr;
    Exchange exchange;
    std::vector<std::unique_ptr<TokenStream>> streams;
    std::vector<char> counts_prompt;   // per choice: its prompt is not one that was counted before
    HttpHeaders headers;
    std::string request_id;
    int64_t n_prompt_tokens = 0;
    FinishFn finish;
    bool cancel_is_done = false;
    bool error_is_done = false;
    bool observed = false;             // text_head is wanted
    bool background = false;
    Span span;
    int64_t n_context_tokens = 0;      // of a fork: computed by this request, though its branches found them computed
    std::shared_ptr<CancelHandle> cancel;
    TenantId tenant = {};              // who may answer what tools ask
    UserId user = {};
    std::function<void(const std::string& tool)> allow_always;
  };

  explicit GenerationReply(Work work) : work_(std::move(work)), usage_(work_.streams.size()), start_us_(system_clock().now_us()) {
    if (work_.cancel == nullptr) return;
    MutexLock lock(work_.cancel->mutex_);
    for (const std::unique_ptr<TokenStream>& stream : work_.streams) {
      work_.cancel->streams_.push_back(stream.get());
      if (work_.cancel->cancelled_) stream->cancel();
    }
  }
  ~GenerationReply() override;

  void start(std::function<void()> waker) override;
  State poll(HttpResponse* head, std::string* bytes) override;
  void heartbeat(std::string* bytes) override {
    if (work_.exchange.stream) work_.exchange.encoder->heartbeat(bytes);
  }
  void interrupt(std::string* bytes) override {
    if (phase_ == Phase::kOver) return;
    work_.exchange.encoder->fail({.kind = ApiErrorKind::kUnavailable, .message = "the server is stopping; try again"}, bytes);
  }

 private:
  enum class Phase : uint8_t { kRunning, kSettling, kOver };

  void pump(std::string* bytes);
  void name_question(size_t choice, GenerateEvent* event);
  void note_token();
  void note_text(size_t choice, const GenerateEvent& event);
  void on_done(size_t choice, GenerateEvent event, std::string* bytes);
  void settle();
  void forget_streams();
  void end_span(const GenerationOutcome& result);
  GenerationOutcome outcome(bool client_left) const;
  static void add_usage(const Usage& usage, bool counts_prompt, TokenCounts* tokens);
  static void reap(const std::shared_ptr<Work>& work, GenerationOutcome outcome, std::vector<char> done);

  Work work_;
  Phase phase_ = Phase::kRunning;
  bool begun_ = false;
  bool head_told_ = false;       // of a stream: not made again for each token
  std::optional<ApiError> error_;
  std::vector<std::optional<Usage>> usage_;   // of choices that are done
  TokenCounts tokens_;
  std::string finish_reason_;
  std::string text_head_;
  std::map<std::pair<size_t, int64_t>, ConfirmationId> asked_;   // calls that wait for a person, by choice and number
  std::optional<double> agreement_;
  std::shared_ptr<Settling> settling_ = std::make_shared<Settling>();
  std::string held_;             // of an answer that does not stream
  std::string tail_;             // the last bytes, made before they may go out: exchanges with records
  const int64_t start_us_;
  int64_t first_token_us_ = 0, last_token_us_ = 0;
};

void GenerationReply::start(std::function<void()> waker) {
  settling_->waker = waker;
  for (const std::unique_ptr<TokenStream>& stream : work_.streams) stream->set_waker(waker);
}

void GenerationReply::add_usage(const Usage& usage, bool counts_prompt, TokenCounts* tokens) {
  if (counts_prompt) {
    tokens->prompt += usage.prompt_tokens;
    tokens->cached += usage.cached_tokens;
  }
  tokens->generated += usage.generated_tokens;
}

void GenerationReply::note_text(size_t choice, const GenerateEvent& event) {
  constexpr size_t kBytesMax = 2048;
  if (work_.observed && choice == 0 && !event.thinking && text_head_.size() < kBytesMax) text_head_ += event.text;
}

void GenerationReply::on_done(size_t choice, GenerateEvent event, std::string* bytes) {
  note_text(choice, event);
  if (work_.cancel != nullptr) {
    MutexLock lock(work_.cancel->mutex_);
    if (choice < work_.cancel->streams_.size()) work_.cancel->streams_[choice] = nullptr;
  }
  if (choice == 0) event.usage.cached_tokens = std::max<int64_t>(0, event.usage.cached_tokens - work_.n_context_tokens);
  usage_[choice] = event.usage;
  if (event.report != nullptr) add_agent_spans(*event.report, wall_clock().now_us() - (system_clock().now_us() - start_us_), work_.span);
  if (const Json* agreement = event.report == nullptr ? nullptr : event.report->find("agreement"); agreement != nullptr && agreement->is_number()) agreement_ = agreement->as_double();
  add_usage(event.usage, work_.counts_prompt[choice] != 0, &tokens_);
  if (choice == 0) finish_reason_ = finish_reason_name(event.reason);
  if (event.reason == FinishReason::kError && work_.error_is_done) {
    work_.context->log.write(LogLevel::kError, "branch_failed", {{"request_id", work_.request_id}, {"error", event.error.message}});
    work_.exchange.encoder->event(choice, event, bytes);
  } else if (event.reason == FinishReason::kError) {
    work_.context->log.write(LogLevel::kError, "generation_failed", {{"request_id", work_.request_id}, {"error", event.error.message}});
    error_ = to_api_error(event.error, work_.exchange);
  } else if (event.reason == FinishReason::kCancelled && !work_.cancel_is_done) {
    const bool by_client = work_.cancel != nullptr && work_.cancel->cancelled();
    error_ = by_client ? ApiError{.kind = ApiErrorKind::kRequestTimeout, .message = "the request was cancelled", .code = "cancelled"}
                       : ApiError{.kind = ApiErrorKind::kUnavailable, .message = "the request was stopped by the server; try again"};
  } else {
    work_.exchange.encoder->event(choice, event, bytes);
  }
  if (error_) work_.context->metrics.on_error(event.reason == FinishReason::kError ? "generation_failed" : "cancelled");
}

void GenerationReply::note_token() {
  if (work_.background) return;
  const int64_t now_us = system_clock().now_us();
  if (first_token_us_ == 0) {
    first_token_us_ = now_us - start_us_;
    work_.context->metrics.on_first_token(first_token_us_);
  } else if (work_.streams.size() == 1) {
    work_.context->metrics.on_gap(now_us - last_token_us_);
  }
  last_token_us_ = now_us;
}

void GenerationReply::pump(std::string* bytes) {
  bool all_done = true;
  for (size_t i = 0; i < work_.streams.size() && !error_; ++i) {
    TokenStream& stream = *work_.streams[i];
    while (!usage_[i] && !error_) {
      std::optional<GenerateEvent> event = stream.try_next();
      if (!event) break;
      if (event->kind == GenerateEvent::Kind::kDone) {
        on_done(i, std::move(*event), bytes);
        break;
      }
      if (event->kind == GenerateEvent::Kind::kToken) note_token();
      if (event->kind == GenerateEvent::Kind::kAgent) name_question(i, &*event);
      note_text(i, *event);
      work_.exchange.encoder->event(i, *event, bytes);
    }
    all_done = all_done && usage_[i].has_value();
  }
  if (all_done || error_) settle();
}

// A question to a person gets the id by which it is answered, in the place of its number.
void GenerationReply::name_question(size_t choice, GenerateEvent* event) {
  if (event->report == nullptr || work_.cancel == nullptr) return;
  const Json *type = event->report->find("type"), *number = event->report->find("confirm");
  if (type == nullptr || number == nullptr || !number->is_int()) return;
  const bool is_over = *type == Json("confirmed");
  const std::pair<size_t, int64_t> place = {choice, number->as_int()};  // the report is replaced below
  ConfirmationId& id = asked_[place];
  if (is_over) {
    work_.context->confirmations.close(id);
  } else {
    const Json* call = event->report->find("call");
    const Json* name = call == nullptr ? nullptr : call->find("name");
    ConfirmDesk::Question question{.tenant = work_.tenant, .user = work_.user};
    question.answer = [handle = work_.cancel, choice, n = place.second](ConfirmWord word) { return handle->confirm(choice, n, word); };
    if (work_.allow_always && name != nullptr) question.always = [allow = work_.allow_always, tool = name->as_string()] { allow(tool); };
    id = work_.context->confirmations.open(std::move(question));
  }
  Json named = *event->report;
  named.set("confirm", id.str());
  event->report = std::make_shared<const Json>(std::move(named));
  if (is_over) asked_.erase(place);
}

GenerationOutcome GenerationReply::outcome(bool client_left) const {
  GenerationOutcome outcome;
  outcome.tokens = tokens_;
  outcome.finish_reason = client_left ? "cancelled" : error_ ? "error" : finish_reason_;
  outcome.first_token_us = first_token_us_;
  outcome.total_us = system_clock().now_us() - start_us_;
  outcome.client_left = client_left;
  outcome.text_head = text_head_;
  outcome.agreement = agreement_;
  return outcome;
}

void GenerationReply::forget_streams() {
  for (const auto& [place, id] : asked_) work_.context->confirmations.close(id);
  asked_.clear();
  if (work_.cancel == nullptr) return;
  MutexLock lock(work_.cancel->mutex_);
  work_.cancel->streams_.clear();
}

void GenerationReply::end_span(const GenerationOutcome& result) {
  Span& span = work_.span;
  if (!span.recording()) return;
  span.set("gen_ai.usage.input_tokens", result.tokens.prompt);
  span.set("gen_ai.usage.output_tokens", result.tokens.generated);
  span.set("gen_ai.usage.cache_read.input_tokens", result.tokens.cached);
  span.set("gen_ai.response.finish_reasons", Json::Array{result.finish_reason});
  if (result.first_token_us > 0) span.set("gen_ai.response.time_to_first_chunk", static_cast<double>(result.first_token_us) * 1e-6);
  if (error_) span.fail(std::to_string(http_status(error_->kind, work_.exchange.dialect)));
  else if (result.client_left) span.fail("client_left");
  span.end();
}

void GenerationReply::settle() {
  phase_ = Phase::kSettling;
  forget_streams();
  Usage sum;
  for (const std::optional<Usage>& one : usage_) {
    if (!one) continue;
    sum.queued_us = std::max(sum.queued_us, one->queued_us);
    sum.first_token_us = std::max(sum.first_token_us, one->first_token_us);
    sum.total_us = std::max(sum.total_us, one->total_us);
  }
  sum.generated_tokens = tokens_.generated;
  const GenerationOutcome result = outcome(false);
  if (work_.background) work_.context->metrics.on_background_generated(result.finish_reason);
  else work_.context->metrics.on_generated(result.finish_reason, sum, result.total_us);
  end_span(result);
  work_.streams.clear();  // choices that go on after an error of another are stopped here
  if (work_.exchange.records != nullptr && !error_) work_.exchange.encoder->end(&tail_);
  FinishFn finish = std::exchange(work_.finish, {});
  finish(result, [settling = settling_](Status status) {
    settling->stored = status.ok();
    settling->over.store(true, std::memory_order_release);
    if (settling->waker) settling->waker();
  });
}

PendingReply::State GenerationReply::poll(HttpResponse* head, std::string* bytes) {
  Exchange& exchange = work_.exchange;
  std::string* const out = exchange.stream ? bytes : &held_;
  if (!begun_) {
    begun_ = true;
    exchange.encoder->begin(out);
  }
  if (phase_ == Phase::kRunning) pump(out);
  if (!head_told_) {
    head->status = 200;
    head->headers = {{"content-type", exchange.content_type}};
    head->headers.insert(head->headers.end(), work_.headers.begin(), work_.headers.end());
    head_told_ = exchange.stream;
  }
  if (phase_ != Phase::kSettling || !settling_->over.load(std::memory_order_acquire)) {
    return exchange.stream ? State::kOpen : State::kWaiting;
  }
  phase_ = Phase::kOver;
  if (!settling_->stored && !error_) {
    error_ = ApiError{.kind = ApiErrorKind::kUnavailable, .message = "the server's storage does not work at the moment; try again",
                      .code = "store_unavailable"};
  }
  if (!error_) {
    if (exchange.records != nullptr) *out += tail_;
    else exchange.encoder->end(out);
    if (!exchange.stream) head->body = std::move(held_);
    return State::kDone;
  }
  exchange.encoder->fail(*error_, out);
  if (!exchange.stream) *head = error_response(*error_, exchange.dialect, work_.request_id);
  return State::kDone;
}

// Waits for the engine's last word, which comes within a step, and settles.
void GenerationReply::reap(const std::shared_ptr<Work>& work, GenerationOutcome outcome, std::vector<char> done) {
  for (size_t i = 0; i < work->streams.size(); ++i) {
    if (done[i] != 0) continue;
    while (std::optional<GenerateEvent> event = work->streams[i]->next()) {
      if (event->kind == GenerateEvent::Kind::kDone) add_usage(event->usage, work->counts_prompt[i] != 0, &outcome.tokens);
    }
  }
  work->finish(outcome, [](Status) {});
}

GenerationReply::~GenerationReply() {
  forget_streams();
  if (!work_.finish) return;  // settled or being settled
  for (const std::unique_ptr<TokenStream>& stream : work_.streams) {
    stream->set_waker({});
    stream->cancel();
  }
  GenerationOutcome partial = outcome(true);
  std::vector<char> done;
  for (const std::optional<Usage>& usage : usage_) done.push_back(usage.has_value() ? 1 : 0);
  if (!work_.background) work_.context->metrics.on_generated("cancelled", Usage{.generated_tokens = partial.tokens.generated}, partial.total_us);
  end_span(partial);
  ServerContext* const context = work_.context;
  auto work = std::make_shared<Work>(std::move(work_));
  if (context->run_on_worker([work, partial, done] { reap(work, partial, done); })) return;
  // The server stops, or all its workers are busy: what is known must do.
  if (partial.tokens.prompt == 0) partial.tokens.prompt = work->n_prompt_tokens;
  work->finish(partial, [](Status) {});
}

ApiError to_api_error(const Refusal& refusal) {
  ApiError error{.kind = ApiErrorKind::kRateLimited, .message = refusal.message, .retry_after_ms = refusal.retry_after_ms};
  switch (refusal.kind) {
    case Refusal::Kind::kRate: break;
    case Refusal::Kind::kConcurrency: break;
    case Refusal::Kind::kQuotaExhausted:
      error.kind = ApiErrorKind::kQuotaExhausted;
      error.retry_after_ms = -1;
      break;
    case Refusal::Kind::kRevoked:
      error.kind = ApiErrorKind::kUnauthenticated;
      error.retry_after_ms = -1;
      break;
    case Refusal::Kind::kTooLarge:
      error.kind = ApiErrorKind::kInvalidRequest;
      error.code = "request_above_limit";
      error.retry_after_ms = -1;
      break;
    case Refusal::Kind::kUnavailable:
      error.kind = ApiErrorKind::kUnavailable;
      error.code = "store_unavailable";
      break;
  }
  add_rate_headers(refusal.requests, refusal.tokens, &error.headers);
  return error;
}

void add_rate_headers(const RateView& requests, const RateView& tokens, HttpHeaders* headers) {
  add_rate("requests", requests, headers);
  add_rate("tokens", tokens, headers);
}

HttpReply start_generation(ServerContext* context, const Call& call, Exchange exchange, GenerationHooks hooks) {
  const std::string& request_id = call.request.request_id;
  Span span = start_request_span(*context, call, exchange);
  const auto refuse = [&](const ApiError& error) {
    span.fail(std::to_string(http_status(error.kind, exchange.dialect)));
    return error_response(error, exchange.dialect, request_id);
  };
  if (context->draining) return refuse({.kind = ApiErrorKind::kUnavailable, .message = "the server is stopping; try again"});
  const Principal& principal = *call.principal;

  GenerationReply::Work work;
  const ModelInfo info = context->generator.info();
  for (const GenerateRequest& request : exchange.requests) {
    if (!request.tools) continue;
    if (const std::optional<ApiError> refused = check_tool_scopes(*request.tools, info, principal)) return refuse(*refused);
    if (!request.tools->confirms) continue;
    if (!exchange.stream) return refuse({.kind = ApiErrorKind::kInvalidRequest, .message = "firesteel.confirm: questions come in the stream: set stream to true", .param = "firesteel.confirm"});
    if (hooks.cancel == nullptr) hooks.cancel = std::make_shared<CancelHandle>();
  }
  // Forms of the extension go by its names, whatever the dialect calls its own.
  if (!exchange.requests.empty() && exchange.requests.front().constraint) {
    const Constraint::Kind kind = exchange.requests.front().constraint->kind;
    const char* const name = kind == Constraint::Kind::kRegex ? "firesteel.regex" : kind == Constraint::Kind::kGrammar ? "firesteel.grammar" : nullptr;
    if (name != nullptr) {
      std::erase_if(exchange.parameter_names, [](const auto& names) { return names.first == "constraint"; });
      exchange.parameter_names.emplace_back("constraint", name);
    }
  }
  int64_t n_generated_max = 0;
  std::vector<TokenId> last;
  // Adapters by digest from here on: what a name stands for later does not matter to this request.
  std::optional<std::string> adapter_of_name = adapter_of_model(exchange.model, context->options.model_id, context->options.aliases, context->adapters, principal);
  const bool is_released = exchange.has_variant || (context->releases != nullptr && context->releases->controller->knows(exchange.model));
  if (!adapter_of_name && is_released) adapter_of_name = std::string();
  if (!adapter_of_name) return refuse({.kind = ApiErrorKind::kNotFound, .message = "there is no such model, or this key may not use it", .param = "model", .code = "model_not_found"});
  std::string usage_model = adapter_of_name->empty() ? context->options.model_id : exchange.model;
  for (GenerateRequest& request : exchange.requests) {
    if (exchange.has_variant) {
      // As the variant has it.
    } else if (request.adapter.empty()) {
      request.adapter = *adapter_of_name;
    } else {
      const std::optional<std::string> digest = context->adapters.find(request.adapter, context->options.model_id, principal);
      if (!digest) return refuse({.kind = ApiErrorKind::kNotFound, .message = "there is no such adapter, or this key may not use it", .param = "firesteel.adapter", .code = "adapter_not_found"});
      if (!adapter_of_name->empty() && *digest != *adapter_of_name) {
        return refuse({.kind = ApiErrorKind::kInvalidRequest, .message = "firesteel.adapter and the adapter in model differ: leave one of them out", .param = "firesteel.adapter"});
      }
      if (adapter_of_name->empty()) usage_model = context->options.model_id + ":" + request.adapter;
      request.adapter = *digest;
    }
    request.flow = principal.flow;
    request.cache_namespace = principal.cache_namespace;
    // Encoded here, once: admission needs the count, and the engine takes the ids.
    Result<std::vector<TokenId>> ids = context->generator.tokenize(request.prompt, request.images);
    if (!ids.ok()) return refuse(to_api_error(ids.error(), exchange));
    const bool is_new = work.counts_prompt.empty() || last != *ids;
    const auto n = static_cast<int64_t>(ids->size());
    work.counts_prompt.push_back(is_new ? 1 : 0);
    if (is_new) work.n_prompt_tokens += n;
    const int64_t room = std::max<int64_t>(info.context_length - n, 0);
    const int64_t n_answer_max = std::min(room, request.stop.max_tokens >= 0 ? request.stop.max_tokens : context->options.reserved_tokens);
    if (request.agents) {  // one request, but several answers; the conversation is needed as it is
      const int n_lanes = request.agents->n_agents > 0 ? request.agents->n_agents : kFanOutMax / 2;
      n_generated_max += request.agents->budget_tokens >= 0 ? request.agents->budget_tokens : n_answer_max * n_lanes;
      if (request.tools) request.tools->owner = principal.tenant.str();
      continue;
    }
    n_generated_max += n_answer_max;
    last = *ids;
    if (request.tools) request.tools->owner = principal.tenant.str();  // the conversation goes on with what tools say
    else request.prompt = TokenPrompt{std::move(*ids)};
  }
  int64_t n_context_tokens = 0;
  if (exchange.fork) {
    exchange.fork->adapter = *adapter_of_name;
    const auto n = count_fork(context, *exchange.fork, &n_context_tokens, &n_generated_max);
    if (!n.ok()) return refuse(to_api_error(n.error(), exchange));
    work.n_prompt_tokens += *n;
    work.counts_prompt.assign(exchange.fork->branches.size(), 1);
  }
  AdmissionOrRefusal admitted = context->tenants.admit(principal, work.n_prompt_tokens, n_generated_max, context->options.model_id);
  if (const Refusal* refusal = std::get_if<Refusal>(&admitted)) return refuse(to_api_error(*refusal));
  const auto admission = std::make_shared<Admission>(std::move(std::get<Admission>(admitted)));

  if (exchange.requests.size() > 1) {  // choices of one prompt: what they say alike is computed once (engine/trails.h)
    const auto group = std::make_shared<RequestGroup>(RequestGroup::Options{});
    for (GenerateRequest& request : exchange.requests) {
      if (request.group == nullptr && !request.agents) request.group = group;
    }
  }
  work.streams.reserve(exchange.requests.size());
  for (GenerateRequest& request : exchange.requests) {
    Result<std::unique_ptr<TokenStream>> stream = context->generator.submit(std::move(request));
    if (!stream.ok()) {
      ApiError error = to_api_error(stream.error(), exchange);
      if (error.kind == ApiErrorKind::kOverloaded) error.retry_after_ms = retry_after_ms(context);
      return refuse(error);
    }
    work.streams.push_back(std::move(stream).value());
  }
  if (exchange.fork) {
    Result<std::vector<std::unique_ptr<TokenStream>>> branches = start_fork(context, principal, *std::exchange(exchange.fork, std::nullopt));
    if (!branches.ok()) {
      ApiError error = to_api_error(branches.error(), exchange);
      if (error.kind == ApiErrorKind::kOverloaded) error.retry_after_ms = retry_after_ms(context);
      return refuse(error);
    }
    work.streams = std::move(branches).value();
    work.n_context_tokens = n_context_tokens;
  }
  std::vector<GenerateRequest>().swap(exchange.requests);  // what waits for the engine should hold little
  work.context = context;
  work.request_id = request_id;
  work.headers = {{exchange.dialect == Dialect::kAnthropic ? "request-id" : "x-request-id", request_id}, {"cache-control", "no-store"}};
  if (exchange.stream) work.headers.emplace_back("x-accel-buffering", "no");
  work.headers.insert(work.headers.end(), call.cors.begin(), call.cors.end());
  add_rate_headers(admission->requests(), admission->tokens(), &work.headers);
  work.headers.insert(work.headers.end(), exchange.headers.begin(), exchange.headers.end());
  work.span = std::move(span);
  work.background = hooks.background;
  work.cancel_is_done = hooks.cancel_is_done;
  work.error_is_done = hooks.error_is_done;
  work.observed = hooks.observe != nullptr;
  work.cancel = std::move(hooks.cancel);
  work.tenant = principal.tenant;
  work.user = principal.user;
  work.allow_always = std::move(hooks.allow_always);
  if (exchange.records != nullptr) {
    CHECK(!hooks.before_settle);
    hooks.before_settle = [records = exchange.records](const GenerationOutcome& outcome, std::function<void(Status)> done) {
      if (outcome.client_left) return done({});
      records->commit(std::move(done));
    };
  }
  work.finish = [context, admission, request_id, model = std::move(usage_model), endpoint = call.route.name(),
                 background = hooks.background, before = std::move(hooks.before_settle),
                 observe = std::move(hooks.observe)](const GenerationOutcome& outcome, std::function<void(Status)> done) {
    if (outcome.client_left && background) {
      *admission = Admission();
      return done({});
    }
    if (observe) observe(outcome);
    UsageRecord record;
    record.request_id = request_id;
    record.model = model;
    record.endpoint = endpoint;
    record.finish_reason = outcome.finish_reason;
    record.tokens = outcome.tokens;
    record.total_us = outcome.total_us;
    record.first_token_us = outcome.first_token_us;
    if (!before) {
      context->tenants.settle_async(std::move(*admission), std::move(record), std::move(done));
      return;
    }
    before(outcome, [context, admission, record, done](Status first) {
      if (first.ok()) context->tenants.settle_async(std::move(*admission), record, done);
      else context->tenants.settle_async(std::move(*admission), record, [first, done](Status) { done(first); });
    });
  };
  work.exchange = std::move(exchange);
  return std::make_unique<GenerationReply>(std::move(work));
}

}  // namespace firesteel
