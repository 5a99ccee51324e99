// Who computes what in the next step. Pure policy: no threads, no clock, no model; time comes in as an argument, so the same code
// runs in the simulator (scheduler_sim_test.cc). It owns nothing but decides over KV blocks.
//
// A step: every decoding sequence gets its row; then prompts get chunks, dealt by deficit round robin between flows (Shreedhar and
// Varghese 1996), interactive before batch. Inside a flow the order is arrival. Batch work that has waited `batch_ageing_us` gets a place as if it were
// interactive, in an eighth of all places at most.
//
// Beside interactive work that runs, batch work has rows in one step of `batch_step_every` only, fewer than one in a hundred: so it is not among
// what interactive answers see at the 99th percentile, and still moves. Between interactive answers it has every step, but few rows in each
// until a while after the last of them, because whoever comes next waits for the end of a step. Then it has all rows.
//
// Admission takes all blocks of a prompt and one more, so that a prefill never stops half-way for want of memory. Nothing is admitted
// past a sequence that waits for blocks: large prompts do not starve. A sequence that would compute what a running one is just
// computing waits for it and then shares the blocks.
//
// Blocks run out: first the prefix cache is evicted, then idle contexts lose their blocks, then running sequences are preempted
// (their blocks go to the prefix cache, as far as it can keep them): batch before interactive, youngest first. The oldest interactive
// sequence is never a victim and one sequence always fits into the pool, so somebody always finishes.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/sequence.h"
#include "kvcache/block_pool.h"
#include "kvcache/prefix_tree.h"

namespace firesteel {

struct PlannedSequence {
  Sequence* sequence = nullptr;
  int64_t first = 0;       // position of the first row
  int32_t n_rows = 0;
  bool wants_logits = false;  // of the last row: the last known token is among the rows
};

struct StepPlan {
  std::vector<PlannedSequence> sequences;  // blocks are writable for every row
  int32_t n_rows = 0;
  int32_t n_logits = 0;
  int32_t n_decode = 0;    // rows of sequences with one pending token
};

class Scheduler {
 public:
  struct Options {
    int max_batch_rows = 512;
    int max_sequences = 64;          // running at a time; <= max_batch_rows
    int prefill_chunk = 128;         // rows of prompts in a step that also decodes
    int64_t batch_ageing_us = 10'000'000;
    int batch_step_every = 128;
    int batch_rows_near = 16;        // rows of batch work in a step, for this long after interactive work:
    int64_t interactive_near_us = 5'000'000;
    // A flow with fewer running sequences than another's may take one of its places after this wait, from a sequence that had
    // this many rows since it was admitted.
    int64_t slice_us = 1'000'000;
    int64_t slice_rows = 256;
  };
  struct Counters {
    uint64_t n_preempted = 0;
    uint64_t n_cached_tokens = 0;
    uint64_t n_prefix_queries = 0;  // first admissions that looked into the prefix cache
    uint64_t n_prefix_hits = 0;
    uint64_t n_reclaimed_contexts = 0;
  };

  Scheduler(BlockPool* pool, PrefixTree* tree, const Options& options);

  // The sequence is the caller's and stays alive until finish(). n_tokens_max must fit into the pool (CHECKed).
  void add(Sequence* sequence, int64_t now_us);

  // Decides the next step. Empty when there is nothing to do. Sequences may be admitted and preempted.
  const StepPlan& plan(int64_t now_us);

  // Between plan() and commit(): makes room for rows of guessed tokens behind the one row of a decoding sequence, out of free blocks only. For how
  // many of n_rows there is room.
  int32_t reserve_drafts(Sequence* sequence, int32_t n_rows);

  // The plan's rows were computed.
  void commit();
  // After commit(): so was the row of one more token, which was guessed first and then drawn and appended.
  void accept_draft(Sequence* sequence);

  // Ends a sequence in any state. Its blocks are free now, or the prefix cache's.
  // keep_prefix: false when what it computed is not to be trusted; then its own blocks are wiped, too.
  void finish(Sequence* sequence, bool keep_prefix);

  // A sequence whose deadline has passed, or nullptr. The caller finishes it.
  Sequence* expired(int64_t now_us) const;
  // 0 when no sequence has a deadline.
  int64_t next_deadline_us() const { return deadlines_.empty() ? 0 : deadlines_.begin()->first; }

