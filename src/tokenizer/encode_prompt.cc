#include "tokenizer/chat_template.h"

namespace firesteel {

Result<std::vector<TokenId>> encode_prompt(const Tokenizer& tokenizer, const std::vector<PromptSpan>& spans) {
  std::vector<EncodePart> parts;
  parts.reserve(spans.size());
  for (const PromptSpan& span : spans) parts.push_back({span.text, span.from_template});
  std::vector<TokenId> ids;
  FS_TRY_VOID(tokenizer.encode_parts(parts, /*add_special=*/false, &ids));
  const std::optional<TokenId> bos = tokenizer.bos();
  if (tokenizer.adds_bos() && bos && (ids.empty() || ids.front() != *bos)) ids.insert(ids.begin(), *bos);
  return ids;
}

}  // namespace firesteel
