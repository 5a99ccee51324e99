// What tuning computes is what serving computes, for every family that can be tuned: the base, and the base with an adapter merged into it.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "adapter_files.h"
#include "base/rng.h"
#include "forward_runner.h"
#include "kernels/dispatch.h"
#include "model/weights.h"
#include "tiny_model.h"
#include "tune/lora_network.h"

namespace firesteel {
namespace {

constexpr int32_t kTokens = 24;

Shard one_sample(int64_t n_vocab) {
  Rng rng(3);
  Shard pass;
  pass.segments.push_back({.start = 0, .n_tokens = kTokens, .first_target = 0, .n_targets = kTokens});
  for (int32_t i = 0; i < kTokens; ++i) {
    pass.tokens.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(n_vocab))));
    pass.targets.push_back({i, static_cast<int32_t>(rng.below(static_cast<uint64_t>(n_vocab)))});
  }
  return pass;
}

class TuneFamilies : public ::testing::TestWithParam<const char*> {};

// All in f32; sums of a few hundred products in another order differ by some 1e-6 of their size, logits are of size 1 to 10.
TEST_P(TuneFamilies, ComputesWhatIsServed) {
  const TinyModelFile file(tiny_spec(GetParam()));
  const auto model = load_model(file.path(), Precision::kHigh);
  const ModelConfig& config = model->config();
  const ModelWeights weights = load_weights(model->checkpoint(), config).value();
  const LoraSet set = LoraSet::plan(config, {.rank = 3, .alpha = 6}).value();
  std::vector<float> flat(static_cast<size_t>(set.n()));
  set.init(1, flat);
  Rng rng(2);
  for (const LoraSet::Place& place : set.places()) {
    for (int64_t i = 0; i < place.n_rows * 3; ++i) flat[static_cast<size_t>(place.b + i)] = static_cast<float>(rng.normal() * 0.05);
  }
  const std::string folder = ::testing::TempDir() + "firesteel_tune_" + std::to_string(::getpid());
  const std::string adapter_path = folder + "_a.gguf", merged_path = folder + "_m.gguf";
  ASSERT_TRUE(set.write(adapter_path, flat, config.architecture, "x", {}).ok());
  write_merged_file(merged_path, model->checkpoint(), config, *Adapter::load(adapter_path, config).value());

  const Shard pass = one_sample(config.n_vocab);
  const FrozenVision blind;
  Exec exec(2);
  LoraNetwork network(config, weights, blind, set, *default_kernel_table().value(), kTrainF32, {.n_tokens = 64, .n_segment = 64}, &exec);
  std::vector<float> logits(static_cast<size_t>(kTokens * config.n_vocab));
  for (const bool with_adapter : {false, true}) {
    network.set_adapter(with_adapter ? std::span<const float>(flat) : std::span<const float>());
    network.logits(pass, logits.data());
    ForwardRunner runner(with_adapter ? load_model(merged_path, Precision::kHigh) : model, {});
    const std::vector<float> served = runner.run(0, pass.tokens);
    for (size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(logits[i], served[i], 3e-4f) << with_adapter << " " << i;
  }

  // Along any direction the loss rises as the gradients say.
  std::vector<SegmentResult> results(1);
  std::vector<float> gradients(flat.size());
  network.run(pass, 1, gradients, results);
  double slope = 0;
  std::vector<float> direction(flat.size());
  for (size_t i = 0; i < flat.size(); ++i) {
    direction[i] = static_cast<float>(rng.normal()) * (std::abs(gradients[i]) > 0 ? 1.0f : 0.0f);
    if ((gradients[i] > 0) != (direction[i] > 0)) direction[i] = -direction[i];  // so that it does not cancel
    slope += static_cast<double>(gradients[i]) * static_cast<double>(direction[i]);
  }
  std::vector<double> ends;
  const double step = 2e-4;
  for (const double sign : {1.0, -1.0}) {
    std::vector<float> moved = flat;
    for (size_t i = 0; i < moved.size(); ++i) moved[i] += static_cast<float>(sign * step) * direction[i];
    network.set_adapter(moved);
    network.run(pass, 1, {}, results);
    ends.push_back(results[0].loss);
  }
  EXPECT_NEAR((ends[0] - ends[1]) / (2 * step), slope, 0.01 * slope);
  for (const std::string& path : {adapter_path, merged_path}) std::filesystem::remove(path);
}

INSTANTIATE_TEST_SUITE_P(All, TuneFamilies, ::testing::Values("llama", "llama-untied-bias", "llama-yarn", "llama-linear", "llama-freqs", "qwen2", "qwen3"));

}  // namespace
}  // namespace firesteel
