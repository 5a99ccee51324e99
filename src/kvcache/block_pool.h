// Fixed pool of KV blocks. Owned and used by the engine thread only; no locks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "tensor/kv_layout.h"

namespace firesteel {

// Invariants: (1) n_free + n_referenced == n_blocks. (2) ref_count is 0 exactly for blocks on the free list. (3) a block with
// ref_count > 1 is not written (writers copy first: BlockTable::reserve).
class BlockPool {
 public:
  struct Options {
    // Released blocks are filled with 0xFF bytes (NaN in every float kind), so that a read of a slot nobody wrote shows in tests.
    bool poison_free_blocks = false;
  };
  // Reserves address space for n_blocks; memory is committed when a block is first written. kResourceExhausted when the system
  // refuses. A layout with block_bytes() == 0 gives a pool without memory, for simulations.
  static Result<std::unique_ptr<BlockPool>> create(const KvLayout& layout, uint32_t n_blocks, Options options);
  static Result<std::unique_ptr<BlockPool>> create(const KvLayout& layout, uint32_t n_blocks) { return create(layout, n_blocks, {}); }
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  Result<KvBlockId> acquire();   // ref_count 1; kResourceExhausted when none is free: evict, preempt or queue, it is not a bug
  void retain(KvBlockId id);     // CHECKs that the block is referenced
  void release(KvBlockId id);    // CHECKs that the block is referenced: a double release is ours
  void copy(KvBlockId to, KvBlockId from);  // CHECKs that `to` has one reference
  void clear(KvBlockId id);      // zeroes a block that has one reference

  std::byte* data(KvBlockId id) const;  // 64-byte aligned; nullptr in a simulation
  uint32_t ref_count(KvBlockId id) const { return ref_counts_[id.value]; }
  uint32_t n_blocks() const { return static_cast<uint32_t>(ref_counts_.size()); }
  uint32_t n_free() const { return static_cast<uint32_t>(free_.size()); }
  const KvLayout& layout() const { return layout_; }
  size_t bytes_touched() const;  // memory that blocks have occupied so far

 private:
  BlockPool(const KvLayout& layout, uint32_t n_blocks, Options options);
  KvLayout layout_;
  Options options_;
  std::byte* base_ = nullptr;
  size_t mapped_bytes_ = 0;
  std::vector<uint32_t> ref_counts_;
  std::vector<KvBlockId> free_;  // a stack: recently used blocks first, their memory is warm
  uint32_t n_ever_used_ = 0;
};

}  // namespace firesteel
