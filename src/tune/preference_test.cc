#include "tune/preference.h"

#include <gtest/gtest.h>

#include <functional>

namespace firesteel {
namespace {

// By hand: beta 0.1, margin 0.1 ((-10 + 12) - (-9 + 8)) = 0.3; -log sigmoid(0.3) = log(1 + e^-0.3); slope 0.1 sigmoid(-0.3).
TEST(Preference, DpoHasTheValuesOfItsDefinition) {
  const PreferenceLoss loss = dpo_loss({-10, -12, 5}, {-9, -8, 3}, 0.1, false);
  EXPECT_NEAR(loss.margin, 0.3, 1e-12);
  EXPECT_NEAR(loss.loss, 0.554355244468527, 1e-12);
  EXPECT_NEAR(loss.d_chosen, -0.0425557483188341, 1e-12);
  EXPECT_NEAR(loss.d_rejected, 0.0425557483188341, 1e-12);
  EXPECT_NEAR(dpo_loss({-3, -3, 2}, {-4, -4, 9}, 0.5, false).loss, std::log(2), 1e-15);  // the reference itself
}

TEST(Preference, SlopesAreThoseOfFiniteDifferences) {
  const auto check = [](const std::function<PreferenceLoss(double, double)>& loss, double c, double r) {
    const double step = 1e-5;
    const PreferenceLoss at = loss(c, r);
    EXPECT_NEAR(at.d_chosen, (loss(c + step, r).loss - loss(c - step, r).loss) / (2 * step), 1e-8);
    EXPECT_NEAR(at.d_rejected, (loss(c, r + step).loss - loss(c, r - step).loss) / (2 * step), 1e-8);
  };
  for (const double c : {-0.5, -7.0, -60.0}) {
    for (const double r : {-0.4, -9.0, -80.0}) {
      check([](double x, double y) { return dpo_loss({x, -8, 4}, {y, -7, 11}, 0.3, false); }, c, r);
      check([](double x, double y) { return dpo_loss({x, -8, 4}, {y, -7, 11}, 2.0, true); }, c, r);
      check([](double x, double y) { return orpo_loss({x, 0, 4}, {y, 0, 11}, 0.2); }, c, r);
    }
  }
}

TEST(Preference, ExtremesAreFinite) {
  for (const double far : {-1e6, -1e-12, 0.0}) {
    for (const PreferenceLoss& loss : {dpo_loss({far, -1, 3}, {-5, far, 4}, 10, false), orpo_loss({far, 0, 3}, {-5, 0, 4}, 1), orpo_loss({-5, 0, 3}, {far, 0, 4}, 1)}) {
      EXPECT_TRUE(std::isfinite(loss.loss) && std::isfinite(loss.d_chosen) && std::isfinite(loss.d_rejected)) << far;
    }
  }
}

}  // namespace
}  // namespace firesteel
