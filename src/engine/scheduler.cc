#include "engine/scheduler.h"

#include <algorithm>
#include <span>
#include <string>

#include "base/check.h"

namespace firesteel {
namespace {

constexpr int64_t kQuantumRows = 64;     // what a flow gets in its turn
constexpr int64_t kDebtMax = 8 * kQuantumRows;  // decoding more than this is forgiven, so that a flow is never shut out for long
constexpr int32_t kChunkAlign = 16;      // matrix tiles are efficient from here on

// The first n tokens, as the prefix cache knows them.
class CacheTokens {
 public:
  CacheTokens(std::span<const TokenId> tokens, const PrefixOwner& owner, int64_t n) : tokens_(tokens.first(static_cast<size_t>(n))) {
    if (owner.mark == 0 || n <= owner.from) return;
    marked_.assign(tokens_.begin(), tokens_.end());
    marked_[static_cast<size_t>(owner.from)] = owner.mark;
    tokens_ = marked_;
  }
  CacheTokens(const Sequence& sequence, int64_t n) : CacheTokens(sequence.tokens, sequence.owner, n) {}
  CacheTokens(const CacheTokens&) = delete;
  CacheTokens& operator=(const CacheTokens&) = delete;
  std::span<const TokenId> span() const { return tokens_; }

