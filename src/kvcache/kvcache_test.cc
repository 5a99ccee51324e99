#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/rng.h"
#include "kvcache/block_pool.h"
#include "kvcache/block_table.h"
#include "kvcache/prefix_tree.h"

namespace firesteel {
namespace {

// One layer, one head of 16 in f32: 8 KiB blocks.
const KvLayout kSmall{KvType::kF32, 1, 1, 16};
const KvLayout kNoMemory{};

std::unique_ptr<BlockPool> make_pool(const KvLayout& layout, uint32_t n_blocks) { return BlockPool::create(layout, n_blocks).value(); }

std::vector<TokenId> iota(int64_t n, TokenId first = 0) {
  std::vector<TokenId> tokens;
  for (int64_t i = 0; i < n; ++i) tokens.push_back(first + static_cast<TokenId>(i));
  return tokens;
}

TEST(BlockPool, ReleasedBlockIsReusable) {
  auto pool = make_pool(kSmall, 2);
  const KvBlockId a = pool->acquire().value();
  const KvBlockId b = pool->acquire().value();
  EXPECT_NE(a, b);
  EXPECT_EQ(pool->acquire().error().code, ErrorCode::kResourceExhausted);
  pool->release(a);
  EXPECT_EQ(pool->acquire().value(), a);
  EXPECT_EQ(pool->n_free(), 0u);
  EXPECT_EQ(pool->bytes_touched(), 2 * kSmall.block_bytes());
}

TEST(BlockPool, SharedBlockIsFreeAfterTheLastRelease) {
  auto pool = make_pool(kSmall, 1);
  const KvBlockId a = pool->acquire().value();
  pool->retain(a);
  pool->release(a);
  EXPECT_EQ(pool->n_free(), 0u);
  pool->release(a);
  EXPECT_EQ(pool->n_free(), 1u);
}

TEST(BlockPoolDeathTest, DoubleReleaseIsOurs) {
  auto pool = make_pool(kSmall, 1);
  const KvBlockId a = pool->acquire().value();
  pool->release(a);
  EXPECT_DEATH(pool->release(a), "CHECK failed");
  EXPECT_DEATH(pool->retain(a), "CHECK failed");
}

TEST(BlockPool, SimulationHasNoMemory) {
  auto pool = make_pool(kNoMemory, 1u << 20);
  EXPECT_EQ(pool->data(pool->acquire().value()), nullptr);
  EXPECT_EQ(pool->bytes_touched(), 0u);
}

TEST(BlockPool, AbsurdSizeIsRefused) {
  EXPECT_EQ(BlockPool::create(KvLayout{KvType::kF32, 1 << 20, 1 << 10, 1 << 10}, UINT32_MAX >> 8).error().code, ErrorCode::kResourceExhausted);
}

TEST(BlockTable, GrowsByBlocks) {
  auto pool = make_pool(kSmall, 4);
  BlockTable table;
  EXPECT_EQ(table.blocks_needed(*pool, 65), 2);
  ASSERT_TRUE(table.reserve(*pool, 65).ok());
  table.advance(65);
  EXPECT_EQ(table.blocks_needed(*pool, 128), 0);
  EXPECT_EQ(table.reserve(*pool, 64 * 5).error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(table.n_blocks(), 2);  // all or nothing
  table.truncate(*pool, 64);
  EXPECT_EQ(pool->n_free(), 3u);
  table.release(*pool);
  EXPECT_EQ(pool->n_free(), 4u);
}

TEST(BlockTable, ForkSharesAndTheFirstWriterCopiesOnlyThePartialBlock) {
  auto pool = make_pool(kSmall, 8);
  BlockTable parent;
  ASSERT_TRUE(parent.reserve(*pool, 100).ok());
  parent.advance(100);
  std::memset(parent.addresses()[1], 7, 64);
  BlockTable child = parent.fork(*pool, 100);
  EXPECT_EQ(pool->n_free(), 6u);
  EXPECT_EQ(child.blocks_needed(*pool, 101), 1);
  ASSERT_TRUE(child.reserve(*pool, 101).ok());
  EXPECT_EQ(child.blocks()[0], parent.blocks()[0]);
  EXPECT_NE(child.blocks()[1], parent.blocks()[1]);
  EXPECT_EQ(static_cast<int>(child.addresses()[1][63]), 7);
  EXPECT_EQ(parent.blocks_needed(*pool, 101), 0);  // the parent is the only owner again
  parent.release(*pool);
  child.release(*pool);
  EXPECT_EQ(pool->n_free(), 8u);
}

TEST(BlockTable, ForkAtABlockBoundaryCopiesNothing) {
  auto pool = make_pool(kSmall, 8);
  BlockTable parent;
  ASSERT_TRUE(parent.reserve(*pool, 128).ok());
  parent.advance(128);
  BlockTable child = parent.fork(*pool, 128);
  EXPECT_EQ(child.blocks_needed(*pool, 129), 1);  // a new block, no copy
  child.release(*pool);
  // One token less must be computed again, which writes into the shared block.
  child = parent.fork(*pool, 127);
  EXPECT_EQ(child.blocks_needed(*pool, 128), 1);
  child.release(*pool);
  parent.release(*pool);
}

class PrefixTreeTest : public ::testing::Test {
 protected:
  // Puts `tokens` into the tree as a finished sequence would.
  void add(const PrefixKey& key, const std::vector<TokenId>& tokens) {
    BlockTable table;
    ASSERT_TRUE(table.reserve(*pool_, static_cast<int64_t>(tokens.size())).ok());
    table.advance(static_cast<int64_t>(tokens.size()));
    tree_.insert(key, tokens, table);
    table.release(*pool_);
  }
  std::unique_ptr<BlockPool> pool_ = make_pool(kNoMemory, 32);
  PrefixTree tree_{pool_.get()};
  const PrefixKey key_{{1, 2}, "model"};
};

TEST_F(PrefixTreeTest, MatchesWholeAndPartialBlocks) {
  add(key_, iota(150));
  EXPECT_EQ(tree_.match_length(key_, iota(150)), 150);
  EXPECT_EQ(tree_.match_length(key_, iota(1000)), 150);
  EXPECT_EQ(tree_.match_length(key_, iota(100)), 100);
  auto other = iota(150);
  other[90] = 7;
  EXPECT_EQ(tree_.match_length(key_, other), 90);
  other[3] = 7;
  EXPECT_EQ(tree_.match_length(key_, other), 0);  // fewer than kMinPartialTokens
  BlockTable table = tree_.match(key_, iota(100));
  EXPECT_EQ(table.n_tokens(), 100);
  EXPECT_EQ(table.n_blocks(), 2);
  EXPECT_EQ(table.blocks_needed(*pool_, 101), 1);  // its copy
  table.release(*pool_);
}

TEST_F(PrefixTreeTest, NeverCrossesAKey) {
  add(key_, iota(128));
  EXPECT_EQ(tree_.match_length({{1, 3}, "model"}, iota(128)), 0);
  EXPECT_EQ(tree_.match_length({{2, 2}, "model"}, iota(128)), 0);
  EXPECT_EQ(tree_.match_length({{1, 2}, "other"}, iota(128)), 0);
}

TEST_F(PrefixTreeTest, LongerVersionReplacesAPartialBlock) {
  add(key_, iota(20));
  add(key_, iota(50));
  EXPECT_EQ(tree_.n_blocks(), 1);
  EXPECT_EQ(tree_.match_length(key_, iota(64)), 50);
  add(key_, iota(30));  // covered
  EXPECT_EQ(tree_.n_blocks(), 1);
  EXPECT_EQ(pool_->n_free(), 31u);
}

TEST_F(PrefixTreeTest, EvictsLeastRecentlyUsedLeavesFirst) {
  add(key_, iota(128, 0));
  add(key_, iota(128, 1000));
  tree_.match(key_, iota(128, 0)).release(*pool_);
  EXPECT_EQ(tree_.evict(1), 1);
  EXPECT_EQ(tree_.match_length(key_, iota(128, 0)), 128);
  // A parent becomes evictable only after its child.
  EXPECT_EQ(tree_.match_length(key_, iota(128, 1000)), 64);
  EXPECT_EQ(tree_.evict(100), 3);
  EXPECT_EQ(tree_.n_blocks(), 0);
  EXPECT_EQ(pool_->n_free(), 32u);
}

TEST_F(PrefixTreeTest, DoesNotEvictWhatIsInUseOrPinned) {
  add(key_, iota(128));
  add(key_, iota(64, 500));
  BlockTable table = tree_.match(key_, iota(128));
  const uint64_t pin = tree_.pin(key_, iota(64, 500));
  ASSERT_NE(pin, 0u);
  EXPECT_EQ(tree_.evict(10), 0);
  table.release(*pool_);
  EXPECT_EQ(tree_.evict(10), 2);
  tree_.unpin(pin);
  EXPECT_EQ(tree_.evict(10), 1);
  EXPECT_EQ(tree_.pin(key_, iota(64)), 0u);
}

TEST_F(PrefixTreeTest, ClearForgetsOneNamespaceWithItsPins) {
  add(key_, iota(200));
  add({{1, 2}, "adapter"}, iota(100));
  add({{9, 9}, "model"}, iota(100));
  const uint64_t pin = tree_.pin(key_, iota(100));
  tree_.clear({1, 2});
  EXPECT_EQ(tree_.match_length(key_, iota(200)), 0);
  EXPECT_EQ(tree_.match_length({{1, 2}, "adapter"}, iota(100)), 0);
  EXPECT_EQ(tree_.match_length({{9, 9}, "model"}, iota(100)), 100);
  EXPECT_EQ(tree_.n_blocks(), 2);
  tree_.unpin(pin);
}

// Against a list of everything inserted: what the tree finds was inserted under that key; blocks are conserved.
TEST_F(PrefixTreeTest, RandomAgainstNaive) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    std::map<PrefixKey, std::vector<std::vector<TokenId>>> inserted;
    std::deque<BlockTable> held;
    bool evicted = false;
    for (int step = 0; step < 200; ++step) {
      const PrefixKey key{{rng.below(2), 0}, "m"};
      // Few distinct tokens at few places, so that sequences share prefixes of all lengths.
      std::vector<TokenId> tokens;
      const auto n = static_cast<int64_t>(1 + rng.below(200));
      const auto branch = static_cast<int64_t>(rng.below(150));
      const auto kind = static_cast<TokenId>(rng.below(3));
      for (int64_t i = 0; i < n; ++i) tokens.push_back(i < branch ? 0 : kind);
      int64_t naive = 0;
      for (const auto& other : inserted[key]) {
        int64_t common = 0;
        while (common < n && common < static_cast<int64_t>(other.size()) && other[static_cast<size_t>(common)] == tokens[static_cast<size_t>(common)]) ++common;
        naive = std::max(naive, common);
      }
      const int64_t found = tree_.match_length(key, tokens);
      ASSERT_LE(found, naive);
      if (!evicted) {
        ASSERT_GT(found + PrefixTree::kMinPartialTokens, naive) << "seed " << seed << " step " << step;
      }
      BlockTable table = tree_.match(key, tokens);
      ASSERT_EQ(table.n_tokens(), found);
      while (!table.reserve(*pool_, n).ok()) {
        evicted = true;
        if (tree_.evict(1) == 0) {
          ASSERT_FALSE(held.empty());
          held.front().release(*pool_);
          held.pop_front();
        }
      }
      table.advance(n - table.n_tokens());
      tree_.insert(key, tokens, table);
      inserted[key].push_back(tokens);
      held.push_back(std::move(table));
      if (held.size() > 3) {
        held.front().release(*pool_);
        held.pop_front();
      }
    }
    for (auto& table : held) table.release(*pool_);
    ASSERT_EQ(pool_->n_free() + static_cast<uint32_t>(tree_.n_blocks()), pool_->n_blocks());
    tree_.clear();
    ASSERT_EQ(pool_->n_free(), pool_->n_blocks());
  }
}

}  // namespace
}  // namespace firesteel
