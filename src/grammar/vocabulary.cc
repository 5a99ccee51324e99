#include "grammar/vocabulary.h"

#include <algorithm>

#include "base/utf8.h"

namespace firesteel {
namespace {

constexpr size_t kMaxTokenBytes = 1024;  // longer ones (runs of white space, mostly) are never offered under a grammar

// Characters of plain text (GrammarVocabulary::text_words); 0 when it is none, or too long.
size_t text_chars(std::string_view bytes) {
  if (!is_valid_utf8(bytes)) return 0;
  size_t n = 0;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == '"' || byte == '\\') return 0;
    n += (byte & 0xc0) != 0x80 ? 1 : 0;
  }
  return n <= GrammarVocabulary::kTextCharsMax ? n : 0;
}

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

  text_.assign(kTextCharsMax * n_words(), 0);
  std::vector<TokenId> others;
  for (const TokenId id : order) {
    const size_t n = text_chars(bytes(id));
    if (n == 0) others.push_back(id);
    else text_[(n - 1) * n_words() + static_cast<size_t>(id) / 64] |= uint64_t{1} << (static_cast<size_t>(id) % 64);
    n_text_chars_ = std::max(n_text_chars_, n);
  }
  text_.resize(n_text_chars_ * n_words());
  text_.shrink_to_fit();
  for (size_t i = n_words(); i < text_.size(); ++i) text_[i] |= text_[i - n_words()];
  all_ = make_trie(order);
  not_text_ = make_trie(others);
}

// `order`: sorted by bytes.
GrammarVocabulary::Trie GrammarVocabulary::make_trie(const std::vector<TokenId>& order) {
  Trie trie;
  std::vector<Node>& nodes = trie.nodes;
  std::vector<TokenId>& tokens = trie.tokens;
  std::vector<uint32_t> path;  // node of each byte of the current token
  std::string_view previous;
  for (const TokenId id : order) {
    const std::string_view text = bytes(id);
    size_t common = 0;
    while (common < std::min(previous.size(), text.size()) && previous[common] == text[common]) ++common;
    while (path.size() > common) {
      nodes[path.back()].end = static_cast<uint32_t>(nodes.size());
      path.pop_back();
    }
    for (size_t i = common; i < text.size(); ++i) {
      path.push_back(static_cast<uint32_t>(nodes.size()));
      nodes.push_back({0, 0, 0, static_cast<uint16_t>(i), static_cast<uint8_t>(text[i])});
      max_depth_ = std::max(max_depth_, static_cast<uint16_t>(i + 1));
    }
    Node& last = nodes[path.back()];
    if (last.n_tokens == 0) last.first_token = static_cast<uint32_t>(tokens.size());
    // A node's tokens are adjacent: equal texts are neighbours in the order.
    if (last.n_tokens < UINT16_MAX) {
      ++last.n_tokens;
      tokens.push_back(id);
    }
    previous = text;
  }
  while (!path.empty()) {
    nodes[path.back()].end = static_cast<uint32_t>(nodes.size());
    path.pop_back();
  }
  return trie;
}

}  // namespace firesteel
