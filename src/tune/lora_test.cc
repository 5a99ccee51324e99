#include "tune/lora.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <vector>

#include "base/rng.h"
#include "kernels/dispatch.h"
#include "train/network.h"
#include "train/reference_network.h"
#include "train/shard_workspace.h"

namespace firesteel {
namespace {

NetworkShape small_shape() {
  NetworkShape s;
  s.dim = 32;
  s.n_layers = 2;
  s.n_heads = 2;
  s.n_kv_heads = 1;
  s.head_dim = 16;
  s.ffn_dim = 48;
  s.n_vocab = 40;
  s.context = 64;
  s.vision = false;
  return s;
}

// Two samples; what is to be learnt counts differently, some of it the other way round.
Shard make_shard(const NetworkShape& shape) {
  Rng rng(4);
  Shard shard;
  for (const int32_t n : {9, 4}) {
    ShardSegment segment{.start = static_cast<int32_t>(shard.tokens.size()), .n_tokens = n, .first_target = static_cast<int32_t>(shard.targets.size())};
    for (int32_t i = 0; i < n; ++i) {
      shard.tokens.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(shape.n_vocab))));
      if (i % 2 == 1) shard.targets.push_back({segment.start + i, static_cast<int32_t>(rng.below(static_cast<uint64_t>(shape.n_vocab))), n == 9 ? 1.5f : -0.7f});
    }
    segment.n_targets = static_cast<int32_t>(shard.targets.size()) - segment.first_target;
    shard.segments.push_back(segment);
  }
  return shard;
}

std::vector<float> random_flat(const LoraSet& set, uint64_t seed) {
  std::vector<float> flat(static_cast<size_t>(set.n()));
  set.init(seed, flat);
  Rng rng(seed + 1);
  for (const LoraSet::Place& place : set.places()) {
    for (int64_t i = 0; i < place.n_rows * set.settings().rank; ++i) flat[static_cast<size_t>(place.b + i)] = static_cast<float>(rng.normal() * 0.1);
  }
  return flat;
}

// Effective weights in double, written down plainly.
std::vector<double> effective_in_double(const LoraSet& set, const std::vector<float>& base, const std::vector<double>& flat) {
  std::vector<double> p(base.begin(), base.end());
  for (const LoraSet::Place& place : set.places()) {
    for (int64_t i = 0; i < place.n_rows; ++i) {
      for (int64_t j = 0; j < place.k; ++j) {
        double sum = 0;
        for (int64_t r = 0; r < set.settings().rank; ++r) sum += flat[static_cast<size_t>(place.b + i * set.settings().rank + r)] * flat[static_cast<size_t>(place.a + r * place.k + j)];
        p[static_cast<size_t>(place.weights + i * place.k + j)] += set.scale() * sum;
      }
    }
  }
  return p;
}

double weighted_loss(const NetworkShape& shape, const Shard& shard, const std::vector<double>& p) {
  const std::vector<double> logits = ReferenceNetwork(shape).logits(shard, p);
  double sum = 0;
  for (size_t i = 0; i < shard.targets.size(); ++i) {
    const double* row = logits.data() + i * static_cast<size_t>(shape.n_vocab);
    double total = 0;
    for (int64_t v = 0; v < shape.n_vocab; ++v) total += std::exp(row[v] - row[0]);
    sum += static_cast<double>(shard.targets[i].weight) * (std::log(total) + row[0] - row[shard.targets[i].next]);
  }
  return sum;
}

