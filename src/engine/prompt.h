// Prompts to token ids, and the checks of a request that need no engine thread. All of it runs on the caller's thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "api/generator.h"
#include "base/result.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/number_binding.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {

struct PromptEncoder {
  const Tokenizer* tokenizer = nullptr;         // nullable
  const ChatTemplate* chat_template = nullptr;  // nullable
  int64_t n_vocab = 0;
  const NumberBinding* numbers = nullptr;       // nullable

  // is_suffix: the ids continue a context, so no BOS; a conversation cannot be a suffix.
  // kInvalidArgument, kFailedPrecondition (no tokenizer, no template), and what template and tokenizer refuse.
  Result<std::vector<TokenId>> encode(const Prompt& prompt, bool is_suffix) const;
};

// kInvalidArgument names the parameter.
Status validate_ids(const char* name, std::span<const TokenId> ids, int64_t n_vocab);
Status validate_stop(const StopParams& stop, int64_t n_vocab, bool has_tokenizer);

}  // namespace firesteel
