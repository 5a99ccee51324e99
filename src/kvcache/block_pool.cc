#include "kvcache/block_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/check.h"
#include "base/checked.h"

namespace firesteel {

BlockPool::BlockPool(const KvLayout& layout, uint32_t n_blocks, Options options)
    : layout_(layout), options_(options), ref_counts_(n_blocks, 0) {
  free_.reserve(n_blocks);
  for (uint32_t i = n_blocks; i > 0; --i) free_.push_back(KvBlockId{i - 1});
}

Result<std::unique_ptr<BlockPool>> BlockPool::create(const KvLayout& layout, uint32_t n_blocks, Options options) {
  const auto n_bytes = checked_mul(layout.block_bytes(), n_blocks);
  if (!n_bytes || *n_bytes > SIZE_MAX / 2) {
    return Error{ErrorCode::kResourceExhausted, "kv cache: " + std::to_string(n_blocks) + " blocks exceed the address space"};
  }
  std::unique_ptr<BlockPool> pool(new BlockPool(layout, n_blocks, options));
  if (*n_bytes == 0) return pool;
  // Anonymous memory is zero, and committed page by page as it is touched: an idle engine costs nothing.
  void* base = mmap(nullptr, *n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    return Error{ErrorCode::kResourceExhausted,
                 "kv cache: cannot reserve " + std::to_string(*n_bytes) + " bytes: " + std::strerror(errno)};
  }
  pool->base_ = static_cast<std::byte*>(base);
  pool->mapped_bytes_ = *n_bytes;
  return pool;
}

BlockPool::~BlockPool() {
  if (base_ != nullptr) munmap(base_, mapped_bytes_);
}

Result<KvBlockId> BlockPool::acquire() {
  if (free_.empty()) {
    return Error{ErrorCode::kResourceExhausted, "kv cache: all " + std::to_string(n_blocks()) + " blocks are in use"};
  }
  const KvBlockId id = free_.back();
  free_.pop_back();
  CHECK(ref_counts_[id.value] == 0);
  ref_counts_[id.value] = 1;
  n_ever_used_ = std::max(n_ever_used_, id.value + 1);
  return id;
}

void BlockPool::retain(KvBlockId id) {
  CHECK(id.value < n_blocks() && ref_counts_[id.value] > 0);
  ++ref_counts_[id.value];
}

void BlockPool::release(KvBlockId id) {
  CHECK(id.value < n_blocks() && ref_counts_[id.value] > 0);
  if (--ref_counts_[id.value] > 0) return;
  if (options_.poison_free_blocks && base_ != nullptr) std::memset(data(id), 0xFF, layout_.block_bytes());
  free_.push_back(id);
}

void BlockPool::copy(KvBlockId to, KvBlockId from) {
  CHECK(to != from && ref_count(to) == 1 && ref_count(from) > 0);
  if (base_ != nullptr) std::memcpy(data(to), data(from), layout_.block_bytes());
}

void BlockPool::clear(KvBlockId id) {
  CHECK(ref_count(id) == 1);
  if (base_ != nullptr) std::memset(data(id), 0, layout_.block_bytes());
}

std::byte* BlockPool::data(KvBlockId id) const {
  CHECK(id.value < n_blocks());
  return base_ == nullptr ? nullptr : base_ + static_cast<size_t>(id.value) * layout_.block_bytes();
}

size_t BlockPool::bytes_touched() const { return static_cast<size_t>(n_ever_used_) * layout_.block_bytes(); }

}  // namespace firesteel