 private:
  std::span<const TokenId> tokens_;
  std::vector<TokenId> marked_;
};

}  // namespace

Scheduler::Scheduler(BlockPool* pool, PrefixTree* tree, const Options& options) : pool_(pool), tree_(tree), options_(options) {
  CHECK(options.max_sequences > 0 && options.max_batch_rows >= options.max_sequences && options.prefill_chunk > 0);
  plan_.sequences.reserve(static_cast<size_t>(options.max_sequences));
  running_.reserve(static_cast<size_t>(options.max_sequences));
}

// ---- Coming and going -----------------------------------------------------------------------------------------------

void Scheduler::add(Sequence* sequence, int64_t now_us) {
  CHECK(sequence->state == Sequence::State::kNew && sequence->n_tokens() > 0 && sequence->n_tokens() <= sequence->n_tokens_max);
  CHECK(blocks_for(sequence->n_tokens_max) <= static_cast<int64_t>(pool_->n_blocks()));
  sequence->arrival_us = now_us;
  if (sequence->deadline_us != 0) deadlines_.emplace(sequence->deadline_us, sequence);
  start_waiting(sequence, now_us);
}

void Scheduler::start_waiting(Sequence* sequence, int64_t now_us) {
  sequence->state = Sequence::State::kWaiting;
  sequence->waiting_since_us = now_us;
  flows_[sequence->flow].waiting[class_of(*sequence)].insert(sequence);
  ++n_waiting_;
  if (class_of(*sequence) == kBatchClass) ageing_.emplace(now_us + options_.batch_ageing_us, sequence);
}

void Scheduler::stop_waiting(Sequence* sequence) {
  if (class_of(*sequence) == kBatchClass) ageing_.erase({sequence->waiting_since_us + options_.batch_ageing_us, sequence});
  CHECK(flows_[sequence->flow].waiting[class_of(*sequence)].erase(sequence) == 1);
  --n_waiting_;
}

void Scheduler::stop_running(Sequence* sequence) {
  const auto it = std::find(running_.begin(), running_.end(), sequence);
  CHECK(it != running_.end());
  running_.erase(it);
  --flows_[sequence->flow].n_running;
}

void Scheduler::forget_flow_if_idle(FlowId id) {
  const auto it = flows_.find(id);
  if (it == flows_.end() || it->second.n_running > 0) return;
  for (const WaitingSet& waiting : it->second.waiting) {
    if (!waiting.empty()) return;
  }
  flows_.erase(it);
}

void Scheduler::finish(Sequence* sequence, bool keep_prefix) {
  if (sequence->state == Sequence::State::kWaiting) stop_waiting(sequence);
  if (sequence->state == Sequence::State::kRunning) stop_running(sequence);
  CHECK(sequence->state != Sequence::State::kFinished);
  sequence->state = Sequence::State::kFinished;
  n_promoted_ -= sequence->promoted ? 1 : 0;
  if (sequence->deadline_us != 0) deadlines_.erase({sequence->deadline_us, sequence});
  if (keep_prefix && sequence->use_prefix_cache) {
    tree_->insert(sequence->key, CacheTokens(*sequence, sequence->table.n_tokens()).span(), sequence->table);
  }
  if (!keep_prefix) {
    for (const KvBlockId id : sequence->table.blocks()) {
      if (pool_->ref_count(id) == 1) pool_->clear(id);
    }
  }
  sequence->table.release(*pool_);
  sequence->context.reset();
  forget_flow_if_idle(sequence->flow);
}

Sequence* Scheduler::expired(int64_t now_us) const {
  return deadlines_.empty() || deadlines_.begin()->first > now_us ? nullptr : deadlines_.begin()->second;
}

void Scheduler::preempt(Sequence* sequence, int64_t now_us) {
  stop_running(sequence);
  if (sequence->use_prefix_cache) {
    tree_->insert(sequence->key, CacheTokens(*sequence, sequence->table.n_tokens()).span(), sequence->table);
  }
  sequence->table.release(*pool_);
  start_waiting(sequence, now_us);
  ++counters_.n_preempted;
}

// ---- Memory ---------------------------------------------------------------------------------------------------------

// Without touching anything that runs.
bool Scheduler::make_room(int64_t n_blocks) {
  for (;;) {
    const int64_t n_free = pool_->n_free();
    if (n_free >= n_blocks) return true;
    if (tree_->evict(n_blocks - n_free) > 0) continue;
    KvContext* oldest = nullptr;
    for (const auto& context : contexts_) {
      if (!context->table.empty() && (oldest == nullptr || context->last_used_us < oldest->last_used_us)) oldest = context.get();
    }
    if (oldest == nullptr) return false;
    oldest->table.release(*pool_);
    ++counters_.n_reclaimed_contexts;
  }
}

// Makes all known tokens of a running sequence writable, at the cost of whoever comes after it.
bool Scheduler::grow(Sequence* sequence, int64_t now_us) {
  for (;;) {
    const int64_t n_needed = sequence->table.blocks_needed(*pool_, sequence->n_tokens());
    if (n_needed == 0) return true;
    if (make_room(n_needed)) {
      CHECK(sequence->table.reserve(*pool_, sequence->n_tokens()).ok());
      return true;
    }
    if (running_.back() == sequence) return false;
    preempt(running_.back(), now_us);
  }
}

Result<BlockTable> Scheduler::acquire_table(int64_t n_tokens) {
  if (!make_room(blocks_for(n_tokens))) {
    return Error{ErrorCode::kResourceExhausted, "kv cache: no room for " + std::to_string(n_tokens) + " tokens beside what is running"};
  }
  BlockTable table;
  CHECK(table.reserve(*pool_, n_tokens).ok());
  return table;
}

void Scheduler::keep_as_context(Sequence* sequence, std::shared_ptr<KvContext> context, int64_t now_us) {
  CHECK(sequence->n_pending() == 0);
  context->table = std::move(sequence->table);
  context->last_used_us = now_us;
  if (sequence->use_prefix_cache) tree_->insert(context->key, CacheTokens(context->tokens, context->owner, static_cast<int64_t>(context->tokens.size())).span(), context->table);
  add_context(std::move(context));
}

void Scheduler::add_context(std::shared_ptr<KvContext> context) {
  CHECK(!context->held);
  context->held = true;
  contexts_.push_back(std::move(context));
}

void Scheduler::drop_context(const std::shared_ptr<KvContext>& context) {
  CHECK(context->held);
  context->held = false;
  context->table.release(*pool_);
  contexts_.remove(context);
}

void Scheduler::drop_all_contexts() {
  while (!contexts_.empty()) {
    const std::shared_ptr<KvContext> context = contexts_.front();
    drop_context(context);
  }
}

// ---- Admission ------------------------------------------------------------------------------------------------------

// True when a running sequence is about to compute a block that this one needs as well: it will be in the prefix cache then.
bool Scheduler::waits_for_leader(const Sequence& sequence) const {
  if (!sequence.use_prefix_cache) return false;
  const auto tokens = std::span(sequence.tokens).first(static_cast<size_t>(sequence.n_tokens() - 1));
  int64_t n_cached = -1;
  for (const Sequence* leader : running_) {
    if (!leader->use_prefix_cache || leader->n_pending() <= 1 || leader->key != sequence.key || precedes(&sequence, leader)) continue;
    if (is_batch(*leader) && !is_batch(sequence)) continue;  // it may rest
    const size_t n = std::min(tokens.size(), leader->tokens.size());
    const int64_t n_same = std::mismatch(tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(n), leader->tokens.begin()).first -
                           tokens.begin();
    const int64_t n_common = shareable(sequence.owner, leader->owner, n_same);
    const int64_t n_useful = n_common / kKvBlockTokens * kKvBlockTokens;
    if (leader->table.n_tokens() >= n_useful) continue;
    if (n_cached < 0) {
      n_cached = tree_->match_length(sequence.key, CacheTokens(sequence, sequence.n_tokens() - 1).span());
      if (sequence.context != nullptr) n_cached = std::max(n_cached, sequence.context->table.n_tokens());
    }
    if (n_cached < n_useful) return true;
  }
  return false;
}

// Gives a waiting sequence what is computed already and the blocks for the rest of its tokens and one more. False: no room, nothing
// attached. The last token is always computed again: its logits are wanted.
bool Scheduler::attach_prefix(Sequence* sequence, int64_t n_extra_blocks) {
  const int64_t n_reusable = sequence->n_tokens() - 1;
  // The last token of all is told and never read again, so it has no place: 1 + 64 tokens behind a shared prefix fill one block, not two.
  const int64_t n_wanted = std::max(sequence->n_tokens(), std::min(sequence->n_tokens() + kKvBlockTokens, sequence->n_tokens_max - 1));
  BlockTable& table = sequence->table;
  if (sequence->use_prefix_cache) table = tree_->match(sequence->key, CacheTokens(*sequence, n_reusable).span());
  if (sequence->context != nullptr) {
    const int64_t n_shared = std::min(n_reusable, sequence->context->table.n_tokens());
    if (n_shared > table.n_tokens()) {
      table.release(*pool_);
      table = sequence->context->table.fork(*pool_, n_shared);
    }
  }
  // The copy of a partial block may be the one block too much; whole blocks never are, and what is not attached can be evicted.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (make_room(table.blocks_needed(*pool_, n_wanted) + n_extra_blocks)) {
      CHECK(table.reserve(*pool_, n_wanted).ok());
      return true;
    }
    table.truncate(*pool_, table.n_tokens() / kKvBlockTokens * kKvBlockTokens);
  }
  table.release(*pool_);
  return false;
}

