// A vocabulary for tests and fuzzing: token b is byte b, then come the given pieces, and an end of generation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace firesteel {

class PieceTokenizer final : public Tokenizer {
 public:
  explicit PieceTokenizer(std::initializer_list<const char*> pieces) : PieceTokenizer(std::vector<std::string>(pieces.begin(), pieces.end())) {}
  explicit PieceTokenizer(const std::vector<std::string>& pieces) {
    for (int b = 0; b < 256; ++b) pieces_.emplace_back(1, static_cast<char>(static_cast<uint8_t>(b)));
    pieces_.insert(pieces_.end(), pieces.begin(), pieces.end());
    pieces_.emplace_back("<end>");
  }
  Status encode(std::string_view, const EncodeOptions&, std::vector<TokenId>*) const override { return {}; }
  void append_piece(TokenId id, bool, std::string* out) const override { *out += pieces_[static_cast<size_t>(id)]; }
  std::string decode(std::span<const TokenId>, bool) const override { return {}; }
  int64_t n_vocab() const override { return static_cast<int64_t>(pieces_.size()); }
  TokenType type(TokenId id) const override { return id == end() ? TokenType::kControl : TokenType::kNormal; }
  std::string_view text(TokenId id) const override { return pieces_[static_cast<size_t>(id)]; }
  std::optional<TokenId> find(std::string_view) const override { return std::nullopt; }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  std::optional<TokenId> eos() const override { return end(); }
  bool adds_bos() const override { return false; }
  bool is_end_of_generation(TokenId id) const override { return id == end(); }
  std::string_view kind() const override { return "pieces"; }
  TokenId end() const { return static_cast<TokenId>(pieces_.size() - 1); }

 private:
  std::vector<std::string> pieces_;
};

}  // namespace firesteel
