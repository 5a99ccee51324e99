#include "engine/prompt.h"

#include <ctime>
#include <string>
#include <utility>

namespace firesteel {
namespace {

constexpr size_t kStopStringsMax = 16;
constexpr size_t kStopBytesMax = 1024;
constexpr size_t kStopTokensMax = 256;

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

Result<std::vector<TokenId>> encode_chat(const PromptEncoder& encoder, const ChatPrompt& chat) {
  if (encoder.chat_template == nullptr) {
    return Error{ErrorCode::kFailedPrecondition, "prompt: the model has no chat template; send text without one"};
  }
  if (!chat.messages.is_array()) return invalid("messages: expected an array");
  if (!chat.tools.is_null() && !chat.tools.is_array()) return invalid("tools: expected an array");
  if (!chat.template_variables.is_null() && !chat.template_variables.is_object()) {
    return invalid("template_variables: expected an object");
  }
  const Tokenizer& tokenizer = *encoder.tokenizer;
  Json context = Json::Object{};
  context.set("add_generation_prompt", true);
  if (chat.template_variables.is_object()) {
    for (const auto& [key, value] : chat.template_variables.as_object()) context.set(key, value);
  }
  context.set("messages", chat.messages);
  if (!chat.tools.is_null()) context.set("tools", chat.tools);
  context.set("bos_token", tokenizer.bos() ? Json(tokenizer.text(*tokenizer.bos())) : Json(""));
  context.set("eos_token", tokenizer.eos() ? Json(tokenizer.text(*tokenizer.eos())) : Json(""));
  const int64_t now_unix_s = chat.now_unix_s != 0 ? chat.now_unix_s : int64_t{std::time(nullptr)};
  FS_TRY(const std::vector<PromptSpan> spans, encoder.chat_template->render(context, now_unix_s, TemplateBudget{}));
  return encode_prompt(tokenizer, spans);
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
