// Constrained decoding: which tokens may come next so that the text stays in a language.
//
//   Grammar         source compiled within limits; immutable, made on the request's thread
//   GrammarMasks    Grammar x vocabulary: masks over tokens, made as states are met and kept; owned by the engine thread
//   GrammarMatcher  where one sequence is
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/json.h"
#include "base/result.h"
#include "grammar/automaton.h"
#include "grammar/nfa.h"
#include "grammar/vocabulary.h"

namespace firesteel {

class Grammar {
 public:
  // Errors: grammar/json_schema.h, regex.h, notation.h. A regular expression matches the whole text.
  static Result<std::shared_ptr<const Grammar>> from_json_schema(const Json& schema, const GrammarLimits& limits = {});
  static Result<std::shared_ptr<const Grammar>> from_regex(std::string_view source, const GrammarLimits& limits = {});
  static Result<std::shared_ptr<const Grammar>> from_notation(std::string_view source, const GrammarLimits& limits = {});
  static Result<std::shared_ptr<const Grammar>> any_json_object();

  const Nfa& nfa() const { return nfa_; }

 private:
  explicit Grammar(Nfa nfa) : nfa_(std::move(nfa)) {}
  static Result<std::shared_ptr<const Grammar>> make(Result<Nfa> nfa);
  Nfa nfa_;
};

// Which tokens may come next.
struct GrammarMask {
  std::vector<uint64_t> words;  // bit i of word i/64: token i
  bool may_end = false;         // the text so far is whole: end-of-generation tokens are allowed, exactly then
  bool may_go_on = false;       // some token with text is allowed
};

class GrammarMasks {
 public:
  GrammarMasks(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const GrammarVocabulary> vocabulary, Automaton::Limits limits = {});

  Automaton& automaton() { return automaton_; }
  const GrammarVocabulary& vocabulary() const { return *vocabulary_; }

  // nullptr when a limit was met: restart() and ask again, once. At most kMaxMasks are kept.
  std::shared_ptr<const GrammarMask> mask(GrammarState state);
  // Forgets what was learnt for other texts; see Automaton::restart. States from before are invalid, as the generation tells.
  GrammarState restart(GrammarState keep);
  uint64_t generation() const { return generation_; }
  size_t n_masks() const { return short_masks_.size(); }  // that were walked for

 private:
  static constexpr size_t kMaxMasks = 256;
  // The state as far as the tokens of each level reach.
  using Levels = std::array<GrammarState, GrammarVocabulary::kLevels>;
  // Of level 0.
  std::shared_ptr<const GrammarMask> short_mask(GrammarState near);
  // Those of a level above 0 that are allowed; nullptr when a limit was met.
  const std::vector<TokenId>* long_tokens(size_t level, GrammarState near);
  bool fill(GrammarState state, GrammarMask* out);
  // How many plain characters may follow, but no more than a token has, and in after_text_ the states after each; nullopt when it depends on
  // which. False when a limit was met.
  bool count_text(GrammarState state, uint64_t* work, std::optional<size_t>* n_chars);
  // Calls allow(token) for the tokens of a trie that may follow, of those whose first byte is of one of `kinds` (bits). False when a limit was met.
  template <typename Allow>
  bool walk(const GrammarVocabulary::Trie& trie, GrammarState state, uint64_t* work, Allow&& allow, uint64_t kinds = ~uint64_t{0});
  // The same for all of level 0, but by kinds of characters where the grammar treats these alike.
  bool walk_kinds(GrammarState state, uint64_t* work, GrammarMask* out);
  bool walk_token(GrammarState state, TokenId token, uint64_t* work);
  bool meet(GrammarState state, uint64_t* work);

  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<const GrammarVocabulary> vocabulary_;
  Automaton automaton_;
  std::map<Levels, std::shared_ptr<const GrammarMask>> masks_;
  std::unordered_map<GrammarState, std::shared_ptr<const GrammarMask>> short_masks_;
  std::array<std::unordered_map<GrammarState, std::vector<TokenId>>, GrammarVocabulary::kLevels> long_tokens_;
  uint64_t generation_ = 0;
  std::vector<GrammarState> path_;  // state before the byte at each depth
  std::vector<GrammarState> after_text_;
  std::vector<uint64_t> met_in_;    // per state, the last fill that met it
  uint64_t n_fills_ = 0;
};

// Where one sequence is. Value type: copying it forks the sequence. What it allows depends on its own tokens only, whoever shares the
// masks: when they run into a limit, everything but the state at hand is forgotten, and others find their states again by reading
// their tokens anew.
class GrammarMatcher {
 public:
  explicit GrammarMatcher(std::shared_ptr<GrammarMasks> masks);

  // Every token's answer at once, which costs a walk through the vocabulary where the state is new. kResourceExhausted (here and
  // below) when this text in this grammar needs more states than the limits allow.
  Result<std::shared_ptr<const GrammarMask>> next();
  // The words of next(); empty when it failed. Valid until the next call.
  std::span<const uint64_t> mask();
  // One token's answer: a step per byte.
  Result<bool> allows(TokenId token);
  // False when the token is not allowed (state unchanged). An end token leaves the state as it is.
  bool accept(TokenId token);
  bool may_end();
  // Whether any byte may follow.
  Result<bool> goes_on();
  std::string forced_bytes(size_t max_bytes);

 private:
  void find_state();
  void restart();
  Error too_large() const;
  Result<GrammarState> after(TokenId token);

  std::shared_ptr<GrammarMasks> masks_;
  std::vector<TokenId> tokens_;  // accepted so far
  GrammarState state_ = kDeadState;
  uint64_t generation_ = 0;
  std::shared_ptr<const GrammarMask> current_;  // of state_
};

}  // namespace firesteel
