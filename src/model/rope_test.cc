#include "model/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace firesteel {
namespace {

std::vector<float> angles_of(const RopeConfig& config, int position, std::span<const float> factors = {}, bool in_window = false) {
  const RopeTable table(config, factors, in_window);
  std::vector<float> cs(static_cast<size_t>(table.n_pairs()) * 2);
  table.fill(position, cs.data());
  return cs;
}

TEST(Rope, AnglesArePositionTimesFrequency) {
  const RopeConfig config{.n_dims = 8, .theta = 10000};
  const std::vector<float> cs = angles_of(config, 100000);
  for (size_t i = 0; i < 4; ++i) {
    const double angle = 100000 * std::pow(10000, -static_cast<double>(i) / 4);
    EXPECT_FLOAT_EQ(cs[2 * i], static_cast<float>(std::cos(angle)));
    EXPECT_FLOAT_EQ(cs[2 * i + 1], static_cast<float>(std::sin(angle)));
  }
}

TEST(Rope, PositionZeroDoesNotTurn) {
  for (const RopeScaling scaling : {RopeScaling::kNone, RopeScaling::kLinear}) {
    const std::vector<float> cs = angles_of({.n_dims = 16, .scaling = scaling, .factor = 4}, 0);
    for (size_t i = 0; i < cs.size(); ++i) EXPECT_EQ(cs[i], i % 2 == 0 ? 1.0f : 0.0f);
  }
}

TEST(Rope, LinearScalingAndFactorsStretchPositions) {
  const RopeConfig plain{.n_dims = 16};
  const RopeConfig scaled{.n_dims = 16, .scaling = RopeScaling::kLinear, .factor = 8};
  EXPECT_EQ(angles_of(scaled, 800), angles_of(plain, 100));
  const std::vector<float> eights(8, 8.0f);
  EXPECT_EQ(angles_of(plain, 800, eights), angles_of(plain, 100));
}

TEST(Rope, WindowLayersWithTheirOwnBaseAreNeverScaled) {
  const RopeConfig config{.n_dims = 16, .theta = 1e6, .theta_window = 10000, .window_has_own_base = true,
                          .scaling = RopeScaling::kLinear, .factor = 8};
  const std::vector<float> eights(8, 8.0f);
  EXPECT_EQ(angles_of(config, 77, eights, true), angles_of({.n_dims = 16, .theta = 10000}, 77));
  RopeConfig shared = config;
  shared.window_has_own_base = false;
  EXPECT_EQ(angles_of(shared, 77, {}, true), angles_of(shared, 77, {}, false));
}

// YaRN keeps fast pairs, interpolates slow ones, and scales by 1 + 0.1 ln(factor).
TEST(Rope, YarnMixesBetweenItsCorners) {
  const RopeConfig config{.n_dims = 64, .scaling = RopeScaling::kYarn, .factor = 16, .original_context = 4096};
  const double magnitude = 1 + 0.1 * std::log(16.0);
  const std::vector<float> cs = angles_of(config, 3);
  EXPECT_NEAR(cs[0], std::cos(3.0) * magnitude, 1e-6);
  const double slow = 3 * std::pow(10000, -62.0 / 64) / 16;
  EXPECT_NEAR(cs[63], std::sin(slow) * magnitude, 1e-7);
  for (size_t i = 0; i < 32; ++i) EXPECT_NEAR(std::hypot(cs[2 * i], cs[2 * i + 1]), magnitude, 1e-6);
}

}  // namespace
}  // namespace firesteel
