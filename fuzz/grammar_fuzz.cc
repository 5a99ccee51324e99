// Any bytes as a JSON Schema, a regular expression or a grammar (chosen by the first byte), and the text that it then allows (the
// second byte's seed): masks agree with the automaton, what a schema accepts is JSON, and nothing takes long.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "grammar/grammar.h"
#include "grammar/piece_tokenizer.h"

namespace {

using namespace firesteel;

GrammarLimits small() {
  GrammarLimits limits;
  limits.nodes = 3000;
  limits.rules = 64;
  limits.depth = 20;
  limits.repeat = 100;
  limits.source_bytes = 4096;
  return limits;
}

Result<std::shared_ptr<const Grammar>> compile(uint8_t kind, std::string_view source) {
  if (kind == 1) return Grammar::from_regex(source, small());
  if (kind == 2) return Grammar::from_notation(source, small());
  FS_TRY(const Json schema, Json::parse(source, Json::Limits{.depth = 40, .values = 1000}));
  return Grammar::from_json_schema(schema, small());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 2048) return 0;
  static const PieceTokenizer pieces({"{\"", "\":", "\",\"", "true", "null", "\"}", "},{", "[[", "]]", "12", " \"", "ab", "}}", "\xC3\xA9", "\\u00", "a\"", ": ", ", \"",
                                       // enough words below one letter that they are looked at together
                                       "ba", "bab", "babb", "bac", "bad", "bbb", "b0", "b a"});
  static const auto vocabulary = std::make_shared<const GrammarVocabulary>(pieces);
  const uint8_t kind = data[0] % 3;
  const auto grammar = compile(kind, {reinterpret_cast<const char*>(data) + 2, size - 2});
  if (!grammar.ok()) {
    CHECK(!grammar.error().message.empty());
    return 0;
  }
  GrammarMatcher matcher(std::make_shared<GrammarMasks>(*grammar, vocabulary));
  Automaton oracle((*grammar)->nfa());
  uint64_t random = data[1];
  std::string text;
  for (int step = 0; step < 12; ++step) {
    const std::span<const uint64_t> words = matcher.mask();
    const std::vector<uint64_t> mask(words.begin(), words.end());
    if (mask.empty()) return 0;  // a limit was met
    std::vector<TokenId> allowed;
    const GrammarState state = oracle.run(oracle.start(), text);
    if (oracle.exhausted()) return 0;
    CHECK(state != kDeadState || text.empty());
    for (TokenId id = 0; id < pieces.n_vocab(); ++id) {
      const bool in_mask = (mask[static_cast<size_t>(id) / 64] >> (id % 64) & 1) != 0;
      const bool expected = id == pieces.end() ? oracle.accepts(state) : oracle.run(state, pieces.text(id)) != kDeadState;
      if (oracle.exhausted()) return 0;
      CHECK(in_mask == expected);
      if (in_mask && id != pieces.end()) allowed.push_back(id);
    }
    CHECK(matcher.may_end() == oracle.accepts(state));
    if (kind == 0 && matcher.may_end()) {
      const auto json = Json::parse(text);
      // A free-form map may repeat a name and a number may be too large for a double: the grammar cannot know.
      CHECK(json.ok() || json.error().message.find("duplicate") != std::string::npos || json.error().message.find("number overflow") != std::string::npos);
    }
    const std::string forced = matcher.forced_bytes(16);
    if (oracle.exhausted()) return 0;
    CHECK(forced.empty() || oracle.run(state, forced) != kDeadState);
    if (allowed.empty()) break;
    random = random * 6364136223846793005u + 1442695040888963407u;
    // Ways out of strings and lists are rare among all bytes: prefer the pieces.
    const size_t n = allowed.size();
    const TokenId pick = allowed[(random >> 60) < 6 ? n - 1 - (random >> 33) % std::min<size_t>(n, 12) : (random >> 33) % n];
    CHECK(matcher.accept(pick));
    text += pieces.text(pick);
  }
  return 0;
}
