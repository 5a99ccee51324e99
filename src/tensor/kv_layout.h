// Where a token's keys and values lie inside a KV block. Shared by kvcache (owns blocks) and kernels (read and write them).
//
// A block holds kKvBlockTokens consecutive positions of one sequence, starting at a multiple of kKvBlockTokens: position p is slot
// p % kKvBlockTokens of block p / kKvBlockTokens. Attention sums in block order, so results do not depend on how a sequence came
// to be (chunked, forked, cached). A fork shares full blocks and copies a partial one when it is first written.
//
// Inside a block: for each layer, for each KV head: K then V, each 64-byte aligned, no padding between.
//   f32   K [T/16][head_dim][16]       V [T][head_dim]
//   bf16  K [T/16][head_dim/2][16][2]  V [T/2][head_dim][2]     (both are direct operands of a paired bf16 dot product)
//   int8  K [T/16][head_dim/4][16][4] i8 (K = scale * q), then f32 scale[T];  V [T/4][head_dim][4] i8, then f32 scale[T]
// T = kKvBlockTokens. head_dim is a multiple of 16.
#pragma once

#include <cstddef>
#include <cstdint>

namespace firesteel {

inline constexpr int kKvBlockTokens = 64;

enum class KvType : uint8_t { kF32, kBF16, kInt8 };

const char* kv_type_name(KvType type);  // "f32", "bf16", "int8"

struct KvLayout {
  KvType type = KvType::kBF16;
  int n_layers = 0;
  int n_kv_heads = 0;
  int head_dim = 0;

  // Bytes of K (or of V, the same) for one layer and head.
  size_t half_bytes() const {
    const size_t n = static_cast<size_t>(kKvBlockTokens) * static_cast<size_t>(head_dim);
    switch (type) {
      case KvType::kF32: return n * 4;
      case KvType::kBF16: return n * 2;
      case KvType::kInt8: return n + static_cast<size_t>(kKvBlockTokens) * 4;
    }
    return 0;
  }
  size_t k_offset(int layer, int kv_head) const {
    return (static_cast<size_t>(layer) * static_cast<size_t>(n_kv_heads) + static_cast<size_t>(kv_head)) * 2 * half_bytes();
  }
  size_t v_offset(int layer, int kv_head) const { return k_offset(layer, kv_head) + half_bytes(); }
  size_t block_bytes() const { return k_offset(n_layers, 0); }

  bool operator==(const KvLayout&) const = default;
};

}  // namespace firesteel
