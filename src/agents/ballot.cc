#include "agents/ballot.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace firesteel {
namespace {

double log_choose(int n, int k) { return std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0); }

// That a random order of c_l and c_w samples, c_l < c_w, has the first d ahead once.
double reach(int c_l, int c_w, int d) { return c_l < d ? 0 : std::exp(log_choose(c_l + c_w, c_l - d) - log_choose(c_l + c_w, c_l)); }

}  // namespace

double wrong_stop_bound(int n, int d) {
  double worst = 0;
  std::vector<double> best(static_cast<size_t>(n) + 1);
  for (int c_w = 1; c_w <= n; ++c_w) {
    // best[r]: the largest sum over wrong answers with r samples in all, each with fewer than c_w.
    std::fill(best.begin(), best.end(), 0.0);
    for (int r = 1; r <= n - c_w; ++r) {
      for (int c_l = 1; c_l < c_w && c_l <= r; ++c_l) {
        best[static_cast<size_t>(r)] = std::max(best[static_cast<size_t>(r)], best[static_cast<size_t>(r - c_l)] + reach(c_l, c_w, d));
      }
    }
    worst = std::max(worst, best[static_cast<size_t>(n - c_w)]);
  }
  return std::min(worst, 1.0);
}

int stop_margin(int n, double error_bound) {
  if (error_bound <= 0) return n + 1;
  int d = 1;
  while (d <= n && wrong_stop_bound(n, d) > error_bound) ++d;
  return d;
}

void Ballot::add(const AnswerKey& answer, double weight) {
  const int index = n_counted_++;
  if (answer.kind == AnswerKey::Kind::kNone) return;
  auto found = std::find_if(candidates_.begin(), candidates_.end(), [&](const Candidate& one) { return one.answer == answer; });
  if (found == candidates_.end()) found = candidates_.insert(candidates_.end(), {answer, 0, 0, index});
  ++found->n_votes;
  found->weight += weight;
}

std::vector<Ballot::Candidate> Ballot::ranking() const {
  std::vector<Candidate> out = candidates_;
  std::stable_sort(out.begin(), out.end(), [](const Candidate& a, const Candidate& b) {
    return a.n_votes != b.n_votes ? a.n_votes > b.n_votes : a.weight > b.weight;
  });
  return out;
}

int Ballot::lead() const {
  int first = 0, second = 0;
  for (const Candidate& one : candidates_) {
    if (one.n_votes > first) second = std::exchange(first, one.n_votes);
    else second = std::max(second, one.n_votes);
  }
  return first - second;
}

bool Ballot::decided() const {
  const int n_left = n_samples_ - n_counted_, ahead = lead();
  return n_left <= 0 || ahead > n_left || (may_tie_ && ahead == n_left && ahead > 0) || ahead >= margin_;
}

int Ballot::n_needed() const {
  if (decided()) return 0;
  // All for the leader: k more make its lead lead + k, with n_left - k to come.
  const int n_left = n_samples_ - n_counted_, ahead = lead();
  const int certain = may_tie_ ? (n_left - ahead + 1) / 2 : (n_left - ahead) / 2 + 1;
  return std::clamp(std::min(margin_ - ahead, certain), 1, n_left);
}

double Ballot::agreement() const {
  int sum = 0, most = 0;
  for (const Candidate& one : candidates_) {
    sum += one.n_votes;
    most = std::max(most, one.n_votes);
  }
  return sum == 0 ? 0 : static_cast<double>(most) / sum;
}

}  // namespace firesteel
