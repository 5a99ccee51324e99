// Text to token ids and back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/metadata.h"
#include "base/result.h"

namespace firesteel {

struct EncodeOptions {
  // Whether the text of control tokens ("<|eot_id|>") becomes their id. Never for text that a user wrote; templates write markers.
  bool parse_special = false;
  // Put BOS/EOS around the text if the model asks for it.
  bool add_special = false;
};

// Piece of a text that several hands wrote. See Tokenizer::encode_parts.
struct EncodePart {
  std::string_view text;
  bool parse_special = false;  // as in EncodeOptions
};

enum class TokenType : uint8_t { kNormal, kUnknown, kControl, kUserDefined, kUnused, kByte };

// Immutable after loading and safe to share between threads.
class Tokenizer {
 public:
  // From GGUF metadata ("tokenizer.ggml.*"): byte-level BPE ("gpt2") and SPM ("llama"). Views into `metadata`, its arrays included,
  // are kept: the checkpoint must outlive the tokenizer. kNotFound when the metadata has no tokenizer, kUnsupported when it has
  // another kind (the message names it), kDataLoss when it contradicts itself.
  static Result<std::unique_ptr<const Tokenizer>> from_metadata(const Metadata& metadata);
  // From a file: tokenizer.json (Hugging Face), SentencePiece .model, .tiktoken (with the pre-tokenizer's name, e.g. "gpt-4o",
  // or empty to guess from the file name), or a folder that holds one of them (tokenizer_config.json is read beside it).
  static Result<std::unique_ptr<const Tokenizer>> from_file(const std::string& path, std::string_view pre = {});

  virtual ~Tokenizer() = default;

  // Any bytes are accepted. Appends to *ids. kResourceExhausted when the text is longer than 64 MiB.
  virtual Status encode(std::string_view text, const EncodeOptions& options, std::vector<TokenId>* ids) const = 0;

  // Encodes the parts as one text: ordinary tokens may reach across parts, so the ids are those of the joined text, but a control
  // token is recognised only inside one run of parts that allow it. User text can thus neither write nor complete a marker.
  // This default encodes each part alone and is meant for fakes.
  virtual Status encode_parts(std::span<const EncodePart> parts, bool add_special, std::vector<TokenId>* ids) const;

  // Builds the tables that encode() otherwise builds when it first needs them. Call from a second thread while a model loads.
  virtual void prepare() const {}

  // Bytes of one token; control tokens give nothing unless render_special. Unknown ids give nothing.
  virtual void append_piece(TokenId id, bool render_special, std::string* out) const = 0;

  // Inverse of encode for whole sequences (drops the space that SPM puts in front). Bytes, not necessarily UTF-8.
  virtual std::string decode(std::span<const TokenId> ids, bool render_special) const = 0;

  virtual int64_t n_vocab() const = 0;
  virtual TokenType type(TokenId id) const = 0;
  virtual std::string_view text(TokenId id) const = 0;  // as stored in the vocabulary, for display
  virtual std::optional<TokenId> find(std::string_view stored_text) const = 0;  // exact vocabulary entry

  virtual std::optional<TokenId> bos() const = 0;
  virtual std::optional<TokenId> eos() const = 0;
  virtual bool adds_bos() const = 0;
  virtual bool is_end_of_generation(TokenId id) const = 0;
  virtual std::string_view kind() const = 0;  // "bpe/llama-bpe", "spm"
  virtual std::string_view warning() const { return {}; }  // for the person who loads the model, or empty
};

// Turns a stream of tokens into text that may be shown: holds back an unfinished UTF-8 character (at most 3 bytes). What it returns
// is always UTF-8: bytes that no character can contain become U+FFFD.
class StreamDecoder {
 public:
  // first_piece_drops_space: SPM's invisible space before the first word of an answer is kept by default, because the prompt
  // came before it.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool render_special = false) : tokenizer_(tokenizer), render_special_(render_special) {}

  std::string push(TokenId id);  // text that became complete, possibly empty
  std::string flush();           // what is left; an unfinished character becomes U+FFFD

 private:
  const Tokenizer& tokenizer_;
  bool render_special_;
  std::string pending_;
};

}  // namespace firesteel
