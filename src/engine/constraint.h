// Answers that must have a form: a request's Constraint becomes a grammar (compiled on the caller's thread, kept for the next request
// that asks for the same), and a ConstraintRun says which tokens may come next (engine thread).
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/generator.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/result.h"
#include "engine/thinking.h"
#include "grammar/grammar.h"
#include "grammar/vocabulary.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {

// Thread-safe. What it gives out is used by the engine thread only.
class ConstraintCache {
 public:
  explicit ConstraintCache(std::shared_ptr<const Tokenizer> tokenizer) : tokenizer_(std::move(tokenizer)) {}

  // kInvalidArgument with the place in the source, or when there is no tokenizer.
  Result<std::shared_ptr<GrammarMasks>> get(const Constraint& constraint) FS_EXCLUDES(mutex_);

 private:
  // Automata grow as they are used, to some 30 MB in the worst case (grammar/automaton.h): this bounds their sum.
  static constexpr size_t kEntriesMax = 16;
  struct Entry {
    Constraint constraint;  // whole: a digest of a stranger's choice could collide
    std::shared_ptr<GrammarMasks> masks;
  };
  std::shared_ptr<GrammarMasks> find(const Constraint& constraint) FS_REQUIRES(mutex_);

  std::shared_ptr<const Tokenizer> tokenizer_;
  Mutex mutex_;
  std::shared_ptr<const GrammarVocabulary> vocabulary_ FS_GUARDED_BY(mutex_);  // made for the first constraint
  std::list<Entry> entries_ FS_GUARDED_BY(mutex_);                             // last used first
};

// One sequence under a constraint; engine thread. The form binds the answer: while the model thinks anything goes but the end of
// generation, and a model that has not begun may begin to think instead of answering.
class ConstraintRun {
 public:
  // kComplete: the text is whole and nothing may follow.
  enum class State : uint8_t { kGoesOn, kComplete };
  struct Taken {
    bool thinking = false;  // the token lies between the markers or is one
    State state = State::kGoesOn;
  };

  // may_end: end-of-generation tokens are allowed where the text may end.
  ConstraintRun(std::shared_ptr<GrammarMasks> masks, bool may_end) : masks_(std::move(masks)), matcher_(masks_), may_end_(may_end) {}

  // Before the first token. think_start: the token that begins the thinking, if the model may begin it.
  // Errors of both: kResourceExhausted (the grammar is too large here), kFailedPrecondition (the vocabulary cannot go on).
  Result<State> begin(const ThinkTracker& thinking, std::optional<TokenId> think_start);
  // After each token that is allowed, or that the tracker forced. The tracker sees it here as long as the answer has not begun.
  Result<Taken> take(TokenId id, ThinkTracker* thinking);

  // Whether the token may come now. Most that a model draws may, and then nobody needs the others' answers.
  Result<bool> allows(TokenId id, const ThinkTracker& thinking);
  // The bytes that must come next, whatever the model wants; empty when it has a choice.
  std::string forced(size_t max_bytes) { return is_answering_ ? matcher_.forced_bytes(max_bytes) : std::string(); }
  // All that may come now, as Sampler::sample wants them; empty when the text must end here. Valid until the next call.
  Result<std::span<const uint64_t>> allowed(const ThinkTracker& thinking);

 private:
  Result<State> look();
  bool is_end(TokenId id) const;
  void set(TokenId id, bool value);

  std::shared_ptr<GrammarMasks> masks_;
  GrammarMatcher matcher_;
  bool may_end_;
  bool is_answering_ = false;
  std::optional<TokenId> think_start_;
  std::vector<uint64_t> words_;
};

}  // namespace firesteel
