// Evidence from counts that may be looked at after every answer: does the candidate have a higher rate of something bad than the
// champion, by more than a margin?
//
// Both arms are Bernoulli. The evidence against a null hypothesis about p_candidate - p_champion is
//
//   E = mixture likelihood of both arms (independent Beta priors)  /  largest likelihood of both arms that the null allows.
//
// Under every member of the null the ratio with its own likelihood below is a nonnegative martingale of mean 1, and the largest
// likelihood is at least as large, so P(E ever reaches 1/alpha) <= alpha whatever the moments of looking (Ville's inequality). It
// depends on counts alone, so answers may come in batches and in any order.
//
// Sources: Robbins 1970, "Statistical methods related to the law of the iterated logarithm" (mixtures); Wasserman, Ramdas and
// Balakrishnan 2020, "Universal inference", arXiv:1912.11436, section 7 (composite nulls, sequentially).
#pragma once

#include <cstdint>

namespace firesteel {

struct RateCounts {
  int64_t n = 0;
  int64_t n_bad = 0;   // 0 .. n
  bool operator==(const RateCounts&) const = default;
};

// What was thought before the first answer; any choice keeps the error rates, a good one needs fewer answers.
struct RatePrior {
  double rate = 0.5;               // in (0, 1)
  double champion_weight = 1;      // as if so many answers of the rate had been seen; > 0
  double candidate_weight = 1;
};

// For a rate that is known from what the champion did before: the champion's is trusted as `n_seen` answers (at most 2,000), the
// candidate's as 60, wide enough for what is worth detecting.
RatePrior prior_from_history(double rate, int64_t n_seen);

// Natural logarithm of the evidence against "the candidate's rate exceeds the champion's by at most `difference`": large when it is
// worse. `difference` in (-1, 1).
double log_evidence_worse(const RateCounts& champion, const RateCounts& candidate, const RatePrior& prior, double difference);
// Against "... by at least `difference`": large when it is not that bad.
double log_evidence_not_worse(const RateCounts& champion, const RateCounts& candidate, const RatePrior& prior, double difference);

// Differences (candidate - champion) that are not excluded at level alpha on either side, at all times together: a confidence
// sequence. [-1, 1] without answers.
struct DifferenceBounds {
  double low = -1, high = 1;
};
DifferenceBounds difference_bounds(const RateCounts& champion, const RateCounts& candidate, const RatePrior& prior, double alpha);

}  // namespace firesteel
