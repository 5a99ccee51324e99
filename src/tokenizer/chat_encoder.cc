#include "tokenizer/chat_encoder.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace firesteel {
namespace {

constexpr std::string_view kPicturePad = "<|image_pad|>";

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

Result<Json> make_context(const Tokenizer& tokenizer, const ChatInput& input) {
  if (!input.messages.is_array()) return invalid("messages: expected an array");
  if (!input.tools.is_null() && !input.tools.is_array()) return invalid("tools: expected an array");
  if (!input.template_variables.is_null() && !input.template_variables.is_object()) {
    return invalid("template_variables: expected an object");
  }
  Json context = Json::Object{};
  context.set("add_generation_prompt", true);
  if (input.template_variables.is_object()) {
    for (const auto& [key, value] : input.template_variables.as_object()) context.set(key, value);
  }
  context.set("messages", input.messages);
  if (!input.tools.is_null()) context.set("tools", input.tools);
  context.set("bos_token", tokenizer.bos() ? Json(tokenizer.text(*tokenizer.bos())) : Json(""));
  context.set("eos_token", tokenizer.eos() ? Json(tokenizer.text(*tokenizer.eos())) : Json(""));
  return context;
}

// The template writes one pad for each picture; here it becomes one for each patch.
Status place_pictures(const Tokenizer& tokenizer, std::span<const int32_t> n_patches, EncodedChat* chat) {
  const std::optional<TokenId> pad = tokenizer.find(kPicturePad);
  if (!pad || tokenizer.type(*pad) != TokenType::kControl) {
    if (n_patches.empty()) return {};
    return Error{ErrorCode::kUnsupported, "pictures: the model has no \"" + std::string(kPicturePad) + "\" token"};
  }
  const auto n_written = static_cast<size_t>(std::count(chat->ids.begin(), chat->ids.end(), *pad));
  if (n_written != n_patches.size()) {
    return invalid("pictures: " + std::to_string(n_patches.size()) + " given, the chat template wrote " + std::to_string(n_written));
  }
  if (n_written == 0) return {};
  std::vector<TokenId> ids;
  for (const TokenId id : chat->ids) {
    if (id != *pad) {
      ids.push_back(id);
      continue;
    }
    const size_t index = chat->pictures.size();
    if (n_patches[index] < 1) return invalid("pictures: one has no patches");
    chat->pictures.push_back({ids.size(), index});
    ids.insert(ids.end(), static_cast<size_t>(n_patches[index]), id);
  }
  chat->ids = std::move(ids);
  return {};
}

}  // namespace

Result<EncodedChat> ChatEncoder::encode(const ChatInput& input) const {
  if (chat_template == nullptr) {
    return Error{ErrorCode::kFailedPrecondition, "prompt: the model has no chat template; send text without one"};
  }
  FS_TRY(const Json context, make_context(*tokenizer, input));
  FS_TRY(const std::vector<PromptSpan> spans, chat_template->render(context, input.now_unix_s, TemplateBudget{}));
  EncodedChat chat;
  FS_TRY(chat.ids, encode_prompt(*tokenizer, spans));
  if (numbers != nullptr) {
    chat.numbers = numbers->literals(chat.ids);
    if (input.bind_numbers) numbers->mark(&chat.ids);
  }
  FS_TRY_VOID(place_pictures(*tokenizer, input.n_patches, &chat));
  return chat;
}

Result<std::vector<TokenId>> ChatEncoder::encode_target(std::string_view target, const EncodedChat& prompt, bool bind_numbers) const {
  std::vector<TokenId> ids;
  if (numbers == nullptr) {
    FS_TRY_VOID(tokenizer->encode(target, {.parse_special = true}, &ids));
    return ids;
  }
  FS_TRY(const std::string filled, numbers->fill(target, prompt.numbers));
  FS_TRY_VOID(tokenizer->encode(bind_numbers ? target : filled, {.parse_special = true}, &ids));
  return ids;
}

}  // namespace firesteel
