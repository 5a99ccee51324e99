// The tokens of a vocabulary as a trie over their bytes, in preorder: a mask is one walk that skips what cannot match. Most tokens are plain
// text, which a string takes all alike: they are also there as bits by length, and the others as a smaller trie.
#pragma once

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
    uint32_t first_token;  // into tokens(); tokens whose bytes end here
    uint16_t n_tokens;
    uint16_t depth;        // bytes before this one
    uint8_t byte;
  };
  struct Trie {
    std::vector<Node> nodes;
    std::vector<TokenId> tokens;
  };
  const Trie& all() const { return all_; }

  // Plain text: 1 to kTextCharsMax whole characters, none of them a control character, '"' or '\\'. text_words(n): bits of the tokens of
  // at most n characters, n in 1..n_text_chars(). not_text(): all other tokens.
  static constexpr size_t kTextCharsMax = 24;
  std::span<const uint64_t> text_words(size_t n_chars) const { return std::span(text_).subspan((n_chars - 1) * n_words(), n_words()); }
  const Trie& not_text() const { return not_text_; }
  // Of the longest such token; 0 when there is none.
  size_t n_text_chars() const { return n_text_chars_; }

  std::span<const TokenId> end_tokens() const { return end_tokens_; }
  int64_t n_vocab() const { return n_vocab_; }
  size_t n_words() const { return static_cast<size_t>((n_vocab_ + 63) / 64); }
  uint16_t max_depth() const { return max_depth_; }
  std::string_view bytes(TokenId id) const {
    const size_t i = static_cast<size_t>(id);
    return std::string_view(pool_).substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
  }

 private:
  Trie make_trie(const std::vector<TokenId>& order);

  Trie all_, not_text_;
  std::vector<uint64_t> text_;
  size_t n_text_chars_ = 0;
  std::vector<TokenId> end_tokens_;
  std::string pool_;
  std::vector<uint32_t> offsets_;
  int64_t n_vocab_ = 0;
  uint16_t max_depth_ = 0;
};

}  // namespace firesteel
