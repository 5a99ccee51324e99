#include "grammar/vocabulary.h"

#include <algorithm>

#include "base/utf8.h"
#include "grammar/automaton.h"

namespace firesteel {
namespace {

constexpr size_t kManyTokens = 512;       // from here on bits are faster than a list
constexpr size_t kMaxTokenBytes = 1024;  // longer ones (runs of white space, mostly) are never offered under a grammar

// The plain text that `bytes` begin with, at most kTextCharsMax characters of it.
struct TextPrefix {
  size_t n_chars = 0, n_bytes = 0;
};
TextPrefix text_prefix(std::string_view bytes) {
  TextPrefix prefix;
  while (prefix.n_bytes < bytes.size() && prefix.n_chars < GrammarVocabulary::kTextCharsMax) {
    const Utf8Char next = decode_utf8(bytes, prefix.n_bytes);
    if (!next.valid || next.code_point < 0x20 || next.code_point == '"' || next.code_point == '\\') break;
    prefix.n_bytes += next.n_bytes;
    ++prefix.n_chars;
  }
  return prefix;
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
  // The pool has its final place now, so views into it stay.
  std::array<std::vector<Entry>, kLevels> by_level;
  by_level[0].reserve(order.size());
  for (const TokenId id : order) {
    size_t level = 0;
    while (level + 1 < kLevels && bytes(id).size() > level_bytes(level)) ++level;
    by_level[level].push_back({bytes(id), id});
  }
  text_.assign(kTextCharsMax * n_words(), 0);
  std::vector<std::vector<Entry>> rests(kTextCharsMax + 1);
  for (const Entry& token : by_level[0]) {
    const auto [n_chars, n_bytes] = text_prefix(token.bytes);
    n_text_chars_ = std::max(n_text_chars_, n_chars);
    if (n_bytes < token.bytes.size()) rests[n_chars].push_back({token.bytes.substr(n_bytes), token.id});
    else text_[(n_chars - 1) * n_words() + static_cast<size_t>(token.id) / 64] |= uint64_t{1} << (static_cast<size_t>(token.id) % 64);
  }
  text_.resize(n_text_chars_ * n_words());
  text_.shrink_to_fit();
  for (size_t i = n_words(); i < text_.size(); ++i) text_[i] |= text_[i - n_words()];
  make_kinds(by_level[0]);
  for (size_t level = 0; level < kLevels; ++level) levels_[level] = make_trie(std::move(by_level[level]));
  for (size_t n = 0; n <= n_text_chars_; ++n) after_text_.push_back(make_trie(std::move(rests[n])));
}

void GrammarVocabulary::make_kinds(std::span<const Entry> words) {
  std::vector<Entry> whole, broken;
  std::string pool;
  pool.reserve(words.size() * level_bytes(0));  // views into it stay
  for (const Entry& word : words) {
    const size_t first = pool.size();
    for (size_t at = 0; at < word.bytes.size();) {
      const Utf8Char next = decode_utf8(word.bytes, at);
      if (!next.valid) {
        pool.resize(first);
        break;
      }
      pool.push_back(static_cast<char>(byte_kind(static_cast<uint8_t>(word.bytes[at]))));
      at += next.n_bytes;
    }
    if (pool.size() == first) broken.push_back(word);
    else whole.push_back({std::string_view(pool).substr(first), word.id});
  }
  kinds_ = make_trie(std::move(whole));
  broken_ = make_trie(std::move(broken));
  kind_bits_at_.assign(kinds_.nodes.size(), 0);
  for (size_t i = 0; i < kinds_.nodes.size(); ++i) {
    const Node& node = kinds_.nodes[i];
    if (node.n_tokens < kManyTokens) continue;
    const size_t first = kind_bits_.size();
    kind_bits_.resize(first + n_words());
    kind_bits_at_[i] = static_cast<uint32_t>(kind_bits_.size() / n_words());
    for (size_t t = 0; t < node.n_tokens; ++t) {
      const auto id = static_cast<size_t>(kinds_.tokens[node.first_token + t]);
      kind_bits_[first + id / 64] |= uint64_t{1} << (id % 64);
    }
  }
}

GrammarVocabulary::Trie GrammarVocabulary::make_trie(std::vector<Entry> entries) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    const int compared = a.bytes.compare(b.bytes);
    return compared != 0 ? compared < 0 : a.id < b.id;
  });
  Trie trie;
  std::vector<Node>& nodes = trie.nodes;
  std::vector<TokenId>& tokens = trie.tokens;
  std::vector<uint32_t> path;  // node of each byte of the current token
  std::string_view previous;
  for (const auto& [text, id] : entries) {
    size_t common = 0;
    while (common < std::min(previous.size(), text.size()) && previous[common] == text[common]) ++common;
    while (path.size() > common) {
      nodes[path.back()].end = static_cast<uint32_t>(nodes.size());
      path.pop_back();
    }
    for (size_t i = common; i < text.size(); ++i) {
      path.push_back(static_cast<uint32_t>(nodes.size()));
      nodes.push_back({0, static_cast<uint32_t>(tokens.size()), 0, static_cast<uint16_t>(i), static_cast<uint8_t>(text[i])});
      max_depth_ = std::max(max_depth_, static_cast<uint16_t>(i + 1));
    }
    ++nodes[path.back()].n_tokens;  // a node's tokens are adjacent: equal texts are neighbours in the order
    tokens.push_back(id);
    previous = text;
  }
  while (!path.empty()) {
    nodes[path.back()].end = static_cast<uint32_t>(nodes.size());
    path.pop_back();
  }
  return trie;
}

}  // namespace firesteel
