// train/step: forward and backward pass of one shard on one thread, in CPU time, with the share of the bf16 peak that its matrix
// products reach. Shapes of the recipe study and of Kindling; loss on all tokens (the study's comparison) or on a fifth.
//
//   train_network_bench [dim layers ffn vocab segment target_every]
#include <ctime>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/rng.h"
#include "kernels/dispatch.h"
#include "train/network.h"
#include "train/shard_workspace.h"

namespace firesteel {
namespace {

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// The fastest product there is: a tile that stays in the first cache.
double peak_flops(const TrainOps& ops) {
  AlignedBytes a, b, c;
  a.reset(14 * 256 * 4);
  b.reset(ops.panel_bytes(512));
  c.reset(14 * 32 * 4);
  double best = 1e9;
  for (int round = 0; round < 5; ++round) {
    const double start = cpu_seconds();
    for (int i = 0; i < 20000; ++i) {
      ops.typed().mul(a.data(), ops.units(512), 1, 14, b.data(), ops.units(512), reinterpret_cast<float*>(c.data()), 32, 32, 0);
    }
    best = std::min(best, cpu_seconds() - start);
  }
  return 20000.0 * 2 * 14 * 32 * 512 / best;
}

void measure(NetworkShape shape, int64_t segment, int64_t target_every, const KernelTable& table) {
  const int64_t n_tokens = 1024;
  Network network(shape, table, kTrainBf16, {n_tokens, segment});
  std::vector<float> parameters(static_cast<size_t>(network.layout().n)), gradients(parameters.size());
  init_parameters(network.layout(), 1, parameters.data());
  Exec exec(1);
  const double pack_start = cpu_seconds();
  network.pack(&exec, parameters.data());
  const double pack_s = cpu_seconds() - pack_start;
  ShardWorkspace workspace(network);
  Shard shard;
  Rng rng(1);
  for (int64_t t = 0; t < n_tokens; ++t) {
    if (t % segment == 0) shard.segments.push_back({static_cast<int32_t>(t), static_cast<int32_t>(segment), static_cast<int32_t>(shard.targets.size()), 0, 0});
    shard.tokens.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(shape.n_vocab))));
    if (t % target_every == 0) {
      shard.targets.push_back({static_cast<int32_t>(t), static_cast<int32_t>(rng.below(static_cast<uint64_t>(shape.n_vocab)))});
      ++shard.segments.back().n_targets;
    }
  }
  std::vector<SegmentResult> results(shard.segments.size());
  double best = 1e9, best_forward = 1e9;
  for (int round = 0; round < 6; ++round) {
    double start = cpu_seconds();
    network.run(shard, parameters.data(), 1e-3f, gradients.data(), &workspace, results);
    best = std::min(best, cpu_seconds() - start);
    start = cpu_seconds();
    network.run(shard, parameters.data(), 1e-3f, nullptr, &workspace, results);
    best_forward = std::min(best_forward, cpu_seconds() - start);
  }
  const int64_t hidden = shape.n_layers * (shape.dim * (shape.qkv_dim() + shape.q_dim() + 3 * shape.ffn_dim));
  // What is really computed: after the last attention only rows with a target.
  const int64_t after_attention = shape.dim * (shape.q_dim() + 3 * shape.ffn_dim), n_targets = static_cast<int64_t>(shard.targets.size());
  const double flops = 6.0 * static_cast<double>(hidden * n_tokens - after_attention * (n_tokens - n_targets) + shape.n_vocab * shape.dim * n_targets);
  const double peak = peak_flops({&table, kTrainBf16});
  std::printf("train/step/dim=%lld/layers=%lld/ffn=%lld/vocab=%lld/segment=%lld/targets=1:%lld/%s: %.2fM parameters, %.0f tokens/s (forward %.1f ms of %.1f ms), "
              "dense products %.0f GFLOP/s = %.0f %% of %.0f; pack %.1f ms\n",
              static_cast<long long>(shape.dim), static_cast<long long>(shape.n_layers), static_cast<long long>(shape.ffn_dim),
              static_cast<long long>(shape.n_vocab), static_cast<long long>(segment), static_cast<long long>(target_every), table.isa,
              static_cast<double>(network.layout().n_text) * 1e-6, static_cast<double>(n_tokens) / best, best_forward * 1e3, best * 1e3, flops / best * 1e-9,
              100 * flops / best / peak, peak * 1e-9, pack_s * 1e3);
}

}  // namespace
}  // namespace firesteel

int main(int argc, char** argv) {
  using namespace firesteel;
  const KernelTable* table = default_kernel_table().value();
  NetworkShape shape;
  shape.vision = false;
  if (argc == 7) {
    shape.dim = std::atoll(argv[1]);
    shape.n_layers = std::atoll(argv[2]);
    shape.ffn_dim = std::atoll(argv[3]);
    shape.n_vocab = std::atoll(argv[4]);
    shape.n_heads = shape.dim / 64;
    shape.n_kv_heads = shape.n_heads % 2 == 0 ? shape.n_heads / 2 : shape.n_heads;
    measure(shape, std::atoll(argv[5]), std::atoll(argv[6]), *table);
    return 0;
  }
  measure(shape, 128, 5, *table);
  shape.n_layers = 6;
  shape.n_vocab = 2048;
  measure(shape, 256, 1, *table);  // the study's 5.3M (its ffn: 704)
  shape.dim = 320;
  shape.n_heads = 5;
  shape.n_kv_heads = 5;
  shape.ffn_dim = 864;
  shape.n_layers = 8;
  measure(shape, 256, 1, *table);  // ... and 10.6M
  return 0;
}
