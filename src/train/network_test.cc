#include "train/network.h"

#include <gtest/gtest.h>

#include <algorithm>

#include <cmath>
#include <string>

#include "base/rng.h"
#include "kernels/dispatch.h"
#include "train/reference_network.h"
#include "train/shard_workspace.h"

namespace firesteel {
namespace {

NetworkShape tiny_shape() {
  NetworkShape s;
  s.dim = 48;
  s.n_layers = 2;
  s.n_heads = 4;
  s.n_kv_heads = 2;
  s.head_dim = 16;
  s.ffn_dim = 80;
  s.n_vocab = 70;
  s.context = 64;
  s.patches.patch_size = 2;
  return s;
}

// Several samples, odd and even lengths, one longer than a panel, one with a picture of 2 x 3 patches.
Shard make_shard(const NetworkShape& shape, uint64_t seed) {
  Rng rng(seed);
  Shard shard;
  for (const int32_t n : {1, 7, 37, 2, 14}) {
    ShardSegment segment;
    segment.start = static_cast<int32_t>(shard.tokens.size());
    segment.n_tokens = n;
    segment.first_target = static_cast<int32_t>(shard.targets.size());
    for (int32_t i = 0; i < n; ++i) {
      shard.tokens.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(shape.n_vocab))));
      if (i % 3 == 0) shard.targets.push_back({segment.start + i, static_cast<int32_t>(rng.below(static_cast<uint64_t>(shape.n_vocab)))});
    }
    segment.n_targets = static_cast<int32_t>(shard.targets.size()) - segment.first_target;
    if (n == 14) {
      for (int32_t k = 0; k < 6; ++k) {
        shard.patches.push_back({segment.start + 2 + k, k / 3, k % 3});
        for (int64_t i = 0; i < shape.patches.patch_dim(); ++i) shard.patch_values.push_back(static_cast<float>(rng.uniform() * 2 - 1));
      }
    }
    shard.segments.push_back(segment);
  }
  return shard;
}

std::vector<float> make_parameters(const ParameterLayout& layout) {
  std::vector<float> p(static_cast<size_t>(layout.n));
  init_parameters(layout, 5, p.data());
  Rng rng(6);
  for (float& v : p) v *= static_cast<float>(1 + 0.3 * (rng.uniform() - 0.5));  // norms and biases are not special values
  for (int64_t i = 0; i < 48; ++i) p[static_cast<size_t>(layout.patch_bias + i)] = static_cast<float>(rng.normal() * 0.1);
  return p;
}

struct Gradients {
  double loss = 0;
  std::vector<float> values;
};

Gradients run_network(const std::string& isa, TrainType type, const NetworkShape& shape, const Shard& shard, const std::vector<float>& p) {
  const KernelTable* table = kernel_table(isa).value();
  Exec exec(1);
  Network network(shape, *table, type, {128, 64});
  network.pack(&exec, p.data());
  ShardWorkspace workspace(network);
  Gradients out;
  out.values.resize(p.size());
  std::vector<SegmentResult> results(shard.segments.size());
  network.run(shard, p.data(), 1.0f, out.values.data(), &workspace, results);
  for (const SegmentResult& result : results) out.loss += result.loss;
  return out;
}