// Central differences of the loss in double against the gradients of the run, in f32.
TEST(Lora, GradientsAreThoseOfFiniteDifferences) {
  const NetworkShape shape = small_shape();
  const KernelTable* table = default_kernel_table().value();
  Network network(shape, *table, kTrainF32, {64, 64});
  const LoraSet set = LoraSet::plan(shape, {.rank = 3, .alpha = 6}).value();
  std::vector<float> base(static_cast<size_t>(network.layout().n));
  init_parameters(network.layout(), 5, base.data());
  const std::vector<float> flat = random_flat(set, 9);
  const Shard shard = make_shard(shape);

  Exec exec(1);
  std::vector<float> effective = base, gradients(base.size()), d_flat(flat.size());
  set.apply(&exec, network.ops(), base, flat, effective);
  const std::vector<double> wide(flat.begin(), flat.end());
  const std::vector<double> expected = effective_in_double(set, base, wide);
  for (size_t i = 0; i < base.size(); ++i) ASSERT_NEAR(static_cast<double>(effective[i]), expected[i], 1e-6) << i;

  network.pack(&exec, effective.data());
  ShardWorkspace workspace(network);
  std::vector<SegmentResult> results(shard.segments.size());
  network.run(shard, effective.data(), 1, gradients.data(), &workspace, results);
  set.gradients(&exec, network.ops(), gradients.data(), flat, d_flat);

  Rng rng(3);
  const double step = 1e-4;
  for (const LoraSet::Place& place : set.places()) {
    for (int probe = 0; probe < 4; ++probe) {
      const bool is_b = probe % 2 == 1;
      const auto i = static_cast<size_t>(is_b ? place.b + static_cast<int64_t>(rng.below(static_cast<uint64_t>(place.n_rows * 3)))
                                              : place.a + static_cast<int64_t>(rng.below(static_cast<uint64_t>(place.k * 3))));
      std::vector<double> moved = wide;
      moved[i] += step;
      const double up = weighted_loss(shape, shard, effective_in_double(set, base, moved));
      moved[i] -= 2 * step;
      const double down = weighted_loss(shape, shard, effective_in_double(set, base, moved));
      const double slope = (up - down) / (2 * step);
      EXPECT_NEAR(static_cast<double>(d_flat[i]), slope, 1e-4 + 2e-3 * std::abs(slope)) << "layer " << place.layer << " " << adapter_target_name(place.target) << (is_b ? " B" : " A");
    }
  }
}

TEST(Lora, BytesDoNotDependOnThreads) {
  const NetworkShape shape = small_shape();
  const TrainOps ops{default_kernel_table().value(), kTrainBf16};
  const LoraSet set = LoraSet::plan(shape, {.rank = 5, .alpha = 10, .targets = {AdapterTarget::kQ, AdapterTarget::kDown}}).value();
  const ParameterLayout layout = plan_parameters(shape);
  std::vector<float> base(static_cast<size_t>(layout.n));
  init_parameters(layout, 5, base.data());
  const std::vector<float> flat = random_flat(set, 9);
  std::vector<std::vector<float>> found;
  for (const int n_threads : {1, 3}) {
    Exec exec(n_threads);
    std::vector<float> effective = base, d_flat(flat.size());
    set.apply(&exec, ops, base, flat, effective);
    set.gradients(&exec, ops, effective.data(), flat, d_flat);
    effective.insert(effective.end(), d_flat.begin(), d_flat.end());
    found.push_back(std::move(effective));
  }
  EXPECT_TRUE(found[0] == found[1]);
}

TEST(Lora, WhatIsWrittenTheEngineReads) {
  const NetworkShape shape = small_shape();
  const LoraSet set = LoraSet::plan(shape, {.rank = 3, .alpha = 6, .targets = parse_targets("v,gate").value()}).value();
  const std::vector<float> flat = random_flat(set, 2);
  const std::string path = ::testing::TempDir() + "firesteel_lora_test.gguf";
  ASSERT_TRUE(set.write(path, flat, "llama", "a name", {{"firesteel.adapter.base", "x"}}).ok());
  ModelConfig config;
  config.architecture = "llama";
  config.dim = shape.dim;
  config.ffn_dim = shape.ffn_dim;
  config.n_layers = 2;
  config.n_heads = 2;
  config.n_kv_heads = 1;
  config.head_dim = 16;
  const auto adapter = Adapter::load(path, config);
  ASSERT_TRUE(adapter.ok()) << adapter.error().message;
  EXPECT_EQ((*adapter)->name(), "a name");
  EXPECT_EQ((*adapter)->find(0, AdapterTarget::kQ), nullptr);
  const LoraSet::Place& place = set.places()[1];
  const LoraPair* pair = (*adapter)->find(0, AdapterTarget::kGate);
  ASSERT_NE(pair, nullptr);
  EXPECT_EQ(pair->a[7], flat[static_cast<size_t>(place.a + 7)]);
  EXPECT_EQ(pair->b[7], flat[static_cast<size_t>(place.b + 7)] * 2);
  std::filesystem::remove(path);
}

TEST(Lora, BadSettingsAreNamed) {
  EXPECT_NE(LoraSet::plan(small_shape(), {.rank = 0}).error().message.find("rank"), std::string::npos);
  EXPECT_NE(LoraSet::plan(small_shape(), {.rank = 17}).error().message.find("1 to 16"), std::string::npos);  // k and v have 16 rows
  EXPECT_NE(LoraSet::plan(small_shape(), {.alpha = -1}).error().message.find("alpha"), std::string::npos);
  EXPECT_NE(parse_targets("q,x").error().message.find("\"x\""), std::string::npos);
  EXPECT_EQ(targets_text(parse_targets("ffn,q").value()), "q,gate,up,down");
  EXPECT_EQ(parse_targets("all").value().size(), 7u);
}

}  // namespace
}  // namespace firesteel
