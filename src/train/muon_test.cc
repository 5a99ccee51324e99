#include "train/muon.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "kernels/dispatch.h"

namespace firesteel {
namespace {

// From zero weights the first update is the orthogonal factor of the gradient: all singular values near 1 (the quintic leaves them
// between 0.7 and 1.2), whatever those of the gradient are.
TEST(Muon, UpdatesAreNearlyOrthogonalAndDescend) {
  constexpr uint64_t kSeed = 99;
  Rng rng(kSeed);
  for (const TrainType type : {kTrainBf16, kTrainF32}) {
    for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{48, 96}, {96, 48}, {64, 64}, {16, 160}}) {
      ParameterLayout layout;
      layout.tensors = {{"token_embd.weight", ParameterKind::kEmbedding, 1, 10, 0}, {"blk.0.attn_q.weight", ParameterKind::kMatrix, rows, cols, 10}};
      layout.n = 10 + rows * cols;
      std::vector<float> gradient(static_cast<size_t>(layout.n)), weights(gradient.size()), buffer(gradient.size());
      for (int64_t i = 0; i < layout.n; ++i) gradient[static_cast<size_t>(i)] = static_cast<float>(rng.normal() * (i % cols < 8 ? 1.0 : 0.2));
      const Muon muon(layout, {default_kernel_table().value(), type}, {0.95, 0.1});
      Exec exec(1);
      muon.step(&exec, gradient.data(), 1.0, 1 / (0.2 * std::sqrt(static_cast<double>(std::max(rows, cols)))), weights.data(), buffer.data());
      for (int i = 0; i < 10; ++i) EXPECT_EQ(weights[static_cast<size_t>(i)], 0.0f);
      double along = 0;
      for (size_t i = 10; i < weights.size(); ++i) along -= static_cast<double>(weights[i]) * static_cast<double>(gradient[i]);
      EXPECT_GT(along, 0);
      const bool tall = rows > cols;
      const int64_t n = std::min(rows, cols), k = std::max(rows, cols);
      for (int trial = 0; trial < 5; ++trial) {
        std::vector<double> v(static_cast<size_t>(n));
        double before = 0, after = 0;
        for (double& value : v) {
          value = rng.normal();
          before += value * value;
        }
        for (int64_t j = 0; j < k; ++j) {
          double sum = 0;
          for (int64_t i = 0; i < n; ++i) sum += v[static_cast<size_t>(i)] * static_cast<double>(weights[static_cast<size_t>(10 + (tall ? j * cols + i : i * cols + j))]);
          after += sum * sum;
        }
        EXPECT_NEAR(std::sqrt(after / before), 0.95, 0.3) << rows << " x " << cols << " type " << type << " seed " << kSeed;
      }
    }
  }
}

}  // namespace
}  // namespace firesteel
