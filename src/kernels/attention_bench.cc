// Attention on shapes of real models. Counters: GMAC/s (two products per visible key, head and element of head_dim) over all
// threads, GB/s of keys and values read once per sequence and KV head.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "kernels/attention.h"
#include "kernels/dispatch.h"

namespace firesteel {
namespace {

struct Shape {
  const char* name;
  int n_layers;
  int n_heads;
  int n_kv_heads;
  int head_dim;
};
constexpr Shape kLlama1b = {"llama-1b", 16, 32, 8, 64};
constexpr Shape kQwen05b = {"qwen2-0.5b", 24, 14, 2, 64};
constexpr Shape kLlama8b = {"llama-8b", 4, 32, 8, 128};  // 4 of its 32 layers
constexpr Shape kGemma1b = {"gemma3-1b", 26, 4, 1, 256};

struct Work {
  const Shape* shape;
  KvType type;
  int n_threads;
  int depth;   // positions already there
  int n_rows;  // rows per sequence
  int n_seqs;
  int prefix;  // of depth, shared by all sequences (whole blocks)
};

// All blocks of a benchmark, with random keys and values.
class Blocks {
 public:
  Blocks(const KernelTable& table, const Work& work, Exec* exec) {
    args_.layout = KvLayout{work.type, work.shape->n_layers, work.shape->n_kv_heads, work.shape->head_dim};
    args_.n_heads = work.shape->n_heads;
    args_.scale = 0.125f;
    const int n_positions = work.depth + work.n_rows;
    const int n_shared = work.prefix / kKvBlockTokens;
    const int n_blocks = (n_positions + kKvBlockTokens - 1) / kKvBlockTokens;
    tables_.resize(static_cast<size_t>(work.n_seqs));
    for (size_t s = 0; s < tables_.size(); ++s) {
      for (int b = 0; b < n_blocks; ++b) {
        if (s > 0 && b < n_shared) {
          tables_[s].push_back(tables_[0][static_cast<size_t>(b)]);
          continue;
        }
        const size_t bytes = (args_.layout.block_bytes() + (size_t{2} << 20) - 1) >> 21 << 21;
        memory_.emplace_back(static_cast<std::byte*>(std::aligned_alloc(size_t{2} << 20, bytes)), &std::free);
        tables_[s].push_back(memory_.back().get());
      }
      seqs_.push_back({tables_[s].data(), n_blocks});
    }
    // One row of values, written everywhere: what the numbers are does not matter.
    const size_t dim = static_cast<size_t>(args_.layout.n_kv_heads) * static_cast<size_t>(args_.layout.head_dim);
    Rng rng(7);
    std::vector<float> k(dim);
    std::vector<float> v(dim);
    for (float& x : k) x = static_cast<float>(rng.normal());
    for (float& x : v) x = static_cast<float>(rng.normal());
    for (size_t s = 0; s < tables_.size(); ++s) {
      for (int32_t p = s == 0 ? 0 : n_shared * kKvBlockTokens; p < n_positions; ++p) {
        const AttnRow row = {static_cast<int32_t>(s), p};
        for (args_.layer = 0; args_.layer < args_.layout.n_layers; ++args_.layer) {
          kv_store(exec, table, args_, {&row, 1}, seqs_, k.data(), v.data(), 0);
        }
      }
      for (int r = 0; r < work.n_rows; ++r) rows_.push_back({static_cast<int32_t>(s), work.depth + r});
    }
    args_.layer = 0;
  }

  AttnArgs args_;
  std::vector<AttnRow> rows_;
  std::vector<AttnSeq> seqs_;

