// Vocabularies out of real GGUF files against recorded ids, and the trained model's prompts from every format it comes in.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/json.h"
#include "base/mapped_file.h"
#include "checkpoint/checkpoint.h"
#include "tokenizer/test_vectors.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {
namespace {

std::string shared_folder() {
  const std::string tokenizers = testing_vectors::shared_tokenizers();
  return tokenizers.empty() ? "" : tokenizers.substr(0, tokenizers.size() - std::string("/data/tokenizers").size());
}

struct Case {
  const char* name;
  const char* kind;
};

class GgufVocabulary : public ::testing::TestWithParam<Case> {};

TEST_P(GgufVocabulary, GivesRecordedIdsAndDecodesThem) {
  const std::string shared = testing_vectors::shared_tokenizers();
  if (shared.empty()) GTEST_SKIP() << "no shared test data (set FS_SHARED): GGUF vocabularies are not in this checkout";
  const auto checkpoint = Checkpoint::open(shared + "/ggml-vocab/ggml-vocab-" + GetParam().name + ".gguf");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  const auto tokenizer = Tokenizer::from_metadata((*checkpoint)->metadata());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  const Tokenizer& t = **tokenizer;
  EXPECT_EQ(t.kind(), GetParam().kind);
  EXPECT_EQ(t.warning(), "");
  const auto vectors = testing_vectors::read_ggml(testing_vectors::committed() + "/ggml.inp",
                                                  testing_vectors::committed() + "/" + GetParam().name + ".out");
  ASSERT_GE(vectors.size(), 40u);
  for (const auto& vector : vectors) {
    EXPECT_EQ(testing_vectors::encode(t, vector.text), vector.ids) << "text: " << vector.text;
    EXPECT_EQ(t.decode(vector.ids, false), vector.text);
  }
}

INSTANTIATE_TEST_SUITE_P(Files, GgufVocabulary,
                         ::testing::Values(Case{"gpt-2", "bpe/gpt-2"}, Case{"starcoder", "bpe/starcoder"},
                                           Case{"deepseek-llm", "bpe/deepseek-llm"}, Case{"deepseek-coder", "bpe/deepseek-coder"},
                                           Case{"llama-spm", "spm"}, Case{"phi-3", "spm"}),
                         [](const auto& instance) {
                           std::string name = instance.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(TrainedModel, PromptsGiveTheReferenceIdsFromEveryFormat) {
  const std::string shared = shared_folder();
  const std::string folder = shared + "/data/models/tinystories-656k";
  if (shared.empty() || !std::filesystem::is_directory(folder)) GTEST_SKIP() << "no shared test data (set FS_SHARED): tinystories-656k";
  const auto checkpoint = Checkpoint::open(folder + "/tinystories-656k-f16.gguf");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  const auto from_gguf = Tokenizer::from_metadata((*checkpoint)->metadata());
  const auto from_folder = Tokenizer::from_file(folder);
  const auto from_file = Tokenizer::from_file(folder + "/tokenizer.json");
  const auto text = read_file(folder + "/reference.json", 16u << 20);
  ASSERT_TRUE(text.ok());
  const auto reference = Json::parse(*text);
  for (const auto* result : {&from_gguf, &from_folder, &from_file}) {
    ASSERT_TRUE(result->ok()) << result->error().message;
    const Tokenizer& t = ***result;
    EXPECT_TRUE(t.adds_bos());
    EXPECT_EQ(t.bos(), 1);
    EXPECT_EQ(t.eos(), 2);
    EXPECT_TRUE(t.is_end_of_generation(2));
    for (const Json& entry : reference->find("cases")->as_array()) {
      std::vector<TokenId> ids;
      for (const Json& id : entry.find("ids")->as_array()) ids.push_back(static_cast<TokenId>(id.as_int()));
      EXPECT_EQ(testing_vectors::encode(t, entry.find("prompt")->as_string(), {.add_special = true}), ids) << t.kind();
      EXPECT_EQ(t.decode(ids, false), entry.find("prompt")->as_string());
    }
  }
}

TEST(ParityFixtures, TokenizersLoadAndRoundTrip) {
  const std::string folder = shared_folder() + "/fixtures/parity";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << "no shared test data (set FS_SHARED): parity fixtures";
  for (const char* name : {"tiny-llama-f16", "tiny-qwen2-f16", "tiny-qwen3-f16"}) {
    const auto checkpoint = Checkpoint::open(folder + "/" + name + ".gguf");
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
    const auto tokenizer = Tokenizer::from_metadata((*checkpoint)->metadata());
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
    const Tokenizer& t = **tokenizer;
    EXPECT_EQ(t.n_vocab(), 1024);
    const std::string text = "the model's 1234 tokens\n\n  and caf\xC3\xA9 <|im_end|>";
    EXPECT_EQ(t.decode(testing_vectors::encode(t, text), false), text);
    ASSERT_TRUE(t.eos().has_value());
    EXPECT_TRUE(t.is_end_of_generation(*t.eos()));
  }
}

}  // namespace
}  // namespace firesteel
