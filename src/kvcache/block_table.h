// The KV blocks of one sequence, in order: block i holds positions [64*i, 64*i + 64). Blocks may be shared with other tables and
// with the prefix cache; positions that were computed are never written again while they are shared.
//
// A table is a value with a debt: what it references must be given back with release() before it goes (CHECKed), because the
// pool is not its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/ids.h"
#include "base/result.h"
#include "kvcache/block_pool.h"

namespace firesteel {

inline constexpr int64_t blocks_for(int64_t n_tokens) { return (n_tokens + kKvBlockTokens - 1) / kKvBlockTokens; }

class BlockTable {
 public:
  BlockTable() = default;
  ~BlockTable() { CHECK(blocks_.empty()); }
  BlockTable(BlockTable&& other) noexcept
      : blocks_(std::move(other.blocks_)), addresses_(std::move(other.addresses_)), n_tokens_(std::exchange(other.n_tokens_, 0)) {
    other.blocks_.clear();
    other.addresses_.clear();
  }
  BlockTable& operator=(BlockTable&& other) noexcept {
    CHECK(blocks_.empty());
    blocks_.swap(other.blocks_);
    addresses_.swap(other.addresses_);
    n_tokens_ = std::exchange(other.n_tokens_, 0);
    return *this;
  }
  BlockTable(const BlockTable&) = delete;
  BlockTable& operator=(const BlockTable&) = delete;

  // Positions whose keys and values are there. Blocks may reach further: reserved.
  int64_t n_tokens() const { return n_tokens_; }
  int64_t n_blocks() const { return static_cast<int64_t>(blocks_.size()); }
  bool empty() const { return blocks_.empty(); }
  std::span<const KvBlockId> blocks() const { return blocks_; }
  // For AttnSeq. Stable until the next reserve().
  std::byte* const* addresses() const { return addresses_.data(); }

  // Blocks that reserve() would acquire: new ones, and one for the copy of a shared block that a write would hit.
  int64_t blocks_needed(const BlockPool& pool, int64_t n_total) const;

  // Makes positions [n_tokens, n_total) writable: copies a shared partial block, acquires the missing ones. All or nothing:
  // kResourceExhausted when fewer blocks are free than blocks_needed().
  Status reserve(BlockPool& pool, int64_t n_total);

  // `n` more positions were written; they must be reserved.
  void advance(int64_t n) {
    CHECK(n >= 0 && n_tokens_ + n <= n_blocks() * kKvBlockTokens);
    n_tokens_ += n;
  }

  // Appends a reference to an existing block that holds the next `n` positions (prefix hits). Whole blocks must come before.
  void append_shared(BlockPool& pool, KvBlockId block, int64_t n);

  // The same first n positions in another table, in O(blocks): references only.
  BlockTable fork(BlockPool& pool, int64_t n) const;

  // Keeps the first n positions and the blocks that hold them.
  void truncate(BlockPool& pool, int64_t n);

  void release(BlockPool& pool) { truncate(pool, 0); }

  // Room for this many blocks, so that decode steps do not allocate.
  void reserve_capacity(int64_t n_blocks) {
    blocks_.reserve(static_cast<size_t>(n_blocks));
    addresses_.reserve(static_cast<size_t>(n_blocks));
  }

 private:
  bool writes_shared(const BlockPool& pool, int64_t n_total) const;
  std::vector<KvBlockId> blocks_;
  std::vector<std::byte*> addresses_;
  int64_t n_tokens_ = 0;
};

}  // namespace firesteel
