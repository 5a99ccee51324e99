// A few thousand damaged files per format; mutation_slow_test.cc has more.
#include "checkpoint/mutation_checks.h"

namespace firesteel::mutation {
namespace {

constexpr uint64_t kSeed = 20;

TEST(GgufMutation, DamagedFilesAreTypedErrors) {
  Rng rng(kSeed);
  const std::string good = good_gguf();
  Tally tally;
  check_gguf(good, "undamaged", &tally);
  ASSERT_EQ(tally.n_ok, 1);
  for (int i = 0; i < 2000 && !testing::Test::HasFailure(); ++i) check_gguf(mutate(good, gguf_header_bytes(), &rng), "seed 20, mutant " + std::to_string(i), &tally);
  EXPECT_GT(tally.n_refused, 1000);
}

TEST(GgufMutation, EveryHeaderFieldSurvivesAbsurdValues) {
  const std::string good = good_gguf();
  Tally tally;
  for (size_t at = 0; at < gguf_header_bytes() && !testing::Test::HasFailure(); ++at) {
    for (const uint64_t value : {uint64_t{0}, uint64_t{1} << 31, uint64_t{1} << 60, UINT64_MAX}) {
      std::string bytes = good;
      put(&bytes, at, value, 8);
      check_gguf(bytes, "offset " + std::to_string(at), &tally);
    }
  }
  EXPECT_GT(tally.n_refused, 1000);
}

TEST(SafetensorsMutation, DamagedFilesAreTypedErrors) {
  Rng rng(kSeed);
  const std::string good = good_safetensors();
  Tally tally;
  check_safetensors(good, "undamaged", &tally);
  ASSERT_EQ(tally.n_ok, 1);
  for (int i = 0; i < 2000 && !testing::Test::HasFailure(); ++i) check_safetensors(mutate(good, good.size(), &rng), "seed 20, mutant " + std::to_string(i), &tally);
  EXPECT_GT(tally.n_refused, 1000);
}

TEST(HfConfigMutation, DamagedConfigurationsAreTypedErrors) {
  Rng rng(kSeed);
  Tally tally;
  for (const std::string& good : good_configs()) {
    const int before = tally.n_ok;
    check_config(good, good, &tally);
    ASSERT_EQ(tally.n_ok, before + 1) << good;
    for (int i = 0; i < 500 && !testing::Test::HasFailure(); ++i) {
      const std::string text = mutate_json(good, &rng);
      check_config(text, text, &tally);
    }
  }
  EXPECT_GT(tally.n_refused, 1000);
}

}  // namespace
}  // namespace firesteel::mutation
