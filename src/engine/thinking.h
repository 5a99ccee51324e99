// Follows a model's think markers through its answer, and ends the thinking when its budget is spent.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {

// The ids that write "</think>": one special token where the vocabulary has it, else the pieces of its text.
struct ThinkMarkers {
  static ThinkMarkers of(const Tokenizer& tokenizer);
  // The vocabulary was made for a model that thinks.
  bool is_one_token(const Tokenizer& tokenizer) const;
  std::vector<TokenId> end;
  std::optional<TokenId> start;  // where "<think>" is one token
};

class ThinkTracker {
 public:
  // budget: tokens between the markers; -1: no limit. A prompt that ends in an open "<think>" (and white space) begins inside, as
  // templates of reasoning models do.
  ThinkTracker(const Tokenizer& tokenizer, const ThinkMarkers& markers, std::span<const TokenId> prompt, int64_t budget);

  // A token that must come next instead of a sampled one.
  std::optional<TokenId> forced() const;

  bool inside() const { return inside_; }

  // Takes the next token. True when it lies between the markers or belongs to one. (Of a marker that is spelled in several tokens,
  // the first tokens of "<think>" are not known to be one yet.)
  bool push(TokenId id);

 private:
  const Tokenizer& tokenizer_;
  const ThinkMarkers& markers_;
  int64_t budget_;
  bool inside_ = false;
  int64_t n_inside_ = 0;
  size_t n_forced_ = 0;    // tokens of the end marker that were forced already
  std::string tail_;       // of the text, shorter than the marker that is looked for
};

}  // namespace firesteel
