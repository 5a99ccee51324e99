#include "eval/arena.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"

namespace firesteel {
namespace {

// Matches from known strengths (in logits), where the longer answer gets `bias` per doubling.
std::vector<Match> play(const std::vector<double>& strengths, const std::vector<double>& length_of, double bias, int n_each, uint64_t seed) {
  Rng rng(seed);
  std::vector<Match> matches;
  for (size_t a = 0; a < strengths.size(); ++a) {
    for (size_t b = a + 1; b < strengths.size(); ++b) {
      for (int i = 0; i < n_each; ++i) {
        Match m;
        m.a = a;
        m.b = b;
        m.length_a = length_of[a] * std::exp(0.5 * rng.normal());
        m.length_b = length_of[b] * std::exp(0.5 * rng.normal());
        const double odds = strengths[a] - strengths[b] + bias * std::log2(m.length_a / m.length_b);
        m.score = rng.uniform() < 1 / (1 + std::exp(-odds)) ? 1 : 0;
        matches.push_back(m);
      }
    }
  }
  return matches;
}

TEST(Arena, FindsTheStrengthsThatMadeTheMatches) {
  const ArenaResult result = rate_players({"weak", "strong", "middle"}, play({-0.8, 0.8, 0}, {100, 100, 100}, 0, 600, 1), false, 1).value();
  ASSERT_EQ(result.players.size(), 3u);
  EXPECT_EQ(result.players[0].name, "strong");
  EXPECT_EQ(result.players[2].name, "weak");
  EXPECT_NEAR(result.players[0].rating - result.players[2].rating, 1.6 * 400 / std::log(10), 40);
  for (const Strength& player : result.players) {
    EXPECT_LT(player.low, player.rating);
    EXPECT_GT(player.high, player.rating);
    EXPECT_EQ(player.n, 1200);
  }
}

TEST(Arena, LengthControlTakesTheLongWindedDown) {
  // Equal in substance; the judge likes long answers, and one player writes four times as much.
  const std::vector<Match> matches = play({0, 0}, {100, 400}, 0.6, 1500, 2);
  const ArenaResult plain = rate_players({"short", "long"}, matches, false, 1, 50).value();
  const ArenaResult fair = rate_players({"short", "long"}, matches, true, 1, 50).value();
  EXPECT_EQ(plain.players[0].name, "long");
  EXPECT_GT(plain.players[0].rating - plain.players[1].rating, 150);
  EXPECT_LT(std::abs(fair.players[0].rating - fair.players[1].rating), 60);
  EXPECT_NEAR(fair.length_effect, 0.6 * 400 / std::log(10), 25);
}

TEST(Arena, StaysFiniteWhenOneWinsAll) {
  std::vector<Match> matches(50, Match{.a = 0, .b = 1, .score = 1});
  const ArenaResult result = rate_players({"a", "b"}, matches, true, 1, 20).value();
  EXPECT_TRUE(std::isfinite(result.players[0].rating));
  EXPECT_GT(result.players[0].rating, result.players[1].rating);
  EXPECT_FALSE(rate_players({"a"}, matches, false, 1).ok());
  EXPECT_FALSE(rate_players({"a", "b"}, {Match{.a = 0, .b = 0}}, false, 1).ok());
}

}  // namespace
}  // namespace firesteel
