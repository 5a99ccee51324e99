// Who is better when two answer the same question: Bradley-Terry strengths from pairwise outcomes, with intervals, and with the part that length
// alone explains taken out.
//
//   log odds(a beats b) = s_a - s_b + gamma * x,  x = log(length_a / length_b) over its spread; a tie counts half a win for each.
//
// Sources: Bradley and Terry 1952; length as a covariate after Dubois et al. 2024, "Length-controlled AlpacaEval", arXiv:2404.04475.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "eval/report.h"

namespace firesteel {

struct Match {
  size_t a = 0, b = 0;       // players
  double score = 0.5;        // of a: 1 won, 0.5 tie, 0 lost
  double length_a = 1, length_b = 1;  // of the answers, > 0
};

struct Strength {
  std::string name;
  double rating = 0;         // 400 points are odds of 10 to 1; the mean of all is 0
  double low = 0, high = 0;  // 95 %, percentiles over resampled matches
  int64_t n = 0;
  double wins = 0;           // ties count half
};
struct ArenaResult {
  std::vector<Strength> players;   // best first
  double length_effect = 0;        // gamma in points per doubling of the length ratio; 0 without length control
};

// At most 64 players and 1,000,000 matches. A weak prior (half a win and half a loss against the mean, for each) keeps strengths finite.
// The same matches and seed give the same result. kInvalidArgument.
Result<ArenaResult> rate_players(const std::vector<std::string>& names, const std::vector<Match>& matches, bool length_control, uint64_t seed, int n_draws = 200);

// Every pair of reports on every item that both have: right beats wrong, otherwise a tie. kFailedPrecondition: no common item.
Result<std::vector<Match>> matches_by_grade(const std::vector<Report>& reports);

}  // namespace firesteel
