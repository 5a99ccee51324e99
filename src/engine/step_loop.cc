#include "engine/step_loop.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "engine/stream.h"

namespace firesteel {
namespace {

constexpr int64_t kRetryUs = 1000;
constexpr int32_t kDraftRowsMax = 12;  // rows up to which the matrix kernels read weights once (kernels/matmul.h)

}  // namespace

StepLoop::StepLoop(Config config, std::unique_ptr<BlockPool> pool, std::shared_ptr<Mailbox> mailbox)
    : config_(std::move(config)), pool_(std::move(pool)), tree_(pool_.get()), scheduler_(pool_.get(), &tree_, config_.scheduler),
      mailbox_(std::move(mailbox)), trails_(config_.model->config().n_vocab) {
  const auto max_sequences = static_cast<size_t>(config_.scheduler.max_sequences);
  n_logits_max_ = config_.scheduler.max_sequences;
  if (config_.max_draft > 0) n_logits_max_ = std::min(std::max(n_logits_max_, kDraftRowsMax), config_.scheduler.max_batch_rows);
  workspace_ = config_.model->new_workspace(config_.scheduler.max_batch_rows, n_logits_max_, config_.context_length);
  rows_.reserve(static_cast<size_t>(config_.scheduler.max_batch_rows));
  seqs_.reserve(max_sequences);
  adapters_.reserve(max_sequences);
  const int64_t n_vocab = config_.model->config().n_vocab;
  logits_.reset(new float[static_cast<size_t>(n_logits_max_) * static_cast<size_t>(n_vocab)]);  // not zeroed: only used rows are ever touched
  for (int i = 0; i < config_.n_threads; ++i) samplers_.push_back(std::make_unique<Sampler>(*config_.table, n_vocab));
  outcomes_.resize(max_sequences);
  planned_.reserve(max_sequences);
  sampled_.reserve(max_sequences);
  redraws_.reserve(max_sequences);
  publish_stats();
}

StepLoop::~StepLoop() = default;

void StepLoop::run() {
  Exec exec(config_.n_threads);
  bool busy = false;
  for (;;) {
    int64_t timeout_us = 0;
    if (!busy) {
      // Nothing can be computed: sleep until mail comes, or the next deadline. (Work that waits although nothing runs waits for
      // blocks of a snapshot that is being written or read.)
      const int64_t deadline_us = scheduler_.next_deadline_us();
      timeout_us = deadline_us == 0 ? -1 : std::max<int64_t>(1, deadline_us - config_.clock->now_us());
      if (!scheduler_.idle()) timeout_us = kRetryUs;
      else if (!trails_.empty() && (timeout_us < 0 || timeout_us > Trails::kKeptUs)) timeout_us = Trails::kKeptUs;
    }
    Mailbox::Mail mail = mailbox_->take(timeout_us);
    const bool stop = mail.stop;
    if (!trails_.empty()) trails_.forget_ended(config_.clock->now_us());
    receive(std::move(mail));
    if (stop) break;
    end_expired();
    busy = step(&exec);
    publish_stats();
  }
  while (!jobs_.empty()) finish(jobs_.begin()->second.get(), FinishReason::kCancelled);
  scheduler_.drop_all_contexts();
  publish_stats();
}

void StepLoop::receive(Mailbox::Mail mail) {
  for (auto& context : mail.dropped) scheduler_.drop_context(context);
  const int64_t now_us = config_.clock->now_us();
  for (auto& job : mail.jobs) {
    job->id = SeqId{next_id_++};
    ++counters_.n_requests;
    counters_.n_prompt_tokens += static_cast<uint64_t>(job->n_prompt);
    Job* added = job.get();
    admit(added, now_us);
    jobs_.emplace(added->id, std::move(job));
    if (added->group != nullptr && added->group->cancelled()) {
      finish(added, FinishReason::kCancelled);
    } else if (added->group != nullptr && !added->prefill_only && added->group->exhausted()) {
      finish(added, FinishReason::kLength);
    } else if (added->grammar != nullptr) {
      begin_constraint(added);
    }
  }
  if (mail.has_cancels || std::exchange(group_decided_, false)) end_cancelled();
  // After the jobs: a task may be about one that came in the same mail.
  for (const auto* task : mail.tasks) (*task)();
  if (!mail.tasks.empty()) mailbox_->tasks_done(mail.tasks.size());
}

void StepLoop::begin_constraint(Job* job) {
  job->constraint.emplace(std::move(job->grammar), /*may_end=*/!job->stop.ignore_end_of_generation);
  const auto state = job->constraint->begin(*job->thinking, job->think_start);
  if (!state.ok()) return finish(job, FinishReason::kError, {}, {}, Error{state.error().code, "constraint: " + state.error().message});
  if (*state == ConstraintRun::State::kComplete) finish(job, FinishReason::kStop);  // only the empty text will do
}

void StepLoop::end_cancelled() {
  std::vector<Job*> cancelled;
  for (const auto& [id, job] : jobs_) {
    if (job->stream->cancelled.load() || (job->group != nullptr && job->group->cancelled())) cancelled.push_back(job.get());
  }
  for (Job* job : cancelled) finish(job, FinishReason::kCancelled);
}

// A budget that is spent ends all who share it, so that nobody computes a token that could not be published.
void StepLoop::end_exhausted() {
  std::vector<Job*> ended;
  for (const auto& [id, job] : jobs_) {
    if (job->group != nullptr && !job->prefill_only && job->group->exhausted()) ended.push_back(job.get());
  }
  for (Job* job : ended) finish(job, FinishReason::kLength);
}

Job* StepLoop::find(const StreamState* stream) const {
  for (const auto& [id, job] : jobs_) {
    if (job->stream.get() == stream) return job.get();
  }
  return nullptr;
}

void StepLoop::end_expired() {
  const int64_t now_us = config_.clock->now_us();
  while (Sequence* sequence = scheduler_.expired(now_us)) finish(static_cast<Job*>(sequence), FinishReason::kDeadline);
  for (size_t i = 0; i < walkers_.size();) {
    Job* const job = walkers_[i];
    if (job->deadline_us != 0 && job->deadline_us <= now_us) finish(job, FinishReason::kDeadline);  // it is in the list no more
    else ++i;
  }
}

bool StepLoop::step(Exec* exec) {
  const bool walked = !walkers_.empty() && walk(exec);
  const int64_t begin_us = config_.clock->now_us();
  const StepPlan& plan = scheduler_.plan(begin_us);
  if (plan.n_rows == 0) return walked;
  planned_.clear();
  sampled_.clear();
  for (const PlannedSequence& planned : plan.sequences) {
    Job* job = static_cast<Job*>(planned.sequence);
    if (job->started_us < 0) job->started_us = begin_us;
    drop_left_with(job);
    planned_.push_back(job);
    if (planned.wants_logits) sampled_.push_back({job, 0});
  }
  const int32_t n_decode = plan.n_decode;
  const bool only_decodes = n_decode == plan.n_rows;
  guess(plan);
  forward(exec, plan);
  counters_.forward_us += config_.clock->now_us() - begin_us;
  ++counters_.n_steps;
  counters_.n_prefill_tokens += static_cast<uint64_t>(plan.n_rows - plan.n_decode);
  counters_.n_decode_tokens += static_cast<uint64_t>(plan.n_logits);
  scheduler_.commit();

  for (Job* job : planned_) {
    if (!job->prefill_only || job->n_pending() > 0) continue;
    if (job->becomes != nullptr) scheduler_.keep_as_context(job, job->becomes, begin_us);
    Status status;
    if (job->embedding != nullptr) status = finish_embedding(job);
    if (status.ok()) {
      finish(job, FinishReason::kStop);
    } else {
      finish(job, FinishReason::kError, {}, {}, std::move(status).error());
    }
  }
  draw_and_publish(exec);
  if (std::exchange(group_decided_, false)) end_cancelled();
  if (std::exchange(group_exhausted_, false)) end_exhausted();
  const int64_t us = config_.clock->now_us() - begin_us;
  counters_.step_us += us;
  if (only_decodes) {
    if (n_drafts_ == 0) {
      row_cost_.note_plain(n_decode, us);
    } else {
      row_cost_.note_drafted(n_decode, n_drafts_, us);
    }
  }
  return true;
}

// Only beside nothing but decoding: a step with prompts in it is bound by arithmetic already.
void StepLoop::guess(const StepPlan& plan) {
  n_drafts_ = 0;
  for (const PlannedSequence& planned : plan.sequences) static_cast<Job*>(planned.sequence)->draft.clear();
  const int32_t n_rows_max = std::min(kDraftRowsMax, n_logits_max_);
  if (config_.max_draft == 0 || plan.n_decode != plan.n_rows) return;
  auto n_left = static_cast<int32_t>(plan.sequences.size());
  for (const PlannedSequence& planned : plan.sequences) {
    Job* job = static_cast<Job*>(planned.sequence);
    const int64_t n_share = (n_rows_max - plan.n_rows - n_drafts_) / n_left--;
    // The row behind the last guess draws a token as well.
    const int64_t n_useful = std::min<int64_t>(n_share, job->n_tokens_max - job->n_tokens() - 1);
    if (n_useful <= 0 || job->speculation.n_draft(job->n_tokens(), 1) == 0) continue;
    if (job->constraint) guess_forced(job, static_cast<size_t>(n_useful));
    if (job->draft.empty()) {
      const int64_t n_max = job->speculation.n_draft(job->n_tokens(), std::min<int64_t>(n_useful, config_.max_draft));
      for (const TokenId id : look_up(job, plan, static_cast<size_t>(n_max))) {
        if (id >= config_.model->config().n_vocab) break;  // a patch of a picture
        job->draft.push_back(id);
      }
    }
    if (job->draft.empty()) continue;
    job->draft.resize(static_cast<size_t>(scheduler_.reserve_drafts(job, static_cast<int32_t>(job->draft.size()))));
    n_drafts_ += static_cast<int32_t>(job->draft.size());
  }
  counters_.n_drafted_tokens += static_cast<uint64_t>(n_drafts_);
}

// What a constraint leaves no choice about. The model may cut those bytes into other tokens; then it is a wrong guess like others.
void StepLoop::guess_forced(Job* job, size_t n_max) {
  constexpr size_t kBytesPerToken = 8;
  const std::string bytes = job->constraint->forced(n_max * kBytesPerToken);
  if (bytes.empty() || !config_.tokenizer->encode(bytes, {}, &job->draft).ok()) job->draft.clear();
  if (job->draft.size() > n_max) job->draft.resize(n_max);
}

// In its own tokens, then in those of its siblings: who forked from one context, or shares a budget.
std::span<const TokenId> StepLoop::look_up(Job* job, const StepPlan& plan, size_t n_max) {
  if (job->tokens.size() < NgramIndex::kGram) return {};
  const auto gram = std::span<const TokenId>(job->tokens).last(NgramIndex::kGram);
  job->ngrams.extend(job->tokens);
  auto found = job->ngrams.after(gram, job->tokens, n_max);
  for (size_t i = 0; i < plan.sequences.size() && found.empty(); ++i) {
    Job* other = static_cast<Job*>(plan.sequences[i].sequence);
    const bool is_sibling = (other->group != nullptr && other->group == job->group) || (other->context != nullptr && other->context == job->context);
    if (other == job || !is_sibling) continue;
    other->ngrams.extend(other->tokens);
    found = other->ngrams.after(gram, other->tokens, n_max);
  }
  return found;
}

// Round by round: a token that was guessed right makes the row behind it count, too.
void StepLoop::draw_and_publish(Exec* exec) {
  for (size_t round = 0; !sampled_.empty(); ++round) {
    sample(exec);
    size_t n_next = 0;
    for (size_t i = 0; i < sampled_.size(); ++i) {
      const Draw now = sampled_[i];
      if (!publish_token(now.job, &outcomes_[i])) continue;
      const std::vector<TokenId>& draft = now.job->draft;
      if (round < draft.size() && now.job->tokens.back() == draft[round]) {
        sampled_[n_next++] = {now.job, now.row + 1};
      } else if (!draft.empty()) {
        now.job->speculation.note(now.job->n_tokens(), static_cast<int64_t>(draft.size()), static_cast<int64_t>(round), row_cost_.tokens());
      }
    }
    sampled_.resize(n_next);
    // What ends others ends them in the step in which it happens, before their guesses count.
    if (group_decided_ || group_exhausted_) break;
    for (const Draw& next : sampled_) scheduler_.accept_draft(next.job);
    counters_.n_accepted_tokens += n_next;
    counters_.n_decode_tokens += n_next;
  }
}

void StepLoop::forward(Exec* exec, const StepPlan& plan) {
  rows_.clear();
  seqs_.clear();
  adapters_.clear();
  bool wants_hidden = false;
  size_t n_logits = 0;
  size_t n_drawing = 0;
  for (const PlannedSequence& planned : plan.sequences) {
    const Sequence& sequence = *planned.sequence;
    const auto seq = static_cast<int32_t>(seqs_.size());
    seqs_.push_back({sequence.table.addresses(), static_cast<int32_t>(sequence.table.n_blocks())});
    adapters_.push_back(static_cast<const Job&>(sequence).adapter.get());
    const std::vector<PlacedPicture>& pictures = static_cast<const Job&>(sequence).pictures;
    const bool embeds = static_cast<const Job&>(sequence).embedding != nullptr;
    const int64_t base_until = sequence.owner.mark != 0 ? sequence.owner.from : 0;
    wants_hidden = wants_hidden || embeds;
    for (int32_t i = 0; i < planned.n_rows; ++i) {
      const int64_t position = planned.first + i;
      rows_.push_back({sequence.tokens[static_cast<size_t>(position)], static_cast<int32_t>(position), seq,
                       planned.wants_logits && i + 1 == planned.n_rows, embeds, picture_row(pictures, position), position < base_until});
    }
    if (!planned.wants_logits) continue;
    sampled_[n_drawing++].row = n_logits;
    const std::vector<TokenId>& draft = static_cast<const Job&>(sequence).draft;
    for (size_t i = 0; i < draft.size(); ++i) {
      const int64_t position = planned.first + planned.n_rows + static_cast<int64_t>(i);
      rows_.push_back({draft[i], static_cast<int32_t>(position), seq, /*wants_logits=*/true, false, nullptr, position < base_until});
    }
    n_logits += 1 + draft.size();
  }
  if (wants_hidden && hidden_ == nullptr) {
    hidden_.reset(new float[static_cast<size_t>(config_.scheduler.max_batch_rows) * static_cast<size_t>(config_.model->config().dim)]);
  }
  config_.model->forward(exec, *config_.table, workspace_.get(), config_.layout, {rows_, seqs_, adapters_, hidden_.get()}, logits_.get());
  if (wants_hidden) add_hidden(plan);
}

void StepLoop::add_hidden(const StepPlan& plan) {
  const auto dim = static_cast<size_t>(config_.model->config().dim);
  const float* row = hidden_.get();
  for (const PlannedSequence& planned : plan.sequences) {
    Embedding* embedding = static_cast<Job*>(planned.sequence)->embedding.get();
    if (embedding == nullptr) continue;
    if (planned.first == 0) embedding->sum.assign(dim, 0);  // also when it was preempted
    for (int32_t i = 0; i < planned.n_rows; ++i, row += dim) {
      for (size_t j = 0; j < dim; ++j) embedding->sum[j] += static_cast<double>(row[j]);
    }
  }
}

Status StepLoop::finish_embedding(Job* job) const {
  Embedding& embedding = *job->embedding;
  double squares = 0;
  for (const double x : embedding.sum) squares += x * x;
  if (!(squares > 0) || !std::isfinite(squares)) return Error{ErrorCode::kInternal, "embedding: the model's hidden states are not finite, or zero"};
  const double scale = 1 / std::sqrt(squares);  // the mean's length makes no difference
  embedding.out.reserve(embedding.sum.size());
  for (const double x : embedding.sum) embedding.out.push_back(static_cast<float>(x * scale));
  return {};
}

// Rows are independent of each other, so which thread takes which does not matter.
void StepLoop::sample(Exec* exec) {
  if (!trails_.empty()) {
    const auto n_vocab = static_cast<size_t>(config_.model->config().n_vocab);
    for (const Draw& draw : sampled_) {
      if (draw.job->trail != nullptr) trails_.record(draw.job->trail, {logits_.get() + draw.row * n_vocab, n_vocab});
    }
  }
  exec->parallel_for(static_cast<int64_t>(sampled_.size()), [&](int64_t i, int thread) { draw(static_cast<size_t>(i), thread, std::nullopt); });
  constrain(exec);
}

void StepLoop::draw(size_t i, int thread, std::optional<std::span<const uint64_t>> only) {
  const auto n_vocab = static_cast<size_t>(config_.model->config().n_vocab);
  const Job& job = *sampled_[i].job;
  Outcome& outcome = outcomes_[i];
  Sampler& sampler = *samplers_[static_cast<size_t>(thread)];
  const std::span<float> logits(logits_.get() + sampled_[i].row * n_vocab, n_vocab);
  const auto forced = job.thinking ? job.thinking->forced() : std::nullopt;
  auto sampled = forced ? sampler.score(logits, job.sampling, *forced)
                        : sampler.sample(logits, job.sampling, job.counts, static_cast<uint64_t>(job.n_tokens()), only);
  outcome.complete = false;
  if (!sampled.ok()) {
    outcome.status = std::move(sampled).error();
    return;
  }
  outcome.status = {};
  outcome.id = sampled->id;
  outcome.logprob = sampled->logprob;
  outcome.top.assign(sampled->top.begin(), sampled->top.end());
}

// Where the token that was drawn may not come, another is drawn from those that may. (Automata are this thread's own.)
void StepLoop::constrain(Exec* exec) {
  redraws_.clear();
  for (size_t i = 0; i < sampled_.size(); ++i) {
    Job& job = *sampled_[i].job;
    Outcome& outcome = outcomes_[i];
    if (!job.constraint || !outcome.status.ok() || job.thinking->forced()) continue;
    const auto allows = job.constraint->allows(outcome.id, *job.thinking);
    if (allows.ok() && *allows) continue;
    auto allowed = allows.ok() ? job.constraint->allowed(*job.thinking) : Result<std::span<const uint64_t>>(allows.error());
    if (!allowed.ok()) {
      outcome.status = std::move(allowed).error();
      outcome.status = Error{outcome.status.error().code, "constraint: " + outcome.status.error().message};
    } else if (allowed->empty()) {
      outcome.complete = true;
    } else {
      redraws_.push_back({i, *allowed});
    }
  }
  if (redraws_.empty()) return;
  counters_.n_redrawn_tokens += redraws_.size();
  exec->parallel_for(static_cast<int64_t>(redraws_.size()), [&](int64_t task, int thread) {
    const Redraw& redraw = redraws_[static_cast<size_t>(task)];
    draw(redraw.index, thread, redraw.only);
  });
}

// What the token adds to the text that is shown. A number marker is shown as the number.
std::string StepLoop::text_of(Job* job, TokenId id) const {
  const std::optional<size_t> number = config_.numbers != nullptr ? config_.numbers->index_of(id) : std::nullopt;
  if (!number) return job->decoder->push(id);
  return job->decoder->flush() + (*number < job->numbers.size() ? job->numbers[*number] : "");
}

bool StepLoop::publish_token(Job* job, Outcome* outcome) {
  if (!outcome->status.ok()) return finish(job, FinishReason::kError, {}, {}, outcome->status.error()), false;
  if (outcome->complete) return finish(job, FinishReason::kStop), false;
  const TokenId id = outcome->id;
  const auto& stop_ids = job->stop.token_ids;
  const bool ends = (config_.tokenizer != nullptr && !job->stop.ignore_end_of_generation && config_.tokenizer->is_end_of_generation(id)) ||
                    std::find(stop_ids.begin(), stop_ids.end(), id) != stop_ids.end();
  if (ends) return finish(job, FinishReason::kStop), false;
  if (job->group != nullptr) {
    if (!job->group->take_token()) return finish(job, FinishReason::kLength), false;
    group_exhausted_ = group_exhausted_ || job->group->exhausted();
  }

  job->tokens.push_back(id);
  ++counters_.n_generated_tokens;
  if (uses_counts(job->sampling)) job->counts.add_generated(id);
  GenerateEvent event;
  event.token = id;
  event.logprob = outcome->logprob;
  event.top = std::move(outcome->top);
  Result<ConstraintRun::Taken> taken = ConstraintRun::Taken{};
  if (job->constraint) {
    taken = job->constraint->take(id, &*job->thinking);
    event.thinking = taken.ok() && taken->thinking;
  } else {
    event.thinking = job->thinking && job->thinking->push(id);
  }
  if (job->decoder) {
    std::string text = text_of(job, id);
    if (event.thinking && !job->thinking->inside()) text += job->decoder->flush();
    // Stop strings are for the answer; what the model thinks does not end it.
    event.text = event.thinking ? job->stop_matcher.flush() + text : job->stop_matcher.push(text);
  }
  if (job->first_token_us < 0) job->first_token_us = config_.clock->now_us();
  job->stream->publish(std::move(event));

  if (const std::string* stop = job->stop_matcher.matched()) return finish(job, FinishReason::kStop, {}, *stop), false;
  if (!taken.ok()) return finish(job, FinishReason::kError, {}, {}, Error{taken.error().code, "constraint: " + taken.error().message}), false;
  if (taken->state == ConstraintRun::State::kComplete) return finish(job, FinishReason::kStop), false;
  if (job->n_tokens() == job->n_tokens_max) return finish(job, FinishReason::kLength), false;
  return true;
}

void StepLoop::finish(Job* job, FinishReason reason, std::string text, std::string stop_string, Error error) {
  const auto it = jobs_.find(job->id);
  CHECK(it != jobs_.end());
  const std::unique_ptr<Job> owner = std::move(it->second);
  jobs_.erase(it);
  if (job->trail != nullptr) trails_.end(job->trail, reason == FinishReason::kError, config_.clock->now_us());
  drop_left_with(job);
  if (job->follows != nullptr) {  // the scheduler never heard of it
    unfollow(job);
    n_walked_prompt_tokens_ += static_cast<uint64_t>(job->n_cached);
    job->context.reset();
  } else {
    scheduler_.finish(job, /*keep_prefix=*/reason != FinishReason::kError);
  }

  GenerateEvent event;
  event.kind = GenerateEvent::Kind::kDone;
  event.reason = reason;
  event.text = std::move(text);
  if (job->decoder && stop_string.empty()) {
    event.text += job->stop_matcher.push(job->decoder->flush());
    if (job->stop_matcher.matched() == nullptr) event.text += job->stop_matcher.flush();
  }
  event.error = std::move(error);
  event.stop_string = std::move(stop_string);
  const int64_t now_us = config_.clock->now_us();
  event.usage.prompt_tokens = job->n_prompt;
  event.usage.cached_tokens = job->n_cached;
  event.usage.generated_tokens = job->n_generated();
  event.usage.queued_us = (job->started_us < 0 ? now_us : job->started_us) - job->submitted_us;
  event.usage.first_token_us = job->first_token_us < 0 ? 0 : job->first_token_us - job->submitted_us;
  event.usage.total_us = now_us - job->submitted_us;
  ++counters_.n_finished;
  if (job->group != nullptr && reason == FinishReason::kStop && job->group->note_stop()) group_decided_ = true;
  if (!job->prefill_only) job->stream->leave({std::move(job->tokens), job->n_prompt});
  // Before the event: who has seen the end may submit again at once.
  mailbox_->job_done();
  publish_stats();
  job->stream->cancelled.store(true);  // nothing is left to cancel
  job->stream->publish(std::move(event));
}

void StepLoop::publish_stats() {
  counters_.n_waiting = scheduler_.n_waiting();
  counters_.n_running = scheduler_.n_running();
  counters_.n_contexts = scheduler_.n_contexts();
  counters_.n_blocks = pool_->n_blocks();
  counters_.n_free_blocks = pool_->n_free();
  counters_.n_cached_blocks = static_cast<uint64_t>(tree_.n_blocks());
  counters_.kv_bytes_touched = pool_->bytes_touched();
  counters_.kv_bytes_max = config_.kv_bytes_max;
  counters_.workspace_bytes = workspace_->n_bytes();
  counters_.n_cached_tokens = scheduler_.counters().n_cached_tokens + n_walked_prompt_tokens_;
  counters_.n_prefix_queries = scheduler_.counters().n_prefix_queries;
  counters_.n_prefix_hits = scheduler_.counters().n_prefix_hits;
  counters_.n_preempted = scheduler_.counters().n_preempted;
  counters_.n_evicted_blocks = tree_.n_evicted();
  MutexLock lock(stats_mutex_);
  stats_ = counters_;
}

EngineStats StepLoop::stats() const {
  MutexLock lock(stats_mutex_);
  return stats_;
}

}  // namespace firesteel
