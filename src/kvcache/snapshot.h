// Keys and values of a prefix in a file, and back, so that a long context survives a restart.
//
// File, little-endian, version 1:
//   char[8] "FSKVSNAP"; u32 version; u32 header_bytes (all that precedes the blocks, a multiple of 4096);
//   u32 kv_type, n_layers, n_kv_heads, head_dim, block_tokens; u32 identity_bytes; u64 block_bytes, n_tokens, n_blocks;
//   char identity[identity_bytes]; zeros to 8; i32 tokens[n_tokens]; zeros to 8; u64 block_hash[n_blocks]; u64 header_hash (of all
//   before it); zeros to header_bytes; then the blocks as they lie in memory (tensor/kv_layout.h).
// Slots behind the last token are zero: a file never holds what another sequence left in a recycled block.
// Hashes find corruption, not malice: a snapshot comes from this machine's own storage, like the model.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/mapped_file.h"
#include "base/result.h"
#include "tensor/kv_layout.h"

namespace firesteel {

// blocks[i] holds positions [64*i, 64*i + 64) and is only read. The file appears when it is complete. kIo.
Status save_snapshot(const std::string& path, std::string_view model_identity, const KvLayout& layout, std::span<const TokenId> tokens,
                     std::span<std::byte* const> blocks);

class Snapshot {
 public:
  // Opens and checks everything but the blocks' bytes. kFailedPrecondition when the file is of another model, layout or version;
  // kDataLoss when it is truncated or corrupt; kNotFound, kIo.
  static Result<Snapshot> open(const std::string& path, std::string_view model_identity, const KvLayout& layout);

  std::span<const TokenId> tokens() const { return tokens_; }
  int64_t n_blocks() const { return static_cast<int64_t>(hashes_.size()); }
  // Copies block i (block_bytes) and checks its hash: kDataLoss.
  Status read_block(int64_t i, std::byte* out) const;

 private:
  Snapshot() = default;
  MappedFile file_;
  size_t block_bytes_ = 0;
  size_t blocks_offset_ = 0;
  std::vector<TokenId> tokens_;
  std::vector<uint64_t> hashes_;
};

// Zeroes slots [first_slot, 64) of every head and layer of a block.
void clear_slots(const KvLayout& layout, std::byte* block, int first_slot);

// 64-bit content hash over 8-byte words; not keyed, not cryptographic.
uint64_t snapshot_hash(std::span<const std::byte> bytes);

}  // namespace firesteel
