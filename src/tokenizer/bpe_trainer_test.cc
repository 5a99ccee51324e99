#include "tokenizer/bpe_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/rng.h"
#include "tokenizer/chat_encoder.h"
#include "tokenizer/test_kindling.h"

namespace firesteel {
namespace {

using testing_vocabularies::merge_slowly;
using testing_vocabularies::to_letters;

std::string random_sentence(Rng* rng) {
  static const char* const kWords[] = {"the", "shop", "sells", "apples", "apple", "and", "sold", "selling", "12", "3.50", ",", "?", "How", "many", "caf\xC3\xA9",
                                       "aaaa", "aaaaa", "abab", "\n", "\xFF", "don't", "  ", "<|n1|>", "<think>"};
  std::string text;
  for (uint64_t n = 3 + rng->below(12); n > 0; --n) text += std::string(rng->below(4) == 0 ? "" : " ") + kWords[rng->below(std::size(kWords))];
  return text;
}

std::vector<std::string> corpus(uint64_t seed, int n = 300) {
  Rng rng(seed);
  std::vector<std::string> texts;
  for (int i = 0; i < n; ++i) texts.push_back(random_sentence(&rng));
  return texts;
}

BpeTrainer trained_on(const std::vector<std::string>& texts) {
  BpeTrainer trainer = BpeTrainer::create("qwen2", kindling_special_tokens()).value();
  for (const std::string& text : texts) trainer.add(text);
  return trainer;
}

// BPE as its definition says it: count all pairs again for each merge.
std::vector<std::string> train_slowly(const std::vector<std::string>& texts, size_t n_merges) {
  std::map<std::string, int64_t> words;
  const std::vector<SpecialToken> specials = kindling_special_tokens();
  for (std::string rest : texts) {
    for (const SpecialToken& special : specials) {
      for (size_t at; (at = rest.find(special.text)) != std::string::npos;) rest.replace(at, special.text.size(), std::string(1, '\x01'));
    }
    std::string_view view = rest;
    while (!view.empty()) {
      const size_t end = std::min(view.find('\x01'), view.size());
      split_pieces(pretokenizer_by_name("qwen2"), view.substr(0, end), [&](std::string_view piece) { ++words[std::string(piece)]; });
      view.remove_prefix(std::min(end + 1, view.size()));
    }
  }
  std::vector<std::pair<std::vector<std::string>, int64_t>> split;
  std::map<std::string, int64_t> id_of;  // stored text to id, for ties
  for (int byte = 0; byte < 256; ++byte) id_of[to_letters(std::string(1, static_cast<char>(byte)))] = byte;
  for (const auto& [word, count] : words) {
    std::vector<std::string> symbols;
    for (const char c : word) symbols.push_back(to_letters(std::string(1, c)));
    split.emplace_back(symbols, count);
  }
  std::vector<std::string> merges;
  while (merges.size() < n_merges) {
    std::map<std::pair<int64_t, int64_t>, int64_t> counts;
    std::map<int64_t, std::string> text_of;
    for (const auto& [text, id] : id_of) text_of[id] = text;
    for (const auto& [symbols, count] : split) {
      for (size_t i = 0; i + 1 < symbols.size(); ++i) counts[{id_of[symbols[i]], id_of[symbols[i + 1]]}] += count;
    }
    const auto best = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second < b.second : a.first > b.first;
    });
    if (best == counts.end() || best->second < 2) break;
    const std::string left = text_of[best->first.first];
    const std::string right = text_of[best->first.second];
    merges.push_back(left + " " + right);
    id_of.emplace(left + right, static_cast<int64_t>(id_of.size()));
    for (auto& [symbols, count] : split) {
      for (size_t i = 0; i + 1 < symbols.size(); ++i) {
        if (symbols[i] != left || symbols[i + 1] != right) continue;
        symbols[i] += right;
        symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(i) + 1);
      }
    }
  }
  return merges;
}

// Runs of one symbol are where counting by place and by difference may part: "aaa" holds two pairs of which one can be joined.
TEST(BpeTrainer, LearnsTheMergesOfTheDefinition) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    const std::vector<std::string> texts = corpus(seed, 60);
    const auto vocabulary = trained_on(texts).train(256 + 44 + 120);
    ASSERT_TRUE(vocabulary.ok());
    EXPECT_EQ(vocabulary->merges, train_slowly(texts, 120)) << "seed " << seed;
  }
}

TEST(BpeTrainer, TheOrderOfTheTextsDoesNotMatter) {
  std::vector<std::string> texts = corpus(5);
  const auto first = trained_on(texts).train(500);
  std::reverse(texts.begin(), texts.end());
  const auto second = trained_on(texts).train(500);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->tokens, second->tokens);
  EXPECT_EQ(first->merges, second->merges);
}

