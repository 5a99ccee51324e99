// Causal attention of a batch of rows over paged KV, and the write of new keys and values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/exec.h"
#include "kernels/table.h"
#include "tensor/kv_layout.h"

namespace firesteel {

// One row (token) of the batch. Rows of a sequence are consecutive with ascending positions.
struct AttnRow {
  int32_t seq = 0;       // index into `tables`
  int32_t position = 0;  // sees keys 0..position (its own K and V are written first)
};

// Block addresses of one sequence: blocks[i] holds positions [64*i, 64*i + 64).
struct AttnSeq {
  std::byte* const* blocks = nullptr;
  int32_t n_blocks = 0;
};

struct AttnArgs {
  KvLayout layout;
  int layer = 0;
  int n_heads = 0;       // multiple of layout.n_kv_heads
  float scale = 1;       // usually 1/sqrt(head_dim)
  float softcap = 0;     // 0: none
  int32_t window = 0;    // 0: all; else keys with position - key < window
};

// k, v: [n_rows][n_kv_heads*head_dim] f32 (k rotated already), ld floats apart.
void kv_store(Exec* exec, const KernelTable& table, const AttnArgs& args, std::span<const AttnRow> rows, std::span<const AttnSeq> seqs,
              const float* k, const float* v, int64_t ld);

// q: [n_rows][n_heads*head_dim] f32, rotated, ldq apart; out the same shape, ldo apart. Rows of different sequences that share
// leading blocks (same address) may be processed together; the result of a row does not depend on it.
void attention(Exec* exec, const KernelTable& table, const AttnArgs& args, std::span<const AttnRow> rows, std::span<const AttnSeq> seqs,
               const float* q, int64_t ldq, float* out, int64_t ldo);

}  // namespace firesteel
