#include "tokenizer/vocabulary.h"

#include <algorithm>
#include <array>

namespace firesteel {
namespace {

// Texts of tokens that end a turn or a text in the models we know. Source: the list llama.cpp keeps, and the models' own configs.
constexpr std::array<std::string_view, 12> kEndTexts = {
    "<|eot_id|>", "<|im_end|>",  "<|end|>",         "<|return|>",        "<|call|>",        "<end_of_turn>",
    "<|endoftext|>", "<|eom_id|>", "<EOT>", "<|end_of_text|>", "<end_of_utterance>", "<\xEF\xBD\x9C" "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>",
};

constexpr std::array<std::string_view, 8> kMarkers = {"<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]",
                                                      "<s>",             "</s>",          "<bos>",  "<eos>"};

}  // namespace

bool is_chat_marker(std::string_view text) {
  if (text.size() >= 5 && text.starts_with("<|") && text.ends_with("|>")) return true;
  constexpr std::string_view kWideBar = "\xEF\xBD\x9C";  // U+FF5C, DeepSeek's
  if (text.size() >= 8 && text.substr(1).starts_with(kWideBar) && text.substr(0, text.size() - 1).ends_with(kWideBar)) return true;
  return std::find(kMarkers.begin(), kMarkers.end(), text) != kMarkers.end();
}

void complete_end_of_generation(Vocabulary* v) {
  std::vector<TokenId>& ends = v->end_of_generation;
  if (v->eos) ends.push_back(*v->eos);
  std::array<TokenId, kEndTexts.size()> by_text;
  by_text.fill(-1);
  for (size_t i = 0; i < v->texts.size(); ++i) {
    const std::string_view text = v->texts[i];
    if (text.size() < 5 || text[0] != '<' || text.back() != '>') continue;
    const auto* known = std::find(kEndTexts.begin(), kEndTexts.end(), text);
    if (known == kEndTexts.end()) continue;
    TokenId& id = by_text[static_cast<size_t>(known - kEndTexts.begin())];
    if (id < 0) id = static_cast<TokenId>(i);
    // Some files forget to mark them. As ordinary tokens their text could never be written by a template.
    v->types[i] = TokenType::kControl;
  }
  const auto id_of = [&](std::string_view text) {
    return by_text[static_cast<size_t>(std::find(kEndTexts.begin(), kEndTexts.end(), text) - kEndTexts.begin())];
  };
  // In gpt-oss (harmony), <|end|> closes a message inside an answer.
  const bool is_harmony = id_of("<|return|>") >= 0 && id_of("<|call|>") >= 0;
  const TokenId message_end = id_of("<|end|>");
  for (const TokenId id : by_text) {
    if (id >= 0) ends.push_back(id);
  }
  if (is_harmony) std::erase(ends, message_end);
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
}

}  // namespace firesteel