// Finite differences of the double-precision network: for each tensor some single elements, and a random direction through all.
TEST(Network, GradientsAreThoseOfFiniteDifferences) {
  const NetworkShape shape = tiny_shape();
  const ParameterLayout layout = plan_parameters(shape);
  const std::vector<float> p = make_parameters(layout);
  const Shard shard = make_shard(shape, 11);
  const ReferenceNetwork reference(shape);
  std::vector<double> pd(p.begin(), p.end());
  const double loss = reference.loss(shard, pd);
  const Gradients exact = run_network("generic", kTrainF32, shape, shard, p);
  const Gradients rounded = run_network("", kTrainBf16, shape, shard, p);
  EXPECT_NEAR(exact.loss, loss, 1e-5 * loss);
  EXPECT_NEAR(rounded.loss, loss, 5e-3 * loss);

  Rng rng(12);
  for (const ParameterInfo& info : layout.tensors) {
    double norm = 0;
    for (int64_t i = 0; i < info.n(); ++i) norm += std::pow(static_cast<double>(exact.values[static_cast<size_t>(info.offset + i)]), 2);
    norm = std::sqrt(norm);
    double exact_error = 0, rounded_error = 0;  // in units of what an error of the whole gradient's size would give
    int n_compared = 0;
    const auto compare = [&](double expected, double got, double got_rounded, double unit) {
      exact_error += std::pow((got - expected) / unit, 2);
      rounded_error += std::pow((got_rounded - expected) / unit, 2);
      ++n_compared;
    };
    constexpr double kStep = 1e-4;  // central differences: truncation 1e-8 of the third derivative, rounding 1e-12 / 1e-4
    for (int sample = 0; sample < 3; ++sample) {
      const auto i = static_cast<size_t>(info.offset) + rng.below(static_cast<uint64_t>(info.n()));
      const double at = pd[i];
      pd[i] = at + kStep;
      const double above = reference.loss(shard, pd);
      pd[i] = at - kStep;
      const double below = reference.loss(shard, pd);
      pd[i] = at;
      compare((above - below) / (2 * kStep), static_cast<double>(exact.values[i]), static_cast<double>(rounded.values[i]),
              norm / std::sqrt(static_cast<double>(info.n())));
    }
    std::vector<double> direction(static_cast<size_t>(info.n()));
    double slope = 0, slope_rounded = 0;
    for (size_t i = 0; i < direction.size(); ++i) {
      direction[i] = rng.normal();
      slope += direction[i] * static_cast<double>(exact.values[static_cast<size_t>(info.offset) + i]);
      slope_rounded += direction[i] * static_cast<double>(rounded.values[static_cast<size_t>(info.offset) + i]);
    }
    std::vector<double> moved = pd;
    for (size_t i = 0; i < direction.size(); ++i) moved[static_cast<size_t>(info.offset) + i] += kStep * direction[i];
    const double above = reference.loss(shard, moved);
    for (size_t i = 0; i < direction.size(); ++i) moved[static_cast<size_t>(info.offset) + i] -= 2 * kStep * direction[i];
    compare((above - reference.loss(shard, moved)) / (2 * kStep), slope, slope_rounded, norm);
    // f32: some hundred roundings of 6e-8, amplified by cancellation. bf16: operands are off by up to 2^-9, independently, in about ten
    // products one after the other; single elements scatter more than the mean.
    EXPECT_GT(norm, 0) << info.name;
    EXPECT_LT(std::sqrt(exact_error / n_compared), 2e-4) << info.name;
    EXPECT_LT(std::sqrt(rounded_error / n_compared), 4e-2) << info.name;
  }
}

// Whatever the column: the exact mode agrees to rounding, bf16 to the bit except for subnormal numbers.
TEST(Network, EveryIsaComputesTheSame) {
  const NetworkShape shape = tiny_shape();
  const std::vector<float> p = make_parameters(plan_parameters(shape));
  const Shard shard = make_shard(shape, 21);
  for (const TrainType type : {kTrainBf16, kTrainF32}) {
    const Gradients expected = run_network("generic", type, shape, shard, p);
    for (const std::string& isa : available_isas()) {
      const Gradients got = run_network(isa, type, shape, shard, p);
      EXPECT_NEAR(got.loss, expected.loss, 1e-9 * expected.loss) << isa;
      double error = 0, size = 0;
      for (size_t i = 0; i < p.size(); ++i) {
        error += std::pow(static_cast<double>(got.values[i] - expected.values[i]), 2);
        size += std::pow(static_cast<double>(expected.values[i]), 2);
      }
      EXPECT_LT(std::sqrt(error), 1e-6 * std::sqrt(size)) << isa << " type " << type;
    }
  }
}

