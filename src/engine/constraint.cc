#include "engine/constraint.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/json.h"

namespace firesteel {
namespace {

constexpr size_t kSourceBytesMax = 1u << 20;

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, "constraint: " + std::move(message)}; }

Result<std::shared_ptr<const Grammar>> compile(const Constraint& constraint) {
  if (constraint.text.size() > kSourceBytesMax) {
    return invalid("expected at most " + std::to_string(kSourceBytesMax) + " bytes, found " + std::to_string(constraint.text.size()));
  }
  Result<std::shared_ptr<const Grammar>> grammar = Error{};
  switch (constraint.kind) {
    case Constraint::Kind::kJsonObject:
      if (!constraint.text.empty()) return invalid("any JSON object has no source, found " + std::to_string(constraint.text.size()) + " bytes");
      grammar = Grammar::any_json_object();
      break;
    case Constraint::Kind::kJsonSchema: {
      const Result<Json> schema = Json::parse(constraint.text);
      if (!schema.ok()) return invalid("schema: " + schema.error().message);
      grammar = Grammar::from_json_schema(*schema);
      break;
    }
    case Constraint::Kind::kRegex: grammar = Grammar::from_regex(constraint.text); break;
    case Constraint::Kind::kGrammar: grammar = Grammar::from_notation(constraint.text); break;
  }
  // What is not supported is the request's fault as well: it is refused, not postponed.
  if (!grammar.ok()) return invalid(grammar.error().message);
  return grammar;
}

}  // namespace

std::shared_ptr<GrammarMasks> ConstraintCache::find(const Constraint& constraint) {
  const auto it = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.constraint == constraint; });
  if (it == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, it);
  return entries_.front().masks;
}

Result<std::shared_ptr<GrammarMasks>> ConstraintCache::get(const Constraint& constraint) {
  if (tokenizer_ == nullptr) return invalid("the model has no tokenizer");
  std::shared_ptr<const GrammarVocabulary> vocabulary;
  {
    MutexLock lock(mutex_);
    if (auto known = find(constraint)) return known;
    vocabulary = vocabulary_;
  }
  // Without the lock: neither takes long, but long enough for others to notice.
  FS_TRY(std::shared_ptr<const Grammar> grammar, compile(constraint));
  if (vocabulary == nullptr) vocabulary = std::make_shared<const GrammarVocabulary>(*tokenizer_);
  auto masks = std::make_shared<GrammarMasks>(std::move(grammar), vocabulary);
  if (masks->automaton().exhausted()) return invalid("too many ways to begin the text");
  MutexLock lock(mutex_);
  vocabulary_ = std::move(vocabulary);
  if (auto known = find(constraint)) return known;  // somebody else was faster
  entries_.push_front({constraint, masks});
  if (entries_.size() > kEntriesMax) entries_.pop_back();
  return masks;
}

Result<ConstraintRun::State> ConstraintRun::begin(const ThinkTracker& thinking, std::optional<TokenId> think_start) {
  if (thinking.inside()) return State::kGoesOn;
  think_start_ = think_start;
  is_answering_ = !think_start;
  return look();
}

Result<bool> ConstraintRun::allows(TokenId id, const ThinkTracker& thinking) {
  if (!is_answering_) {
    if (thinking.inside()) return id < masks_->vocabulary().n_vocab() && !is_end(id);  // a constrained answer is owed
    if (id == think_start_) return true;
  }
  if (!may_end_ && is_end(id)) return false;
  return matcher_.allows(id);
}

Result<std::span<const uint64_t>> ConstraintRun::allowed(const ThinkTracker& thinking) {
  const GrammarVocabulary& vocabulary = masks_->vocabulary();
  if (!is_answering_ && thinking.inside()) {
    words_.assign(vocabulary.n_words(), ~uint64_t{0});
    if (vocabulary.n_vocab() % 64 != 0) words_.back() >>= 64 - vocabulary.n_vocab() % 64;
    for (const TokenId id : vocabulary.end_tokens()) set(id, false);
    return std::span<const uint64_t>(words_);
  }
  FS_TRY(const std::shared_ptr<const GrammarMask> mask, matcher_.next());
  words_ = mask->words;
  bool any = mask->may_go_on || (mask->may_end && may_end_);
  if (mask->may_end && !may_end_) {
    for (const TokenId id : vocabulary.end_tokens()) set(id, false);
  }
  if (!is_answering_ && think_start_) {
    set(*think_start_, true);
    any = true;
  }
  if (any) return std::span<const uint64_t>(words_);
  if (mask->may_end) return std::span<const uint64_t>();
  return Error{ErrorCode::kFailedPrecondition, "no token of this model's vocabulary continues the text"};
}

Result<ConstraintRun::Taken> ConstraintRun::take(TokenId id, ThinkTracker* thinking) {
  if (!is_answering_ && (thinking->inside() || id == think_start_)) {
    const bool is_thinking = thinking->push(id);
    think_start_.reset();
    is_answering_ = !thinking->inside();
    if (!is_answering_) return Taken{is_thinking, State::kGoesOn};
    FS_TRY(const State state, look());
    return Taken{is_thinking, state};
  }
  is_answering_ = true;  // a marker in it is text
  CHECK(matcher_.accept(id));
  FS_TRY(const State state, look());
  return Taken{false, state};
}

Result<ConstraintRun::State> ConstraintRun::look() {
  FS_TRY(const bool goes_on, matcher_.goes_on());
  if (goes_on) return State::kGoesOn;
  if (matcher_.may_end()) return State::kComplete;
  return Error{ErrorCode::kFailedPrecondition, "nothing can continue the text, and it may not end here"};
}

bool ConstraintRun::is_end(TokenId id) const {
  const auto ends = masks_->vocabulary().end_tokens();
  return std::find(ends.begin(), ends.end(), id) != ends.end();
}

void ConstraintRun::set(TokenId id, bool value) {
  uint64_t& word = words_[static_cast<size_t>(id) / 64];
  const uint64_t bit = uint64_t{1} << (static_cast<size_t>(id) % 64);
  word = value ? word | bit : word & ~bit;
}

}  // namespace firesteel
