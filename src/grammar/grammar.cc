#include "grammar/grammar.h"

#include <algorithm>
#include <utility>

#include "grammar/json_schema.h"
#include "grammar/notation.h"
#include "grammar/regex.h"

namespace firesteel {

namespace {

constexpr size_t kFewTokens = 32;  // that are looked at one by one

void allow_in(TokenId id, GrammarMask* mask) {
  mask->words[static_cast<size_t>(id) / 64] |= uint64_t{1} << (static_cast<size_t>(id) % 64);
  mask->may_go_on = true;
}

}  // namespace

Result<std::shared_ptr<const Grammar>> Grammar::make(Result<Nfa> nfa) {
  if (!nfa.ok()) return std::move(nfa).error();
  return std::shared_ptr<const Grammar>(new Grammar(std::move(nfa).value()));
}

Result<std::shared_ptr<const Grammar>> Grammar::from_json_schema(const Json& schema, const GrammarLimits& limits) {
  return make(compile_json_schema(schema, limits));
}

Result<std::shared_ptr<const Grammar>> Grammar::from_regex(std::string_view source, const GrammarLimits& limits) {
  FS_TRY(const RegexSource parsed, parse_regex(source, limits));
  NfaBuilder builder(limits);
  const NfaRule root = builder.declare_rule("regex");
  builder.define_rule(root, build_regex(&builder, parsed.regex, TextForm::kPlain, builder.accept()));
  return make(builder.finish(root));
}

Result<std::shared_ptr<const Grammar>> Grammar::from_notation(std::string_view source, const GrammarLimits& limits) {
  return make(compile_notation(source, limits));
}

Result<std::shared_ptr<const Grammar>> Grammar::any_json_object() { return make(compile_any_json_object({})); }

GrammarMasks::GrammarMasks(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const GrammarVocabulary> vocabulary,
                           Automaton::Limits limits)
    : grammar_(std::move(grammar)),
      vocabulary_(std::move(vocabulary)),
      automaton_(grammar_->nfa(), limits),
      path_(size_t{vocabulary_->max_depth()} + 1) {}

template <typename Allow>
bool GrammarMasks::walk(const GrammarVocabulary::Trie& trie, GrammarState state, uint64_t* work, Allow&& allow, uint64_t kinds) {
  if (state == kDeadState) return true;
  path_[0] = state;
  for (size_t i = 0; i < trie.nodes.size();) {
    const GrammarVocabulary::Node& node = trie.nodes[i];
    if (node.depth == 0 && (kinds >> byte_kind(node.byte) & 1) == 0) {
      i = node.end;
      continue;
    }
    const GrammarState to = automaton_.step(path_[node.depth], node.byte);
    if (to == kDeadState) {
      if (automaton_.exhausted()) return false;
      i = node.end;
      continue;
    }
    if (!meet(to, work)) return false;
    path_[size_t{node.depth} + 1] = to;
    for (size_t t = 0; t < node.n_tokens; ++t) allow(trie.tokens[node.first_token + t]);
    ++i;
  }
  return !automaton_.exhausted() && *work <= automaton_.limits().mask_work;
}

bool GrammarMasks::walk_token(GrammarState state, TokenId token, uint64_t* work) {
  for (const char c : vocabulary_->bytes(token)) {
    state = automaton_.step(state, static_cast<uint8_t>(c));
    if (state == kDeadState || !meet(state, work)) return false;
  }
  return true;
}

bool GrammarMasks::walk_kinds(GrammarState state, uint64_t* work, GrammarMask* out) {
  const GrammarVocabulary::Trie& trie = vocabulary_->kinds();
  const auto allow = [out](TokenId id) { allow_in(id, out); };
  path_[0] = state;
  uint64_t by_bytes = 0;  // first kinds below which characters of one kind differ where many tokens have them
  for (size_t root = 0; root < trie.nodes.size(); root = trie.nodes[root].end) {
    for (size_t i = root; i < trie.nodes[root].end;) {
      const GrammarVocabulary::Node& node = trie.nodes[i];
      const GrammarState to = automaton_.after_kind(path_[node.depth], node.byte, work);
      if (automaton_.exhausted()) return false;
      if (to == Automaton::kMixed) {
        const std::span<const TokenId> tokens = trie.subtree_tokens(i);
        if (tokens.size() > kFewTokens) {
          by_bytes |= uint64_t{1} << trie.nodes[root].byte;
          break;
        }
        for (const TokenId id : tokens) {
          if (walk_token(state, id, work)) allow(id);
        }
      }
      if (to == Automaton::kMixed || to == kDeadState) {
        i = node.end;
        continue;
      }
      if (!meet(to, work)) return false;
      path_[size_t{node.depth} + 1] = to;
      const std::span<const uint64_t> bits = vocabulary_->kind_bits(i);
      for (size_t w = 0; w < bits.size(); ++w) out->words[w] |= bits[w];
      if (!bits.empty()) out->may_go_on = true;
      else for (size_t t = 0; t < node.n_tokens; ++t) allow(trie.tokens[node.first_token + t]);
      ++i;
    }
  }
  if (by_bytes != 0 && !walk(vocabulary_->level(0), state, work, allow, by_bytes)) return false;
  return walk(vocabulary_->broken(), state, work, allow);
}

// A token's answer is the same for all states that are alike as far as it reaches: nearly all tokens have one for, say, all places of a long string
// but the last few, and the long ones are not many.
std::shared_ptr<const GrammarMask> GrammarMasks::mask(GrammarState state) {
  if (automaton_.exhausted()) return nullptr;
  Levels near;
  for (size_t level = 0; level < near.size(); ++level) near[level] = automaton_.near(state, vocabulary_->level_bytes(level));
  if (automaton_.exhausted()) return nullptr;
  const auto known = masks_.find(near);
  if (known != masks_.end()) return known->second;
  std::shared_ptr<const GrammarMask> made = short_mask(near[0]);
  if (made == nullptr) return nullptr;
  std::shared_ptr<GrammarMask> more;
  for (size_t level = 1; level < near.size(); ++level) {
    const std::vector<TokenId>* const tokens = long_tokens(level, near[level]);
    if (tokens == nullptr) return nullptr;
    if (tokens->empty()) continue;
    if (more == nullptr) more = std::make_shared<GrammarMask>(*made);
    for (const TokenId id : *tokens) allow_in(id, more.get());
  }
  if (more != nullptr) made = std::move(more);
  if (masks_.size() >= kMaxMasks) masks_.clear();
  return masks_.emplace(near, std::move(made)).first->second;
}

std::shared_ptr<const GrammarMask> GrammarMasks::short_mask(GrammarState near) {
  const auto known = short_masks_.find(near);
  if (known != short_masks_.end()) return known->second;
  auto made = std::make_shared<GrammarMask>();
  if (!fill(near, made.get())) return nullptr;
  if (short_masks_.size() >= kMaxMasks) short_masks_.clear();
  return short_masks_.emplace(near, std::move(made)).first->second;
}

const std::vector<TokenId>* GrammarMasks::long_tokens(size_t level, GrammarState near) {
  auto& kept = long_tokens_[level];
  const auto known = kept.find(near);
  if (known != kept.end()) return &known->second;
  std::vector<TokenId> tokens;
  uint64_t work = 0;
  ++n_fills_;
  if (!walk(vocabulary_->level(level), near, &work, [&](TokenId id) { tokens.push_back(id); })) return nullptr;
  if (kept.size() >= kMaxMasks) kept.clear();
  return &kept.emplace(near, std::move(tokens)).first->second;
}

GrammarState GrammarMasks::restart(GrammarState keep) {
  masks_.clear();
  short_masks_.clear();
  for (auto& kept : long_tokens_) kept.clear();
  ++generation_;
  return automaton_.restart(keep);
}

// Counted whether a state's tables were made by somebody before or not: a text's limits are its own.
bool GrammarMasks::meet(GrammarState state, uint64_t* work) {
  if (state >= met_in_.size()) met_in_.resize(automaton_.n_states());
  if (met_in_[state] == n_fills_) return true;
  met_in_[state] = n_fills_;
  *work += automaton_.cost(state);
  return *work <= automaton_.limits().mask_work;
}

bool GrammarMasks::count_text(GrammarState state, uint64_t* work, std::optional<size_t>* n_chars) {
  after_text_.assign(1, state);
  while (after_text_.size() <= vocabulary_->n_text_chars()) {
    const GrammarState from = after_text_.back();
    const GrammarState to = automaton_.after_text(from, work);
    if (automaton_.exhausted()) return false;
    if (to == Automaton::kMixed) return true;
    if (to == kDeadState) break;
    if (to == from) {  // as many as one likes
      after_text_.resize(vocabulary_->n_text_chars() + 1, from);
      break;
    }
    if (!meet(to, work)) return false;
    after_text_.push_back(to);
  }
  *n_chars = after_text_.size() - 1;
  return true;
}

// False when a limit was met.
bool GrammarMasks::fill(GrammarState state, GrammarMask* out) {
  out->words.assign(vocabulary_->n_words(), 0);
  if (state == kDeadState) return true;
  uint64_t work = 0;
  ++n_fills_;
  std::optional<size_t> n_text;
  if (!count_text(state, &work, &n_text)) return false;
  if (n_text && *n_text > 0) {
    const std::span<const uint64_t> text = vocabulary_->text_words(*n_text);
    out->words.assign(text.begin(), text.end());
    out->may_go_on = std::any_of(text.begin(), text.end(), [](uint64_t word) { return word != 0; });
  }
  if (automaton_.accepts(state)) {
    out->may_end = true;
    for (const TokenId id : vocabulary_->end_tokens()) out->words[static_cast<size_t>(id) / 64] |= uint64_t{1} << (static_cast<size_t>(id) % 64);
  }
  const auto allow = [out](TokenId id) { allow_in(id, out); };
  if (!n_text) return walk_kinds(state, &work, out);
  for (size_t n = 0; n <= *n_text; ++n) {
    if (!walk(vocabulary_->after_text(n), after_text_[n], &work, allow)) return false;
  }
  return true;
}

GrammarMatcher::GrammarMatcher(std::shared_ptr<GrammarMasks> masks)
    : masks_(std::move(masks)), state_(masks_->automaton().start()), generation_(masks_->generation()) {}

// After a restart by somebody else (or in the middle of this) the tokens are read again. What a state is depends on the bytes alone,
// so the limits count for the step at hand only.
void GrammarMatcher::find_state() {
  if (generation_ == masks_->generation()) return;
  Automaton& automaton = masks_->automaton();
  current_.reset();
  state_ = automaton.start();
  for (const TokenId token : tokens_) {
    for (const char c : masks_->vocabulary().bytes(token)) {
      const auto byte = static_cast<uint8_t>(c);
      const GrammarState to = automaton.step(state_, byte);
      state_ = automaton.exhausted() ? automaton.step(masks_->restart(state_), byte) : to;
    }
  }
  generation_ = masks_->generation();
}

void GrammarMatcher::restart() {
  state_ = masks_->restart(state_);
  generation_ = masks_->generation();
  current_.reset();
}

Error GrammarMatcher::too_large() const {
  return {ErrorCode::kResourceExhausted, "grammar: too many ways to go on at one place of the text: " +
                                             std::to_string(masks_->automaton().limits().states) + " states are the limit"};
}

Result<std::shared_ptr<const GrammarMask>> GrammarMatcher::next() {
  find_state();
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (current_ == nullptr) current_ = masks_->mask(state_);
    if (current_ != nullptr) return current_;
    restart();  // after the second attempt for the others
  }
  return too_large();
}

