#include "release/sequential.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace firesteel {
namespace {

double log_beta(double a, double b) { return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b); }

// Of one sequence of answers with these counts, its rate mixed over Beta(a, b).
double log_mixture(const RateCounts& counts, double a, double b) {
  return log_beta(a + static_cast<double>(counts.n_bad), b + static_cast<double>(counts.n - counts.n_bad)) - log_beta(a, b);
}

double x_log_y(double x, double y) { return x == 0 ? 0 : x * std::log(y); }

double log_likelihood(const RateCounts& counts, double rate) {
  return x_log_y(static_cast<double>(counts.n_bad), rate) + x_log_y(static_cast<double>(counts.n - counts.n_bad), 1 - rate);
}

double rate_of(const RateCounts& counts) { return counts.n == 0 ? 0.5 : static_cast<double>(counts.n_bad) / static_cast<double>(counts.n); }

// The largest likelihood with p_candidate = p + difference, p_champion = p: concave in p, so by bisection of its slope.
double log_likelihood_at_difference(const RateCounts& champion, const RateCounts& candidate, double difference) {
  double low = std::max(0.0, -difference), high = std::min(1.0, 1 - difference);
  const auto slope_term = [](double count, double rate) { return count == 0 ? 0 : count / std::max(rate, 1e-300); };
  const auto slope = [&](double p) {
    return slope_term(static_cast<double>(champion.n_bad), p) - slope_term(static_cast<double>(champion.n - champion.n_bad), 1 - p) +
           slope_term(static_cast<double>(candidate.n_bad), p + difference) - slope_term(static_cast<double>(candidate.n - candidate.n_bad), 1 - p - difference);
  };
  for (int i = 0; i < 48; ++i) {
    const double middle = 0.5 * (low + high);
    (slope(middle) > 0 ? low : high) = middle;
  }
  const double p = 0.5 * (low + high);
  return log_likelihood(champion, p) + log_likelihood(candidate, p + difference);
}

double log_numerator(const RateCounts& champion, const RateCounts& candidate, const RatePrior& prior) {
  return log_mixture(champion, prior.rate * prior.champion_weight, (1 - prior.rate) * prior.champion_weight) +
         log_mixture(candidate, prior.rate * prior.candidate_weight, (1 - prior.rate) * prior.candidate_weight);
}

void check_counts(const RateCounts& counts) { CHECK(counts.n_bad >= 0 && counts.n_bad <= counts.n); }

// sign +1: the null is "difference at most d", -1: "at least d".
double log_evidence(const RateCounts& champion, const RateCounts& candidate, const RatePrior& prior, double d, double sign) {
  check_counts(champion);
  check_counts(candidate);
  CHECK(prior.rate > 0 && prior.rate < 1 && prior.champion_weight > 0 && prior.candidate_weight > 0);
  CHECK(d > -1 && d < 1);
  // An arm without answers can have any rate: the null's best is then the other arm alone, wherever it fits.
  const double seen = rate_of(candidate) - rate_of(champion);
  const bool free_arm = champion.n == 0 || candidate.n == 0;
  const bool null_holds = free_arm || sign * (seen - d) <= 0;
  const double denominator = null_holds ? log_likelihood(champion, rate_of(champion)) + log_likelihood(candidate, rate_of(candidate))
                                        : log_likelihood_at_difference(champion, candidate, d);
  return log_numerator(champion, candidate, prior) - denominator;
}

}  // namespace

RatePrior prior_from_history(double rate, int64_t n_seen) {
  RatePrior prior;
  prior.rate = std::clamp(rate, 0.002, 0.998);
  prior.champion_weight = static_cast<double>(std::clamp<int64_t>(n_seen, 1, 2000));
  prior.candidate_weight = 60;
  return prior;
}

double log_evidence_worse(const RateCounts& champion, const RateCounts& candidate, const RatePrior& prior, double difference) {
  return log_evidence(champion, candidate, prior, difference, 1);
}

double log_evidence_not_worse(const RateCounts& champion, const RateCounts& candidate, const RatePrior& prior, double difference) {
  return log_evidence(champion, candidate, prior, difference, -1);
}

DifferenceBounds difference_bounds(const RateCounts& champion, const RateCounts& candidate, const RatePrior& prior, double alpha) {
  DifferenceBounds bounds;
  if (champion.n == 0 || candidate.n == 0) return bounds;
  const double threshold = std::log(1 / alpha);
  const double seen = rate_of(candidate) - rate_of(champion);
  constexpr double kEdge = 1 - 1e-9;
  // Evidence against "at most d" falls as d grows.
  if (log_evidence_worse(champion, candidate, prior, -kEdge) >= threshold) {
    double excluded = -kEdge, kept = std::clamp(seen, -kEdge, kEdge);
    for (int i = 0; i < 40; ++i) {
      const double middle = 0.5 * (excluded + kept);
      (log_evidence_worse(champion, candidate, prior, middle) >= threshold ? excluded : kept) = middle;
    }
    bounds.low = excluded;
  }
  if (log_evidence_not_worse(champion, candidate, prior, kEdge) >= threshold) {
    double excluded = kEdge, kept = std::clamp(seen, -kEdge, kEdge);
    for (int i = 0; i < 40; ++i) {
      const double middle = 0.5 * (excluded + kept);
      (log_evidence_not_worse(champion, candidate, prior, middle) >= threshold ? excluded : kept) = middle;
    }
    bounds.high = excluded;
  }
  return bounds;
}

}  // namespace firesteel
