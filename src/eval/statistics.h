// What can be said from counts: intervals of a share, and whether two runs differ. All of it exact or from a fixed seed.
#pragma once

#include <cstdint>
#include <span>

namespace firesteel {

struct Interval {
  double low = 0, high = 1;
};

// 95 % score interval of n_right out of n (0 <= n_right <= n); [0, 1] for n = 0. Source: Wilson 1927.
Interval wilson_interval(int64_t n_right, int64_t n);

// McNemar's exact test, two-sided: the chance that n_only_a + n_only_b discordant items split as unevenly as this or more when each is as
// likely to favour either side. 1 without discordant items.
double mcnemar_exact(int64_t n_only_a, int64_t n_only_b);

// 95 % interval of the difference (b - a) of two shares measured on the same n items, from the discordant counts and those right in both and
// in neither. Source: Newcombe 1998, method 10, which holds its level for small counts, too.
Interval paired_difference_interval(int64_t n_both, int64_t n_only_a, int64_t n_only_b, int64_t n_neither);

// 95 % percentile interval of the mean of `values`, from n_draws resamples; the same values and seed give the same interval. [0, 0] if empty.
Interval bootstrap_mean_interval(std::span<const double> values, uint64_t seed, int n_draws = 2000);

}  // namespace firesteel
