// Constrained decoding: which tokens may come next so that the text stays in a language.
//
//   Grammar         source compiled within limits; immutable, made on the request's thread
//   GrammarMasks    Grammar x vocabulary: masks over tokens, made as states are met and kept; owned by the engine thread
//   GrammarMatcher  where one sequence is
#pragma once

#include <cstdint>
#include <memory>
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

// Bit i of word i/64: token i may come next.
using TokenMask = std::vector<uint64_t>;

class GrammarMasks {
 public:
  GrammarMasks(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const GrammarVocabulary> vocabulary);

  Automaton& automaton() { return automaton_; }
  const GrammarVocabulary& vocabulary() const { return *vocabulary_; }

  // End-of-generation tokens are allowed exactly where the text may end. Valid until the next call. At most kMaxMasks are kept.
  std::span<const uint64_t> mask(GrammarState state);
  // True when no token may come next (not even an end): the grammar cannot be continued with this vocabulary.
  bool is_stuck(GrammarState state);
  size_t n_masks() const { return masks_.size(); }

 private:
  static constexpr size_t kMaxMasks = 1024;
  void fill(GrammarState state, TokenMask* out);

  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<const GrammarVocabulary> vocabulary_;
  Automaton automaton_;
  std::unordered_map<GrammarState, TokenMask> masks_;
  std::vector<GrammarState> path_;  // state before the byte at each depth
};

// Value type: copying it forks the sequence.
class GrammarMatcher {
 public:
  explicit GrammarMatcher(std::shared_ptr<GrammarMasks> masks) : masks_(std::move(masks)), state_(masks_->automaton().start()) {}

  std::span<const uint64_t> mask() { return masks_->mask(state_); }
  // False when the token is not allowed (state unchanged). An end token leaves the state as it is.
  bool accept(TokenId token);
  bool may_end() const { return masks_->automaton().accepts(state_); }
  std::string forced_bytes(size_t max_bytes) { return masks_->automaton().forced(state_, max_bytes); }
  GrammarState state() const { return state_; }

 private:
  std::shared_ptr<GrammarMasks> masks_;
  GrammarState state_;
};

}  // namespace firesteel
