// A step allocates nothing once the workspace and the threads' scratch memory are warm. Counts calls of operator new of the whole
// program, so it is a program of its own.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "base/rng.h"
#include "forward_runner.h"
#include "tiny_model.h"

namespace {

std::atomic<int64_t> g_n_allocations{0};

void* counted(size_t n, size_t alignment) {
  g_n_allocations.fetch_add(1, std::memory_order_relaxed);
  const size_t rounded = (n + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded > 0 ? rounded : alignment);
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

// g++ 12 looks into the inlined `counted` and takes its memory for another family's.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void* operator new(size_t n) { return counted(n, alignof(std::max_align_t)); }
void* operator new[](size_t n) { return counted(n, alignof(std::max_align_t)); }
void* operator new(size_t n, std::align_val_t alignment) { return counted(n, static_cast<size_t>(alignment)); }
void* operator new[](size_t n, std::align_val_t alignment) { return counted(n, static_cast<size_t>(alignment)); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t, std::align_val_t) noexcept { std::free(p); }

namespace firesteel {
namespace {

class Allocation : public testing::TestWithParam<TinySpec> {};

TEST_P(Allocation, AWarmStepAllocatesNothing) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kQ8_0}) {
    TinySpec spec = GetParam();
    spec.dtype = dtype;
    const TinyModelFile file(spec);
    const auto model = load_model(file.path());
    // One thread: a second one's scratch grows at its first task, and when that comes depends on the machine's load.
    ForwardRunner runner(model, {.n_threads = 1, .kv_type = model->default_kv_type()});
    std::vector<TokenId> tokens(30);
    for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<TokenId>(7 * i + 3);
    const Piece chunk[] = {{.seq = 0, .tokens = tokens}, {.seq = 1, .tokens = std::span(tokens).first(20)}};
    const Piece decode[] = {{.seq = 0, .tokens = std::span(tokens).first(1)}, {.seq = 1, .tokens = std::span(tokens).first(1)}};
    runner.step(chunk);
    runner.step(decode);
    const int64_t before = g_n_allocations.load();
    runner.step(decode);
    runner.step(chunk);  // up to position 62: no new block either
    EXPECT_EQ(g_n_allocations.load(), before) << spec.name << " " << dtype_info(dtype).name;
  }
}

INSTANTIATE_TEST_SUITE_P(Specs, Allocation, testing::Values(tiny_spec("llama"), tiny_spec("qwen3moe"), tiny_spec("gemma3")));

}  // namespace
}  // namespace firesteel
