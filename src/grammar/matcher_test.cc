// Matchers that share masks: what one allows depends on its own tokens only, also where limits make the tables start anew.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "grammar/grammar.h"

namespace firesteel {
namespace {

// Bytes, some longer pieces, and an end.
class Pieces final : public Tokenizer {
 public:
  Pieces() {
    for (int b = 0; b < 256; ++b) pieces_.emplace_back(1, static_cast<char>(static_cast<uint8_t>(b)));
    for (const char* piece : {"ab", "aab", "bba", "[[", "]]", "[a", "b]", "aaaaaaaa"}) pieces_.emplace_back(piece);
    pieces_.emplace_back("<end>");
  }
  Status encode(std::string_view, const EncodeOptions&, std::vector<TokenId>*) const override { return {}; }
  void append_piece(TokenId id, bool, std::string* out) const override { *out += pieces_[static_cast<size_t>(id)]; }
  std::string decode(std::span<const TokenId>, bool) const override { return {}; }
  int64_t n_vocab() const override { return static_cast<int64_t>(pieces_.size()); }
  TokenType type(TokenId id) const override { return id == end() ? TokenType::kControl : TokenType::kNormal; }
  std::string_view text(TokenId id) const override { return pieces_[static_cast<size_t>(id)]; }
  std::optional<TokenId> find(std::string_view) const override { return std::nullopt; }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  std::optional<TokenId> eos() const override { return end(); }
  bool adds_bos() const override { return false; }
  bool is_end_of_generation(TokenId id) const override { return id == end(); }
  std::string_view kind() const override { return "pieces"; }
  TokenId end() const { return static_cast<TokenId>(pieces_.size() - 1); }

 private:
  std::vector<std::string> pieces_;
};

std::vector<TokenId> tokens_of(std::span<const uint64_t> mask) {
  std::vector<TokenId> ids;
  for (size_t i = 0; i < mask.size() * 64; ++i) {
    if ((mask[i / 64] >> (i % 64) & 1) != 0) ids.push_back(static_cast<TokenId>(i));
  }
  return ids;
}

TEST(GrammarMatcher, AllowsTheSameAloneAndBesideOthersUnderTightLimits) {
  const Pieces pieces;
  const auto vocabulary = std::make_shared<const GrammarVocabulary>(pieces);
  // Many states: counts, nesting, and an ambiguity that must be carried along.
  const auto grammar = Grammar::from_notation("root ::= list{1,3}\nlist ::= \"[\" (word | list)* \"]\"\nword ::= (\"a\" | \"b\"){2,40} | \"a\"{1,9} \"b\"").value();
  const auto roomy = std::make_shared<GrammarMasks>(grammar, vocabulary);
  const auto tight = std::make_shared<GrammarMasks>(grammar, vocabulary, Automaton::Limits{.states = 60, .all_positions = 2000, .frames = 200});
  Rng rng(5);
  std::vector<GrammarMatcher> alone(4, GrammarMatcher(roomy));
  std::vector<GrammarMatcher> together(4, GrammarMatcher(tight));
  for (int step = 0; step < 400; ++step) {
    const size_t i = rng.below(alone.size());
    const auto expected = alone[i].next();
    const auto found = together[i].next();
    ASSERT_TRUE(expected.ok() && found.ok()) << "step " << step;
    ASSERT_EQ((*expected)->words, (*found)->words) << "step " << step;
    EXPECT_EQ((*expected)->may_end, (*found)->may_end);
    EXPECT_EQ((*expected)->may_go_on, (*found)->may_go_on);
    std::vector<TokenId> allowed = tokens_of((*expected)->words);
    std::erase(allowed, pieces.end());
    if (allowed.empty()) {
      EXPECT_FALSE((*expected)->may_go_on);
      alone[i] = GrammarMatcher(roomy);
      together[i] = GrammarMatcher(tight);
      continue;
    }
    const TokenId pick = allowed[rng.below(allowed.size())];
    ASSERT_TRUE(alone[i].accept(pick));
    ASSERT_TRUE(together[i].accept(pick));
    if (rng.below(20) == 0) {  // a fork goes on by itself
      const size_t to = rng.below(alone.size());
      alone[to] = alone[i];
      together[to] = together[i];
    }
  }
  EXPECT_GT(tight->generation(), 3u);  // the limits were met
  EXPECT_EQ(roomy->generation(), 0u);
}

// A small source may stand for an automaton with huge states: whoever asks for it pays with an error, not the others with their time.
TEST(GrammarMatcher, NobodyWaitsForAMonster) {
  const Pieces pieces;
  const auto vocabulary = std::make_shared<const GrammarVocabulary>(pieces);
  for (const char* source : {"((a|b|ab|ba|[a-z]{1,9}){0,90}[0-9a-z]?){0,60}", "([ab]{0,200}a[ab]{0,200}b[ab]{0,200}){1,50}", "(a?b?c?d?e?f?g?h?i?j?k?l?){2000}"}) {
    const auto grammar = Grammar::from_regex(source);
    if (!grammar.ok()) continue;
    GrammarMatcher matcher(std::make_shared<GrammarMasks>(*grammar, vocabulary));
    for (int i = 0; i < 12; ++i) {
      const auto next = matcher.next();
      if (!next.ok()) {
        EXPECT_EQ(next.error().code, ErrorCode::kResourceExhausted);
      }
      if (!matcher.accept(i % 2 == 0 ? 'a' : 'b')) break;
    }
  }
}

TEST(GrammarMatcher, TooManyStatesAtOnePlaceIsAnErrorThatOthersSurvive) {
  const Pieces pieces;
  const auto vocabulary = std::make_shared<const GrammarVocabulary>(pieces);
  const auto grammar = Grammar::from_regex("x|y[ab]*a[ab]{12}").value();
  const auto masks = std::make_shared<GrammarMasks>(grammar, vocabulary, Automaton::Limits{.positions = 10});
  GrammarMatcher easy(masks);
  GrammarMatcher hard(masks);
  ASSERT_TRUE(hard.accept('y'));
  Error error;
  for (int i = 0; i < 40; ++i) {
    const auto next = hard.next();
    if (!next.ok()) {
      error = next.error();
      break;
    }
    ASSERT_TRUE(hard.accept('a'));
  }
  EXPECT_EQ(error.code, ErrorCode::kResourceExhausted);
  EXPECT_TRUE(hard.mask().empty());
  EXPECT_TRUE(easy.accept('x'));
  EXPECT_TRUE(easy.may_end());
  EXPECT_FALSE(easy.next().value()->may_go_on);
}

}  // namespace
}  // namespace firesteel
