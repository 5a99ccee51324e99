#include "tokenizer/chat_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/number_literals.h"
#include "base/rng.h"
#include "tokenizer/test_kindling.h"

namespace firesteel {
namespace {

using testing_kindling::SmallKindling;

const SmallKindling& kindling() {
  static const SmallKindling instance;
  return instance;
}

Json message(const std::string& role, Json content) { return Json::Object{{"role", role}, {"content", std::move(content)}}; }

Result<EncodedChat> encode(Json::Array messages, Json tools = {}, Json variables = {}, std::vector<int32_t> n_patches = {}, bool bind = true) {
  const Json array = std::move(messages);
  return kindling().encoder.encode({.messages = array, .tools = tools, .template_variables = variables, .n_patches = n_patches, .bind_numbers = bind});
}

std::string show(Json::Array messages, Json tools = {}, Json variables = {}) {
  const auto chat = encode(std::move(messages), std::move(tools), std::move(variables));
  return chat.ok() ? kindling().show(chat->ids) : "error: " + chat.error().message;
}

Json calculator() { return Json::Array{Json::Object{{"type", "function"}, {"function", Json::Object{{"name", "calculator"}}}}}; }

Json call(const std::string& expression) {
  return Json::Array{Json::Object{
      {"type", "function"}, {"function", Json::Object{{"name", "calculator"}, {"arguments", Json::Object{{"expression", expression}}}}}}};
}

TEST(ChatEncoder, WritesThePromptOfTheContract) {
  Json::Array messages{message("user", "A shop sells 3 pens for 2.40. What do 7 pens cost?")};
  EXPECT_EQ(show(messages, calculator()),
            "<|im_start|>system\nthink; calculator<|im_end|>\n<|im_start|>user\nA shop sells <|n0|>3 pens for <|n1|>2.40. What do <|n2|>7 "
            "pens cost?<|im_end|>\n<|im_start|>assistant\n");
  messages.push_back(Json::Object{{"role", "assistant"}, {"content", ""}, {"tool_calls", call("2.40/3*7")}});
  messages.push_back(message("tool", "5.6"));
  EXPECT_EQ(show(messages, calculator()),
            "<|im_start|>system\nthink; calculator<|im_end|>\n<|im_start|>user\nA shop sells <|n0|>3 pens for <|n1|>2.40. What do <|n2|>7 "
            "pens cost?<|im_end|>\n<|im_start|>assistant\n<tool_call>\n{\"name\": \"calculator\", \"arguments\": {\"expression\": "
            "\"2.40/3*7\"}}\n</tool_call><|im_end|>\n<|im_start|>tool\n<|n3|>5.6<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatEncoder, TheCallInTheHistoryIsTheTokensOfTheCallThatWasWritten) {
  const auto chat = encode({message("user", "2 and 3"), Json::Object{{"role", "assistant"}, {"tool_calls", call("2+3")}}});
  ASSERT_TRUE(chat.ok());
  const auto written = kindling().encoder.encode_target(
      std::string("<tool_call>\n") + testing_kindling::kCallOpen + "<|n0|>+<|n1|>\"}}\n</tool_call>", *chat, /*bind_numbers=*/false);
  ASSERT_TRUE(written.ok());
  EXPECT_NE(std::search(chat->ids.begin(), chat->ids.end(), written->begin(), written->end()), chat->ids.end());
  // Arguments as JSON text, as OpenAI's clients send them, are the same.
  Json text_call = Json::Array{Json::Object{
      {"function", Json::Object{{"name", "calculator"}, {"arguments", "{\"expression\":\"2+3\"}"}}}}};
  const auto again = encode({message("user", "2 and 3"), Json::Object{{"role", "assistant"}, {"content", nullptr}, {"tool_calls", text_call}}});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->ids, chat->ids);
}

TEST(ChatEncoder, TheFirstLineSaysModeAndTools) {
  const Json::Array hello{message("system", "Be kind."), message("user", "Hello")};
  EXPECT_EQ(show(hello, {}, Json::Object{{"enable_thinking", false}}),
            "<|im_start|>system\ninstant\nBe kind.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n");
  const Json weather = Json::Object{{"type", "function"}, {"function", Json::Object{{"name", "weather"}}}};
  EXPECT_EQ(show(hello, Json::Array{weather, calculator().as_array()[0]}),
            "<|im_start|>system\nthink; calculator\n{\"type\": \"function\", \"function\": {\"name\": \"weather\"}}\nBe "
            "kind.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(show({message("user", "Hello")}, {}, Json::Object{{"add_generation_prompt", false}}),
            "<|im_start|>system\nthink<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n");
}

TEST(ChatEncoder, TheHistoryHasNoThinkingAndNoMarkersOfTheAssistant) {
  EXPECT_EQ(show({message("user", "1 and 2"), message("assistant", "<think>\n1+2 is 3\n</think>\n\nAnswer: 3"), message("user", "and 4?")}),
            "<|im_start|>system\nthink<|im_end|>\n<|im_start|>user\n<|n0|>1 and <|n1|>2<|im_end|>\n<|im_start|>assistant\nAnswer: "
            "3<|im_end|>\n<|im_start|>user\nand <|n0|>4?<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatEncoder, UnknownRolesAndPartsAreRefused) {
  EXPECT_NE(show({message("wizard", "x")}).find("unknown role: wizard"), std::string::npos);
  EXPECT_EQ(encode({message("wizard", "x")}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(encode({message("user", Json::Array{Json::Object{{"type", "audio"}}})}).ok());
  EXPECT_FALSE(encode({message("user", "x")}, Json("no array")).ok());
}

TEST(ChatEncoder, PlacesThePatchesOfPictures) {
  const Json content = Json::Array{Json::Object{{"type", "image"}}, Json::Object{{"type", "text"}, {"text", "5 bars?"}}, Json::Object{{"type", "image"}}};
  const auto chat = encode({message("user", content)}, {}, {}, {4, 2});
  ASSERT_TRUE(chat.ok()) << chat.error().message;
  const std::string pad = "<|image_pad|>";
  EXPECT_EQ(kindling().show(chat->ids), "<|im_start|>system\nthink<|im_end|>\n<|im_start|>user\n<|vision_start|>" + pad + pad + pad + pad +
                                            "<|vision_end|><|n0|>5 bars?<|vision_start|>" + pad + pad +
                                            "<|vision_end|><|im_end|>\n<|im_start|>assistant\n");
  ASSERT_EQ(chat->pictures.size(), 2u);
  const TokenId pad_id = *kindling().tokenizer->find(pad);
  for (const PictureRows& rows : chat->pictures) {
    const size_t n = rows.index == 0 ? 4 : 2;
    EXPECT_EQ(std::count(chat->ids.begin() + static_cast<ptrdiff_t>(rows.begin), chat->ids.begin() + static_cast<ptrdiff_t>(rows.begin + n), pad_id),
              static_cast<ptrdiff_t>(n));
    EXPECT_NE(chat->ids[rows.begin - 1], pad_id);
    EXPECT_NE(chat->ids[rows.begin + n], pad_id);
  }
  EXPECT_EQ(encode({message("user", content)}, {}, {}, {4}).error().message, "pictures: 1 given, the chat template wrote 2");
  EXPECT_FALSE(encode({message("user", content)}).ok());
  EXPECT_FALSE(encode({message("user", content)}, {}, {}, {4, 0}).ok());
  EXPECT_FALSE(encode({message("user", pad)}, {}, {}, {4}).ok());  // a user's text is no picture
}

TEST(ChatEncoder, MarksAtMostAsManyNumbersAsThereAreMarkers) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += std::to_string(100 + i) + " ";
  const auto chat = encode({message("user", text), message("tool", "7")});
  ASSERT_TRUE(chat.ok());
  EXPECT_EQ(chat->numbers.size(), 32u);
  EXPECT_EQ(chat->numbers.back(), "131");
  const std::string shown = kindling().show(chat->ids);
  EXPECT_NE(shown.find("<|n31|>131 132 133"), std::string::npos);
  EXPECT_NE(shown.find("tool\n7<|im_end|>"), std::string::npos);
}

TEST(ChatEncoder, TargetsHaveMarkersOrDigits) {
  const auto chat = encode({message("user", "1,234 and 5")});
  ASSERT_TRUE(chat.ok());
  EXPECT_EQ(chat->numbers, (std::vector<std::string>{"1234", "5"}));
  const auto& encoder = kindling().encoder;
  EXPECT_EQ(kindling().show(encoder.encode_target("Answer: <|n0|> - <|n1|> <|x|", *chat).value()), "Answer: <|n0|> - <|n1|> <|x|");
  EXPECT_EQ(encoder.encode_target("<|n0|>-<|n1|>", *chat)->size(), 3u);
  EXPECT_EQ(kindling().show(encoder.encode_target("Answer: <|n0|> - <|n1|> <|x|", *chat, false).value()), "Answer: 1234 - 5 <|x|");
  EXPECT_EQ(encoder.encode_target("<|n2|>", *chat).error().message, "<|n2|>: the turn has 2 numbers");
  EXPECT_FALSE(encoder.encode_target("<|n2|>", *chat, false).ok());
}

TEST(ChatEncoder, WithoutBindingIdsAreTheSameLessTheMarkers) {
  const auto bound = encode({message("user", "12 of 3.5")});
  const auto free = encode({message("user", "12 of 3.5")}, {}, {}, {}, false);
  ASSERT_TRUE(bound.ok() && free.ok());
  std::vector<TokenId> ids = bound->ids;
  std::erase_if(ids, [](TokenId id) { return kindling().numbers->index_of(id).has_value(); });
  EXPECT_EQ(ids.size() + 2, bound->ids.size());
  EXPECT_EQ(ids, free->ids);
  EXPECT_EQ(free->numbers, bound->numbers);
}

// What a person may write, with much that looks like a marker, across the merges of the vocabulary.
std::string random_text(Rng* rng) {
  static const char* const kParts[] = {"<|n0|>", "<|im_start|>", "user\n", "<|im_end|>", "<|image_pad|>", "1", "23", "4,567", ",", ".", " ", "$", "the",
                                       "\n", "\n\n", "user", "tool", "<think>", "</think>", "\"}}", "<|", "|>", "n", "\xC3\xA9", "\xFF", "0.5", "\xD9\xA3"};
  std::string text;
  for (uint64_t n = rng->below(14); n > 0; --n) text += kParts[rng->below(std::size(kParts))];
  return text;
}

TEST(ChatEncoder, RandomTextsKeepTheirBytesAndMarkExactlyTheirNumbers) {
  const Tokenizer& tokenizer = *kindling().tokenizer;
  constexpr uint64_t kSeed = 7100;
  for (uint64_t round = 0; round < 1500; ++round) {
    Rng rng(kSeed + round);
    const std::string user = random_text(&rng);
    const std::string tool = random_text(&rng);
    const auto chat = encode({message("system", random_text(&rng)), message("user", "8 9"), message("user", user), message("tool", tool)});
    ASSERT_TRUE(chat.ok()) << chat.error().message;
    // The two messages, by the markers around them.
    const TokenId start = *tokenizer.find("<|im_start|>");
    const TokenId end = *tokenizer.find("<|im_end|>");
    ASSERT_EQ(std::count(chat->ids.begin(), chat->ids.end(), start), 5) << "seed " << kSeed + round;
    ASSERT_EQ(std::count(chat->ids.begin(), chat->ids.end(), end), 4) << "seed " << kSeed + round;
    std::vector<std::string> plain;
    std::vector<std::string> marked;
    for (size_t i = 0; i < chat->ids.size(); ++i) {
      if (chat->ids[i] == start) plain.emplace_back(), marked.emplace_back();
      tokenizer.append_piece(chat->ids[i], false, &plain.back());
      tokenizer.append_piece(chat->ids[i], true, &marked.back());
    }
    ASSERT_EQ(plain[2], "user\n" + user + "\n") << "seed " << kSeed + round;
    ASSERT_EQ(plain[3], "tool\n" + tool + "\n") << "seed " << kSeed + round;
    std::vector<std::string> numbers;
    std::string expected[2];
    const std::string* texts[2] = {&user, &tool};
    for (int m = 0; m < 2; ++m) {
      size_t at = 0;
      for (const NumberLiteral& literal : find_number_literals(*texts[m])) {
        expected[m] += texts[m]->substr(at, literal.offset - at) + "<|n" + std::to_string(numbers.size()) + "|>";
        at = literal.offset;
        numbers.push_back(literal.value);
      }
      expected[m] += texts[m]->substr(at);
    }
    ASSERT_EQ(marked[2], "<|im_start|>user\n" + expected[0] + "<|im_end|>\n") << "seed " << kSeed + round;
    ASSERT_EQ(marked[3], "<|im_start|>tool\n" + expected[1] + "<|im_end|>\n") << "seed " << kSeed + round;
    ASSERT_EQ(chat->numbers, numbers) << "seed " << kSeed + round;
    ASSERT_EQ(kindling().numbers->literals(chat->ids), numbers) << "seed " << kSeed + round;  // from the marked prompt, too
  }
}

TEST(NumberBinding, IsAbsentWithoutMetadataAndRefusesWhatTheVocabularyDoesNotHave) {
  auto vocabulary = testing_kindling::small_vocabulary(2);
  Metadata plain = vocabulary.metadata("gpt2", "qwen2");
  const auto tokenizer = Tokenizer::from_metadata(plain);
  ASSERT_TRUE(tokenizer.ok());
  const auto none = NumberBinding::from_metadata(plain, **tokenizer);
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(*none, nullptr);
  EXPECT_TRUE(NumberBinding::from_metadata(testing_kindling::small_metadata(&vocabulary, 2), **tokenizer).ok());
  const auto refused = [&](std::vector<std::string_view> markers, std::vector<std::string_view> roles) {
    Metadata metadata;
    metadata.add("kindling.numbers.markers", std::move(markers));
    if (!roles.empty()) metadata.add("kindling.numbers.roles", std::move(roles));
    const auto binding = NumberBinding::from_metadata(metadata, **tokenizer);
    return binding.ok() ? std::string("taken") : binding.error().message;
  };
  EXPECT_EQ(refused({"<|n0|>", "<|n2|>"}, {"user"}),
            "metadata \"kindling.numbers.markers\": expected a control token of the vocabulary, found \"<|n2|>\"");
  EXPECT_EQ(refused({"<|n0|>", "<|n0|>"}, {"user"}), "metadata \"kindling.numbers.markers\": \"<|n0|>\" is there twice");
  EXPECT_EQ(refused({"<think>"}, {"user"}),
            "metadata \"kindling.numbers.markers\": expected a control token of the vocabulary, found \"<think>\"");
  EXPECT_EQ(refused({}, {"user"}), "metadata \"kindling.numbers.markers\": expected 1 to 1024 token texts");
  EXPECT_EQ(refused({"<|n0|>"}, {}), "metadata \"kindling.numbers.roles\": expected 1 to 16 roles");
}

TEST(NumberBinding, TakesAnyIds) {
  constexpr uint64_t kSeed = 41;
  for (uint64_t round = 0; round < 500; ++round) {
    Rng rng(kSeed + round);
    std::vector<TokenId> ids;
    for (uint64_t n = rng.below(40); n > 0; --n) {
      const TokenId vocabulary = static_cast<TokenId>(kindling().tokenizer->n_vocab());
      ids.push_back(rng.below(3) == 0 ? *kindling().tokenizer->find("<|im_start|>") : static_cast<TokenId>(rng.between(-2, vocabulary + 2)));
    }
    const std::vector<std::string> before = kindling().numbers->literals(ids);
    std::vector<TokenId> marked = ids;
    kindling().numbers->mark(&marked);
    EXPECT_EQ(kindling().numbers->literals(marked), before) << "seed " << kSeed + round;
  }
}

}  // namespace
}  // namespace firesteel
