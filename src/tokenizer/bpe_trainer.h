// Learns a byte-level BPE vocabulary from texts. Source: Sennrich et al. 2016, arXiv:1508.07909, on bytes as in GPT-2.
//
// The same texts in any order give the same vocabulary: words are counted, and equal counts are decided by the symbols' ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/metadata.h"
#include "base/result.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {

struct SpecialToken {
  std::string text;
  TokenType type = TokenType::kControl;  // or kUserDefined
};

// What a model file says about its tokenizer.
struct TrainedVocabulary {
  std::string pre;                    // name of the pre-tokenizer
  std::vector<std::string> tokens;    // as stored: 256 bytes, merged symbols by rank, special tokens
  std::vector<TokenType> types;
  std::vector<std::string> merges;    // "left right"
  std::string begin, end, padding;    // special tokens; empty: none

  // "tokenizer.ggml.*"; views into this. Nothing is put in front of texts or behind them.
  Metadata metadata() const;
};

class BpeTrainer {
 public:
  // pre: as in "tokenizer.ggml.pre"; kInvalidArgument when it is not known, or a special token is empty or there twice.
  static Result<BpeTrainer> create(std::string_view pre, std::vector<SpecialToken> specials);

  // Special tokens in the text are cut out of it. Any bytes.
  void add(std::string_view text, uint64_t weight = 1);

  uint64_t n_pieces() const { return n_pieces_; }
  size_t n_words() const { return words_.size(); }  // that differ

  // A vocabulary of n_tokens, or fewer when no pair of symbols occurs twice any more. kInvalidArgument when n_tokens does not hold
  // the bytes and the special tokens.
  Result<TrainedVocabulary> train(size_t n_tokens) const;

 private:
  BpeTrainer() = default;
  void add_words(std::string_view text, uint64_t weight);

  PreTokenizer pre_;
  std::vector<SpecialToken> specials_;
  std::unordered_map<std::string, uint64_t> words_;
  uint64_t n_pieces_ = 0;
};

// Kindling's special tokens in the order of their ids, and the keys that say so in its file (docs/kindling.md).
std::vector<SpecialToken> kindling_special_tokens();
// Adds "tokenizer.ggml.*", "tokenizer.chat_template" and "kindling.numbers.*". Views into the arguments.
void add_kindling_metadata(const TrainedVocabulary& vocabulary, std::string_view chat_template, Metadata* metadata);
// Words of the prompt format that must not fall to pieces. Weighted like a hundredth of what was added before.
void add_kindling_words(BpeTrainer* trainer);

}  // namespace firesteel
