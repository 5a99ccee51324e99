// Prompts to token ids, and the checks of a request that need no engine thread. All of it runs on the caller's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "api/generator.h"
#include "base/result.h"
#include "tokenizer/chat_encoder.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/number_binding.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {

struct EncodedPrompt {
  std::vector<TokenId> ids;
  std::vector<PictureRows> pictures;  // where the patches of each picture stand
};

struct PromptEncoder {
  const Tokenizer* tokenizer = nullptr;         // nullable
  const ChatTemplate* chat_template = nullptr;  // nullable
  int64_t n_vocab = 0;
  const NumberBinding* numbers = nullptr;       // nullable
  std::optional<TokenId> picture_token = {};    // of a patch

  // is_suffix: the ids continue a context, so no BOS; a conversation cannot be a suffix. n_patches: of each picture, see
  // GenerateRequest::images.
  // kInvalidArgument, kFailedPrecondition (no tokenizer, no template), and what template and tokenizer refuse.
  Result<EncodedPrompt> encode(const Prompt& prompt, bool is_suffix, std::span<const int32_t> n_patches = {}) const;
};

// kInvalidArgument names the parameter.
Status validate_ids(const char* name, std::span<const TokenId> ids, int64_t n_vocab);
Status validate_stop(const StopParams& stop, int64_t n_vocab, bool has_tokenizer);

}  // namespace firesteel