TEST(Network, SamplesOfAShardDoNotSeeEachOther) {
  const NetworkShape shape = tiny_shape();
  const std::vector<float> p = make_parameters(plan_parameters(shape));
  const Shard shard = make_shard(shape, 31);
  const KernelTable* table = kernel_table("").value();
  Exec exec(1);
  Network network(shape, *table, kTrainBf16, {128, 64});
  network.pack(&exec, p.data());
  ShardWorkspace workspace(network);
  std::vector<SegmentResult> together(shard.segments.size());
  network.run(shard, p.data(), 1.0f, nullptr, &workspace, together);
  for (size_t k = 0; k < shard.segments.size(); ++k) {
    const ShardSegment& segment = shard.segments[k];
    Shard alone;
    alone.tokens.assign(shard.tokens.begin() + segment.start, shard.tokens.begin() + segment.start + segment.n_tokens);
    for (int32_t i = 0; i < segment.n_targets; ++i) {
      const ShardTarget& target = shard.targets[static_cast<size_t>(segment.first_target + i)];
      alone.targets.push_back({target.position - segment.start, target.next});
    }
    if (segment.n_tokens == 14) {
      alone.patches = shard.patches;
      for (ShardPatch& patch : alone.patches) patch.position -= segment.start;
      alone.patch_values = shard.patch_values;
    }
    alone.segments.push_back({0, segment.n_tokens, 0, segment.n_targets, 0});
    std::vector<SegmentResult> result(1);
    network.run(alone, p.data(), 1.0f, nullptr, &workspace, result);
    EXPECT_EQ(result[0].loss, together[k].loss) << "sample " << k;
    EXPECT_EQ(result[0].n_hits, together[k].n_hits) << "sample " << k;
  }
}

TEST(Network, MarksAreLearntButNotCounted) {
  const NetworkShape shape = tiny_shape();
  const std::vector<float> p = make_parameters(plan_parameters(shape));
  Shard shard = make_shard(shape, 41);
  const Gradients without = run_network("", kTrainF32, shape, shard, p);
  ShardSegment& last = shard.segments.back();
  shard.marks = {{last.start + 3, 5, 0.5F}, {last.start + 6, 9, 0.5F}};
  last.n_marks = 2;
  const Gradients with = run_network("", kTrainF32, shape, shard, p);
  EXPECT_EQ(with.loss, without.loss);
  // The gradient of the marks alone is that of a network that ends at the layer they are asked of.
  NetworkShape shallow = shape;
  shallow.n_layers = 1;
  const ParameterLayout layout = plan_parameters(shape), part = plan_parameters(shallow);
  std::vector<float> q;
  for (const ParameterInfo& info : part.tensors) {
    const auto same = std::find_if(layout.tensors.begin(), layout.tensors.end(), [&](const ParameterInfo& other) { return other.name == info.name; });
    q.insert(q.end(), p.begin() + same->offset, p.begin() + same->offset + info.n());
  }
  Shard marks = shard;
  marks.targets = shard.marks;
  marks.marks.clear();
  for (ShardSegment& segment : marks.segments) segment.first_target = segment.n_targets = segment.n_marks = 0;
  marks.segments.back().n_targets = 2;
  const Gradients expected = run_network("", kTrainF32, shallow, marks, q);
  double error = 0, size = 0;
  for (const ParameterInfo& info : part.tensors) {
    const auto same = std::find_if(layout.tensors.begin(), layout.tensors.end(), [&](const ParameterInfo& other) { return other.name == info.name; });
    for (int64_t i = 0; i < info.n(); ++i) {
      const auto at = static_cast<size_t>(same->offset + i);
      const double by_marks = static_cast<double>(with.values[at]) - static_cast<double>(without.values[at]), alone = static_cast<double>(expected.values[static_cast<size_t>(info.offset + i)]);
      error += (by_marks - alone) * (by_marks - alone);
      size += alone * alone;
    }
  }
  EXPECT_GT(size, 0);
  EXPECT_LT(std::sqrt(error), 1e-4 * std::sqrt(size));
}

}  // namespace
}  // namespace firesteel
