#include "base/rng.h"

#include <gtest/gtest.h>

namespace firesteel {
namespace {

// Known answers of Philox4x32-10 published with the reference implementation (Random123, kat_vectors).
TEST(Philox, MatchesPublishedVectors) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, 0), (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, 0xffffffffffffffff),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(UniformAt, DependsOnEveryKeyAndStaysInRange) {
  EXPECT_NE(uniform_at(1, 0, 0), uniform_at(2, 0, 0));
  EXPECT_NE(uniform_at(1, 0, 0), uniform_at(1, 1, 0));
  EXPECT_NE(uniform_at(1, 0, 0), uniform_at(1, 0, 1));
  for (uint64_t i = 0; i < 1000; ++i) {
    const double u = uniform_at(7, 0, i);
    EXPECT_GE(u, 0.0);
    EXPECT_LT(u, 1.0);
  }
}

TEST(Rng, BelowCoversItsRange) {
  Rng rng(3);
  std::array<int, 5> counts{};
  for (int i = 0; i < 5000; ++i) ++counts[rng.below(5)];
  for (const int count : counts) EXPECT_GT(count, 800);
}

}  // namespace
}  // namespace firesteel
