// Guessing tokens ahead from what was there before (prompt lookup: a sequence often repeats a stretch of its prompt, of its own answer or of its siblings').
// Guessed tokens are computed as further rows of the step, which costs little while a step reads all weights anyway; each guess that is what the
// sampler then draws saves a step. What is drawn does not depend on guesses: a row's logits are the same in any company, and drawing at a position uses
// that position's random numbers. So the same request gives the same bytes with and without (speculation_test.cc, tests/invariance_test.cc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.h"

namespace firesteel {

// Where each run of kGram tokens stood last in one growing sequence. 4 bytes a token, twice that after growth.
class NgramIndex {
 public:
  static constexpr size_t kGram = 3;

  // Indexes what was appended since the last call. `tokens` is the same sequence, only longer.
  void extend(std::span<const TokenId> tokens);

  // What followed the last place of `gram` ([kGram] tokens), as far as it was indexed: a part of `tokens`, at most n_max long. Empty: not seen.
  // The run at the very end of the sequence has no follower and is not found itself.
  std::span<const TokenId> after(std::span<const TokenId> gram, std::span<const TokenId> tokens, size_t n_max) const;

 private:
  size_t slot_of(std::span<const TokenId> gram) const;
  void insert(std::span<const TokenId> tokens, size_t end);

  std::vector<uint32_t> ends_;  // open addressing, a power of two; position behind the run, 0: free
  size_t n_indexed_ = 0;  // runs that end at or before this position are in
};

// Whether guessing pays for one sequence: a balance in units of tokens. A guess that comes true earns one, each guessed row costs what the step took longer.
// A sequence in debt stops guessing for twice as long each time, so that one that never repeats itself loses about one token's time in a hundred.
class SpeculationBudget {
 public:
  // Tokens to guess now; 0: not now. n_tokens: the sequence's length.
  int64_t n_draft(int64_t n_tokens, int64_t n_max) const { return n_tokens < silent_until_ ? 0 : (length_ < n_max ? length_ : n_max); }
  // row_cost: time of one more row, in steps' tokens.
  void note(int64_t n_tokens, int64_t n_drafted, int64_t n_accepted, double row_cost);

 private:
  int64_t length_ = 2;
  int64_t silent_until_ = 0;
  int64_t silence_ = 32;
  double balance_ = 0;
};

// What one more row costs beside n decoding rows, learnt from the steps themselves. Time steers only whether to guess, never what is drawn.
class RowCost {
 public:
  void note_plain(int64_t n_decode, int64_t us);
  void note_drafted(int64_t n_decode, int64_t n_drafts, int64_t us);
  // In tokens: the part of a step's time per token that a guessed row adds.
  double tokens() const { return cost_; }

 private:
  static constexpr size_t kRows = 16;
  double plain_us_[kRows] = {};  // by n_decode, smoothed; 0: not seen
  double cost_ = 0.1;
};

}  // namespace firesteel
