#include "engine/trails.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace firesteel {
namespace {

constexpr size_t kSpareRowsMax = 64;

bool begins_with(const std::vector<TokenId>& tokens, const std::vector<TokenId>& beginning) {
  return tokens.size() >= beginning.size() && std::equal(beginning.begin(), beginning.end(), tokens.begin());
}

}  // namespace

Trails::Trails(int64_t n_vocab) : n_rows_max_(std::max<size_t>(2, kRowBytesMax / (static_cast<size_t>(n_vocab) * sizeof(float)))) {}

Trail* Trails::begin(Job* job) {
  if (trails_.size() >= kTrailsMax) {
    const auto oldest = std::find_if(trails_.begin(), trails_.end(), [](const auto& one) { return one->job == nullptr && one->n_followers == 0; });
    if (oldest == trails_.end()) return nullptr;
    forget_rows(oldest->get());
    trails_.erase(oldest);
  }
  auto trail = std::make_unique<Trail>();
  trail->key = job->key;
  trail->owner = job->owner;
  trail->flow = job->flow;
  trail->priority = job->priority;
  trail->job = job;
  trail->first = job->n_tokens();
  trails_.push_back(std::move(trail));
  return trails_.back().get();
}

Trail* Trails::find(const Job& job) const {
  Trail* waits = nullptr;
  const int64_t n = job.n_tokens();
  for (const auto& trail : trails_) {
    const bool has = trail->row(n) != nullptr;
    if ((!has && !trail->will_have(n)) || trail->job == &job || trail->flow != job.flow || trail->priority != job.priority) continue;
    if (trail->key != job.key || shareable(trail->owner, job.owner, n) != n || !begins_with(trail->tokens(), job.tokens)) continue;
    if (has) return trail.get();
    waits = trail.get();
  }
  return waits;
}

void Trails::forget_rows(Trail* trail) {
  n_rows_ -= trail->rows.size();
  while (!trail->rows.empty() && spare_.size() < kSpareRowsMax) {
    spare_.push_back(std::move(trail->rows.front()));
    trail->rows.pop_front();
  }
  trail->rows.clear();
}

void Trails::record(Trail* trail, std::span<const float> logits) {
  CHECK(trail->job != nullptr && trail->job->n_tokens() == trail->first + static_cast<int64_t>(trail->rows.size()));
  while (n_rows_ >= n_rows_max_) {
    // The longest trail loses its beginning: who would still need it is late.
    Trail* longest = nullptr;
    for (const auto& one : trails_) {
      if (longest == nullptr || one->rows.size() > longest->rows.size()) longest = one.get();
    }
    if (spare_.size() < kSpareRowsMax) spare_.push_back(std::move(longest->rows.front()));
    longest->rows.pop_front();
    ++longest->first;
    --n_rows_;
  }
  std::vector<float> row;
  if (!spare_.empty()) {
    row = std::move(spare_.back());
    spare_.pop_back();
  }
  row.assign(logits.begin(), logits.end());
  trail->rows.push_back(std::move(row));
  ++n_rows_;
}

void Trails::end(Trail* trail, bool failed, int64_t now_us) {
  if (failed) {
    forget_rows(trail);
    trail->first = 0;
  } else {
    trail->ended = trail->job->tokens;
  }
  trail->job = nullptr;
  trail->ended_us = now_us;
}

void Trails::forget_ended(int64_t now_us) {
  std::erase_if(trails_, [&](const auto& trail) {
    const bool goes = trail->job == nullptr && trail->n_followers == 0 && trail->ended_us <= now_us - kKeptUs;
    if (goes) forget_rows(trail.get());
    return goes;
  });
  if (trails_.empty()) spare_ = {};
}

}  // namespace firesteel
