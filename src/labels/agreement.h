// Do labellers agree more than chance would have it: Krippendorff's alpha.
//
// Source: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability". 1 is full agreement, 0 what chance gives, below 0 worse. Any number of
// labellers, missing labels allowed; units with fewer than two labels say nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace firesteel {

enum class AlphaMetric {
  kNominal,   // equal or not
  kOrdinal,   // ranks: 1..5 from "A much better" to "B much better"
  kInterval,  // squared distance
};

// The labels of one unit, by whomever; values are category numbers.
using UnitLabels = std::vector<double>;

// nullopt when there are no two labels of one unit, or when all labels are the same (agreement without variation cannot be judged).
std::optional<double> krippendorff_alpha(const std::vector<UnitLabels>& units, AlphaMetric metric);

struct Interval {
  double low = 0, high = 0;
};
// 95 % by bootstrap over units (1,000 draws from `seed`). nullopt with fewer than five units that count.
std::optional<Interval> alpha_interval(const std::vector<UnitLabels>& units, AlphaMetric metric, uint64_t seed);

}  // namespace firesteel
