#include "tune/lora_network.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/dispatch.h"
#include "tensor/quantise.h"
#include "train/reference_network.h"
#include "tune/test_model.h"

namespace firesteel {
namespace {

using test_model::SmallModel;
using test_model::random_flat;

const FrozenVision kBlind;

struct Ran {
  std::vector<float> gradients;
  std::vector<double> losses;
  std::vector<float> logits;
  bool operator==(const Ran&) const = default;
};

Ran run(const ModelConfig& config, const ModelWeights& weights, const LoraSet& set, const std::vector<float>& adapter, const Shard& pass, TrainType type, LoraPassLimits limits, int n_threads) {
  Exec exec(n_threads);
  limits.n_tokens = limits.n_segment = 64;
  LoraNetwork network(config, weights, kBlind, set, *default_kernel_table().value(), type, limits, &exec);
  network.set_adapter(adapter);
  Ran out;
  out.gradients.resize(static_cast<size_t>(set.n()));
  std::vector<SegmentResult> results(pass.segments.size());
  network.run(pass, 1, adapter.empty() ? std::span<float>() : std::span<float>(out.gradients), results);
  for (const SegmentResult& result : results) out.losses.push_back(result.loss);
  out.logits.resize(pass.targets.size() * static_cast<size_t>(config.n_vocab));
  network.logits(pass, out.logits.data());
  return out;
}
Ran run(const SmallModel& model, const LoraSet& set, const std::vector<float>& adapter, const Shard& pass, TrainType type = kTrainF32, LoraPassLimits limits = {}, int n_threads = 1) {
  return run(model.config, model.weights, set, adapter, pass, type, limits, n_threads);
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
TEST(LoraNetwork, GradientsAreThoseOfFiniteDifferences) {
  const SmallModel model(test_network::small_shape());
  const LoraSet set = LoraSet::plan(model.config, {.rank = 3, .alpha = 6}).value();
  const std::vector<float> flat = random_flat(set, 9);
  const Shard shard = test_network::random_shard(model.shape, {9, 4}, 4);
  const Ran ran = run(model, set, flat, shard);
  const std::vector<double> wide(flat.begin(), flat.end());
  const std::vector<double> expected = ReferenceNetwork(model.shape).logits(shard, model.effective(set, wide));
  for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(static_cast<double>(ran.logits[i]), expected[i], 1e-4) << i;
  Rng rng(3);
  const double step = 1e-4;
  for (const LoraSet::Place& place : set.places()) {
    for (int probe = 0; probe < 4; ++probe) {
      const bool is_b = probe % 2 == 1;
      const auto i = static_cast<size_t>(is_b ? place.b + static_cast<int64_t>(rng.below(static_cast<uint64_t>(place.n_rows * 3)))
                                              : place.a + static_cast<int64_t>(rng.below(static_cast<uint64_t>(place.k * 3))));
      std::vector<double> moved = wide;
      moved[i] += step;
      const double up = weighted_loss(model.shape, shard, model.effective(set, moved));
      moved[i] -= 2 * step;
      const double down = weighted_loss(model.shape, shard, model.effective(set, moved));
      const double slope = (up - down) / (2 * step);
      EXPECT_NEAR(static_cast<double>(ran.gradients[i]), slope, 1e-4 + 2e-3 * std::abs(slope)) << "layer " << place.layer << " " << adapter_target_name(place.target) << (is_b ? " B" : " A");
    }
  }
}

// Threads, what is kept for the way back, and whether a weight is unpacked once or each time.
TEST(LoraNetwork, BytesDoNotDependOnThreadsCheckpointingOrKeptPanels) {
  const SmallModel model(test_network::small_shape());
  const LoraSet set = LoraSet::plan(model.config, {.rank = 4, .alpha = 6, .targets = parse_targets("q,v,o,up,down").value()}).value();
  const std::vector<float> flat = random_flat(set, 9);
  const Shard shard = test_network::random_shard(model.shape, {19, 30, 5}, 4);
  for (const TrainType type : {kTrainBf16, kTrainF32}) {
    const Ran expected = run(model, set, flat, shard, type);
    for (const bool checkpointing : {false, true}) {
      for (const size_t keep : {size_t{0}, size_t{1} << 30}) {
        for (const int n_threads : {1, 3}) {
          EXPECT_TRUE(run(model, set, flat, shard, type, {.checkpointing = checkpointing, .keep_bytes_max = keep}, n_threads) == expected)
              << type << " " << checkpointing << " " << keep << " " << n_threads;
        }
      }
    }
  }
}

// What stands before an adapter's begin is computed as if there were none; a sample whose adapter never begins has no gradient.
TEST(LoraNetwork, CountsFromItsBeginOn) {
  const SmallModel model(test_network::small_shape());
  const LoraSet set = LoraSet::plan(model.config, {.rank = 3, .alpha = 6}).value();
  const std::vector<float> flat = random_flat(set, 9);
  Shard shard = test_network::random_shard(model.shape, {21}, 4);
  const auto n_vocab = static_cast<size_t>(model.shape.n_vocab);
  const Ran base = run(model, set, {}, shard), all = run(model, set, flat, shard);
  shard.segments[0].adapter_from = 10;
  const Ran part = run(model, set, flat, shard);
  for (size_t i = 0; i < shard.targets.size(); ++i) {
    const auto row = [&](const Ran& ran) { return std::vector<float>(ran.logits.begin() + static_cast<ptrdiff_t>(i * n_vocab), ran.logits.begin() + static_cast<ptrdiff_t>((i + 1) * n_vocab)); };
    EXPECT_EQ(row(part) == row(base), shard.targets[i].position < 10) << i;
    EXPECT_FALSE(row(part) == row(all)) << i;
  }
  // The gradient is that of this loss: along itself it grows by its square.
  double norm = 0;
  for (const float g : part.gradients) norm += static_cast<double>(g) * static_cast<double>(g);
  std::vector<double> ends;
  for (const double step : {1e-3, -1e-3}) {
    std::vector<float> moved = flat;
    for (size_t i = 0; i < moved.size(); ++i) moved[i] += static_cast<float>(step * static_cast<double>(part.gradients[i]) / std::sqrt(norm));
    ends.push_back(1.5 * run(model, set, moved, shard).losses[0]);
  }
  EXPECT_NEAR((ends[0] - ends[1]) / 2e-3, std::sqrt(norm), 0.01 * std::sqrt(norm));
  shard.segments[0].adapter_from = 21;
  for (const float g : run(model, set, flat, shard).gradients) ASSERT_EQ(g, 0.0f);
}

// The reference computes with the values that the blocks stand for.
TEST(LoraNetwork, QuantisedWeightsAreReadWhereTheyLie) {
  NetworkShape shape = test_network::small_shape();
  shape.dim = 256;
  shape.head_dim = 64;
  shape.ffn_dim = 512;
  shape.n_heads = 4;
  shape.n_layers = 1;
  for (const DType dtype : {DType::kQ8_0, DType::kQ4_0, DType::kQ4_K, DType::kQ6_K, DType::kF16}) {
    SmallModel model(shape);
    const LoraSet set = LoraSet::plan(model.config, {.rank = 2, .alpha = 4}).value();
    std::vector<std::vector<std::byte>> blocks;
    const auto quantise = [&](WeightView* view) {
      std::vector<std::byte>& bytes = blocks.emplace_back(static_cast<size_t>(view->n_rows) * row_bytes(dtype, view->k));
      auto* values = const_cast<float*>(reinterpret_cast<const float*>(view->data));
      for (int64_t row = 0; row < view->n_rows; ++row) {
        std::byte* to = bytes.data() + static_cast<size_t>(row) * row_bytes(dtype, view->k);
        quantise_row(dtype, values + row * view->k, to, view->k);
        dequantise_row(dtype, to, values + row * view->k, view->k);
      }
      view->dtype = dtype;
      view->data = bytes.data();
    };
    quantise(&model.weights.embedding);
    model.weights.output = model.weights.embedding;
    LayerWeights& w = model.weights.layers[0];
    for (WeightView* view : {&w.q.weights, &w.k.weights, &w.v.weights, &w.o.weights, &w.gate.weights, &w.up.weights, &w.down.weights}) quantise(view);
    const std::vector<float> flat = random_flat(set, 9);
    const Shard shard = test_network::random_shard(shape, {9, 4}, 4);
    const std::vector<double> expected = ReferenceNetwork(shape).logits(shard, model.effective(set, std::vector<double>(flat.begin(), flat.end())));
    const Ran kept = run(model, set, flat, shard), streamed = run(model, set, flat, shard, kTrainF32, {.keep_bytes_max = 0}, 2), rounded = run(model, set, flat, shard, kTrainBf16);
    EXPECT_TRUE(kept == streamed);
    for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(static_cast<double>(kept.logits[i]), expected[i], 2e-4) << dtype_info(dtype).name << " " << i;
    for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(static_cast<double>(rounded.logits[i]), expected[i], 0.05) << dtype_info(dtype).name << " " << i;
  }
}

}  // namespace
}  // namespace firesteel
