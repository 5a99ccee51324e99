#include "grammar/grammar.h"

#include <algorithm>
#include <utility>

#include "grammar/json_schema.h"
#include "grammar/notation.h"
#include "grammar/regex.h"

namespace firesteel {

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

GrammarMasks::GrammarMasks(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const GrammarVocabulary> vocabulary)
    : grammar_(std::move(grammar)), vocabulary_(std::move(vocabulary)), automaton_(grammar_->nfa()), path_(size_t{vocabulary_->max_depth()} + 1) {}

std::span<const uint64_t> GrammarMasks::mask(GrammarState state) {
  const auto known = masks_.find(state);
  if (known != masks_.end()) return known->second;
  if (masks_.size() >= kMaxMasks) masks_.clear();
  TokenMask& made = masks_[state];
  fill(state, &made);
  return made;
}

void GrammarMasks::fill(GrammarState state, TokenMask* out) {
  out->assign(vocabulary_->n_words(), 0);
  const auto allow = [&](TokenId id) { (*out)[static_cast<size_t>(id) / 64] |= uint64_t{1} << (static_cast<size_t>(id) % 64); };
  if (state == kDeadState) return;
  if (automaton_.accepts(state)) {
    for (const TokenId id : vocabulary_->end_tokens()) allow(id);
  }
  const auto nodes = vocabulary_->nodes();
  const auto tokens = vocabulary_->tokens();
  path_[0] = state;
  for (size_t i = 0; i < nodes.size();) {
    const GrammarVocabulary::Node& node = nodes[i];
    const GrammarState to = automaton_.step(path_[node.depth], node.byte);
    if (to == kDeadState) {
      i = node.end;
      continue;
    }
    path_[size_t{node.depth} + 1] = to;
    for (size_t t = 0; t < node.n_tokens; ++t) allow(tokens[node.first_token + t]);
    ++i;
  }
}

bool GrammarMasks::is_stuck(GrammarState state) {
  const auto words = mask(state);
  return std::all_of(words.begin(), words.end(), [](uint64_t w) { return w == 0; });
}

bool GrammarMatcher::accept(TokenId token) {
  const auto words = mask();
  if (token < 0 || static_cast<size_t>(token) / 64 >= words.size()) return false;
  if ((words[static_cast<size_t>(token) / 64] >> (static_cast<size_t>(token) % 64) & 1) == 0) return false;
  const std::string_view text = masks_->vocabulary().bytes(token);
  if (!text.empty()) state_ = masks_->automaton().run(state_, text);
  return true;
}

}  // namespace firesteel