TEST(BpeTrainer, TheTokenizerEncodesAsTheMergesSay) {
  const auto vocabulary = trained_on(corpus(7)).train(460);
  ASSERT_TRUE(vocabulary.ok());
  EXPECT_LE(vocabulary->tokens.size(), 460u);
  const Metadata metadata = vocabulary->metadata();
  const auto tokenizer = Tokenizer::from_metadata(metadata);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  std::map<std::string, int64_t> ranks;
  for (size_t i = 0; i < vocabulary->merges.size(); ++i) ranks[vocabulary->merges[i]] = static_cast<int64_t>(i);
  for (const std::string& text : corpus(8)) {
    if (text.find("<think>") != std::string::npos) continue;
    std::vector<TokenId> ids;
    ASSERT_TRUE((*tokenizer)->encode(text, {}, &ids).ok());
    std::vector<std::string> expected;
    split_pieces(pretokenizer_by_name("qwen2"), text, [&](std::string_view piece) {
      for (std::string& symbol : merge_slowly(testing_vocabularies::characters(to_letters(piece)), [&](const std::string& a, const std::string& b) {
             const auto it = ranks.find(a + " " + b);
             return it == ranks.end() ? int64_t{-1} : it->second;
           })) {
        expected.push_back(std::move(symbol));
      }
    });
    std::vector<std::string> found;
    for (const TokenId id : ids) found.emplace_back((*tokenizer)->text(id));
    ASSERT_EQ(found, expected) << text;
    ASSERT_EQ((*tokenizer)->decode(ids, false), text);
  }
}

TEST(BpeTrainer, KindlingsVocabularyServesItsTemplateAndItsNumbers) {
  BpeTrainer trainer = trained_on(corpus(9));
  add_kindling_words(&trainer);
  auto vocabulary = trainer.train(600);
  ASSERT_TRUE(vocabulary.ok());
  vocabulary->begin = vocabulary->padding = "<|endoftext|>";
  vocabulary->end = "<|im_end|>";
  const std::string source = testing_kindling::template_source();
  Metadata metadata;
  add_kindling_metadata(*vocabulary, source, &metadata);
  const auto tokenizer = Tokenizer::from_metadata(metadata);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  EXPECT_FALSE((*tokenizer)->adds_bos());
  EXPECT_TRUE((*tokenizer)->is_end_of_generation(*(*tokenizer)->find("<|im_end|>")));
  const auto numbers = NumberBinding::from_metadata(metadata, **tokenizer);
  ASSERT_TRUE(numbers.ok() && *numbers != nullptr);
  for (const char* word : {"system", "user", "assistant", "tool", "think", "instant", "Answer"}) EXPECT_TRUE((*tokenizer)->find(word)) << word;

  const auto compiled = ChatTemplate::compile(source);
  ASSERT_TRUE(compiled.ok());
  const ChatEncoder encoder{tokenizer->get(), compiled->get(), numbers->get()};
  const Json messages = Json::Array{Json::Object{{"role", "user"}, {"content", "The 12 apples"}}};
  const auto chat = encoder.encode({.messages = messages, .tools = Json(), .template_variables = Json()});
  ASSERT_TRUE(chat.ok()) << chat.error().message;
  EXPECT_EQ((*tokenizer)->decode(chat->ids, true),
            "<|im_start|>system\nthink<|im_end|>\n<|im_start|>user\nThe <|n0|>12 apples<|im_end|>\n<|im_start|>assistant\n");
  const auto target = encoder.encode_target(std::string("<tool_call>\n") + testing_kindling::kCallOpen + "<|n0|>*<|n0|>\"}}\n</tool_call>", *chat);
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(target->size(), 9u);
}

TEST(BpeTrainer, StopsWhenNothingIsLeftToJoin) {
  BpeTrainer trainer = BpeTrainer::create("qwen2", {}).value();
  trainer.add("ab ab");
  const auto vocabulary = trainer.train(1000);
  ASSERT_TRUE(vocabulary.ok());
  EXPECT_EQ(vocabulary->merges, std::vector<std::string>{"a b"});
  EXPECT_EQ(vocabulary->tokens.size(), 257u);
  EXPECT_EQ(BpeTrainer::create("qwen2", {})->train(256)->tokens.size(), 256u);
}

TEST(BpeTrainer, RefusesWhatCannotBe) {
  EXPECT_FALSE(BpeTrainer::create("qwen2", kindling_special_tokens())->train(256).ok());
  EXPECT_FALSE(BpeTrainer::create("no such", {}).ok());
  EXPECT_FALSE(BpeTrainer::create("qwen2", {{"<a>"}, {"<a>"}}).ok());
  EXPECT_FALSE(BpeTrainer::create("qwen2", {{""}}).ok());
}

}  // namespace
}  // namespace firesteel
