#include "model/experts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"

namespace firesteel {
namespace {

TEST(Experts, MixtralRenormalisesTheBest) {
  const MoeConfig moe{.n_experts = 4, .n_used = 2, .ffn_dim = 1};
  float logits[] = {0.0f, 2.0f, -1.0f, 1.0f};
  int32_t chosen[2];
  float weights[2];
  choose_experts(moe, logits, chosen, weights);
  EXPECT_EQ(chosen[0], 1);
  EXPECT_EQ(chosen[1], 3);
  EXPECT_NEAR(weights[0], 1 / (1 + std::exp(-1.0)), 1e-6);  // softmax over the two
  EXPECT_NEAR(weights[0] + weights[1], 1, 1e-6);
}

TEST(Experts, WithoutNormalisationWeightsAreThoseOfTheWholeSoftmax) {
  const MoeConfig moe{.n_experts = 3, .n_used = 1, .ffn_dim = 1, .normalise = false, .weights_scale = 2};
  float logits[] = {0.0f, 0.0f, std::log(2.0f)};
  int32_t chosen[1];
  float weights[1];
  choose_experts(moe, logits, chosen, weights);
  EXPECT_EQ(chosen[0], 2);
  EXPECT_NEAR(weights[0], 2 * 0.5, 1e-6);
}

TEST(Experts, SigmoidGatesAndSoftmaxOfTheSelected) {
  MoeConfig moe{.n_experts = 3, .n_used = 2, .ffn_dim = 1, .gating = ExpertGating::kSigmoid, .normalise = false};
  float logits[] = {0.0f, 3.0f, -3.0f};
  int32_t chosen[2];
  float weights[2];
  choose_experts(moe, logits, chosen, weights);
  EXPECT_NEAR(weights[0], 1 / (1 + std::exp(-3.0)), 1e-6);
  EXPECT_NEAR(weights[1], 0.5, 1e-6);
  moe.gating = ExpertGating::kSoftmaxSelected;
  float again[] = {0.0f, 3.0f, -3.0f};
  choose_experts(moe, again, chosen, weights);
  EXPECT_NEAR(weights[0], 1 / (1 + std::exp(-3.0)), 1e-6);
  EXPECT_NEAR(weights[1], 1 / (1 + std::exp(3.0)), 1e-6);
}

TEST(Experts, TiesGoToTheLowerId) {
  const MoeConfig moe{.n_experts = 6, .n_used = 3, .ffn_dim = 1};
  float logits[] = {1, 5, 1, 5, 5, 1};
  int32_t chosen[3];
  float weights[3];
  choose_experts(moe, logits, chosen, weights);
  EXPECT_EQ(chosen[0], 1);
  EXPECT_EQ(chosen[1], 3);
  EXPECT_EQ(chosen[2], 4);
}

TEST(Experts, NaNAndInfinityChooseDistinctExperts) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  for (const ExpertGating gating : {ExpertGating::kSoftmaxAll, ExpertGating::kSigmoid, ExpertGating::kSoftmaxSelected}) {
    const MoeConfig moe{.n_experts = 4, .n_used = 3, .ffn_dim = 1, .gating = gating};
    for (std::vector<float> logits : {std::vector<float>{nan, nan, nan, nan}, {inf, nan, -inf, inf}, {-inf, -inf, -inf, -inf}}) {
      int32_t chosen[3];
      float weights[3];
      choose_experts(moe, logits.data(), chosen, weights);
      for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(chosen[i] >= 0 && chosen[i] < 4);
        for (int j = 0; j < i; ++j) EXPECT_NE(chosen[i], chosen[j]);
      }
    }
  }
}

TEST(Experts, GroupsHoldEveryAssignmentOnceInRowOrder) {
  Rng rng(3);
  const MoeConfig moe{.n_experts = 7, .n_used = 3, .ffn_dim = 1};
  const int n_rows = 40;
  std::vector<int32_t> chosen;
  std::vector<float> weights;
  for (int row = 0; row < n_rows; ++row) {
    std::vector<float> logits(7);
    for (float& l : logits) l = static_cast<float>(rng.normal());
    chosen.resize(chosen.size() + 3);
    weights.resize(weights.size() + 3);
    choose_experts(moe, logits.data(), chosen.data() + row * 3, weights.data() + row * 3);
  }
  std::vector<int32_t> first(8), rows(120);
  std::vector<float> row_weights(120);
  group_by_expert(moe, n_rows, chosen.data(), weights.data(), first.data(), rows.data(), row_weights.data());
  EXPECT_EQ(first[0], 0);
  EXPECT_EQ(first[7], 120);
  for (size_t e = 0; e < 7; ++e) {
    for (int32_t place = first[e]; place < first[e + 1]; ++place) {
      const size_t p = static_cast<size_t>(place);
      if (place > first[e]) { EXPECT_LT(rows[p - 1], rows[p]); }
      const size_t at = static_cast<size_t>(rows[p]) * 3;
      bool found = false;
      for (size_t rank = 0; rank < 3; ++rank) {
        found = found || (chosen[at + rank] == static_cast<int32_t>(e) && weights[at + rank] == row_weights[p]);
      }
      EXPECT_TRUE(found);
    }
  }
}

}  // namespace
}  // namespace firesteel
