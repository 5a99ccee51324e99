#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/rng.h"
#include "kernels/dispatch.h"
#include "sampling/sampler.h"

namespace firesteel {
namespace {

// One token of a 128k vocabulary. Logits fall off as a language model's do: most far below a few.
void run(benchmark::State& state, const char* isa, const SamplingParams& params) {
  const auto table = kernel_table(isa);
  if (!table.ok()) return state.SkipWithError(table.error().message.c_str());
  const int64_t n = 128256;
  Rng rng(1);
  std::vector<float> logits(static_cast<size_t>(n));
  for (float& x : logits) x = static_cast<float>(rng.normal() * 2.5);
  Sampler sampler(**table, n);
  uint64_t position = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(sampler.sample(logits, params, {}, position++).value().id);
  }
}

[[maybe_unused]] const bool kRegistered = [] {
  for (const char* isa : {"generic", ""}) {
    const auto add = [isa](const std::string& name, const SamplingParams& params) {
      const std::string full = "sampling/" + name + "/n=128256/" + (*isa == 0 ? "best" : isa);
      benchmark::RegisterBenchmark(full.c_str(), [isa, params](benchmark::State& state) { run(state, isa, params); });
    };
    SamplingParams greedy, plain, top_k, top_p, min_p, logprobs;
    greedy.temperature = 0;
    top_k.top_k = 40;
    top_p.top_p = 0.9;
    min_p.min_p = 0.05;
    logprobs.temperature = 0;
    logprobs.n_top_logprobs = 5;
    add("greedy", greedy);
    add("plain", plain);
    add("top_k", top_k);
    add("top_p", top_p);
    add("min_p", min_p);
    add("greedy_logprobs", logprobs);
  }
  return true;
}();

}  // namespace
}  // namespace firesteel