std::span<const uint64_t> GrammarMatcher::mask() {
  const auto allowed = next();
  if (!allowed.ok()) return {};
  return (*allowed)->words;  // current_ holds it
}

// kDeadState when the token is not allowed; state_ itself after an end.
Result<GrammarState> GrammarMatcher::after(TokenId token) {
  const GrammarVocabulary& vocabulary = masks_->vocabulary();
  if (token < 0 || token >= vocabulary.n_vocab()) return kDeadState;
  find_state();
  const std::string_view text = vocabulary.bytes(token);
  if (text.empty()) {
    const auto ends = vocabulary.end_tokens();
    const bool is_end = std::find(ends.begin(), ends.end(), token) != ends.end();
    return is_end && masks_->automaton().accepts(state_) ? state_ : kDeadState;
  }
  for (int attempt = 0; attempt < 2; ++attempt) {
    const GrammarState to = masks_->automaton().run(state_, text);
    if (!masks_->automaton().exhausted()) return to;
    restart();
  }
  return too_large();
}

Result<bool> GrammarMatcher::allows(TokenId token) {
  FS_TRY(const GrammarState to, after(token));
  return to != kDeadState;
}

bool GrammarMatcher::accept(TokenId token) {
  const auto to = after(token);
  if (!to.ok() || *to == kDeadState) return false;
  if (masks_->vocabulary().bytes(token).empty()) return true;
  tokens_.push_back(token);
  state_ = *to;
  current_.reset();
  return true;
}

bool GrammarMatcher::may_end() {
  find_state();
  return masks_->automaton().accepts(state_);
}

Result<bool> GrammarMatcher::goes_on() {
  find_state();
  for (int attempt = 0; attempt < 2; ++attempt) {
    const bool any = masks_->automaton().goes_on(state_);
    if (!masks_->automaton().exhausted()) return any;
    restart();
  }
  return too_large();
}

std::string GrammarMatcher::forced_bytes(size_t max_bytes) {
  find_state();
  return masks_->automaton().forced(state_, max_bytes);
}

}  // namespace firesteel
