// The tokens of a vocabulary as a trie over their bytes, in preorder: a mask is one walk that skips what cannot match. Most tokens are plain
// text, which a string takes all alike: they are also there as bits by length. The others begin with some characters of plain text, mostly one or
// two, and what comes after these is one of few things: so they are also there by how many, as tries of the rest. And for patterns that tell characters apart,
// but letters not from letters, they are there as a trie over kinds of characters.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/ids.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {

// Immutable, shared by all grammars of one tokenizer.
class GrammarVocabulary {
 public:
  explicit GrammarVocabulary(const Tokenizer& tokenizer);

  struct Node {
    uint32_t end;          // index after this node's subtree
    uint32_t first_token;  // into tokens; tokens whose bytes end here
    uint32_t n_tokens;
    uint16_t depth;        // bytes before this one
    uint8_t byte;
  };
  struct Trie {
    std::vector<Node> nodes;
    std::vector<TokenId> tokens;  // those of a subtree are neighbours

    std::span<const TokenId> subtree_tokens(size_t node) const {
      const size_t first = nodes[node].first_token, end = nodes[node].end;
      return std::span(tokens).subspan(first, (end < nodes.size() ? nodes[end].first_token : tokens.size()) - first);
    }
  };
  // Tokens by how many bytes they have: up to 32, which are nearly all, up to 64, and the rest (runs of white space and lines). How far a token
  // reaches decides how much of a state matters for it.
  static constexpr size_t kLevels = 3;
  uint32_t level_bytes(size_t level) const { return level + 1 == kLevels ? max_depth_ : 32u << level; }  // at most
  const Trie& level(size_t level) const { return levels_[level]; }

  // Plain text: whole characters, none of them a control character, '"' or '\\'. text_words(n): bits of the tokens of level 0 that are at most n of them, n in
  // 1..n_text_chars(); longer ones than kTextCharsMax are counted among the others. after_text(n): of all others of level 0, what comes after n
  // characters of plain text; of each token only with the largest n, which is at most n_text_chars().
  static constexpr size_t kTextCharsMax = 24;
  std::span<const uint64_t> text_words(size_t n_chars) const { return std::span(text_).subspan((n_chars - 1) * n_words(), n_words()); }
  const Trie& after_text(size_t n_chars) const { return after_text_[n_chars]; }
  size_t n_text_chars() const { return n_text_chars_; }

  // The tokens of level 0 that are whole characters, as a trie over the kinds of these (byte_kind), and the others as one over bytes: words are alike, so
  // this has a fraction of level(0)'s nodes. kind_bits: of a node that many tokens have, these as bits; else empty.
  const Trie& kinds() const { return kinds_; }
  const Trie& broken() const { return broken_; }
  std::span<const uint64_t> kind_bits(size_t node) const {
    return kind_bits_at_[node] == 0 ? std::span<const uint64_t>() : std::span(kind_bits_).subspan((kind_bits_at_[node] - 1) * n_words(), n_words());
  }

  std::span<const TokenId> end_tokens() const { return end_tokens_; }
  int64_t n_vocab() const { return n_vocab_; }
  size_t n_words() const { return static_cast<size_t>((n_vocab_ + 63) / 64); }
  uint16_t max_depth() const { return max_depth_; }
  std::string_view bytes(TokenId id) const {
    const size_t i = static_cast<size_t>(id);
    return std::string_view(pool_).substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
  }

 private:
  struct Entry {
    std::string_view bytes;
    TokenId id;
  };
  Trie make_trie(std::vector<Entry> entries);
  void make_kinds(std::span<const Entry> words);

  std::array<Trie, kLevels> levels_;
  std::vector<Trie> after_text_;  // n_text_chars_ + 1
  std::vector<uint64_t> text_;
  Trie kinds_, broken_;
  std::vector<uint32_t> kind_bits_at_;  // per node: 0: none, n: the n-th
  std::vector<uint64_t> kind_bits_;
  size_t n_text_chars_ = 0;
  std::vector<TokenId> end_tokens_;
  std::string pool_;
  std::vector<uint32_t> offsets_;
  int64_t n_vocab_ = 0;
  uint16_t max_depth_ = 0;
};

}  // namespace firesteel
