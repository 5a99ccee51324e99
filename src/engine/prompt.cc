#include "engine/prompt.h"

#include <algorithm>
#include <ctime>
#include <string>
#include <utility>

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

Result<EncodedPrompt> encode_chat(const PromptEncoder& encoder, const ChatPrompt& chat, std::span<const int32_t> n_patches) {
  const ChatEncoder chat_encoder{encoder.tokenizer, encoder.chat_template, encoder.numbers};
  const int64_t now_unix_s = chat.now_unix_s != 0 ? chat.now_unix_s : int64_t{std::time(nullptr)};
  FS_TRY(EncodedChat encoded, chat_encoder.encode({.messages = chat.messages,
                                                   .tools = chat.tools,
                                                   .template_variables = chat.template_variables,
                                                   .now_unix_s = now_unix_s,
                                                   .n_patches = n_patches,
                                                   .bind_numbers = binds_numbers(chat.template_variables)}));
  return EncodedPrompt{std::move(encoded.ids), std::move(encoded.pictures)};
}

// Finds the pictures among ids that were not rendered from a conversation. `expand`: one token stands for each picture and becomes
// one for each patch; otherwise they are there already.
Status place_pictures(TokenId token, std::span<const int32_t> n_patches, bool expand, EncodedPrompt* prompt) {
  size_t n_expected = 0;
  for (const int32_t n : n_patches) n_expected += expand ? 1 : static_cast<size_t>(n);
  const auto n_found = static_cast<size_t>(std::count(prompt->ids.begin(), prompt->ids.end(), token));
  if (n_found != n_expected) {
    return invalid("images: " + std::to_string(n_patches.size()) + " given: expected " + std::to_string(n_expected) +
                   " picture tokens in the prompt, found " + std::to_string(n_found));
  }
  std::vector<TokenId> ids;
  for (size_t i = 0; i < prompt->ids.size();) {
    if (prompt->ids[i] != token) {
      ids.push_back(prompt->ids[i++]);
      continue;
    }
    const size_t index = prompt->pictures.size();
    const auto n = static_cast<size_t>(n_patches[index]);
    prompt->pictures.push_back({ids.size(), index});
    ids.insert(ids.end(), n, token);
    for (size_t left = expand ? 1 : n; left > 0; --left, ++i) {
      if (i == prompt->ids.size() || prompt->ids[i] != token) return invalid("images: other tokens between the picture tokens of image " + std::to_string(index));
    }
  }
  prompt->ids = std::move(ids);
  return {};
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

Result<EncodedPrompt> PromptEncoder::encode(const Prompt& prompt, bool is_suffix, std::span<const int32_t> n_patches) const {
  EncodedPrompt encoded;
  std::vector<TokenId>& ids = encoded.ids;
  if (const auto* tokens = std::get_if<TokenPrompt>(&prompt)) {
    ids = tokens->ids;
  } else if (tokenizer == nullptr) {
    return Error{ErrorCode::kFailedPrecondition, "prompt: the model has no tokenizer; send token ids"};
  } else if (const auto* raw = std::get_if<RawPrompt>(&prompt)) {
    FS_TRY_VOID(tokenizer->encode(raw->text, {.parse_special = raw->parse_special, .add_special = !is_suffix}, &ids));
  } else {
    if (is_suffix) return invalid("suffix: expected text or token ids, found a conversation");
    FS_TRY(encoded, encode_chat(*this, std::get<ChatPrompt>(prompt), n_patches));
  }
  FS_TRY_VOID(validate_ids("prompt", ids, n_vocab));
  if (!n_patches.empty() && !std::holds_alternative<ChatPrompt>(prompt)) {
    if (!picture_token) return invalid("images: the model has no token that stands for a picture");
    FS_TRY_VOID(place_pictures(*picture_token, n_patches, std::holds_alternative<RawPrompt>(prompt), &encoded));
  }
  return encoded;
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
