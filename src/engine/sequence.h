// One sequence in the engine: tokens known, tokens computed, and who waits for it.
//
// Tokens [0, table.n_tokens()) are computed, the rest are pending. A new sequence has its prompt pending, a decoding one the token
// sampled last, a preempted one everything that the prefix cache does not give back. There is no other difference between them, so
// resuming samples at the same position from the same logits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "api/generator.h"
#include "base/ids.h"
#include "kvcache/block_table.h"
#include "kvcache/prefix_tree.h"

namespace firesteel {

// Whose keys and values a sequence's are, beside the key: with activated LoRA the tokens before `from` are the base's, and in the prefix
// cache they are found under the base's key by everybody who has it; from there on `mark`, no token's id and each such adapter's own, stands for
// the first token, so that nobody else finds what follows.
struct PrefixOwner {
  int64_t from = INT64_MAX;
  TokenId mark = 0;  // 0: all tokens belong to the key
  // How many of the first n tokens two sequences with the same key may have in common.
  friend int64_t shareable(const PrefixOwner& a, const PrefixOwner& b, int64_t n) {
    return a.mark == b.mark && a.from == b.from ? n : std::min({n, a.from, b.from});
  }
};

// A computed prefix that a caller holds. Its blocks may be taken back under memory pressure: a fork then computes them again.
struct KvContext {
  PrefixKey key;
  PrefixOwner owner;
  std::vector<TokenId> tokens;
  BlockTable table;  // of all tokens; of fewer when it was made from a running sequence, empty when it was taken back
  int64_t last_used_us = 0;
  bool held = false;  // by a caller; kept by the scheduler
};

struct Sequence {
  virtual ~Sequence() = default;

  // Set before Scheduler::add.
  SeqId id;                        // ascending in order of arrival
  FlowId flow;
  Priority priority = Priority::kInteractive;
  PrefixKey key;
  PrefixOwner owner;
  bool use_prefix_cache = true;
  bool prefill_only = false;       // a context in the making: no logits, done when nothing is pending
  std::vector<TokenId> tokens;     // prompt, then what was generated; the owner appends
  int64_t n_prompt = 0;
  int64_t n_tokens_max = 0;        // tokens.size() never exceeds it
  int64_t deadline_us = 0;         // 0: none
  std::shared_ptr<KvContext> context;  // forked from

  int64_t n_tokens() const { return static_cast<int64_t>(tokens.size()); }
  int64_t n_pending() const { return n_tokens() - table.n_tokens(); }

  // Kept by the scheduler.
  enum class State : uint8_t { kNew, kWaiting, kRunning, kFinished };
  State state = State::kNew;
  BlockTable table;
  int64_t n_cached = 0;            // prompt tokens that were there at the first admission
  bool was_admitted = false;
  bool promoted = false;           // batch work that has waited long enough to count as interactive
  int64_t waiting_since_us = 0;
  int64_t arrival_us = 0;
  int64_t rows_since_admission = 0;
  int32_t plan_index = -1;         // in the current plan
};

}  // namespace firesteel
