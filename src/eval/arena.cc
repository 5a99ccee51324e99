#include "eval/arena.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/rng.h"

namespace firesteel {
namespace {

constexpr size_t kPlayersMax = 64, kMatchesMax = 1'000'000;
constexpr double kPointsPerLogit = 400 / 2.302585092994046;

// Solves A x = b for symmetric positive definite A (row-major, n x n); A is overwritten.
void solve(std::vector<double>* matrix, std::vector<double>* b) {
  const size_t n = b->size();
  std::vector<double>& a = *matrix;
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = a[i * n + j];
      for (size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = i == j ? std::sqrt(std::max(sum, 1e-12)) : sum / a[j * n + j];
    }
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k) (*b)[i] -= a[i * n + k] * (*b)[k];
    (*b)[i] /= a[i * n + i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) (*b)[i] -= a[k * n + i] * (*b)[k];
    (*b)[i] /= a[i * n + i];
  }
}

struct Weighted {
  size_t a, b;
  double score, x, weight;
};

// Newton's method on the penalised likelihood: concave, so it converges; the last parameter is gamma.
std::vector<double> fit(size_t n_players, const std::vector<Weighted>& matches, bool length_control) {
  const size_t n = n_players + 1;
  std::vector<double> theta(n, 0.0);
  for (int step = 0; step < 30; ++step) {
    std::vector<double> gradient(n, 0.0), hessian(n * n, 0.0);
    for (size_t i = 0; i < n_players; ++i) {
      // Half a win and half a loss against strength 0: a match with score 0.5.
      const double p = 1 / (1 + std::exp(-theta[i]));
      gradient[i] += 0.5 - p;
      hessian[i * n + i] += p * (1 - p);
    }
    hessian[n * n - 1] += length_control ? 1e-3 : 1.0;
    for (const Weighted& m : matches) {
      const double x = length_control ? m.x : 0;
      const double p = 1 / (1 + std::exp(-(theta[m.a] - theta[m.b] + theta[n - 1] * x)));
      const double g = m.weight * (m.score - p), h = m.weight * p * (1 - p);
      gradient[m.a] += g;
      gradient[m.b] -= g;
      gradient[n - 1] += g * x;
      hessian[m.a * n + m.a] += h;
      hessian[m.b * n + m.b] += h;
      hessian[m.a * n + m.b] -= h;
      hessian[m.b * n + m.a] -= h;
      for (const auto& [player, sign] : {std::pair<size_t, double>(m.a, 1.0), {m.b, -1.0}}) {
        hessian[(n - 1) * n + player] += sign * h * x;
        hessian[player * n + n - 1] += sign * h * x;
      }
      hessian[n * n - 1] += h * x * x;
    }
    solve(&hessian, &gradient);
    double largest = 0;
    for (size_t i = 0; i < n; ++i) {
      theta[i] += std::clamp(gradient[i], -2.0, 2.0);
      largest = std::max(largest, std::abs(gradient[i]));
    }
    if (largest < 1e-9) break;
  }
  double mean = 0;
  for (size_t i = 0; i < n_players; ++i) mean += theta[i] / static_cast<double>(n_players);
  for (size_t i = 0; i < n_players; ++i) theta[i] -= mean;
  return theta;
}

}  // namespace

Result<ArenaResult> rate_players(const std::vector<std::string>& names, const std::vector<Match>& matches, bool length_control, uint64_t seed, int n_draws) {
  if (names.size() < 2 || names.size() > kPlayersMax) return Error{ErrorCode::kInvalidArgument, "an arena has 2 to 64 players, found " + std::to_string(names.size())};
  if (matches.empty() || matches.size() > kMatchesMax) return Error{ErrorCode::kInvalidArgument, "an arena has 1 to 1,000,000 matches, found " + std::to_string(matches.size())};
  std::vector<Weighted> weighted;
  double spread = 0;
  for (const Match& m : matches) {
    if (m.a >= names.size() || m.b >= names.size() || m.a == m.b || !(m.score >= 0 && m.score <= 1) || !(m.length_a > 0) || !(m.length_b > 0)) {
      return Error{ErrorCode::kInvalidArgument, "match " + std::to_string(weighted.size() + 1) + ": expected two players, a score from 0 to 1 and lengths above 0"};
    }
    weighted.push_back({m.a, m.b, m.score, std::log2(m.length_a / m.length_b), 1.0});
    spread += weighted.back().x * weighted.back().x;
  }
  spread = std::sqrt(spread / static_cast<double>(weighted.size()));
  if (spread < 1e-9) length_control = false;
  for (Weighted& m : weighted) m.x = length_control ? m.x / spread : 0;

  const std::vector<double> theta = fit(names.size(), weighted, length_control);
  ArenaResult result;
  result.length_effect = length_control ? theta.back() / spread * kPointsPerLogit : 0;
  std::vector<std::vector<double>> draws(names.size());
  Rng rng(seed);
  for (int draw = 0; draw < n_draws; ++draw) {
    std::vector<Weighted> resampled = weighted;
    for (Weighted& m : resampled) m.weight = 0;
    for (size_t i = 0; i < weighted.size(); ++i) resampled[rng.below(weighted.size())].weight += 1;
    const std::vector<double> one = fit(names.size(), resampled, length_control);
    for (size_t i = 0; i < names.size(); ++i) draws[i].push_back(one[i] * kPointsPerLogit);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    Strength player;
    player.name = names[i];
    player.rating = theta[i] * kPointsPerLogit;
    player.low = player.high = player.rating;
    if (!draws[i].empty()) {
      std::sort(draws[i].begin(), draws[i].end());
      player.low = draws[i][draws[i].size() * 25 / 1000];
      player.high = draws[i][std::min(draws[i].size() - 1, draws[i].size() * 975 / 1000)];
    }
    for (const Match& m : matches) {
      if (m.a != i && m.b != i) continue;
      ++player.n;
      player.wins += m.a == i ? m.score : 1 - m.score;
    }
    result.players.push_back(std::move(player));
  }
  std::stable_sort(result.players.begin(), result.players.end(), [](const Strength& a, const Strength& b) { return a.rating > b.rating; });
  return result;
}

Result<std::vector<Match>> matches_by_grade(const std::vector<Report>& reports) {
  std::vector<std::map<std::string, const ReportItem*>> items(reports.size());
  for (size_t i = 0; i < reports.size(); ++i) {
    for (const SuiteReport& suite : reports[i].suites) {
      for (const ReportItem& item : suite.items) items[i].emplace(suite.name + "\n" + item.id, &item);
    }
  }
  std::vector<Match> matches;
  for (size_t a = 0; a < reports.size(); ++a) {
    for (size_t b = a + 1; b < reports.size(); ++b) {
      for (const auto& [key, item] : items[a]) {
        const auto other = items[b].find(key);
        if (other == items[b].end()) continue;
        const ReportItem& second = *other->second;
        Match match;
        match.a = a;
        match.b = b;
        match.score = item->right == second.right ? 0.5 : item->right ? 1 : 0;
        match.length_a = static_cast<double>(std::max<int64_t>(item->attempt.generated_tokens, 1));
        match.length_b = static_cast<double>(std::max<int64_t>(second.attempt.generated_tokens, 1));
        matches.push_back(match);
      }
    }
  }
  if (matches.empty()) return Error{ErrorCode::kFailedPrecondition, "the reports have no item in common"};
  return matches;
}

}  // namespace firesteel
