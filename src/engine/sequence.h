// One sequence in the engine: tokens known, tokens computed, and who waits for it.
//
// Tokens [0, table.n_tokens()) are computed, the rest are pending. A new sequence has its prompt pending, a decoding one the token
// sampled last, a preempted one everything that the prefix cache does not give back. There is no other difference between them, so
// resuming samples at the same position from the same logits.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "api/generator.h"
#include "base/ids.h"
#include "kvcache/block_table.h"
#include "kvcache/prefix_tree.h"

namespace firesteel {

// A computed prefix that a caller holds. Its blocks may be taken back under memory pressure: a fork then computes them again.
struct KvContext {
  PrefixKey key;
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
