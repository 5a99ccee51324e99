#include "engine/prompt.h"

#include <ctime>
#include <string>
#include <utility>

#include "tokenizer/chat_encoder.h"

namespace firesteel {
namespace {

constexpr size_t kStopStringsMax = 16;
constexpr size_t kStopBytesMax = 1024;
constexpr size_t kStopTokensMax = 256;

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

bool binds_numbers(const Json& variables) {
  const Json* bind = variables.find("bind_numbers");
  return bind == nullptr || *bind != Json(false);
}

Result<std::vector<TokenId>> encode_chat(const PromptEncoder& encoder, const ChatPrompt& chat) {
  const ChatEncoder chat_encoder{encoder.tokenizer, encoder.chat_template, encoder.numbers};
  const int64_t now_unix_s = chat.now_unix_s != 0 ? chat.now_unix_s : int64_t{std::time(nullptr)};
  FS_TRY(EncodedChat encoded, chat_encoder.encode({.messages = chat.messages,
                                                   .tools = chat.tools,
                                                   .template_variables = chat.template_variables,
                                                   .now_unix_s = now_unix_s,
                                                   .bind_numbers = binds_numbers(chat.template_variables)}));
  return std::move(encoded.ids);
}

}  // namespace

Status validate_ids(const char* name, std::span<const TokenId> ids, int64_t n_vocab) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < n_vocab) continue;
    return invalid(std::string(name) + "[" + std::to_string(i) + "]: expected 0 to " + std::to_string(n_vocab - 1) + ", found " +
                   std::to_string(ids[i]));
  }
  return {};
}

Result<std::vector<TokenId>> PromptEncoder::encode(const Prompt& prompt, bool is_suffix) const {
  std::vector<TokenId> ids;
  if (const auto* tokens = std::get_if<TokenPrompt>(&prompt)) {
    ids = tokens->ids;
  } else if (tokenizer == nullptr) {
    return Error{ErrorCode::kFailedPrecondition, "prompt: the model has no tokenizer; send token ids"};
  } else if (const auto* raw = std::get_if<RawPrompt>(&prompt)) {
    FS_TRY_VOID(tokenizer->encode(raw->text, {.parse_special = raw->parse_special, .add_special = !is_suffix}, &ids));
  } else {
    if (is_suffix) return invalid("suffix: expected text or token ids, found a conversation");
    FS_TRY(ids, encode_chat(*this, std::get<ChatPrompt>(prompt)));
  }
  FS_TRY_VOID(validate_ids("prompt", ids, n_vocab));
  return ids;
}

Status validate_stop(const StopParams& stop, int64_t n_vocab, bool has_tokenizer) {
  if (stop.max_tokens != -1 && stop.max_tokens < 1) {
    return invalid("max_tokens: expected at least 1, or -1 for no limit, found " + std::to_string(stop.max_tokens));
  }
  if (stop.thinking_budget < -1) {
    return invalid("thinking_budget: expected at least 0, or -1 for no limit, found " + std::to_string(stop.thinking_budget));
  }
  if (stop.strings.size() > kStopStringsMax) {
    return invalid("stop strings: expected at most " + std::to_string(kStopStringsMax) + ", found " + std::to_string(stop.strings.size()));
  }
  for (const std::string& text : stop.strings) {
    if (text.empty()) return invalid("stop strings: one is empty");
    if (text.size() > kStopBytesMax) {
      return invalid("stop strings: expected at most " + std::to_string(kStopBytesMax) + " bytes, found " + std::to_string(text.size()));
    }
  }
  if (!stop.strings.empty() && !has_tokenizer) return invalid("stop strings: the model has no tokenizer; send token ids");
  if (stop.token_ids.size() > kStopTokensMax) {
    return invalid("stop token ids: expected at most " + std::to_string(kStopTokensMax) + ", found " + std::to_string(stop.token_ids.size()));
  }
  return validate_ids("stop token ids", stop.token_ids, n_vocab);
}

}  // namespace firesteel
