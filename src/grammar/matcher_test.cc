// Matchers that share masks: what one allows depends on its own tokens only, also where limits make the tables start anew.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "grammar/grammar.h"
#include "grammar/piece_tokenizer.h"

namespace firesteel {
namespace {

const std::initializer_list<const char*> kPieces = {"ab", "aab", "bba", "[[", "]]", "[a", "b]", "aaaaaaaa"};

std::vector<TokenId> tokens_of(std::span<const uint64_t> mask) {
  std::vector<TokenId> ids;
  for (size_t i = 0; i < mask.size() * 64; ++i) {
    if ((mask[i / 64] >> (i % 64) & 1) != 0) ids.push_back(static_cast<TokenId>(i));
  }
  return ids;
}

TEST(GrammarMatcher, AllowsTheSameAloneAndBesideOthersUnderTightLimits) {
  const PieceTokenizer pieces(kPieces);
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

// Words that may all follow are allowed together, without a look at each: as many as the place has room for, and no others.
TEST(GrammarMatcher, WordsThatAreAllowedTogetherAreThoseThatMayFollow) {
  std::vector<std::string> words;
  const std::vector<std::string> letters = {"a", "e", "Z", "0", " ", ",", "\"", "\n", "\xC3\xA9"};
  for (const std::string& a : letters) {
    for (const std::string& b : letters) {
      words.push_back(a + b);
      for (const std::string& c : letters) words.push_back(a + b + c);
    }
  }
  Rng rng(11);
  for (int i = 0; i < 1500; ++i) {
    std::string word;
    for (size_t n = 4 + rng.below(30); n > 0; --n) word += letters[rng.below(rng.below(8) == 0 ? letters.size() : 3)];
    words.push_back(word);
  }
  const PieceTokenizer pieces(words);
  const auto vocabulary = std::make_shared<const GrammarVocabulary>(pieces);
  for (const char* source : {"[a-zA-Z0-9 ,]{1,50}", "[a-z]{2,9}( [A-Z]?[a-z]{1,12}){0,4}", "([aeZ]{3}[a-z0-9]{0,20},){1,3}", ".{0,40}", "(a|ae|[a-d]e*Z){1,30}", "[a-e]+[eZ]{5,8}", "[ae]{1,200}",
                             "[a-df-z]*e[a-z]{0,3}"}) {
    const auto grammar = Grammar::from_regex(source).value();
    Automaton oracle(grammar->nfa());
    auto masks = std::make_shared<GrammarMasks>(grammar, vocabulary);
    GrammarMatcher matcher(masks);
    std::string text;
    for (int step = 0; step < 12; ++step) {
      const auto mask = matcher.next();
      ASSERT_TRUE(mask.ok());
      const GrammarState state = oracle.run(oracle.start(), text);
      const std::vector<TokenId> found = tokens_of((*mask)->words);
      std::vector<TokenId> expected;
      for (TokenId id = 0; id < pieces.n_vocab(); ++id) {
        if (id == pieces.end() ? oracle.accepts(state) : oracle.run(state, pieces.text(id)) != kDeadState) expected.push_back(id);
      }
      ASSERT_FALSE(oracle.exhausted());
      ASSERT_EQ(found, expected) << source << " after '" << text << "'";
      std::vector<TokenId> next;
      for (const TokenId id : found) {
        if (id != pieces.end() && pieces.text(id).size() < (step % 2 == 0 ? 3u : 12u)) next.push_back(id);
      }
      if (next.empty()) break;
      const TokenId pick = next[rng.below(next.size())];
      ASSERT_TRUE(matcher.accept(pick));
      text += pieces.text(pick);
    }
  }
}

// A small source may stand for an automaton with huge states: whoever asks for it pays with an error, not the others with their time.
TEST(GrammarMatcher, NobodyWaitsForAMonster) {
  const PieceTokenizer pieces(kPieces);
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
  const PieceTokenizer pieces(kPieces);
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

// Plain text goes a shorter way (GrammarVocabulary::text_words): every token's bit must still be what its bytes say.
TEST(GrammarMatcher, MasksAgreeWithTheBytesOfEveryToken) {
  const PieceTokenizer pieces({"a", "b", "ab", "abc", " word", "\xc3\xa4", "\xc3\xa4\xe2\x82\xac", "x\xf0\x9f\x98\x80y", "\xc3", "\xa4", "\xe2\x82", "\"", "a\"", "\": ", "\\n", "\\",
                               "\n", "a\nb", "\x7f", "{", "}", "{\"a\": \"", "1", "12", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a\xe2\x82\xac", "\"}", ",", "ab\"", "ab\"}", "abc\"}", "ab\\", "ab\\n", "ab\\u00",
                               "ab\n", "a\xe2\x82", "ab\xe2", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", "                                        ", "                        \xe2\x82"});
  const auto vocabulary = std::make_shared<const GrammarVocabulary>(pieces);
  EXPECT_EQ(vocabulary->n_text_chars(), GrammarVocabulary::kTextCharsMax);
  const auto schema = [](const char* text) { return Grammar::from_json_schema(Json::parse(text).value()).value(); };
  const std::shared_ptr<const Grammar> grammars[] = {
      schema(R"({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false})"),
      schema(R"({"type": "object", "properties": {"a": {"type": "string", "minLength": 2, "maxLength": 7}}, "required": ["a"], "additionalProperties": false})"),
      schema(R"({"type": "object", "properties": {"a": {"type": "string", "pattern": "^[^b]*$"}}, "required": ["a"]})"),
      schema(R"({"type": "object", "properties": {"a": {"type": "string", "maxLength": 300}}, "required": ["a"], "additionalProperties": false})"),
      schema(R"({"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 30}, "maxItems": 40})"),
      Grammar::any_json_object().value(),
      Grammar::from_regex(".{0,9}").value(),
      Grammar::from_regex(".{0,60}").value(),
      Grammar::from_regex("(.{0,30}[^a]){1,3}").value(),
      Grammar::from_regex("[a-z ]{50,90}1").value(),
      Grammar::from_regex("((ab){1,40}[ 1]){2,60}").value(),
      Grammar::from_regex("(a?b?){0,40}1").value(),
      Grammar::from_regex("(a*b*|12){40}").value(),
      Grammar::from_regex("((a{0,60})*b){0,50}").value(),
      Grammar::from_notation("root ::= (list \" \"){0,60}\nlist ::= (\"a\" | \"b\"){0,50} | \"{\" list{1,40} \"}\"").value(),
      Grammar::from_regex("[a-z ]*").value(),
      Grammar::from_regex("([^\xc3\xa4]|ab){3,8}").value(),
      Grammar::from_regex("[^\"]*1").value(),
  };
  Rng rng(3);
  size_t n_texts = 0, n_refused = 0;
  for (const auto& grammar : grammars) {
    const auto masks = std::make_shared<GrammarMasks>(grammar, vocabulary);
    for (int walk = 0; walk < 5; ++walk) {
      GrammarMatcher matcher(masks);
      for (int step = 0; step < 30; ++step) {
        const auto mask = matcher.next();
        if (!mask.ok()) {  // some of these have huge states
          ASSERT_EQ(mask.error().code, ErrorCode::kResourceExhausted);
          ++n_refused;
          break;
        }
        std::vector<TokenId> allowed;
        for (TokenId id = 0; id < vocabulary->n_vocab(); ++id) {
          const bool said = ((*mask)->words[static_cast<size_t>(id) / 64] >> (static_cast<size_t>(id) % 64) & 1) != 0;
          if (vocabulary->bytes(id).empty()) continue;  // end tokens
          ASSERT_EQ(said, matcher.allows(id).value()) << "grammar " << &grammar - &grammars[0] << " token '" << vocabulary->bytes(id) << "'";
          if (said) allowed.push_back(id);
        }
        EXPECT_EQ((*mask)->may_go_on, !allowed.empty());
        if (allowed.empty()) break;
        if (allowed.size() > 5) ++n_texts;
        ASSERT_TRUE(matcher.accept(allowed[rng.below(allowed.size())]));
      }
    }
  }
  EXPECT_GT(n_texts, 50u);
  EXPECT_LT(n_refused, 12u);
}

TEST(GrammarMatcher, PlacesOfALongTextShareTheirMask) {
  const PieceTokenizer pieces({"ab", "a\"", "                                        "});
  const auto vocabulary = std::make_shared<const GrammarVocabulary>(pieces);
  for (const char* const schema : {R"({"type": "string", "maxLength": 300})", R"({"type": "string", "minLength": 200})", R"({"type": "array", "items": {"type": "string", "maxLength": 200}, "maxItems": 40})"}) {
    const auto masks = std::make_shared<GrammarMasks>(Grammar::from_json_schema(Json::parse(schema).value()).value(), vocabulary);
    GrammarMatcher matcher(masks);
    for (const char byte : std::string(schema[10] == 's' ? "\"" : "[\"")) ASSERT_TRUE(matcher.accept(byte));
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(matcher.next().ok());
      ASSERT_TRUE(matcher.accept(i % 3 == 0 ? 256 : 'c'));  // 256: "ab"
    }
    EXPECT_LE(masks->n_masks(), 2u) << schema;
  }
}

}  // namespace
}  // namespace firesteel
