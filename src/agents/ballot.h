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
// Confidence: each sample has a weight in (0, 1], a whole number of units of 2^-30, so that sums do not depend on their order.
//   by count       (VoteBy::kCount) every sample counts one; weights choose among answers with equal counts, and are reported.
//   by confidence  (VoteBy::kConfidence) the answer with the largest sum of weights wins. A sample still to come can add 1 at most, which
//                  makes the certain rule what it is above, with sums in the place of counts. The margin rule is "leader - runner-up > d - 1"
//                  (the same as >= d where sums are whole). Its bound again takes all orders of the samples, each with its answer and its weight, to be
//                  equally likely. Where it stops with a wrong leader L, let A1, B1 be what L and the winner W have by then, A2, B2 what is
//                  to come, q W's samples in all. A1 - B1 > d - 1 gives A1 > d - 1, so at least d samples of L were seen; B1 + B2 >
//                  A1 + A2 gives B2 > A1 - B1 > d - 1, so at least d samples of W were not. Hence L's d-th came before W's (q - d + 1)-th,
//                  which says that at least d of the first q among their p + q samples are L's: a hypergeometric tail, whatever the weights
//                  are. Summed and maximised as above. For n = 8 it is 1/70 with d = 4, and no rule "leader - runner-up > c" with c < 3
//                  stays below 8/70 (four of just below 1 against four of 1), so for error bounds between the two nothing is given away.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agents/answer_key.h"
#include "api/agents.h"

namespace firesteel {

// The probability that stopping at margin d gives another winner than all n samples, at worst. 1 <= d.
double wrong_stop_bound(int n, int d);

// The same for votes by confidence that stop at a lead above d - 1.
double wrong_stop_bound_by_confidence(int n, int d);

// The smallest d for which that bound is at most error_bound; n + 1 (never) when error_bound <= 0.
int stop_margin(int n, double error_bound, VoteBy vote_by = VoteBy::kCount);

inline constexpr int64_t kVoteUnits = int64_t{1} << 30;  // of a whole vote
// A sample's weight from the mean logprob of its tokens: exp of it, at least one unit, at most kVoteUnits.
int64_t vote_units(double mean_logprob);

class Ballot {
 public:
  Ballot(int n_samples, double error_bound, VoteBy vote_by = VoteBy::kCount)
      : n_samples_(n_samples), vote_by_(vote_by), may_tie_(error_bound > 0), margin_(stop_margin(n_samples, error_bound, vote_by)) {}

  struct Candidate {
    AnswerKey answer;
    int n_votes = 0;
    int64_t units = 0;     // sum of its samples' weights
    int first_sample = 0;  // that said it
  };

  // The next sample in order. A sample without an answer (kNone: it failed or said nothing) counts as drawn, for nobody.
  // 0 < units <= kVoteUnits.
  void add(const AnswerKey& answer, int64_t units);

  // More samples would hardly (or not at all) change the winner, or there are none.
  bool decided() const;
  // The fewest further samples that could decide it; 0 when it is decided. Who runs no more than these at a time wastes none.
  int n_needed() const;
  // Best first: by votes then weight (by confidence the other way round), then who was first. Empty while nobody has said anything.
  std::vector<Candidate> ranking() const;
  int n_counted() const { return n_counted_; }
  int n_samples() const { return n_samples_; }
  int margin() const { return margin_; }
  VoteBy vote_by() const { return vote_by_; }
  // The winner's share of the samples that said something, and of their weight; 0 when none did.
  double agreement() const;
  double agreement_by_weight() const;

 private:
  int64_t score(const Candidate& one) const { return vote_by_ == VoteBy::kCount ? one.n_votes * kVoteUnits : one.units; }
  int64_t lead() const;  // of the first over the second, in units
  bool decided_at(int64_t lead, int n_left) const;

  int n_samples_;
  VoteBy vote_by_;
  bool may_tie_;
  int margin_;
  int n_counted_ = 0;
  std::vector<Candidate> candidates_;
};

}  // namespace firesteel
