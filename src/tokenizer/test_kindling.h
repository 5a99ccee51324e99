// For tests: a small vocabulary with Kindling's special tokens, and its chat template.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "tokenizer/chat_encoder.h"
#include "tokenizer/test_vocabularies.h"

namespace firesteel::testing_kindling {

inline constexpr const char* kCallOpen = "{\"name\": \"calculator\", \"arguments\": {\"expression\": \"";

// Bytes, a few merges (also across what follows a number: ", " and " t"), special tokens.
inline testing_vocabularies::SmallVocabulary small_vocabulary(int n_markers = 32) {
  testing_vocabularies::SmallVocabulary v;
  for (unsigned byte = 0; byte < 256; ++byte) v.add(testing_vocabularies::to_letters(std::string(1, static_cast<char>(byte))));
  const std::pair<const char*, const char*> merges[] = {{"u", "s"}, {"e", "r"}, {"us", "er"}, {"t", "h"}, {"th", "e"}, {" ", "the"},
                                                        {"t", "o"}, {"o", "l"}, {"to", "ol"}, {"\n", "\n"}, {" ", " "}, {"$", "."}};
  for (const auto& [left, right] : merges) {
    v.merges.emplace_back(testing_vocabularies::to_letters(left), testing_vocabularies::to_letters(right));
    v.add(v.merges.back().first + v.merges.back().second);
  }
  for (const char* text : {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"}) v.add(text, 3);
  for (int k = 0; k < n_markers; ++k) v.add("<|n" + std::to_string(k) + "|>", 3);
  for (const char* text : {"<think>", "</think>", "<tool_call>", "</tool_call>", kCallOpen, "\"}}"}) v.add(text, 4);
  return v;
}

inline Metadata small_metadata(testing_vocabularies::SmallVocabulary* v, int n_markers = 32) {
  Metadata m = v->metadata("gpt2", "qwen2");
  std::vector<std::string_view> markers;
  for (int k = 0; k < n_markers; ++k) markers.push_back(v->keep("<|n" + std::to_string(k) + "|>"));
  m.add("kindling.numbers.markers", std::move(markers));
  m.add("kindling.numbers.roles", std::vector<std::string_view>{"user", "tool"});
  for (size_t id = 0; id < v->tokens.size(); ++id) {
    if (v->tokens[id] == "<|im_end|>") m.add("tokenizer.ggml.eos_token_id", static_cast<int64_t>(id));
  }
  return m;
}

inline std::string template_source() { return testing_vectors::read_text(std::string(FS_TEST_DATA) + "/../../models/kindling/chat_template.jinja"); }

// Everything that ChatEncoder refers to.
struct SmallKindling {
  testing_vocabularies::SmallVocabulary vocabulary = small_vocabulary();
  Metadata metadata = small_metadata(&vocabulary);
  std::unique_ptr<const Tokenizer> tokenizer = Tokenizer::from_metadata(metadata).value();
  std::unique_ptr<const ChatTemplate> chat_template = ChatTemplate::compile(template_source()).value();
  std::shared_ptr<const NumberBinding> numbers = NumberBinding::from_metadata(metadata, *tokenizer).value();
  ChatEncoder encoder{tokenizer.get(), chat_template.get(), numbers.get()};

  std::string show(const std::vector<TokenId>& ids) const { return tokenizer->decode(ids, /*render_special=*/true); }
};

}  // namespace firesteel::testing_kindling
