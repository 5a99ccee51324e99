#include "labels/agreement.h"

#include <algorithm>
#include <map>

#include "base/rng.h"

namespace firesteel {

std::optional<double> krippendorff_alpha(const std::vector<UnitLabels>& units, AlphaMetric metric) {
  // Coincidences: pairs of labels of one unit, each unit weighing as many as it has labels.
  std::map<double, size_t> index;
  for (const UnitLabels& unit : units) {
    if (unit.size() < 2) continue;
    for (const double label : unit) index.emplace(label, 0);
  }
  if (index.size() < 2) return std::nullopt;
  std::vector<double> values;
  for (auto& [value, place] : index) {
    place = values.size();
    values.push_back(value);
  }
  const size_t n = values.size();
  std::vector<double> coincidences(n * n, 0), totals(n, 0);
  double all = 0;
  for (const UnitLabels& unit : units) {
    if (unit.size() < 2) continue;
    const double weight = 1 / static_cast<double>(unit.size() - 1);
    for (size_t a = 0; a < unit.size(); ++a) {
      for (size_t b = 0; b < unit.size(); ++b) {
        if (a != b) coincidences[index[unit[a]] * n + index[unit[b]]] += weight;
      }
    }
  }
  for (size_t a = 0; a < n; ++a) {
    for (size_t b = 0; b < n; ++b) totals[a] += coincidences[a * n + b];
    all += totals[a];
  }
  const auto distance = [&](size_t a, size_t b) {
    if (a == b) return 0.0;
    switch (metric) {
      case AlphaMetric::kNominal: return 1.0;
      case AlphaMetric::kInterval: return (values[a] - values[b]) * (values[a] - values[b]);
      case AlphaMetric::kOrdinal: break;
    }
    double sum = 0;
    for (size_t k = std::min(a, b); k <= std::max(a, b); ++k) sum += totals[k];
    sum -= (totals[a] + totals[b]) / 2;
    return sum * sum;
  };
  double observed = 0, expected = 0;
  for (size_t a = 0; a < n; ++a) {
    for (size_t b = 0; b < n; ++b) {
      observed += coincidences[a * n + b] * distance(a, b);
      expected += totals[a] * totals[b] * distance(a, b);
    }
  }
  if (expected <= 0) return std::nullopt;
  return 1 - (all - 1) * observed / expected;
}

std::optional<Interval> alpha_interval(const std::vector<UnitLabels>& units, AlphaMetric metric, uint64_t seed) {
  std::vector<UnitLabels> counted;
  for (const UnitLabels& unit : units) {
    if (unit.size() >= 2) counted.push_back(unit);
  }
  if (counted.size() < 5) return std::nullopt;
  Rng rng(seed);
  std::vector<double> alphas;
  std::vector<UnitLabels> drawn(counted.size());
  for (int draw = 0; draw < 1000; ++draw) {
    for (UnitLabels& unit : drawn) unit = counted[rng.below(counted.size())];
    if (const auto alpha = krippendorff_alpha(drawn, metric)) alphas.push_back(*alpha);
  }
  if (alphas.size() < 100) return std::nullopt;
  std::sort(alphas.begin(), alphas.end());
  return Interval{alphas[alphas.size() / 40], alphas[alphas.size() - 1 - alphas.size() / 40]};
}

}  // namespace firesteel
