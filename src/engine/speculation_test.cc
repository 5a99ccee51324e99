#include "engine/speculation.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/rng.h"
#include "engine/engine_fixture.h"

namespace firesteel {
namespace {

std::vector<TokenId> ids_of(std::string_view text) { return {text.begin(), text.end()}; }

std::string found(const NgramIndex& index, std::string_view gram, const std::vector<TokenId>& tokens, size_t n_max) {
  std::string out;
  for (const TokenId id : index.after(ids_of(gram), tokens, n_max)) out.push_back(static_cast<char>(id));
  return out;
}

TEST(NgramIndex, FindsWhatFollowedTheLastTime) {
  const auto tokens = ids_of("the cat saw the dog; the");
  NgramIndex index;
  index.extend(tokens);
  EXPECT_EQ(found(index, "he ", tokens, 3), "dog");
  EXPECT_EQ(found(index, "cat", tokens, 4), " saw");
  EXPECT_EQ(found(index, "the", tokens, 9), " dog; the");  // its own last place has no follower yet
  EXPECT_EQ(found(index, "xyz", tokens, 3), "");
  EXPECT_EQ(found(NgramIndex(), "the", tokens, 3), "");
}

// Oracle: a map from every run to its last end. The table may forget (two runs of one slot) but never says what did not follow.
TEST(NgramIndex, NeverLiesAndSeldomForgets) {
  Rng rng(20261128);
  int n_asked = 0, n_found = 0;
  for (int round = 0; round < 50; ++round) {
    NgramIndex index;
    std::vector<TokenId> tokens;
    std::map<std::vector<TokenId>, size_t> last;
    const uint64_t n_symbols = 2 + rng.below(12);
    for (int step = 0; step < 40; ++step) {
      for (uint64_t n = rng.below(30); n > 0; --n) tokens.push_back(static_cast<TokenId>(rng.below(n_symbols)));
      index.extend(tokens);
      for (size_t end = 3; end < tokens.size(); ++end) last[{tokens.begin() + static_cast<ptrdiff_t>(end - 3), tokens.begin() + static_cast<ptrdiff_t>(end)}] = end;
      for (const auto& [gram, end] : last) {
        ++n_asked;
        const auto after = index.after(gram, tokens, 5);
        if (after.empty()) continue;
        ++n_found;
        ASSERT_EQ(after.data(), tokens.data() + end);
        ASSERT_EQ(after.size(), std::min<size_t>(5, tokens.size() - end));
      }
    }
  }
  EXPECT_GT(n_found, n_asked * 7 / 10);
}

TEST(SpeculationBudget, OneThatIsAlwaysWrongSoonStops) {
  SpeculationBudget budget;
  constexpr double kRowCost = 0.3;
  double lost = 0;
  for (int64_t n = 0; n < 4096; ++n) {
    const int64_t drafted = budget.n_draft(n, 4);
    if (drafted == 0) continue;
    lost += kRowCost * static_cast<double>(drafted);
    budget.note(n + 1, drafted, 0, kRowCost);
    if (n < 128) {
      EXPECT_LE(lost, 0.02 * 128);
    }
  }
  EXPECT_LE(lost, 0.01 * 4096);
}

TEST(SpeculationBudget, OneThatIsRightGoesOnAndGuessesMore) {
  SpeculationBudget budget;
  int64_t longest = 0;
  for (int64_t n = 0; n < 1000;) {
    const int64_t drafted = budget.n_draft(n, 8);
    ASSERT_GT(drafted, 0);
    longest = std::max(longest, drafted);
    n += drafted + 1;
    budget.note(n, drafted, drafted, 0.5);
  }
  EXPECT_EQ(longest, 8);
}

TEST(RowCost, IsTheAddedPartOfAStepPerToken) {
  RowCost cost;
  cost.note_drafted(1, 4, 1000);  // nothing to compare with yet
  EXPECT_EQ(cost.tokens(), 0.1);
  cost.note_plain(1, 1000);
  for (int i = 0; i < 300; ++i) cost.note_drafted(1, 4, 1200);
  EXPECT_NEAR(cost.tokens(), 0.05, 1e-6);
}

class SpeculationTest : public EngineTest {
 protected:
  // The steps it took, too.
  Answer run(int max_draft, const GenerateRequest& request, EngineStats* stats) {
    start({.max_draft = max_draft, .clock = &clock_});  // a clock that stands: whether guessing pays is not what is tested
    Answer out = answer(request);
    *stats = engine_->engine_stats();
    engine_.reset();
    return out;
  }
};

TEST_F(SpeculationTest, ARepeatedStretchTakesFewerStepsAndGivesTheSameBytes) {
  model_->script("Say it again: one two three four five six. ", "one two three four five six. one two three four five six!");
  EngineStats plain, drafted;
  const Answer expected = run(0, ask("Say it again: one two three four five six. "), &plain);
  const Answer seen = run(8, ask("Say it again: one two three four five six. "), &drafted);
  EXPECT_EQ(seen.text, expected.text);
  EXPECT_EQ(seen.ids, expected.ids);
  EXPECT_EQ(seen.logprobs, expected.logprobs);
  EXPECT_EQ(seen.done.usage.generated_tokens, expected.done.usage.generated_tokens);
  EXPECT_EQ(plain.n_drafted_tokens, 0u);
  EXPECT_GT(drafted.n_accepted_tokens, 30u);
  EXPECT_LT(drafted.n_steps, plain.n_steps / 2);
}

TEST_F(SpeculationTest, EndsAsWithoutIt) {
  // Its length, a stop text and a stop token fall into a stretch that was guessed right.
  model_->script("abcdefghij abcdefghij ", "abcdefghij abcdefghij abcdefghij");
  std::vector<GenerateRequest> requests;
  for (int64_t n = 1; n < 30; ++n) requests.push_back(ask("abcdefghij abcdefghij ", n));
  for (const char* stop : {"gh", "j a", "ij abc"}) {
    requests.push_back(ask("abcdefghij abcdefghij "));
    requests.back().stop.strings = {stop};
  }
  requests.push_back(ask("abcdefghij abcdefghij "));
  requests.back().stop.token_ids = {'h'};
  for (const GenerateRequest& request : requests) {
    EngineStats plain, drafted;
    const Answer expected = run(0, request, &plain);
    const Answer seen = run(8, request, &drafted);
    EXPECT_EQ(seen.text, expected.text);
    EXPECT_EQ(seen.ids, expected.ids);
    EXPECT_EQ(seen.done.reason, expected.done.reason);
    EXPECT_EQ(seen.done.stop_string, expected.done.stop_string);
    EXPECT_EQ(seen.n_done, 1);
  }
}

TEST_F(SpeculationTest, SiblingsLearnFromEachOther) {
  model_->script("Q: 1", "the quick brown fox jumps over the lazy dog");
  model_->script("Q: 2", "so: the quick brown fox jumps over the lazy dog");
  const auto both = [this](int max_draft, EngineStats* stats) {
    start({.max_draft = max_draft, .clock = &clock_});  // a clock that stands: whether guessing pays is not what is tested
    const auto context = engine_->prefill(ask("Q: ")).value();
    std::vector<BranchRequest> branches;
    for (const char* suffix : {"1", "2"}) {
      branches.push_back({RawPrompt{suffix}, ask("").sampling, {}});
    }
    auto streams = engine_->fork(context, std::move(branches)).value();
    std::vector<std::string> texts;
    for (auto& stream : streams) texts.push_back(read_answer(stream.get()).text);
    *stats = engine_->engine_stats();
    return texts;
  };
  EngineStats plain, drafted;
  const auto expected = both(0, &plain);
  EXPECT_EQ(expected[1], "so: the quick brown fox jumps over the lazy dog");
  EXPECT_EQ(both(4, &drafted), expected);
  EXPECT_GT(drafted.n_accepted_tokens, 0u);
}

// When blocks are short a guess must not push out who could still run, nor be lost track of.
TEST_F(SpeculationTest, WithoutRoomItGoesOnWithoutGuesses) {
  model_->script("abcabcabc", std::string(200, 'a') + "abcabcabcabcabc");
  start({.context_length = 320, .max_draft = 0}, 5);
  const Answer expected = answer(ask("abcabcabc"));
  engine_.reset();
  start({.context_length = 320, .max_draft = 16, .clock = &clock_}, 5);
  const Answer seen = answer(ask("abcabcabc"));
  EXPECT_EQ(seen.text, expected.text);
  EXPECT_EQ(seen.done.reason, expected.done.reason);
  const EngineStats stats = engine_->engine_stats();
  EXPECT_EQ(stats.n_free_blocks + stats.n_cached_blocks, stats.n_blocks);
}

}  // namespace
}  // namespace firesteel
