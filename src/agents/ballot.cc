#include "agents/ballot.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace firesteel {
namespace {

double log_choose(int n, int k) { return std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0); }

// That a random order of c_l and c_w samples, c_l < c_w, has the first d ahead once.
double reach(int c_l, int c_w, int d) { return c_l < d ? 0 : std::exp(log_choose(c_l + c_w, c_l - d) - log_choose(c_l + c_w, c_l)); }

// By confidence: that at least d of the first c_w among c_l + c_w samples are L's.
double reach_by_confidence(int c_l, int c_w, int d) {
  double sum = 0;
  for (int h = d; h <= std::min(c_l, c_w); ++h) sum += std::exp(log_choose(c_l, h) + log_choose(c_w, h) - log_choose(c_l + c_w, c_w));
  return sum;
}

// The largest sum of reach(cL, cW) over wrong answers L, over all counts of n samples. may_exceed: an L may have more samples than W, and less weight.
template <typename Reach>
double worst_sum(int n, bool may_exceed, const Reach& reach_of) {
  double worst = 0;
  std::vector<double> best(static_cast<size_t>(n) + 1);
  for (int c_w = 1; c_w <= n; ++c_w) {
    // best[r]: the largest sum over wrong answers with r samples in all.
    std::fill(best.begin(), best.end(), 0.0);
    for (int r = 1; r <= n - c_w; ++r) {
      for (int c_l = 1; (may_exceed || c_l < c_w) && c_l <= r; ++c_l) {
        best[static_cast<size_t>(r)] = std::max(best[static_cast<size_t>(r)], best[static_cast<size_t>(r - c_l)] + reach_of(c_l, c_w));
      }
    }
    worst = std::max(worst, best[static_cast<size_t>(n - c_w)]);
  }
  return std::min(worst, 1.0);
}

}  // namespace

double wrong_stop_bound(int n, int d) {
  return worst_sum(n, /*may_exceed=*/false, [d](int c_l, int c_w) { return reach(c_l, c_w, d); });
}

double wrong_stop_bound_by_confidence(int n, int d) {
  return worst_sum(n, /*may_exceed=*/true, [d](int c_l, int c_w) { return reach_by_confidence(c_l, c_w, d); });
}

int stop_margin(int n, double error_bound, VoteBy vote_by) {
  if (error_bound <= 0) return n + 1;
  int d = 1;
  while (d <= n && (vote_by == VoteBy::kCount ? wrong_stop_bound(n, d) : wrong_stop_bound_by_confidence(n, d)) > error_bound) ++d;
  return d;
}

int64_t vote_units(double mean_logprob) {
  const double weight = mean_logprob < 0 ? std::exp(mean_logprob) : 1.0;
  return std::clamp<int64_t>(std::llround(weight * static_cast<double>(kVoteUnits)), 1, kVoteUnits);
}

void Ballot::add(const AnswerKey& answer, int64_t units) {
  DCHECK(units > 0 && units <= kVoteUnits);
  const int index = n_counted_++;
  if (answer.kind == AnswerKey::Kind::kNone) return;
  auto found = std::find_if(candidates_.begin(), candidates_.end(), [&](const Candidate& one) { return one.answer == answer; });
  if (found == candidates_.end()) found = candidates_.insert(candidates_.end(), {answer, 0, 0, index});
  ++found->n_votes;
  found->units += units;
}

std::vector<Ballot::Candidate> Ballot::ranking() const {
  std::vector<Candidate> out = candidates_;
  std::stable_sort(out.begin(), out.end(), [this](const Candidate& a, const Candidate& b) {
    if (score(a) != score(b)) return score(a) > score(b);
    return vote_by_ == VoteBy::kCount ? a.units > b.units : a.n_votes > b.n_votes;
  });
  return out;
}

int64_t Ballot::lead() const {
  int64_t first = 0, second = 0;
  for (const Candidate& one : candidates_) {
    if (score(one) > first) second = std::exchange(first, score(one));
    else second = std::max(second, score(one));
  }
  return first - second;
}

bool Ballot::decided_at(int64_t lead, int n_left) const {
  const int64_t to_come = n_left * kVoteUnits;  // at most
  return n_left <= 0 || lead > to_come || (may_tie_ && lead == to_come) || lead > (margin_ - 1) * kVoteUnits;
}

bool Ballot::decided() const { return decided_at(lead(), n_samples_ - n_counted_); }

int Ballot::n_needed() const {
  if (decided()) return 0;
  // All for the leader, with a whole vote each.
  const int n_left = n_samples_ - n_counted_;
  int n = 1;
  while (!decided_at(lead() + n * kVoteUnits, n_left - n)) ++n;
  return n;
}

double Ballot::agreement() const {
  int n_all = 0;
  for (const Candidate& one : candidates_) n_all += one.n_votes;
  return n_all == 0 ? 0 : static_cast<double>(ranking().front().n_votes) / n_all;
}

double Ballot::agreement_by_weight() const {
  int64_t sum = 0;
  for (const Candidate& one : candidates_) sum += one.units;
  return sum == 0 ? 0 : static_cast<double>(ranking().front().units) / static_cast<double>(sum);
}

}  // namespace firesteel
