// Invariant 1 on small random models of several families: at least 100 requests here, 1,000 in invariance_slow_test.cc.
#include <gtest/gtest.h>

#include <string>

#include "forward_runner.h"
#include "invariance_worlds.h"
#include "tiny_model.h"

namespace firesteel {
namespace {

class InvarianceTest : public ::testing::TestWithParam<const char*> {};

TEST_P(InvarianceTest, SameRequestSameBytes) {
  const std::string name = GetParam();
  const TinyModelFile file(tiny_spec(name));
  const auto model = load_model(file.path());
  InvarianceStats stats;
  const KvType kv_types[] = {KvType::kF32, KvType::kBF16, KvType::kInt8};
  for (uint64_t world = 0; world < 3; ++world) {
    check_world(model, name, kv_types[world], 1000 + world, 8, &stats);
    if (HasFailure()) return;
  }
  EXPECT_GT(stats.n_cached_tokens, 0u);
  EXPECT_GT(stats.n_forked, 0);
}

INSTANTIATE_TEST_SUITE_P(Families, InvarianceTest, ::testing::Values("llama", "mistral-window", "qwen3", "llama-moe", "gemma3"),
                         [](const auto& family) {
                           std::string name = family.param;
                           for (char& c : name) {
                             if (c == '-') c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace firesteel
