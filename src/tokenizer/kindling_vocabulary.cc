// What is Kindling's own about its vocabulary. The prompt format is in docs/kindling.md, its template in models/kindling.
#include <algorithm>

#include "tokenizer/bpe_trainer.h"

namespace firesteel {
namespace {

constexpr int kMarkers = 32;

// The fixed parts of a call: nothing is to be learnt from JSON.
constexpr const char* kCallOpen = "{\"name\": \"calculator\", \"arguments\": {\"expression\": \"";
constexpr const char* kCallClose = "\"}}";

std::string marker(int k) { return "<|n" + std::to_string(k) + "|>"; }

}  // namespace

std::vector<SpecialToken> kindling_special_tokens() {
  std::vector<SpecialToken> specials;
  for (const char* text : {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"}) {
    specials.push_back({text, TokenType::kControl});
  }
  for (int k = 0; k < kMarkers; ++k) specials.push_back({marker(k), TokenType::kControl});
  for (const char* text : {"<think>", "</think>", "<tool_call>", "</tool_call>", kCallOpen, kCallClose}) {
    specials.push_back({text, TokenType::kUserDefined});
  }
  return specials;
}

void add_kindling_metadata(const TrainedVocabulary& vocabulary, std::string_view chat_template, Metadata* metadata) {
  const Metadata own = vocabulary.metadata();
  for (const auto& [key, value] : own.items()) metadata->set(key, value);
  metadata->set("tokenizer.chat_template", chat_template);
  std::vector<std::string_view> markers;
  for (int k = 0; k < kMarkers; ++k) {
    const auto at = std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), marker(k));
    if (at != vocabulary.tokens.end()) markers.emplace_back(*at);
  }
  metadata->set("kindling.numbers.markers", std::move(markers));
  metadata->set("kindling.numbers.roles", std::vector<std::string_view>{"user", "tool"});
}

void add_kindling_words(BpeTrainer* trainer) {
  const uint64_t weight = trainer->n_pieces() / 100 + 2;
  for (const char* word : {"system", "user", "assistant", "tool", "think", "instant", "; calculator", "Answer", "\n\n", ";"}) {
    trainer->add(word, weight);
  }
}

}  // namespace firesteel
