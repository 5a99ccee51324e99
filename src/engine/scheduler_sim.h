// A simulated engine around the real scheduler, pool and prefix tree: random arrivals, cancels, deadlines, contexts and forks from
// one seed on a virtual clock. The "model" keeps a running hash of the tokens in the KV blocks, so that a block that is shared,
// copied, evicted or resumed wrongly shows as a wrong hash. For tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "engine/scheduler.h"

namespace firesteel {

inline uint64_t sim_mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
  return hash ^ (hash >> 29);
}

class SchedulerSim {
 public:
  struct Config {
    uint32_t n_blocks = 32;
    Scheduler::Options scheduler;
    int n_vocab = 3;
    int n_flows = 3;
    int n_namespaces = 2;
    int64_t n_tokens_max = 300;
    int n_requests = 60;
    uint64_t end_one_in = 50;      // how often the model ends by itself; 0: never
    double arrivals_per_step = 0.5;
    double cancels_per_step = 0.02;
    double deadline_share = 0.1;
    double batch_share = 0.3;
    double context_share = 0.1;
    double fork_share = 0.3;
    double cache_share = 0.8;
  };

  struct Request : Sequence {
    std::shared_ptr<KvContext> becomes;
    std::vector<uint64_t> hashes;  // expected, after each token
    int n_terminal = 0;
    int64_t done_us = 0;
  };

