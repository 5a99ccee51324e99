// tune/step: forward and backward pass of LoRA on a model's file, in wall-clock time on all threads, and the most memory that the process had.
//
//   lora_network_bench MODEL.gguf [tokens segment target_every rank threads checkpointing steps]
//
// Samples of `segment` tokens, the last 1/target_every of each is learnt. Tokens are random: speed does not depend on them.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <sys/resource.h>

#include "base/clock.h"
#include "base/rng.h"
#include "checkpoint/checkpoint.h"
#include "kernels/dispatch.h"
#include "model/weights.h"
#include "tune/lora_network.h"

int main(int argc, char** argv) {
  using namespace firesteel;
  const auto argument = [&](int i, int64_t otherwise) { return argc > i ? std::atoll(argv[i]) : otherwise; };
  if (argc < 2) return std::fprintf(stderr, "lora_network_bench MODEL.gguf [tokens segment target_every rank threads checkpointing steps]\n"), 2;
  const int64_t n_tokens = argument(2, 1024), segment = argument(3, 256), target_every = argument(4, 4), rank = argument(5, 8), steps = argument(8, 3);
  const auto checkpoint = Checkpoint::open(argv[1]).value();
  const ModelConfig config = read_config(checkpoint->metadata()).value();
  const ModelWeights weights = load_weights(*checkpoint, config).value();
  const LoraSet set = LoraSet::plan(config, {.rank = static_cast<int>(rank), .alpha = static_cast<double>(2 * rank)}).value();
  std::vector<float> flat(static_cast<size_t>(set.n())), gradients(flat.size());
  set.init(1, flat);
  Shard pass;
  Rng rng(1);
  for (int64_t t = 0; t < n_tokens; ++t) {
    if (t % segment == 0) pass.segments.push_back({.start = static_cast<int32_t>(t), .n_tokens = static_cast<int32_t>(std::min(segment, n_tokens - t)), .first_target = static_cast<int32_t>(pass.targets.size())});
    pass.tokens.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(config.n_vocab))));
    if (t % segment < segment - segment / target_every) continue;
    pass.targets.push_back({static_cast<int32_t>(t), static_cast<int32_t>(rng.below(static_cast<uint64_t>(config.n_vocab)))});
    ++pass.segments.back().n_targets;
  }
  const FrozenVision blind;
  Exec exec(static_cast<int>(argument(6, 2)));
  LoraNetwork network(config, weights, blind, set, *default_kernel_table().value(), kTrainBf16,
                      {.n_tokens = n_tokens, .n_segment = segment, .checkpointing = argument(7, 1) != 0}, &exec);
  std::vector<SegmentResult> results(pass.segments.size());
  std::vector<double> speeds;
  for (int64_t step = 0; step < steps + 1; ++step) {  // the first one warms up
    const int64_t start = system_clock().now_us();
    network.set_adapter(flat);
    network.run(pass, 1e-3f, gradients, results);
    const int64_t end = system_clock().now_us();
    if (step > 0) speeds.push_back(static_cast<double>(n_tokens) * 1e6 / static_cast<double>(end - start));
  }
  const int64_t start = system_clock().now_us();
  network.run(pass, 1e-3f, {}, results);
  const double forward = static_cast<double>(n_tokens) * 1e6 / static_cast<double>(system_clock().now_us() - start);
  std::sort(speeds.begin(), speeds.end());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("{\"bench\": \"tune/step\", \"model\": \"%s\", \"tokens\": %lld, \"segment\": %lld, \"targets\": %zu, \"rank\": %lld, \"threads\": %d, \"checkpointing\": %s, "
              "\"tokens_per_s\": %.1f, \"low\": %.1f, \"high\": %.1f, \"forward_tokens_per_s\": %.1f, \"peak_mib\": %ld}\n",
              argv[1], static_cast<long long>(n_tokens), static_cast<long long>(segment), pass.targets.size(), static_cast<long long>(rank), exec.n_threads(),
              argument(7, 1) != 0 ? "true" : "false", speeds[speeds.size() / 2], speeds.front(), speeds.back(), forward, usage.ru_maxrss >> 10);
  return 0;
}