bool Scheduler::try_admit(Sequence* sequence, int64_t now_us) {
  if (n_running() >= options_.max_sequences) return false;
  // A little more than it needs, so that the next step's growth does not throw it out again. Alone, it gets what there is.
  if (!attach_prefix(sequence, std::min<int64_t>(n_running(), 8))) return false;
  stop_waiting(sequence);
  sequence->state = Sequence::State::kRunning;
  sequence->rows_since_admission = 0;
  // Here and not before: thousands may wait, and a decode step must not allocate.
  sequence->table.reserve_capacity(blocks_for(sequence->n_tokens_max));
  sequence->tokens.reserve(static_cast<size_t>(std::min(sequence->n_tokens_max, sequence->n_tokens() + 4096)));
  if (!sequence->was_admitted) {
    sequence->was_admitted = true;
    sequence->n_cached = std::min(sequence->table.n_tokens(), sequence->n_prompt);
    counters_.n_cached_tokens += static_cast<uint64_t>(sequence->n_cached);
    if (sequence->use_prefix_cache) {
      ++counters_.n_prefix_queries;
      counters_.n_prefix_hits += sequence->n_cached > 0 ? 1 : 0;
    }
  }
  if (sequence->context != nullptr) sequence->context->last_used_us = now_us;
  running_.push_back(sequence);
  ++flows_[sequence->flow].n_running;
  return true;
}

