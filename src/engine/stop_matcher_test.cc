#include "engine/stop_matcher.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/rng.h"

namespace firesteel {
namespace {

struct Naive {
  std::string text;
  std::string matched;
};

// The definition: the first end of any stop string; of those that end there, the longest.
Naive naive(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    std::string best;
    for (const std::string& stop : stops) {
      if (stop.size() <= end && stop.size() > best.size() && text.compare(end - stop.size(), stop.size(), stop) == 0) best = stop;
    }
    if (!best.empty()) return {text.substr(0, end - best.size()), best};
  }
  return {text, ""};
}

TEST(StopMatcher, EqualsTheDefinitionHoweverTheTextIsCut) {
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    const auto word = [&](int64_t n_max) {
      std::string s;
      for (int64_t n = rng.between(1, n_max); n > 0; --n) s.push_back(static_cast<char>('a' + rng.below(2)));
      return s;
    };
    std::vector<std::string> stops;
    for (int64_t n = rng.between(0, 4); n > 0; --n) stops.push_back(word(6));
    const std::string text = word(40);
    const Naive expected = naive(text, stops);
    StopMatcher matcher(stops);
    std::string shown;
    for (size_t at = 0; at < text.size() && matcher.matched() == nullptr;) {
      const size_t n = 1 + rng.below(5);
      shown += matcher.push(text.substr(at, n));
      at += n;
      // Never more than the definition shows in the end.
      ASSERT_EQ(expected.text.compare(0, shown.size(), shown), 0);
    }
    if (matcher.matched() == nullptr) shown += matcher.flush();
    ASSERT_EQ(shown, expected.text);
    ASSERT_EQ(matcher.matched() == nullptr ? "" : *matcher.matched(), expected.matched);
  }
}

}  // namespace
}  // namespace firesteel