  // The sequence's blocks become the context's; its tokens are all computed (CHECKed). It still has to be finished.
  void keep_as_context(Sequence* sequence, std::shared_ptr<KvContext> context, int64_t now_us);
  // Makes room for a context that comes from elsewhere (a snapshot): a table with n_tokens reserved. kResourceExhausted.
  Result<BlockTable> acquire_table(int64_t n_tokens);
  void add_context(std::shared_ptr<KvContext> context);
  void drop_context(const std::shared_ptr<KvContext>& context);
  void drop_all_contexts();

  bool idle() const { return running_.empty() && n_waiting_ == 0; }
  int64_t n_running() const { return static_cast<int64_t>(running_.size()); }
  int64_t n_waiting() const { return n_waiting_; }
  int64_t n_contexts() const { return static_cast<int64_t>(contexts_.size()); }
  const Counters& counters() const { return counters_; }

 private:
  enum Class : size_t { kInteractiveClass = 0, kBatchClass = 1, kNClasses = 2 };
  struct ByArrival {
    bool operator()(const Sequence* a, const Sequence* b) const { return a->id < b->id; }
  };
  using WaitingSet = std::set<Sequence*, ByArrival>;
  struct Flow {
    std::array<WaitingSet, kNClasses> waiting;
    int64_t deficit = 0;   // rows this flow may still have in its turn; negative after decoding
    int n_running = 0;
  };
  static Class class_of(const Sequence& sequence) {
    return sequence.priority == Priority::kInteractive || sequence.promoted ? kInteractiveClass : kBatchClass;
  }
  // Whose rows it counts among: a place is all that promotion gives.
  static bool is_batch(const Sequence& sequence) { return sequence.priority == Priority::kBatch; }
  static bool precedes(const Sequence* a, const Sequence* b) {
    return class_of(*a) != class_of(*b) ? class_of(*a) < class_of(*b) : a->id < b->id;
  }

  // The phases of plan(), in order.
  void promote_aged(int64_t now_us);
  void grow_running(int64_t now_us);
  void admit_waiting(int64_t now_us);
  int32_t batch_rows(int64_t now_us);
  void plan_decode(Sequence* sequence);
  void plan_decodes(int32_t* n_batch_rows);
  void plan_prefills(int32_t n_batch_rows);

  bool grow(Sequence* sequence, int64_t now_us);
  enum class Admission { kNobody, kAdmitted, kBlocked };
  Admission admit_from(Flow* flow, Class cls, int64_t now_us);
  bool may_admit_from(FlowId id, const Flow& flow) const;
  bool try_admit(Sequence* sequence, int64_t now_us);
  bool attach_prefix(Sequence* sequence, int64_t n_extra_blocks);
  bool waits_for_leader(const Sequence& sequence) const;
  bool displace_for(const Sequence& sequence, int64_t now_us);
  void deal(bool batch, int32_t* budget);
  Sequence* next_prefill(FlowId flow, bool batch) const;
  int64_t n_unplanned(const Sequence& sequence) const;
  void add_rows(Sequence* sequence, int32_t n_rows);
  void advance(Sequence* sequence, int32_t n_rows);

  bool make_room(int64_t n_blocks);
  void preempt(Sequence* sequence, int64_t now_us);
  void start_waiting(Sequence* sequence, int64_t now_us);
  void stop_waiting(Sequence* sequence);
  void stop_running(Sequence* sequence);
  void forget_flow_if_idle(FlowId id);

  BlockPool* pool_;
  PrefixTree* tree_;
  Options options_;
  StepPlan plan_;
  std::map<FlowId, Flow> flows_;
  FlowId last_served_{UINT64_MAX};    // the ring of flows goes on behind it
  FlowId last_admitted_{UINT64_MAX};
  std::vector<Sequence*> running_;  // in order of precedence after the first phase
  int64_t n_waiting_ = 0;
  int n_promoted_ = 0;
  int64_t n_steps_beside_ = 0;        // in a row, with interactive work
  int64_t interactive_until_us_ = 0;  // when it ran last, and the while after it
  SeqId last_batch_decode_{0};        // batch sequences take turns when not all of them may decode
  std::set<std::pair<int64_t, Sequence*>> deadlines_;
  std::set<std::pair<int64_t, Sequence*>> ageing_;  // batch sequences not promoted yet, by the time of it
  std::list<std::shared_ptr<KvContext>> contexts_;
  std::vector<FlowId> skipped_;      // scratch of admit_waiting
  Counters counters_;
};

}  // namespace firesteel