// Takes a place or blocks from one running sequence for a waiting one. False when nobody has to give way.
bool Scheduler::displace_for(const Sequence& sequence, int64_t now_us) {
  // Batch work gives way to interactive work at once: youngest first.
  Sequence* victim = nullptr;
  for (Sequence* other : running_) {
    if (class_of(*other) > class_of(sequence) && (victim == nullptr || victim->id < other->id)) victim = other;
  }
  // Between flows of one class, places are evened out, after a while and never at the cost of the oldest sequence.
  if (victim == nullptr && now_us - sequence.waiting_since_us >= options_.slice_us) {
    const int n_own = flows_[sequence.flow].n_running;
    const Sequence* oldest = *std::min_element(running_.begin(), running_.end(), precedes);
    int n_most = n_own + 1;
    for (Sequence* other : running_) {
      const int n = flows_[other->flow].n_running;
      if (other == oldest || class_of(*other) < class_of(sequence) || other->rows_since_admission < options_.slice_rows) continue;
      if (n > n_most || (n == n_most && victim != nullptr && victim->id < other->id)) {
        victim = other;
        n_most = n;
      }
    }
  }
  if (victim == nullptr) return false;
  preempt(victim, now_us);
  return true;
}

Scheduler::Admission Scheduler::admit_from(Flow* flow, Class cls, int64_t now_us) {
  constexpr int kLookAhead = 64;
  int n_seen = 0;
  for (Sequence* sequence : flow->waiting[cls]) {
    if (++n_seen > kLookAhead) break;
    if (waits_for_leader(*sequence)) continue;
    while (!try_admit(sequence, now_us)) {
      if (running_.empty() || !displace_for(*sequence, now_us)) return Admission::kBlocked;
    }
    return Admission::kAdmitted;  // the set has changed under the loop
  }
  return Admission::kNobody;
}

// Prompts are admitted when they can be worked on soon, which keeps their blocks in the prefix cache until then.
bool Scheduler::may_admit_from(FlowId id, const Flow& flow) const {
  if (flow.n_running == 0) return true;
  int64_t n_pending = 0;
  bool has_prefill = false;
  for (const Sequence* sequence : running_) {
    if (sequence->n_pending() <= 1) continue;
    n_pending += sequence->n_pending();
    has_prefill = has_prefill || sequence->flow == id;
  }
  return n_pending < options_.max_batch_rows || !has_prefill;
}

void Scheduler::admit_waiting(int64_t now_us) {
  for (const Class cls : {kInteractiveClass, kBatchClass}) {
    std::vector<FlowId>& skipped = skipped_;
    skipped.clear();
    for (;;) {
      // The flow with the fewest running sequences; among equals, round robin.
      const FlowId* best = nullptr;
      Flow* best_flow = nullptr;
      bool best_is_ahead = false;
      for (auto& [id, flow] : flows_) {
        if (flow.waiting[cls].empty() || std::find(skipped.begin(), skipped.end(), id) != skipped.end()) continue;
        const bool is_ahead = id > last_admitted_;
        if (best_flow != nullptr && (flow.n_running > best_flow->n_running ||
                                     (flow.n_running == best_flow->n_running && (best_is_ahead || !is_ahead)))) {
          continue;
        }
        if (!may_admit_from(id, flow)) continue;
        best = &id;
        best_flow = &flow;
        best_is_ahead = is_ahead;
      }
      if (best_flow == nullptr) break;
      const FlowId id = *best;
      const Admission admission = admit_from(best_flow, cls, now_us);
      if (admission == Admission::kBlocked) return;  // nobody passes it
      if (admission == Admission::kNobody) skipped.push_back(id);
      if (admission == Admission::kAdmitted) last_admitted_ = id;
    }
  }
}

// ---- The step -------------------------------------------------------------------------------------------------------

