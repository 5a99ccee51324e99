#include "server/batch_runner.h"

#include <algorithm>
#include <chrono>
#include <charconv>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "server/batch_input.h"
#include "server/batch_output.h"
#include "server/batch_request.h"
#include "store/request_batches.h"
#include "store/stored_files.h"

namespace firesteel {
namespace {

constexpr int64_t kRetryMinUs = 250'000, kRetryUs = 1'000'000, kRetryMaxUs = 60'000'000;
constexpr int64_t kPurgeUs = 60'000'000;

const std::string* header_of(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return &value;
  }
  return nullptr;
}

// What passes by itself: how long to wait. nullopt: this is the answer.
std::optional<int64_t> retry_us(const HttpResponse& response) {
  if (response.status != 429 && response.status != 503) return std::nullopt;
  if (const std::string* should = header_of(response, "x-should-retry"); should != nullptr && *should == "false") return std::nullopt;
  int64_t ms = 0;
  if (const std::string* after = header_of(response, "retry-after-ms")) std::from_chars(after->data(), after->data() + after->size(), ms);
  return ms <= 0 ? kRetryUs : std::clamp<int64_t>(ms * 1000, kRetryMinUs, kRetryMaxUs);
}

}  // namespace

struct BatchRunner::Impl {
  // What others tell the thread: an answer has more to give, a batch was made or cancelled, stop.
  struct Signal {
    Mutex mutex;
    CondVar changed;
    bool rung FS_GUARDED_BY(mutex) = false;
    bool batches_changed FS_GUARDED_BY(mutex) = true;
    std::optional<int64_t> stop_until_us FS_GUARDED_BY(mutex);  // on the machine's clock
  };

  struct Line {
    int64_t index = 0;
    std::string custom_id, body, request_id;
    std::unique_ptr<PendingReply> reply;
    int64_t not_before_us = 0;             // on the machine's clock, after a refusal that passes
    std::optional<BatchResult> result;     // to be stored
  };

  struct Active {
    StoredBatch batch;
    const BatchEndpoint* endpoint = nullptr;
    std::optional<StoredLines> lines;
    std::vector<int64_t> finished;         // lines with a result from before, in order
    std::vector<std::unique_ptr<Line>> running;
    bool input_over = false, cancelled = false, expired = false;
    Json::Array problems = {};             // why it cannot go on
    int64_t held_until_us = 0;             // wall clock
    int64_t not_before_us = 0;             // the store did not work: when to try again

    bool begins_no_more() const { return input_over || cancelled || expired || !problems.empty(); }
  };

  Impl(ServerContext* context_in, Options options_in)
      : context(context_in), options(options_in), wall(options_in.wall == nullptr ? wall_clock() : *options_in.wall), batches(context_in->store), files(context_in->store) {
    thread = std::thread([this] { run(); });
  }

  void run();
  void wait(int64_t now_us);
  void claim_more();
  Status open(Active* active);
  // True: it is over or somebody else's, and leaves the list.
  bool step(Active* active, int64_t now_us, bool look_again);
  bool keep_hold(Active* active);
  void begin_lines(Active* active, int64_t now_us);
  Result<std::unique_ptr<Line>> next_line(Active* active);
  void begin_line(Active* active, Line* line, int64_t now_us);
  void take_answer(Line* line, const HttpResponse& response, int64_t now_us);
  bool poll_line(Active* active, Line* line, int64_t now_us);
  Status finish(Active* active);
  Result<Principal> principal_of(const StoredBatch& batch);

  ServerContext* const context;
  const Options options;
  const Clock& wall;
  RequestBatches batches;
  StoredFiles files;
  const std::string runner = random_id_tail();
  const std::shared_ptr<Signal> signal = std::make_shared<Signal>();
  std::vector<std::unique_ptr<Active>> active;
  int64_t next_claim_us = 0, next_purge_us = 0;  // on the machine's clock
  std::thread thread;
};

