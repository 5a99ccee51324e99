// Majority of up to N samples, which stops as soon as the rest would hardly change it.
//
// The question that is put to the samples is "whose answer would win if all N were drawn?" Samples with different seeds are exchangeable,
// so given how often each answer occurs among the N (counts c1 >= c2 >= ...), every order of them is equally likely. Two rules stop the run:
//   certain   leader - runner-up > samples still to come: nothing can change it. (With an error bound, also where they are equal: at
//             worst the rest makes it a tie.)
//   margin    leader - runner-up >= d. For a wrong leader L to get there, it must once be d ahead of the winner W. Among the m = cL + cW
//             samples that say L or W, the paths that reach +d are as many as those that end with cL - d samples of L (reflection
//             principle), so that happens with probability C(m, cL - d) / C(m, cL). Summed over all L and maximised over all counts with
//             cL < cW and sum <= N (a knapsack of size N), this bounds the chance that stopping gives another answer than all N would;
//             d is the smallest margin for which it is at most `error_bound`. No assumption about the model is used.
// A tie of all N is no error: either of the two could have won. Samples are counted in their own order, never in the order in which they
// end: short answers end first, and counting them first would favour them (and make the result depend on timing).
//
// Confidence: each sample has a weight in (0, 1] (exp of the mean logprob of its answer). Weights choose among answers with equal
// counts, and are reported; the test is about counts, which is what the bound is for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agents/answer_key.h"

namespace firesteel {

// The probability that stopping at margin d gives another winner than all n samples, at worst. 1 <= d.
double wrong_stop_bound(int n, int d);

// The smallest d with wrong_stop_bound(n, d) <= error_bound; n + 1 (never) when error_bound <= 0.
int stop_margin(int n, double error_bound);

class Ballot {
 public:
  Ballot(int n_samples, double error_bound) : n_samples_(n_samples), may_tie_(error_bound > 0), margin_(stop_margin(n_samples, error_bound)) {}

  struct Candidate {
    AnswerKey answer;
    int n_votes = 0;
    double weight = 0;     // sum
    int first_sample = 0;  // that said it
  };

  // The next sample in order. A sample without an answer (kNone: it failed or said nothing) counts as drawn, for nobody.
  void add(const AnswerKey& answer, double weight);

  // More samples would hardly (or not at all) change the winner, or there are none.
  bool decided() const;
  // The fewest further samples that could decide it; 0 when it is decided. Who runs no more than these at a time wastes none.
  int n_needed() const;
  // Best first: by votes, then weight, then who was first. Empty while nobody has said anything.
  std::vector<Candidate> ranking() const;
  int n_counted() const { return n_counted_; }
  int n_samples() const { return n_samples_; }
  int margin() const { return margin_; }
  // The winner's share of the samples that said something; 0 when none did.
  double agreement() const;

 private:
  int lead() const;  // of the first over the second

  int n_samples_;
  bool may_tie_;
  int margin_;
  int n_counted_ = 0;
  std::vector<Candidate> candidates_;
};

}  // namespace firesteel