  static Config random_config(Rng& rng) {
    Config config;
    config.n_blocks = static_cast<uint32_t>(rng.between(6, 60));
    config.scheduler.max_sequences = static_cast<int>(rng.between(1, 16));
    config.scheduler.max_batch_rows = config.scheduler.max_sequences + static_cast<int>(rng.between(0, 128));
    config.scheduler.prefill_chunk = static_cast<int>(rng.between(1, 64));
    config.scheduler.batch_ageing_us = rng.between(1'000, 1'000'000);
    config.scheduler.batch_step_every = static_cast<int>(rng.between(1, 40));
    config.scheduler.batch_rows_near = static_cast<int>(rng.between(1, 32));
    config.scheduler.interactive_near_us = rng.between(0, 100'000);
    config.scheduler.slice_us = rng.between(0, 100'000);
    config.scheduler.slice_rows = rng.between(1, 256);
    config.n_vocab = static_cast<int>(rng.between(1, 4));
    config.n_flows = static_cast<int>(rng.between(1, 5));
    config.n_tokens_max = rng.between(2, std::min<int64_t>(64 * config.n_blocks, 600));
    config.arrivals_per_step = rng.uniform() * 2;
    config.cancels_per_step = rng.uniform() * 0.1;
    config.cache_share = rng.uniform();
    return config;
  }

  SchedulerSim(const Config& config, uint64_t seed)
      : config_(config), rng_(seed), pool_(BlockPool::create(KvLayout{KvType::kF32, 1, 1, 16}, config.n_blocks).value()),
        tree_(pool_.get()), scheduler_(pool_.get(), &tree_, config.scheduler) {}

  ~SchedulerSim() {
    for (const auto& context : contexts_) scheduler_.drop_context(context);
    for (const auto& request : requests_) {
      if (request->state != Sequence::State::kFinished) scheduler_.finish(request.get(), false);
    }
    tree_.clear();
    EXPECT_EQ(pool_->n_free(), pool_->n_blocks()) << "blocks leaked";
  }

  // Until everything that arrives has ended. False after a failure.
  bool run() {
    int n_arrived = 0;
    int64_t n_idle = 0;
    while (n_arrived < config_.n_requests || !scheduler_.idle()) {
      double arrivals = config_.arrivals_per_step;
      while (n_arrived < config_.n_requests && rng_.uniform() < arrivals) {
        arrive();
        ++n_arrived;
        arrivals -= 1;
      }
      cancel_some();
      const int64_t n_rows = step();
      if (::testing::Test::HasFailure()) return false;
      n_idle = n_rows == 0 && !scheduler_.idle() ? n_idle + 1 : 0;
      if (n_idle > 10) {
        ADD_FAILURE() << "work is waiting and nothing runs";
        return false;
      }
      if (++n_steps_ > 2'000'000) {  // background work may get one row in 40 steps here, and a world of it takes over 200,000
        ADD_FAILURE() << "no end";
        return false;
      }
    }
    for (const auto& request : requests_) EXPECT_EQ(request->n_terminal, 1) << "request " << request->id.value;
    return !::testing::Test::HasFailure();
  }

  // One request by hand. Prompt tokens are random unless given.
  Request* add(FlowId flow, Priority priority, std::vector<TokenId> prompt, int64_t n_generate, CacheNamespace cache_namespace,
               bool use_prefix_cache) {
    auto request = std::make_unique<Request>();
    request->flow = flow;
    request->priority = priority;
    request->key = {cache_namespace, "sim"};
    request->use_prefix_cache = use_prefix_cache;
    request->tokens = std::move(prompt);
    request->n_tokens_max = request->n_tokens() + n_generate;
    return submit(std::move(request));
  }

  int64_t step() {
    while (Sequence* late = scheduler_.expired(clock_us_)) end(static_cast<Request*>(late), true);
    const StepPlan& plan = scheduler_.plan(clock_us_);
    check_plan(plan);
    if (::testing::Test::HasFailure()) return 0;
    for (const PlannedSequence& planned : plan.sequences) compute(planned);
    const auto sequences = plan.sequences;
    const int64_t n_rows = plan.n_rows;
    scheduler_.commit();
    check_blocks();
    for (const PlannedSequence& planned : sequences) after_rows(planned);
    clock_us_ += 100 + 50 * n_rows;
    return n_rows;
  }

  std::vector<TokenId> random_tokens(int64_t n) {
    std::vector<TokenId> tokens(static_cast<size_t>(n));
    // Long runs of one token: many prompts share long prefixes.
    TokenId token = 0;
    for (TokenId& t : tokens) {
      if (rng_.below(100) == 0) token = static_cast<TokenId>(rng_.below(static_cast<uint64_t>(config_.n_vocab)));
      t = token;
    }
    return tokens;
  }

  Scheduler& scheduler() { return scheduler_; }
  BlockPool& pool() { return *pool_; }
  PrefixTree& tree() { return tree_; }
  Rng& rng() { return rng_; }
  int64_t now_us() const { return clock_us_; }
  void advance_us(int64_t us) { clock_us_ += us; }
  const std::map<FlowId, int64_t>& rows_of_flow() const { return rows_of_flow_; }
  const std::vector<std::unique_ptr<Request>>& requests() const { return requests_; }
  const std::vector<std::shared_ptr<KvContext>>& contexts() const { return contexts_; }
  void add_context(std::shared_ptr<KvContext> context) {
    scheduler_.add_context(context);
    contexts_.push_back(std::move(context));
  }
  // Steps until nothing is left, or something failed.
  void finish_all() {
    while (!scheduler_.idle() && !::testing::Test::HasFailure()) step();
  }
  void end(Request* request, bool keep_prefix) {
    EXPECT_EQ(++request->n_terminal, 1);
    request->done_us = clock_us_;
    scheduler_.finish(request, keep_prefix);
  }
  Request* fork(const std::shared_ptr<KvContext>& context, FlowId flow, const std::vector<TokenId>& suffix, int64_t n_generate) {
    auto request = std::make_unique<Request>();
    request->flow = flow;
    request->key = context->key;
    request->use_prefix_cache = rng_.below(2) == 0;
    request->tokens = context->tokens;
    request->tokens.insert(request->tokens.end(), suffix.begin(), suffix.end());
    request->n_tokens_max = request->n_tokens() + n_generate;
    request->context = context;
    return submit(std::move(request));
  }

 private:
  Request* submit(std::unique_ptr<Request> request) {
    request->id = SeqId{next_id_++};
    request->n_prompt = request->n_tokens();
    uint64_t hash = seed_of(*request);
    for (const TokenId token : request->tokens) request->hashes.push_back(hash = sim_mix(hash, static_cast<uint64_t>(token)));
    requests_.push_back(std::move(request));
    scheduler_.add(requests_.back().get(), clock_us_);
    return requests_.back().get();
  }

  // Different namespaces hash differently: a block that crosses is found out.
  static uint64_t seed_of(const Sequence& sequence) { return sim_mix(17, sequence.key.cache_namespace.low); }

  bool chance(double p) { return rng_.uniform() < p; }

  void arrive() {
    const FlowId flow{rng_.below(static_cast<uint64_t>(config_.n_flows))};
    Request* request = nullptr;
    if (!contexts_.empty() && chance(config_.fork_share)) {
      const auto& context = contexts_[rng_.below(contexts_.size())];
      const auto n_context = static_cast<int64_t>(context->tokens.size());
      if (n_context < config_.n_tokens_max) {
        const int n_branches = static_cast<int>(rng_.between(1, 4));
        for (int i = 0; i < n_branches; ++i) {
          const int64_t n_suffix = rng_.between(0, std::min<int64_t>(20, config_.n_tokens_max - n_context - 1));
          fork(context, flow, random_tokens(n_suffix), rng_.between(1, config_.n_tokens_max - n_context - n_suffix));
        }
        return;
      }
    }
    const int64_t n_prompt = rng_.between(1, config_.n_tokens_max);
    auto made = std::make_unique<Request>();
    request = made.get();
    request->flow = flow;
    request->priority = chance(config_.batch_share) ? Priority::kBatch : Priority::kInteractive;
    request->key = {{0, rng_.below(static_cast<uint64_t>(config_.n_namespaces))}, "sim"};
    request->use_prefix_cache = chance(config_.cache_share);
    request->tokens = random_tokens(n_prompt);
    request->n_tokens_max = n_prompt + rng_.between(0, config_.n_tokens_max - n_prompt);
    if (chance(config_.deadline_share)) request->deadline_us = clock_us_ + rng_.between(1, 200'000);
    if (chance(config_.context_share)) {
      request->prefill_only = true;
      request->becomes = std::make_shared<KvContext>();
      request->becomes->key = request->key;
      request->becomes->tokens = request->tokens;
    }
    submit(std::move(made));
  }

  void cancel_some() {
    if (!requests_.empty() && chance(config_.cancels_per_step)) {
      Request* request = requests_[rng_.below(requests_.size())].get();
      if (request->state != Sequence::State::kFinished) end(request, chance(0.8));
    }
    if (!contexts_.empty() && chance(config_.cancels_per_step)) {
      const size_t i = rng_.below(contexts_.size());
      scheduler_.drop_context(contexts_[i]);
      contexts_.erase(contexts_.begin() + static_cast<ptrdiff_t>(i));
    }
  }

  uint64_t* slot(const Sequence& sequence, int64_t position) const {
    return reinterpret_cast<uint64_t*>(sequence.table.addresses()[position / kKvBlockTokens]) + position % kKvBlockTokens;
  }

  void check_plan(const StepPlan& plan) {
    const auto& options = config_.scheduler;
    EXPECT_LE(plan.n_rows, options.max_batch_rows);
    EXPECT_LE(scheduler_.n_running(), options.max_sequences);
    EXPECT_TRUE(plan.n_decode == 0 || plan.n_rows - plan.n_decode <= options.prefill_chunk);
    std::set<const Sequence*> seen;
    int n_rows = 0;
    int n_logits = 0;
    for (const PlannedSequence& planned : plan.sequences) {
      const Sequence& sequence = *planned.sequence;
      ASSERT_TRUE(seen.insert(&sequence).second);
      ASSERT_EQ(sequence.state, Sequence::State::kRunning);
      ASSERT_EQ(planned.first, sequence.table.n_tokens());
      ASSERT_GT(planned.n_rows, 0);
      ASSERT_LE(planned.first + planned.n_rows, sequence.n_tokens());
      ASSERT_EQ(planned.wants_logits, planned.first + planned.n_rows == sequence.n_tokens() && !sequence.prefill_only);
      ASSERT_EQ(sequence.table.blocks_needed(*pool_, planned.first + planned.n_rows), 0);
      for (int64_t p = planned.first; p < planned.first + planned.n_rows; ++p) {
        ASSERT_EQ(pool_->ref_count(sequence.table.blocks()[static_cast<size_t>(p / kKvBlockTokens)]), 1u) << "a shared block is written";
      }
      n_rows += planned.n_rows;
      n_logits += planned.wants_logits ? 1 : 0;
    }
    EXPECT_EQ(n_rows, plan.n_rows);
    EXPECT_EQ(n_logits, plan.n_logits);
  }

  // Every reference has an owner, and every owner's reference is counted.
  void check_blocks() {
    std::vector<uint32_t> refs(pool_->n_blocks());
    const auto count = [&](const BlockTable& table) {
      for (const KvBlockId id : table.blocks()) ++refs[id.value];
    };
    for (const auto& request : requests_) {
      count(request->table);
      ASSERT_TRUE(request->state == Sequence::State::kRunning || request->table.empty());
    }
    for (const auto& context : contexts_) count(context->table);
    uint64_t n_by_tree = 0;
    uint32_t n_free = 0;
    for (uint32_t i = 0; i < refs.size(); ++i) {
      const uint32_t n = pool_->ref_count(KvBlockId{i});
      ASSERT_GE(n, refs[i]);
      ASSERT_LE(n, refs[i] + 1);
      n_by_tree += n - refs[i];
      n_free += n == 0;
    }
    ASSERT_EQ(n_by_tree, static_cast<uint64_t>(tree_.n_blocks()));
    ASSERT_EQ(n_free, pool_->n_free());
  }

  void compute(const PlannedSequence& planned) {
    const auto& request = static_cast<const Request&>(*planned.sequence);
    for (int64_t p = planned.first; p < planned.first + planned.n_rows; ++p) {
      const uint64_t before = p == 0 ? seed_of(request) : *slot(request, p - 1);
      const uint64_t hash = sim_mix(before, static_cast<uint64_t>(request.tokens[static_cast<size_t>(p)]));
      ASSERT_EQ(hash, request.hashes[static_cast<size_t>(p)]) << "sequence " << request.id.value << " position " << p;
      *slot(request, p) = hash;
    }
    // What attention would read.
    for (int64_t p = 0; p < planned.first + planned.n_rows; p += kKvBlockTokens) {
      const auto n = static_cast<size_t>(std::min<int64_t>(kKvBlockTokens, planned.first + planned.n_rows - p));
      ASSERT_EQ(std::memcmp(slot(request, p), request.hashes.data() + p, n * 8), 0) << "sequence " << request.id.value << " near " << p;
    }
    rows_of_flow_[request.flow] += planned.n_rows;
  }

  void after_rows(const PlannedSequence& planned) {
    auto* request = static_cast<Request*>(planned.sequence);
    if (request->prefill_only && request->n_pending() == 0) {
      contexts_.push_back(request->becomes);
      scheduler_.keep_as_context(request, request->becomes, clock_us_);
      end(request, true);
      return;
    }
    if (!planned.wants_logits) return;
    const uint64_t hash = request->hashes.back();
    if (request->n_tokens() == request->n_tokens_max || (config_.end_one_in > 0 && hash % config_.end_one_in == 0)) return end(request, true);
    request->tokens.push_back(static_cast<TokenId>((hash >> 20) % static_cast<uint64_t>(config_.n_vocab)));
    request->hashes.push_back(sim_mix(hash, static_cast<uint64_t>(request->tokens.back())));
  }

  Config config_;
  Rng rng_;
  std::unique_ptr<BlockPool> pool_;
  PrefixTree tree_;
  Scheduler scheduler_;
  int64_t clock_us_ = 1;
  int64_t n_steps_ = 0;
  uint64_t next_id_ = 1;
  std::vector<std::unique_ptr<Request>> requests_;
  std::vector<std::shared_ptr<KvContext>> contexts_;
  std::map<FlowId, int64_t> rows_of_flow_;
};

}  // namespace firesteel
