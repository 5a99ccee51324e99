#include "eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "base/rng.h"

namespace firesteel {
namespace {

constexpr double kZ = 1.959963984540054;  // of 95 %

}  // namespace

Interval wilson_interval(int64_t n_right, int64_t n) {
  CHECK(n_right >= 0 && n_right <= n);
  if (n == 0) return {};
  const auto count = static_cast<double>(n);
  const double share = static_cast<double>(n_right) / count;
  const double spread = kZ * std::sqrt(share * (1 - share) / count + kZ * kZ / (4 * count * count));
  const double centre = share + kZ * kZ / (2 * count);
  const double scale = 1 + kZ * kZ / count;
  // Rounding would leave 1e-17 where the bound is exact.
  return {n_right == 0 ? 0 : (centre - spread) / scale, n_right == n ? 1 : (centre + spread) / scale};
}

double mcnemar_exact(int64_t n_only_a, int64_t n_only_b) {
  CHECK(n_only_a >= 0 && n_only_b >= 0);
  const int64_t n = n_only_a + n_only_b;
  const int64_t fewer = std::min(n_only_a, n_only_b);
  if (2 * fewer == n) return 1;
  // Twice the sum of the binomial's tail; by logarithms, so that large counts do not vanish.
  double sum = 0;
  const double base = std::lgamma(static_cast<double>(n) + 1) - static_cast<double>(n) * std::log(2.0);
  for (int64_t k = 0; k <= fewer; ++k) {
    sum += std::exp(base - std::lgamma(static_cast<double>(k) + 1) - std::lgamma(static_cast<double>(n - k) + 1));
  }
  return std::min(1.0, 2 * sum);
}

Interval paired_difference_interval(int64_t n_both, int64_t n_only_a, int64_t n_only_b, int64_t n_neither) {
  const int64_t n = n_both + n_only_a + n_only_b + n_neither;
  if (n == 0) return {-1, 1};
  const auto count = static_cast<double>(n);
  const double a = static_cast<double>(n_both + n_only_a) / count, b = static_cast<double>(n_both + n_only_b) / count;
  const Interval of_a = wilson_interval(n_both + n_only_a, n), of_b = wilson_interval(n_both + n_only_b, n);
  // The correlation of the two, with Newcombe's correction for continuity where it is positive.
  const double both = static_cast<double>(n_both), only_a = static_cast<double>(n_only_a), only_b = static_cast<double>(n_only_b), neither = static_cast<double>(n_neither);
  const double product = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither);
  double covariance = both * neither - only_a * only_b;
  if (covariance > count / 2) {
    covariance -= count / 2;
  } else if (covariance > 0) {
    covariance = 0;
  }
  const double phi = product > 0 ? covariance / std::sqrt(product) : 0;
  const double low_b = b - of_b.low, high_b = of_b.high - b, low_a = a - of_a.low, high_a = of_a.high - a;
  const double below = std::sqrt(std::max(0.0, low_b * low_b - 2 * phi * low_b * high_a + high_a * high_a));
  const double above = std::sqrt(std::max(0.0, high_b * high_b - 2 * phi * high_b * low_a + low_a * low_a));
  return {b - a - below, b - a + above};
}

Interval bootstrap_mean_interval(std::span<const double> values, uint64_t seed, int n_draws) {
  CHECK(n_draws > 0);
  if (values.empty()) return {0, 0};
  Rng rng(seed);
  std::vector<double> means(static_cast<size_t>(n_draws));
  for (double& mean : means) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += values[rng.below(values.size())];
    mean = sum / static_cast<double>(values.size());
  }
  std::sort(means.begin(), means.end());
  const auto last = static_cast<double>(means.size() - 1);
  return {means[static_cast<size_t>(std::lround(0.025 * last))], means[static_cast<size_t>(std::lround(0.975 * last))]};
}

}  // namespace firesteel
