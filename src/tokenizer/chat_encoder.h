// A conversation to token ids, in one place: the engine, training and evaluation encode with the same code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/json.h"
#include "base/result.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/number_binding.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {

struct ChatInput {
  const Json& messages;                    // array of {role, content, ...}, as in the API
  const Json& tools;                       // array or null
  const Json& template_variables;          // object or null: enable_thinking, add_generation_prompt (true unless said) ...
  int64_t now_unix_s = 0;
  std::span<const int32_t> n_patches = {};  // of each picture, in the order of the messages
  bool bind_numbers = true;                // false: no markers, as for an engine that does not know them
};

// Where the rows of a picture stand: ids[begin, begin + n_patches[index]) are "<|image_pad|>".
struct PictureRows {
  size_t begin = 0;
  size_t index = 0;  // of the picture
};

struct EncodedChat {
  std::vector<TokenId> ids;
  std::vector<PictureRows> pictures;
  std::vector<std::string> numbers;  // of the last turn; empty without a NumberBinding
};

// Refers to what it is made of. Safe to use from several threads.
struct ChatEncoder {
  const Tokenizer* tokenizer = nullptr;
  const ChatTemplate* chat_template = nullptr;  // nullable: then encode gives kFailedPrecondition
  const NumberBinding* numbers = nullptr;       // nullable

  // kInvalidArgument names the part of the input, or has the template's own text; kUnsupported when the model has no place for
  // pictures. Whatever a message holds, its text becomes neither markers nor control tokens.
  Result<EncodedChat> encode(const ChatInput& input) const;

  // What the model is to write after `prompt`, special tokens on, without the token that ends the turn. bind_numbers as for the
  // prompt: without, a marker in `target` becomes the digits that it stands for. kInvalidArgument: a marker without a number.
  Result<std::vector<TokenId>> encode_target(std::string_view target, const EncodedChat& prompt, bool bind_numbers = true) const;
};

}  // namespace firesteel
