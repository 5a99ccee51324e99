// Computed prefixes that may be reused: a radix tree over token ids for every (namespace, model), whose nodes are KV blocks.
//
// A node holds one block and the 1..64 tokens computed in it; only nodes of 64 tokens have children. A lookup walks whole blocks and
// then takes the longest common part of one more block, whose owner copies it before writing (BlockTable). Because blocks start at
// multiples of 64 wherever they came from, reuse never changes the order of a sum: hit or miss, the bytes are the same.
//
// Eviction takes leaves that nobody else references, cheapest to lose first: GreedyDual (Young 1994), that is least recently used
// weighted by the cost of computing the block again, which grows with its depth. A lookup never crosses a key, but for what the operator
// published for everybody: prompts of kPublishedNamespace, which no tenant has, are found from every namespace of the same model.
// Owned by the engine thread; no locks.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>

#include "base/ids.h"
#include "kvcache/block_pool.h"
#include "kvcache/block_table.h"

namespace firesteel {

// Whose prefixes: keys and values depend on the weights and on adapters, so their content digest belongs to the key.
struct PrefixKey {
  CacheNamespace cache_namespace;
  std::string model_digest;
  auto operator<=>(const PrefixKey&) const = default;
};

// What is computed under it (Engine::prefill, by the operator alone) may be shared with everybody. Namespaces of tenants are keyed hashes.
inline constexpr CacheNamespace kPublishedNamespace{~uint64_t{0}, ~uint64_t{0}};

class PrefixTree {
 public:
  // Matches of fewer tokens than this in a partly matching block are not worth the copy of the block.
  static constexpr int64_t kMinPartialTokens = 8;

  explicit PrefixTree(BlockPool* pool) : pool_(pool) {}
  ~PrefixTree();
  PrefixTree(const PrefixTree&) = delete;
  PrefixTree& operator=(const PrefixTree&) = delete;

  // A table of references to the longest cached prefix of `tokens` (possibly empty). The caller owes its release.
  BlockTable match(const PrefixKey& key, std::span<const TokenId> tokens);
  // Its length, without a trace.
  int64_t match_length(const PrefixKey& key, std::span<const TokenId> tokens) const;

  // Adds tokens that are computed in `table` (CHECKed), which may hold more. Blocks that are there already are only touched.
  void insert(const PrefixKey& key, std::span<const TokenId> tokens, const BlockTable& table);

  // Frees up to n blocks; returns how many. Fewer when the rest is in use or pinned.
  int64_t evict(int64_t n);

  // The cached part of `tokens` stays until unpin. Returns the pin's id, 0 when nothing is cached.
  uint64_t pin(const PrefixKey& key, std::span<const TokenId> tokens);
  void unpin(uint64_t id);

  // Forgets everything of a namespace, pins included (a tenant was deleted).
  void clear(CacheNamespace cache_namespace);
  void clear();

  int64_t n_blocks() const { return n_blocks_; }
  uint64_t n_evicted() const { return n_evicted_; }

 private:
  struct Node;
  // Orders siblings by their tokens, so that the longest common prefix with any key is beside its lower bound.
  struct ByTokens {
    using is_transparent = void;
    bool operator()(const std::unique_ptr<Node>& a, const std::unique_ptr<Node>& b) const;
    bool operator()(const std::unique_ptr<Node>& a, std::span<const TokenId> b) const;
    bool operator()(std::span<const TokenId> a, const std::unique_ptr<Node>& b) const;
  };
  using Children = std::set<std::unique_ptr<Node>, ByTokens>;
  struct Node {
    Node* parent = nullptr;
    KvBlockId block;
    int64_t depth = 0;  // index of the block in its sequence
    int32_t n_tokens = 0;
    int32_t n_pins = 0;
    double worth = 0;      // evicted in ascending order
    uint64_t serial = 0;   // breaks ties, so that eviction is the same in every run
    std::array<TokenId, kKvBlockTokens> tokens{};
    Children children;
    std::span<const TokenId> span() const { return {tokens.data(), static_cast<size_t>(n_tokens)}; }
  };
  struct ByWorth {
    bool operator()(const Node* a, const Node* b) const {
      return a->worth != b->worth ? a->worth < b->worth : a->serial < b->serial;
    }
  };

  // The child with the longest common prefix with `tokens`, and its length.
  static std::pair<Node*, int64_t> best_child(const Node& parent, std::span<const TokenId> tokens);
  template <typename Visit>
  static int64_t walk(const Node& root, std::span<const TokenId> tokens, Visit&& visit);
  // The tree of the key or the published one, whichever knows more of `tokens`; nullptr when neither knows anything.
  const Node* root_for(const PrefixKey& key, std::span<const TokenId> tokens, int64_t* length) const;
  void touch(Node* node);
  void set_tokens(Node* node, std::span<const TokenId> tokens, KvBlockId block);
  void remove_leaf(Node* node);
  void remove_subtree(Node* node);

  BlockPool* pool_;
  std::map<PrefixKey, std::unique_ptr<Node>> roots_;
  std::set<Node*, ByWorth> leaves_;
  std::map<uint64_t, Node*> pins_;
  uint64_t next_pin_ = 1;
  uint64_t next_serial_ = 1;
  int64_t n_blocks_ = 0;
  uint64_t n_evicted_ = 0;
  double inflation_ = 0;  // worth of the last evicted node: newcomers start above it
};

}  // namespace firesteel
