#include "grammar/vocabulary.h"

#include <algorithm>

namespace firesteel {
namespace {

constexpr size_t kMaxTokenBytes = 1024;  // longer ones (runs of white space, mostly) are never offered under a grammar

}  // namespace

GrammarVocabulary::GrammarVocabulary(const Tokenizer& tokenizer) : n_vocab_(tokenizer.n_vocab()) {
  offsets_.reserve(static_cast<size_t>(n_vocab_) + 1);
  offsets_.push_back(0);
  std::vector<TokenId> order;
  order.reserve(static_cast<size_t>(n_vocab_));
  for (TokenId id = 0; id < n_vocab_; ++id) {
    const size_t before = pool_.size();
    if (tokenizer.is_end_of_generation(id)) {
      end_tokens_.push_back(id);
    } else if (tokenizer.type(id) != TokenType::kControl && tokenizer.type(id) != TokenType::kUnknown && tokenizer.type(id) != TokenType::kUnused) {
      tokenizer.append_piece(id, false, &pool_);
      const size_t n = pool_.size() - before;
      if (n > kMaxTokenBytes) pool_.resize(before);
      if (n > 0 && n <= kMaxTokenBytes) order.push_back(id);
    }
    offsets_.push_back(static_cast<uint32_t>(pool_.size()));
  }
  std::sort(order.begin(), order.end(), [&](TokenId a, TokenId b) {
    const int compared = bytes(a).compare(bytes(b));
    return compared != 0 ? compared < 0 : a < b;
  });

  std::vector<uint32_t> path;  // node of each byte of the current token
  std::string_view previous;
  for (const TokenId id : order) {
    const std::string_view text = bytes(id);
    size_t common = 0;
    while (common < std::min(previous.size(), text.size()) && previous[common] == text[common]) ++common;
    while (path.size() > common) {
      nodes_[path.back()].end = static_cast<uint32_t>(nodes_.size());
      path.pop_back();
    }
    for (size_t i = common; i < text.size(); ++i) {
      path.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({0, 0, 0, static_cast<uint16_t>(i), static_cast<uint8_t>(text[i])});
      max_depth_ = std::max(max_depth_, static_cast<uint16_t>(i + 1));
    }
    Node& last = nodes_[path.back()];
    if (last.n_tokens == 0) last.first_token = static_cast<uint32_t>(tokens_.size());
    // A node's tokens are adjacent: equal texts are neighbours in the order.
    if (last.n_tokens < UINT16_MAX) {
      ++last.n_tokens;
      tokens_.push_back(id);
    }
    previous = text;
  }
  while (!path.empty()) {
    nodes_[path.back()].end = static_cast<uint32_t>(nodes_.size());
    path.pop_back();
  }
}

}  // namespace firesteel
