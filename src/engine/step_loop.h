// The engine thread: mail in, one step after the other, events out. Owns everything a step touches.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "engine/mailbox.h"
#include "engine/scheduler.h"
#include "engine/stats.h"
#include "engine/trails.h"
#include "kernels/exec.h"
#include "kernels/table.h"
#include "kvcache/block_pool.h"
#include "kvcache/prefix_tree.h"
#include "model/model.h"
#include "sampling/sampler.h"
#include "tokenizer/number_binding.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {

class StreamState;

class StepLoop {
 public:
  struct Config {
    std::shared_ptr<const Model> model;
    std::shared_ptr<const Tokenizer> tokenizer;  // nullable
    std::shared_ptr<const NumberBinding> numbers;  // nullable
    const KernelTable* table = nullptr;
    const Clock* clock = nullptr;
    KvLayout layout;
    int n_threads = 1;
    int64_t context_length = 0;
    uint64_t kv_bytes_max = 0;
    int max_draft = 0;
    Scheduler::Options scheduler;
  };
  StepLoop(Config config, std::unique_ptr<BlockPool> pool, std::shared_ptr<Mailbox> mailbox);
  ~StepLoop();

  // Until the mailbox says stop. On the engine thread; the pool of worker threads lives and dies with it.
  void run();

  // For tasks on the engine thread (Mailbox::run).
  Scheduler& scheduler() { return scheduler_; }
  BlockPool& pool() { return *pool_; }
  const Clock& clock() const { return *config_.clock; }
  // The open request behind a stream; nullptr after its end.
  Job* find(const StreamState* stream) const;

  EngineStats stats() const FS_EXCLUDES(stats_mutex_);  // any thread

 private:
  struct Outcome {
    Status status;
    bool complete = false;  // no token: a constrained text ends here
    TokenId id = 0;
    float logprob = 0;
    std::vector<TokenLogprob> top;
  };

  // A row of logits, and whose next token is drawn from it.
  struct Draw {
    Job* job = nullptr;
    size_t row = 0;
  };

  void receive(Mailbox::Mail mail);
  void end_cancelled();
  void end_expired();
  void end_exhausted();
  bool step(Exec* exec);
  // walk.cc: members of a group that take each other's steps.
  void admit(Job* job, int64_t now_us);
  bool walk(Exec* exec);
  void leave(Job* job);
  void unfollow(Job* job);
  void drop_left_with(Job* job);
  void guess(const StepPlan& plan);
  void guess_forced(Job* job, size_t n_max);
  std::span<const TokenId> look_up(Job* job, const StepPlan& plan, size_t n_max);
  void forward(Exec* exec, const StepPlan& plan);
  void draw_and_publish(Exec* exec);
  void add_hidden(const StepPlan& plan);
  Status finish_embedding(Job* job) const;
  void sample(Exec* exec);
  void constrain(Exec* exec);
  void draw(size_t i, int thread, std::optional<std::span<const uint64_t>> only);
  void begin_constraint(Job* job);
  bool publish_token(Job* job, Outcome* outcome);  // whether the job goes on; else it is gone
  std::string text_of(Job* job, TokenId id) const;
  void finish(Job* job, FinishReason reason, std::string text = {}, std::string stop_string = {}, Error error = {});
  void publish_stats() FS_EXCLUDES(stats_mutex_);

  Config config_;
  std::unique_ptr<BlockPool> pool_;
  PrefixTree tree_;
  Scheduler scheduler_;
  std::shared_ptr<Mailbox> mailbox_;
  std::unordered_map<SeqId, std::unique_ptr<Job>> jobs_;
  Trails trails_;
  std::vector<Job*> walkers_;   // jobs that follow a trail, by id; the scheduler does not know them
  uint64_t n_walked_prompt_tokens_ = 0;
  uint64_t next_id_ = 1;
  bool group_exhausted_ = false;  // in this step; its members are to be ended
  bool group_decided_ = false;    // enough members have stopped

  // Buffers of a step, allocated once.
  std::unique_ptr<Workspace> workspace_;
  std::vector<ForwardRow> rows_;
  std::vector<AttnSeq> seqs_;
  std::vector<const Adapter*> adapters_;  // of seqs_
  std::unique_ptr<float[]> hidden_;      // [max_batch_rows][dim]; made for the first embedding
  int32_t n_logits_max_ = 0;
  std::unique_ptr<float[]> logits_;      // [n_logits_max_][n_vocab]; touched only as far as used
  std::vector<std::unique_ptr<Sampler>> samplers_;  // one per thread
  std::vector<Outcome> outcomes_;
  std::vector<Job*> planned_;
  std::vector<Draw> sampled_;
  int32_t n_drafts_ = 0;  // rows of guesses in this step
  RowCost row_cost_;
  struct Redraw {
    size_t index;
    std::span<const uint64_t> only;
  };
  std::vector<Redraw> redraws_;

  EngineStats counters_;                 // engine thread's own
  mutable Mutex stats_mutex_;
  EngineStats stats_ FS_GUARDED_BY(stats_mutex_);
};

}  // namespace firesteel
