// The tokens of a vocabulary as a trie over their bytes, in preorder: a mask is one walk that skips what cannot match.
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
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const TokenId> tokens() const { return tokens_; }
  std::span<const TokenId> end_tokens() const { return end_tokens_; }
  int64_t n_vocab() const { return n_vocab_; }
  size_t n_words() const { return static_cast<size_t>((n_vocab_ + 63) / 64); }
  uint16_t max_depth() const { return max_depth_; }
  std::string_view bytes(TokenId id) const {
    const size_t i = static_cast<size_t>(id);
    return std::string_view(pool_).substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
  }

 private:
  std::vector<Node> nodes_;
  std::vector<TokenId> tokens_;
  std::vector<TokenId> end_tokens_;
  std::string pool_;
  std::vector<uint32_t> offsets_;
  int64_t n_vocab_ = 0;
  uint16_t max_depth_ = 0;
};

}  // namespace firesteel