void BatchRunner::Impl::run() {
  for (;;) {
    const int64_t now_us = system_clock().now_us();
    bool changed = false;
    std::optional<int64_t> stop_until_us;
    {
      MutexLock lock(signal->mutex);
      signal->rung = false;
      changed = std::exchange(signal->batches_changed, false);
      stop_until_us = signal->stop_until_us;
    }
    bool any_running = false;
    for (size_t i = 0; i < active.size();) {
      if (step(active[i].get(), now_us, changed)) {
        active.erase(active.begin() + static_cast<std::ptrdiff_t>(i));
        changed = true;  // its place is free
        continue;
      }
      any_running = any_running || !active[i]->running.empty();
      ++i;
    }
    if (stop_until_us && (!any_running || now_us >= *stop_until_us)) break;
    if (!stop_until_us && (changed || now_us >= next_claim_us)) claim_more();
    if (!stop_until_us && now_us >= next_purge_us) {
      next_purge_us = now_us + kPurgeUs;
      const Result<bool> more = files.purge(wall.now_us());
      if (more.ok() && *more) next_purge_us = now_us;
    }
    wait(now_us);
  }
  for (const std::unique_ptr<Active>& one : active) {
    one->running.clear();
    [[maybe_unused]] const Status released = batches.release(one->batch.id, runner);  // else its hold runs out
  }
  active.clear();
}

void BatchRunner::Impl::wait(int64_t now_us) {
  int64_t until_us = std::min(next_claim_us, next_purge_us);
  for (const std::unique_ptr<Active>& one : active) {
    if (one->not_before_us > 0) until_us = std::min(until_us, one->not_before_us);
    for (const std::unique_ptr<Line>& line : one->running) {
      if (line->reply == nullptr) until_us = std::min(until_us, line->not_before_us);
    }
  }
  MutexLock lock(signal->mutex);
  if (signal->stop_until_us) until_us = std::min(until_us, *signal->stop_until_us);
  if (signal->rung || until_us <= now_us) return;
  signal->changed.wait_for(signal->mutex, std::chrono::microseconds(until_us - now_us));
}

void BatchRunner::Impl::claim_more() {
  next_claim_us = system_clock().now_us() + options.poll_us;
  while (active.size() < static_cast<size_t>(options.n_batches)) {
    std::vector<TenantId> busy;
    for (const std::unique_ptr<Active>& one : active) busy.push_back(one->batch.tenant);
    const int64_t wall_us = wall.now_us();
    Result<std::optional<StoredBatch>> claimed = batches.claim(runner, busy, wall_us, wall_us + options.hold_us);
    if (!claimed.ok() || !*claimed) return;
    auto one = std::make_unique<Active>();
    one->batch = std::move(**claimed);
    one->held_until_us = wall_us + options.hold_us;
    const Status opened = open(one.get());
    if (!opened.ok()) {
      context->log.write(LogLevel::kWarning, "batch_waits", {{"batch", one->batch.id.str()}, {"error", opened.error().message}});
      return;  // it is ours until the hold runs out, so the next look finds it again
    }
    active.push_back(std::move(one));
  }
}

// Reads what there is. Errors are those that pass; others become problems of the batch.
Status BatchRunner::Impl::open(Active* one) {
  StoredBatch& batch = one->batch;
  one->endpoint = find_batch_endpoint(batch.endpoint);
  one->cancelled = batch.state == BatchState::kCancelling;
  one->input_over = batch.state == BatchState::kFinalizing;
  const auto problem = [&](const char* code, const std::string& message) {
    one->problems.push_back(Json::Object{{"code", code}, {"line", Json()}, {"message", message}, {"param", Json()}});
  };
  if (one->endpoint == nullptr) {
    problem("invalid_endpoint", "This server has no such endpoint.");
    return {};
  }
  const Result<StoredFile> file = files.get(batch.tenant, batch.input_file, wall.now_us());
  if (!file.ok() && file.error().code != ErrorCode::kNotFound) return file.error();
  if (!file.ok()) {
    problem("input_file_missing", "The input file was deleted or has expired.");
    return {};
  }
  one->lines.emplace(&context->store, batch.tenant, *file, context->options.prompt_body_bytes_max);
  if (batch.state == BatchState::kValidating) {
    Result<InputCheck> checked = check_input(*one->lines, batch.endpoint);
    if (!checked.ok() && checked.error().code == ErrorCode::kUnavailable) return checked.error();
    if (!checked.ok()) {
      problem("input_file_missing", checked.error().message);
    } else if (!checked->problems.empty()) {
      one->problems = std::move(checked->problems);
    } else {
      FS_TRY_VOID(batches.begin(batch.id, checked->n_lines, wall.now_us()));
      batch.state = BatchState::kInProgress;
    }
    return {};
  }
  FS_TRY(one->finished, batches.finished_lines(batch.id));
  return {};
}

