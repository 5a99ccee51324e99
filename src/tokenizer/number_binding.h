// Number markers: a model may have a token "<|n0|>", "<|n1|>" ... before each number literal of a turn, and write the marker where it
// means the literal. The markers live in token ids only: what people and programs see is plain text (docs/kindling.md).
//
// Literals (base/number_literals.h) are counted from 0 in each user message and on through the tool messages behind it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/metadata.h"
#include "base/result.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {

// Immutable, safe to share between threads. The tokenizer must outlive it.
class NumberBinding {
 public:
  // From "kindling.numbers.markers" (texts of control tokens) and "kindling.numbers.roles" (of the messages whose numbers are
  // marked). Null when the model has none; kDataLoss when the metadata contradicts the vocabulary.
  static Result<std::shared_ptr<const NumberBinding>> from_metadata(const Metadata& metadata, const Tokenizer& tokenizer);

  // Puts the markers into a ChatML prompt. A literal that begins inside a token has none, but counts.
  void mark(std::vector<TokenId>* ids) const;

  // The literals of the prompt's last turn, without thousands commas: what the markers stand for in the answer. The prompt may have
  // markers or not. At most as many as there are markers.
  std::vector<std::string> literals(std::span<const TokenId> prompt) const;

  // K for the marker "<|nK|>".
  std::optional<size_t> index_of(TokenId id) const;

  // Replaces the markers in a text by the literals. kInvalidArgument when there are too few.
  Result<std::string> fill(std::string_view text, std::span<const std::string> literals) const;

 private:
  struct Found {
    size_t number;           // since the user's message
    std::string value;
    std::optional<size_t> token;  // that it begins with
  };
  explicit NumberBinding(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  // Calls `found` for each literal in order, `turn` at the start of each user message.
  void visit(std::span<const TokenId> ids, const std::function<void()>& turn, const std::function<void(Found)>& found) const;
  void visit_message(std::span<const TokenId> ids, size_t first, size_t* n_found, const std::function<void()>& turn,
                     const std::function<void(Found)>& found) const;

  const Tokenizer& tokenizer_;
  std::vector<TokenId> markers_;
  std::vector<std::string> roles_;
  TokenId message_start_ = -1;
};

}  // namespace firesteel
