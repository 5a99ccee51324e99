// What samples of one prompt have computed, step by step: their tokens, and the logits that each further token was drawn from. A request whose
// tokens so far are those of another draws its next one from the other's logits, with its own seed, and computes nothing; where it draws
// something else it goes on alone, with the keys and values of what they had in common. So samples of one question cost the nodes of the tree
// of their texts, and each says byte for byte what it would have said alone.
//
// For requests in a group (RequestGroup) that are drawn at random: lanes of a run, choices of one prompt. As with the prefix cache, only one
// namespace, model and adapter share. Bounded in bytes: the oldest logits go first, and who would have needed them goes alone. What has ended
// can be followed for a short while, and holds no KV blocks. Engine thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "engine/job.h"

namespace firesteel {

struct Trail {
  PrefixKey key;
  PrefixOwner owner;
  FlowId flow;
  Priority priority = Priority::kInteractive;
  Job* job = nullptr;                  // while it runs
  std::vector<TokenId> ended;          // its tokens, afterwards
  int64_t ended_us = 0;
  int n_followers = 0;
  int64_t first = 0;                   // rows[i] is what the token with index first + i was drawn from
  std::deque<std::vector<float>> rows;

  const std::vector<TokenId>& tokens() const { return job != nullptr ? job->tokens : ended; }
  // Of the token with index n; nullptr: not there (yet, or any more).
  const float* row(int64_t n) const {
    const bool is_there = n >= first && n < first + static_cast<int64_t>(rows.size());
    return is_there ? rows[static_cast<size_t>(n - first)].data() : nullptr;
  }
  // Whether it will have a row for who knows the same n tokens.
  bool will_have(int64_t n) const { return job != nullptr && job->n_tokens() == n; }
};

class Trails {
 public:
  static constexpr size_t kTrailsMax = 128;
  static constexpr size_t kRowBytesMax = size_t{48} << 20;
  static constexpr int64_t kKeptUs = 2'000'000;  // after the end

  explicit Trails(int64_t n_vocab);

  static bool may_share(const Job& job) {
    return job.group != nullptr && !job.prefill_only && job.use_prefix_cache && job.sampling.temperature > 0;
  }
  // A trail for this job's next token and those after it; nullptr when there are too many.
  Trail* begin(Job* job);
  // One that has what the job's next token is drawn from, or will have it; nullptr without.
  Trail* find(const Job& job) const;
  // The next token of trail->job will be drawn from these (which drawing changes).
  void record(Trail* trail, std::span<const float> logits);
  // trail->job is about to end. With an error what it leaves is worth nothing.
  void end(Trail* trail, bool failed, int64_t now_us);
  // Those that ended kKeptUs ago and have no followers.
  void forget_ended(int64_t now_us);

  bool empty() const { return trails_.empty(); }
  size_t n_rows() const { return n_rows_; }

 private:
  void forget_rows(Trail* trail);

  const size_t n_rows_max_;
  std::vector<std::unique_ptr<Trail>> trails_;
  std::vector<std::vector<float>> spare_;  // rows to be used again
  size_t n_rows_ = 0;
};

}  // namespace firesteel