bool BatchRunner::Impl::keep_hold(Active* one) {
  const int64_t wall_us = wall.now_us();
  const Result<BatchState> state = batches.hold(one->batch.id, runner, wall_us + options.hold_us);
  if (!state.ok()) return state.error().code != ErrorCode::kFailedPrecondition && state.error().code != ErrorCode::kNotFound;
  one->held_until_us = wall_us + options.hold_us;
  one->cancelled = one->cancelled || *state == BatchState::kCancelling;
  return true;
}

bool BatchRunner::Impl::step(Active* one, int64_t now_us, bool look_again) {
  if (look_again || wall.now_us() > one->held_until_us - options.hold_us / 2) {
    if (!keep_hold(one)) return true;  // what runs is dropped, and runs there
  }
  if (wall.now_us() >= one->batch.expires_us) one->expired = true;
  for (size_t i = 0; i < one->running.size();) {
    if (poll_line(one, one->running[i].get(), now_us)) one->running.erase(one->running.begin() + static_cast<std::ptrdiff_t>(i));
    else ++i;
  }
  begin_lines(one, now_us);
  if (!one->running.empty() || !one->begins_no_more() || now_us < one->not_before_us) return false;
  {
    MutexLock lock(signal->mutex);
    if (signal->stop_until_us) return false;
  }
  const Status finished = finish(one);
  if (finished.ok() || finished.error().code == ErrorCode::kFailedPrecondition) return true;
  context->log.write(LogLevel::kWarning, "batch_waits", {{"batch", one->batch.id.str()}, {"error", finished.error().message}});
  if (finished.error().code == ErrorCode::kResourceExhausted && one->problems.empty()) {  // no room for the results: say so, and let the batch end
    one->problems.push_back(Json::Object{{"code", "storage_limit_reached"}, {"line", Json()}, {"message", finished.error().message}, {"param", Json()}});
    one->lines.reset();
  }
  one->not_before_us = now_us + kRetryUs;
  return false;
}

void BatchRunner::Impl::begin_lines(Active* one, int64_t now_us) {
  {
    MutexLock lock(signal->mutex);
    if (signal->stop_until_us) return;
  }
  if (now_us < one->not_before_us) return;
  while (!one->begins_no_more() && one->running.size() < static_cast<size_t>(options.n_lines)) {
    Result<std::unique_ptr<Line>> line = next_line(one);
    if (!line.ok() && line.error().code == ErrorCode::kUnavailable) {
      one->not_before_us = now_us + kRetryUs;
      return;
    }
    if (!line.ok()) {
      one->problems.push_back(Json::Object{{"code", "input_file_missing"}, {"line", Json()}, {"message", line.error().message}, {"param", Json()}});
      return;
    }
    if (*line == nullptr) {
      one->input_over = true;
      return;
    }
    begin_line(one, line->get(), now_us);
    one->running.push_back(std::move(*line));
  }
}

// The next line without a result; null at the end.
Result<std::unique_ptr<BatchRunner::Impl::Line>> BatchRunner::Impl::next_line(Active* one) {
  std::string text;
  for (;;) {
    FS_TRY(const bool more, one->lines->next(&text));
    if (!more) return std::unique_ptr<Line>();
    const int64_t index = one->lines->index();
    if (std::binary_search(one->finished.begin(), one->finished.end(), index)) continue;
    std::variant<BatchLine, LineProblem> read = read_batch_line(text, one->batch.endpoint);
    if (const LineProblem* wrong = std::get_if<LineProblem>(&read)) return Error{ErrorCode::kDataLoss, "the input file changed: " + wrong->message};
    auto line = std::make_unique<Line>();
    line->index = index;
    line->custom_id = std::move(std::get<BatchLine>(read).custom_id);
    line->body = std::move(std::get<BatchLine>(read).body);
    line->request_id = batch_request_id(one->batch.id, index);
    return line;
  }
}

