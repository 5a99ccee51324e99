// Invariant 1 on every family, every KV type and several weight types: at least 1,000 random requests, each also forked, batched,
// preempted and cached as its world has it.
#include <gtest/gtest.h>

#include <string>

#include "forward_runner.h"
#include "invariance_worlds.h"
#include "tiny_model.h"

namespace firesteel {
namespace {

TEST(InvarianceSlow, EveryFamily) {
  InvarianceStats stats;
  const KvType kv_types[] = {KvType::kF32, KvType::kBF16, KvType::kInt8};
  uint64_t seed = 50'000;
  for (const TinySpec& spec : tiny_specs()) {
    const TinyModelFile file(spec);
    const auto model = load_model(file.path());
    for (int world = 0; world < 6; ++world) {
      check_world(model, spec.name, kv_types[world % 3], ++seed, 12, &stats);
      ASSERT_FALSE(HasFailure());
    }
  }
  EXPECT_GE(stats.n_requests, 1000);
  EXPECT_GT(stats.n_preempted, 50u);  // how many depends on timing: 97 seen under ASan
  EXPECT_GT(stats.n_forked, 100);
  EXPECT_GT(stats.n_accepted_tokens, 100u);  // guessed ahead and right
}

TEST(InvarianceSlow, Pictures) {
  InvarianceStats stats;
  const KvType kv_types[] = {KvType::kF32, KvType::kBF16, KvType::kInt8};
  uint64_t seed = 60'000;
  for (const TinySpec& spec : tiny_specs()) {
    const TinyModelFile file(spec);
    const auto model = load_model(file.path());
    const TinyModelFile vision_file(tiny_vision_gguf(spec.dim, seed));
    const auto vision = VisionModel::load(Checkpoint::open(vision_file.path()).value()).value();
    for (int world = 0; world < 6; ++world) {
      check_world(model, spec.name, kv_types[world % 3], ++seed, 12, &stats, vision);
      ASSERT_FALSE(HasFailure());
    }
  }
  EXPECT_GT(stats.n_preempted, 50u);
  EXPECT_GT(stats.n_cached_tokens, 1000u);
}

TEST(InvarianceSlow, QuantisedWeights) {
  InvarianceStats stats;
  uint64_t seed = 70'000;
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_K, DType::kQ6_K, DType::kQ5_1, DType::kIQ4_XS}) {
    TinySpec spec = tiny_spec("llama");
    spec.dtype = dtype;
    spec.dim = spec.ffn_dim = 256;
    spec.head_dim = 64;
    const TinyModelFile file(spec);
    const auto model = load_model(file.path());
    for (int world = 0; world < 4; ++world) {
      check_world(model, dtype_info(dtype).name, world % 2 == 0 ? model->default_kv_type() : KvType::kInt8, ++seed, 12, &stats);
      ASSERT_FALSE(HasFailure());
    }
  }
}

// Trained weights, if the test data is there.
TEST(InvarianceSlow, TrainedModel) {
  const std::string shared = shared_folder();
  if (shared.empty()) GTEST_SKIP() << "no ../shared: the trained model is not there";
  InvarianceStats stats;
  const auto model = load_model(shared + "/data/models/tinystories-656k");
  for (uint64_t seed = 90'000; seed < 90'010; ++seed) {
    check_world(model, "tinystories-656k", model->default_kv_type(), seed, 12, &stats);
    ASSERT_FALSE(HasFailure());
  }
}

}  // namespace
}  // namespace firesteel
