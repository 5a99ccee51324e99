// The buffers of a step, all allocated when the engine starts: a step allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include <vector>

#include "base/large_pages.h"
#include "kernels/attention.h"
#include "kernels/matmul.h"
#include "model/config.h"
#include "model/model.h"

namespace firesteel {

// 64-byte aligned, uninitialised: pages that a small batch never touches cost no memory.
template <typename T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t n) : data_(static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{64}))), n_(n) {
    ask_for_large_pages(data_.get(), n_bytes());
  }
  T* data() { return data_.get(); }
  T& operator[](size_t i) { return data_.get()[i]; }
  size_t n_bytes() const { return n_ * sizeof(T); }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete(p, std::align_val_t{64}); }
  };
  std::unique_ptr<T, Free> data_;
  size_t n_ = 0;
};

// Rows of a step whose sequences have the same adapter: adapter_rows[first, first + n).
struct AdapterRows {
  const Adapter* adapter = nullptr;
  int32_t first = 0, n = 0;
};

class ForwardWorkspace final : public Workspace {
 public:
  ForwardWorkspace(const ModelConfig& config, int max_rows, int max_logit_rows, int64_t max_context);

  int max_rows() const override { return max_rows_; }
  size_t n_bytes() const override;
  int max_logit_rows() const { return max_logit_rows_; }
  int64_t max_context() const { return max_context_; }

  // Row strides, in floats. A stride that is a multiple of 4 KiB puts the same column of all rows into one set of the first-level
  // cache, so every stride is padded by one cache line.
  int64_t ld_dim, ld_qkv, ld_att, ld_ffn, ld_expert, ld_wide, ld_ranks;

  Buffer<float> x;        // [max_rows][dim], the residual stream
  Buffer<float> h;        // [max_rows][dim]: what a block adds before its post-norm; the input of experts. Else empty
  Buffer<float> inner;    // attention: qkv [max_rows][ld_qkv] then its output [max_rows][ld_att]; ffn: [max_rows][gate | up]
  Buffer<float> cs;       // [max_rows][n_pairs][2]
  Buffer<float> cs_window;
  Buffer<AttnRow> attn_rows;
  Buffer<int32_t> wanted;  // [max_logit_rows], rows that want logits
  Activations acts;       // a product's input, up to max(dim, n_heads * head_dim) long
  Activations acts_wide;  // the input of a feed-forward block's last product

  // Adapters. Memory is touched only as far as rows have one.
  std::vector<AdapterRows> adapter_groups;
  Buffer<int32_t> adapter_rows;  // [max_rows], by adapter, ascending
  Buffer<float> lora_in;         // [max_rows][ld_wide], what goes into A
  Buffer<float> lora_mid;        // [max_rows][ld_ranks], A x of up to three matrices
  Buffer<float> lora_out;        // [max_rows][ld_wide], B A x

  // Experts.
  Buffer<float> router;          // [max_rows][n_experts]
  Buffer<int32_t> chosen;        // [max_rows][n_used], expert ids, best first
  Buffer<float> chosen_weights;  // [max_rows][n_used]
  Buffer<int32_t> expert_first;  // [n_experts + 1], first place of each expert in `places`
  Buffer<int32_t> place_rows;    // [max_rows * n_used], rows by expert, ascending
  Buffer<float> place_weights;
  Buffer<float> expert_out;      // [max_rows][dim] of one expert

 private:
  int max_rows_;
  int max_logit_rows_;
  int64_t max_context_;
};

}  // namespace firesteel