void Scheduler::promote_aged(int64_t now_us) {
  // Their rows rest beside interactive work, so they hold their places for long: not too many.
  const int n_promoted_max = std::max(options_.max_sequences / 8, 1);
  while (!ageing_.empty() && ageing_.begin()->first <= now_us && n_promoted_ < n_promoted_max) {
    Sequence* sequence = ageing_.begin()->second;
    ageing_.erase(ageing_.begin());
    Flow& flow = flows_[sequence->flow];
    CHECK(flow.waiting[kBatchClass].erase(sequence) == 1);
    sequence->promoted = true;
    ++n_promoted_;
    flow.waiting[kInteractiveClass].insert(sequence);
  }
}

void Scheduler::grow_running(int64_t now_us) {
  std::sort(running_.begin(), running_.end(), precedes);
  for (size_t i = 0; i < running_.size();) {
    Sequence* sequence = running_[i];
    if (grow(sequence, now_us)) {
      ++i;
    } else {
      preempt(sequence, now_us);  // it was the last
    }
  }
}

int64_t Scheduler::n_unplanned(const Sequence& sequence) const {
  const int32_t index = sequence.plan_index;
  return sequence.n_pending() - (index < 0 ? 0 : plan_.sequences[static_cast<size_t>(index)].n_rows);
}

void Scheduler::add_rows(Sequence* sequence, int32_t n_rows) {
  if (sequence->plan_index < 0) {
    sequence->plan_index = static_cast<int32_t>(plan_.sequences.size());
    plan_.sequences.push_back({sequence, sequence->table.n_tokens(), 0, false});
  }
  PlannedSequence& planned = plan_.sequences[static_cast<size_t>(sequence->plan_index)];
  planned.n_rows += n_rows;
  plan_.n_rows += n_rows;
  if (n_unplanned(*sequence) == 0 && !sequence->prefill_only) {
    planned.wants_logits = true;
    ++plan_.n_logits;
  }
  DCHECK(sequence->table.blocks_needed(*pool_, planned.first + planned.n_rows) == 0);
}

// How many rows batch work may have in this step.
int32_t Scheduler::batch_rows(int64_t now_us) {
  const bool beside = std::any_of(running_.begin(), running_.end(), [](const Sequence* one) { return !is_batch(*one) && one->n_pending() > 0; });
  if (beside) {
    interactive_until_us_ = now_us + options_.interactive_near_us;
    if (++n_steps_beside_ % std::max(options_.batch_step_every, 1) != 0) return 0;
  } else {
    n_steps_beside_ = 0;
  }
  return now_us < interactive_until_us_ ? std::max(options_.batch_rows_near, 1) : options_.max_batch_rows;
}

void Scheduler::plan_decode(Sequence* sequence) {
  add_rows(sequence, 1);
  ++plan_.n_decode;
  Flow& flow = flows_[sequence->flow];
  flow.deficit = std::max(flow.deficit - 1, -kDebtMax);
}

void Scheduler::plan_decodes(int32_t* n_batch_rows) {
  for (Sequence* sequence : running_) {
    if (sequence->n_pending() == 1 && !is_batch(*sequence)) plan_decode(sequence);
  }
  // Batch work in turn, beginning behind the one that was last served.
  const SeqId last = last_batch_decode_;
  for (const bool behind : {true, false}) {
    for (Sequence* sequence : running_) {
      if (*n_batch_rows == 0) return;
      if (sequence->n_pending() != 1 || !is_batch(*sequence) || (sequence->id > last) != behind) continue;
      plan_decode(sequence);
      last_batch_decode_ = sequence->id;
      --*n_batch_rows;
    }
  }
}

Sequence* Scheduler::next_prefill(FlowId flow, bool batch) const {
  Sequence* next = nullptr;
  for (Sequence* sequence : running_) {
    if (sequence->flow != flow || is_batch(*sequence) != batch || n_unplanned(*sequence) == 0) continue;
    if (next == nullptr || precedes(sequence, next)) next = sequence;
  }
  return next;
}

