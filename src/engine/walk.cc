// The part of the step loop in which samples of one prompt take each other's steps (engine/trails.h).
//
// A walker is a job whose next token another one's logits decide: it is drawn here, with the walker's own seed, position, form and stops, and
// the scheduler hears nothing of it. It leaves the trail where it says something else, or where the trail has no more: then it becomes a
// sequence like any other, which begins with the keys and values of what both had in common.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "engine/step_loop.h"

namespace firesteel {

// To somebody's trail, or to the scheduler.
void StepLoop::admit(Job* job, int64_t now_us) {
  if (Trails::may_share(*job)) {
    if (Trail* const trail = trails_.find(*job); trail != nullptr) {
      job->follows = trail;
      ++trail->n_followers;
      job->n_cached = job->n_prompt;
      walkers_.push_back(job);
      return;
    }
    job->trail = trails_.begin(job);
  }
  scheduler_.add(job, now_us);
}

// As many tokens for each as there are. False when nothing happened.
bool StepLoop::walk(Exec* exec) {
  const auto n_vocab = static_cast<size_t>(config_.model->config().n_vocab);
  const size_t n_at_once = std::min(outcomes_.size(), static_cast<size_t>(n_logits_max_));
  bool any = false;
  for (;;) {
    sampled_.clear();
    for (size_t i = 0; i < walkers_.size() && sampled_.size() < n_at_once;) {
      Job* const job = walkers_[i];
      const float* row = job->follows->row(job->n_tokens());
      if (row == nullptr && !job->follows->will_have(job->n_tokens())) {
        leave(job);  // whom it followed has ended here, or the row was forgotten; another may have it
        any = true;
        continue;
      }
      ++i;
      if (row == nullptr) continue;
      if (job->started_us < 0) job->started_us = config_.clock->now_us();
      std::memcpy(logits_.get() + sampled_.size() * n_vocab, row, n_vocab * sizeof(float));
      sampled_.push_back({job, sampled_.size()});
    }
    if (sampled_.empty()) return any;
    any = true;
    sample(exec);
    for (size_t i = 0; i < sampled_.size(); ++i) {
      Job* const job = sampled_[i].job;
      if (!publish_token(job, &outcomes_[i])) continue;
      const std::vector<TokenId>& theirs = job->follows->tokens();
      const auto at = static_cast<size_t>(job->n_tokens()) - 1;
      if (at >= theirs.size() || theirs[at] != job->tokens[at]) leave(job);
    }
    if (std::exchange(group_decided_, false)) end_cancelled();
    if (std::exchange(group_exhausted_, false)) end_exhausted();
  }
}

void StepLoop::unfollow(Job* job) {
  --job->follows->n_followers;
  job->follows = nullptr;
  walkers_.erase(std::find(walkers_.begin(), walkers_.end(), job));
}

// For another trail, or to go on alone.
void StepLoop::leave(Job* job) {
  if (Trail* const other = trails_.find(*job); other != nullptr) {
    --job->follows->n_followers;
    job->follows = other;
    ++other->n_followers;
    return;
  }
  const Job* const leader = job->follows->job;  // of one that has ended the prefix cache has the blocks
  unfollow(job);
  const int64_t now_us = config_.clock->now_us();
  const int64_t n = leader == nullptr ? 0 : std::min(job->n_tokens() - 1, leader->table.n_tokens());
  if (n > (job->context == nullptr ? 0 : job->context->table.n_tokens())) {
    auto common = std::make_shared<KvContext>();
    common->key = job->key;
    common->owner = job->owner;
    common->tokens.assign(job->tokens.begin(), job->tokens.begin() + static_cast<ptrdiff_t>(n));
    common->table = leader->table.fork(*pool_, n);
    common->last_used_us = now_us;
    scheduler_.add_context(common);
    job->context = job->left_with = std::move(common);
  }
  job->trail = trails_.begin(job);
  scheduler_.add(job, now_us);
}

// It has its blocks now, or needs none any more.
void StepLoop::drop_left_with(Job* job) {
  if (job->left_with == nullptr) return;
  if (job->context == job->left_with) job->context.reset();
  scheduler_.drop_context(job->left_with);
  job->left_with.reset();
}

}  // namespace firesteel