Result<Principal> BatchRunner::Impl::principal_of(const StoredBatch& batch) {
  Result<Principal> principal = context->tenants.principal_of(batch.tenant, batch.key);
  const std::optional<Principal>& anonymous = context->options.anonymous;
  if (!principal.ok() && anonymous && anonymous->tenant == batch.tenant) return *anonymous;  // its key is made anew at each start
  if (principal.ok() && !principal->may(Scope::kInference | Scope::kFiles)) return Error{ErrorCode::kUnauthenticated, "the key lost its scopes"};
  return principal;
}

void BatchRunner::Impl::begin_line(Active* one, Line* line, int64_t now_us) {
  line->not_before_us = 0;
  Result<Principal> principal = principal_of(one->batch);
  if (!principal.ok() && principal.error().code == ErrorCode::kUnauthenticated) {
    if (one->problems.empty()) {
      one->problems.push_back(Json::Object{{"code", "key_revoked"}, {"line", Json()}, {"message", "The key that made this batch may not be used any more."}, {"param", Json()}});
    }
    return;
  }
  if (!principal.ok()) {
    line->not_before_us = now_us + kRetryUs;
    return;
  }
  HttpReply reply = run_batch_request(context, *one->endpoint, *principal, one->batch.id.str(), line->index, line->request_id, line->body);
  if (const HttpResponse* response = std::get_if<HttpResponse>(&reply)) return take_answer(line, *response, now_us);
  line->reply = std::move(std::get<std::unique_ptr<PendingReply>>(reply));
  const auto ring = [told = signal] {
    MutexLock lock(told->mutex);
    told->rung = true;
    told->changed.notify_one();
  };
  line->reply->start(ring);
  ring();  // an answer without events has nobody else to wake us
}

void BatchRunner::Impl::take_answer(Line* line, const HttpResponse& response, int64_t now_us) {
  if (const std::optional<int64_t> wait_us = retry_us(response)) {
    line->not_before_us = now_us + *wait_us;
    return;
  }
  line->result = BatchResult{line->index, response.status >= 400, batch_result_text(line->request_id, line->custom_id, response)};
}

// True: it has its result, or gives up its place.
bool BatchRunner::Impl::poll_line(Active* one, Line* line, int64_t now_us) {
  if (line->reply != nullptr) {
    HttpResponse head;
    std::string bytes;
    if (line->reply->poll(&head, &bytes) != PendingReply::State::kDone) return false;
    line->reply.reset();
    take_answer(line, head, now_us);
  }
  if (line->result) {
    const Status stored = batches.add_result(one->batch.id, runner, *line->result);
    if (stored.ok() || stored.error().code == ErrorCode::kFailedPrecondition) return true;
    if (stored.error().code == ErrorCode::kInvalidArgument) {  // too large to be kept
      line->result->failed = true;
      line->result->text = batch_unfinished_text(line->request_id, line->custom_id, BatchState::kFailed);
    }
    line->not_before_us = now_us + kRetryUs;
    return false;
  }
  if (one->cancelled || one->expired || !one->problems.empty()) return true;
  {
    MutexLock lock(signal->mutex);
    if (signal->stop_until_us) return true;
  }
  if (now_us >= line->not_before_us) begin_line(one, line, now_us);
  return false;
}

Status BatchRunner::Impl::finish(Active* one) {
  EndingBatch ending;
  ending.batch = &one->batch;
  ending.cancelled = one->cancelled;
  ending.expired = one->expired;
  ending.has_input = one->lines.has_value();
  ending.problems = one->problems;
  ending.keep_hold = [&] { return wall.now_us() <= one->held_until_us - options.hold_us / 2 || keep_hold(one); };
  return finish_batch(&context->store, runner, wall, context->options.prompt_body_bytes_max, ending);
}

BatchRunner::BatchRunner(ServerContext* context, Options options) : impl_(std::make_unique<Impl>(context, options)) {
  context->on_batch([signal = impl_->signal] {
    MutexLock lock(signal->mutex);
    signal->batches_changed = signal->rung = true;
    signal->changed.notify_one();
  });
}

BatchRunner::~BatchRunner() { stop(0); }

void BatchRunner::stop(int64_t limit_ms) {
  if (!impl_->thread.joinable()) return;
  impl_->context->on_batch({});
  {
    MutexLock lock(impl_->signal->mutex);
    impl_->signal->stop_until_us = system_clock().now_us() + limit_ms * 1000;
    impl_->signal->rung = true;
    impl_->signal->changed.notify_one();
  }
  impl_->thread.join();
}

}  // namespace firesteel