void Scheduler::deal(bool batch, int32_t* budget) {
  bool any = true;
  while (any && *budget > 0) {
    any = false;
    // One round, beginning behind the flow that was served last.
    auto it = flows_.upper_bound(last_served_);
    for (size_t i = 0; i < flows_.size() && *budget > 0; ++i, ++it) {
      if (it == flows_.end()) it = flows_.begin();
      auto& [id, flow] = *it;
      Sequence* sequence = next_prefill(id, batch);
      if (sequence == nullptr) continue;
      any = true;
      last_served_ = id;
      flow.deficit += kQuantumRows;
      while (flow.deficit > 0 && *budget > 0 && sequence != nullptr) {
        const int64_t n_left = n_unplanned(*sequence);
        auto n_rows = static_cast<int32_t>(std::min<int64_t>({n_left, *budget, kQuantumRows}));
        if (n_rows < n_left && n_rows >= kChunkAlign) n_rows -= n_rows % kChunkAlign;
        add_rows(sequence, n_rows);
        *budget -= n_rows;
        flow.deficit -= n_rows;
        sequence = next_prefill(id, batch);
      }
      if (sequence == nullptr) flow.deficit = std::min<int64_t>(flow.deficit, 0);  // turns are not saved up
    }
  }
}

void Scheduler::plan_prefills(int32_t n_batch_rows) {
  int32_t budget = options_.max_batch_rows - plan_.n_rows;
  if (plan_.n_decode > 0) budget = std::min(budget, options_.prefill_chunk);
  deal(/*batch=*/false, &budget);
  budget = std::min(budget, n_batch_rows);
  deal(/*batch=*/true, &budget);
}

const StepPlan& Scheduler::plan(int64_t now_us) {
  plan_.sequences.clear();
  plan_.n_rows = plan_.n_logits = plan_.n_decode = 0;
  for (Sequence* sequence : running_) sequence->plan_index = -1;
  promote_aged(now_us);
  grow_running(now_us);
  admit_waiting(now_us);
  int32_t n_batch_rows = batch_rows(now_us);
  plan_decodes(&n_batch_rows);
  plan_prefills(n_batch_rows);
  return plan_;
}

int32_t Scheduler::reserve_drafts(Sequence* sequence, int32_t n_rows) {
  BlockTable& table = sequence->table;
  const int64_t n_known = sequence->n_tokens();
  const int64_t n_free = pool_->n_free() - n_running();  // what the others may need in the next step stays
  if (table.blocks_needed(*pool_, n_known + n_rows) <= std::max<int64_t>(n_free, 0)) {
    CHECK(table.reserve(*pool_, n_known + n_rows).ok());
    return n_rows;
  }
  return static_cast<int32_t>(std::min<int64_t>(n_rows, table.n_blocks() * kKvBlockTokens - n_known));
}

void Scheduler::accept_draft(Sequence* sequence) {
  Flow& flow = flows_[sequence->flow];
  flow.deficit = std::max(flow.deficit - 1, -kDebtMax);
  advance(sequence, 1);
}

void Scheduler::advance(Sequence* sequence, int32_t n_rows) {
  const int64_t n_before = sequence->table.n_tokens() / kKvBlockTokens;
  sequence->table.advance(n_rows);
  sequence->rows_since_admission += n_rows;
  const int64_t n_whole = sequence->table.n_tokens() / kKvBlockTokens;
  // Whole blocks can be shared while the sequence goes on; a partial one would have to be copied by its next row.
  if (n_whole > n_before && sequence->use_prefix_cache) {
    tree_->insert(sequence->key, CacheTokens(*sequence, n_whole * kKvBlockTokens).span(), sequence->table);
  }
}

void Scheduler::commit() {
  for (const PlannedSequence& planned : plan_.sequences) {
    Sequence* sequence = planned.sequence;
    advance(sequence, planned.n_rows);
    sequence->plan_index = -1;
    KvContext* context = sequence->context.get();
    if (context == nullptr || !context->held) continue;
    const auto n_context = static_cast<int64_t>(context->tokens.size());
    if (context->table.n_tokens() < n_context && sequence->table.n_tokens() >= n_context) {
      context->table.release(*pool_);  // it was taken back, or never whole: here it is
      context->table = sequence->table.fork(*pool_, n_context);
    }
  }
  plan_.sequences.clear();
}

}  // namespace firesteel
