#include "kvcache/block_table.h"

#include <algorithm>

namespace firesteel {

// Only the block of the next position can be both shared and written: what lies before it is complete, what lies behind it was
// acquired by reserve() and never given to anyone (fork and the prefix cache take computed positions only).
bool BlockTable::writes_shared(const BlockPool& pool, int64_t n_total) const {
  if (n_total <= n_tokens_) return false;
  const auto next = static_cast<size_t>(n_tokens_ / kKvBlockTokens);
  return next < blocks_.size() && pool.ref_count(blocks_[next]) > 1;
}

int64_t BlockTable::blocks_needed(const BlockPool& pool, int64_t n_total) const {
  return std::max<int64_t>(0, blocks_for(n_total) - n_blocks()) + (writes_shared(pool, n_total) ? 1 : 0);
}

Status BlockTable::reserve(BlockPool& pool, int64_t n_total) {
  if (blocks_needed(pool, n_total) > pool.n_free()) {
    return Error{ErrorCode::kResourceExhausted, "kv cache: too few free blocks"};
  }
  if (writes_shared(pool, n_total)) {
    const auto index = static_cast<size_t>(n_tokens_ / kKvBlockTokens);
    const KvBlockId copy = pool.acquire().value();
    pool.copy(copy, blocks_[index]);
    pool.release(blocks_[index]);
    blocks_[index] = copy;
    addresses_[index] = pool.data(copy);
  }
  while (n_blocks() < blocks_for(n_total)) {
    const KvBlockId id = pool.acquire().value();
    blocks_.push_back(id);
    addresses_.push_back(pool.data(id));
  }
  return {};
}

void BlockTable::append_shared(BlockPool& pool, KvBlockId block, int64_t n) {
  CHECK(n > 0 && n <= kKvBlockTokens && n_tokens_ == n_blocks() * kKvBlockTokens);
  pool.retain(block);
  blocks_.push_back(block);
  addresses_.push_back(pool.data(block));
  n_tokens_ += n;
}

BlockTable BlockTable::fork(BlockPool& pool, int64_t n) const {
  CHECK(n >= 0 && n <= n_tokens_);
  BlockTable table;
  const auto n_shared = static_cast<size_t>(blocks_for(n));
  table.blocks_.assign(blocks_.begin(), blocks_.begin() + static_cast<ptrdiff_t>(n_shared));
  table.addresses_.assign(addresses_.begin(), addresses_.begin() + static_cast<ptrdiff_t>(n_shared));
  table.n_tokens_ = n;
  for (const KvBlockId id : table.blocks_) pool.retain(id);
  return table;
}

void BlockTable::truncate(BlockPool& pool, int64_t n) {
  CHECK(n >= 0);
  n_tokens_ = std::min(n_tokens_, n);
  // Last first: the free list is a stack, so blocks come back in the order they were given.
  while (n_blocks() > blocks_for(n_tokens_)) {
    pool.release(blocks_.back());
    blocks_.pop_back();
    addresses_.pop_back();
  }
}

}  // namespace firesteel