 private:
  std::vector<std::vector<std::byte*>> tables_;
  std::vector<std::unique_ptr<std::byte, decltype(&std::free)>> memory_;
};

void bench_attention(benchmark::State& state, const KernelTable& table, const Work& work) {
  Exec exec(work.n_threads);
  Blocks blocks(table, work, &exec);
  const size_t dim = static_cast<size_t>(work.shape->n_heads) * static_cast<size_t>(work.shape->head_dim);
  Rng rng(8);
  std::vector<float> q(blocks.rows_.size() * dim);
  for (float& x : q) x = static_cast<float>(rng.normal());
  std::vector<float> out(q.size());
  for (auto _ : state) {
    for (blocks.args_.layer = 0; blocks.args_.layer < work.shape->n_layers; ++blocks.args_.layer) {
      attention(&exec, table, blocks.args_, blocks.rows_, blocks.seqs_, q.data(), static_cast<int64_t>(dim), out.data(),
                static_cast<int64_t>(dim));
    }
    benchmark::DoNotOptimize(out.data());
  }
  double keys = 0;
  for (const AttnRow& row : blocks.rows_) keys += row.position + 1;
  const double layers = work.shape->n_layers;
  const double per_s = 1e-9 * static_cast<double>(state.iterations());
  state.counters["GMAC/s"] = benchmark::Counter(layers * keys * 2 * static_cast<double>(dim) * per_s, benchmark::Counter::kIsRate);
  const KvLayout& layout = blocks.args_.layout;
  const double token_bytes = static_cast<double>(layout.block_bytes()) / kKvBlockTokens;
  const double n_read = work.prefix + static_cast<double>(work.depth + work.n_rows - work.prefix) * work.n_seqs;
  state.counters["GB/s"] = benchmark::Counter(token_bytes * n_read * per_s, benchmark::Counter::kIsRate);
}

void bench_kv_store(benchmark::State& state, const KernelTable& table, const Shape& shape, KvType type) {
  Exec exec(1);
  Blocks blocks(table, {&shape, type, 1, 0, 64, 1, 0}, &exec);
  const int64_t dim = static_cast<int64_t>(shape.n_kv_heads) * shape.head_dim;
  const std::vector<float> values(static_cast<size_t>(dim) * 64, 0.75f);
  for (auto _ : state) kv_store(&exec, table, blocks.args_, blocks.rows_, blocks.seqs_, values.data(), values.data(), dim);
  state.counters["ns/row"] = benchmark::Counter(64e-9 * static_cast<double>(state.iterations()),
                                                benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void add(const std::string& isa, const KernelTable& table, const Work& work, const char* what) {
  const std::string name = fmt::format("kernels/attention/{}/{}/depth={}/rows={}/seqs={}/prefix={}/{}/{}/threads={}", what,
                                       work.shape->name, work.depth, work.n_rows, work.n_seqs, work.prefix, kv_type_name(work.type), isa,
                                       work.n_threads);
  benchmark::RegisterBenchmark(name.c_str(), [&table, work](benchmark::State& state) { bench_attention(state, table, work); })
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
}

void register_all() {
  const std::string isa = available_isas().back();
  const KernelTable& table = **kernel_table(isa);
  for (const KvType type : {KvType::kBF16, KvType::kInt8, KvType::kF32}) {
    for (const int n_threads : {1, 2}) {
      for (const Shape* shape : {&kLlama1b, &kQwen05b, &kLlama8b, &kGemma1b}) {
        add(isa, table, {shape, type, n_threads, 2047, 1, 1, 0}, "decode");
        add(isa, table, {shape, type, n_threads, 0, 512, 1, 0}, "prefill");
      }
      add(isa, table, {&kLlama1b, type, n_threads, 2048, 64, 1, 0}, "prefill");
      add(isa, table, {&kLlama1b, type, n_threads, 1087, 1, 8, 1024}, "branches");
      add(isa, table, {&kLlama1b, type, n_threads, 1087, 1, 8, 0}, "branches");
      add(isa, table, {&kQwen05b, type, n_threads, 575, 1, 16, 512}, "branches");
    }
    const std::string name = fmt::format("kernels/kv_store/llama-1b/{}/{}", kv_type_name(type), isa);
    benchmark::RegisterBenchmark(name.c_str(), [&table, type](benchmark::State& state) { bench_kv_store(state, table, kLlama1b, type); });
  }
}

}  // namespace
}  // namespace firesteel

int main(int argc, char** argv) {
  firesteel::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
