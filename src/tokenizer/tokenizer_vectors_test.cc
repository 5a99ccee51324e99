// Recorded ids of the models' own tokenizers. The vectors are committed (tests/data/tokenizers), the vocabularies are too large:
// without them the tests are skipped.
#include <gtest/gtest.h>

#include "tokenizer/test_vectors.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {
namespace {

using testing_vectors::Vector;

struct Case {
  const char* name;
  const char* vocabulary;  // under the shared folder
  const char* pre;
  const char* ggml;        // NAME.out, or ""
  const char* test_plan;
  const char* extra;
};

class TokenizerVectors : public ::testing::TestWithParam<Case> {};

TEST_P(TokenizerVectors, GivesRecordedIdsAndDecodesThem) {
  const Case& c = GetParam();
  const std::string shared = testing_vectors::shared_tokenizers();
  if (shared.empty()) GTEST_SKIP() << "no shared test data (set FS_SHARED): vocabulary " << c.vocabulary << " is not in this checkout";
  const auto tokenizer = Tokenizer::from_file(shared + "/" + c.vocabulary, c.pre);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  const Tokenizer& t = **tokenizer;
  EXPECT_EQ(t.warning(), "");

  const std::string folder = testing_vectors::committed();
  std::vector<Vector> vectors;
  const auto add = [&](const std::vector<Vector>& more) {
    ASSERT_FALSE(more.empty());
    vectors.insert(vectors.end(), more.begin(), more.end());
  };
  if (*c.ggml != '\0') add(testing_vectors::read_ggml(folder + "/ggml.inp", folder + "/" + c.ggml + ".out"));
  if (*c.test_plan != '\0') add(testing_vectors::read_test_plans(folder + "/TestPlans.txt", c.test_plan));
  if (*c.extra != '\0') add(testing_vectors::read_extra(folder + "/extra_vectors.json", c.extra));
  ASSERT_GE(vectors.size(), 12u);
  for (const Vector& vector : vectors) {
    EXPECT_EQ(testing_vectors::encode(t, vector.text), vector.ids) << "text: " << vector.text;
    EXPECT_EQ(t.decode(vector.ids, false), vector.text);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Files, TokenizerVectors,
    ::testing::Values(Case{"llama3", "meta/llama3_tokenizer.model", "", "llama-bpe", "", "llama3"},
                      Case{"qwen2", "qwen/qwen.tiktoken", "", "qwen2", "", "qwen2"},
                      Case{"deepseek_r1_qwen", "qwen/qwen.tiktoken", "qwen2", "deepseek-r1-qwen", "", ""},
                      Case{"gpt2", "openai/r50k_base.tiktoken", "", "gpt-2", "r50k_base", "gpt2"},
                      Case{"cl100k", "openai/cl100k_base.tiktoken", "", "", "cl100k_base", "cl100k"},
                      Case{"o200k", "openai/o200k_base.tiktoken", "", "", "o200k_base", "o200k"},
                      Case{"roberta", "hf/roberta-base-tokenizer.json", "", "roberta-bpe", "", ""},
                      Case{"llama2_model", "meta/llama2_tokenizer.model", "", "llama-spm", "", "llama2"},
                      Case{"llama2_json", "hf/llama2-tokenizer.json", "", "llama-spm", "", "llama2"},
                      Case{"mistral_v1", "mistral/mistral_v1.model", "", "", "", "mistral_v1"},
                      Case{"mistral_v3", "mistral/mistral_v3.model", "", "", "", "mistral_v3"}),
    [](const auto& instance) { return std::string(instance.param.name); });

// The text files show what the pieces look like: bytes by number, U+2581 for spaces, of which the one behind each control token is
// SentencePiece's own.
// How messages become such text is the chat template's business and not looked at here.
TEST(MistralSamples, ConversationsGiveRecordedIds) {
  const std::string shared = testing_vectors::shared_tokenizers();
  if (shared.empty()) GTEST_SKIP() << "no shared test data (set FS_SHARED): Mistral's samples are not in this checkout";
  constexpr std::string_view kMark = "\u2581";
  int n_samples = 0;
  for (const char* version : {"v1", "v3"}) {
    const auto tokenizer = Tokenizer::from_file(shared + "/mistral/mistral_" + version + ".model");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
    const Tokenizer& t = **tokenizer;
    for (const auto& entry : std::filesystem::directory_iterator(shared + "/mistral/samples")) {
      const std::string shown = testing_vectors::read_text(entry.path().string() + "/text_" + version + ".txt");
      const auto recorded = Json::parse(testing_vectors::read_text(entry.path().string() + "/tokens_" + version + ".json"));
      if (shown.empty() || !recorded.ok()) continue;
      std::vector<TokenId> expected;
      for (const Json& id : recorded->find("tokens")->as_array()) expected.push_back(static_cast<TokenId>(id.as_int()));
      std::string text;
      bool behind_control = false;
      for (size_t i = 0; i < shown.size();) {
        const std::string_view rest = std::string_view(shown).substr(i);
        std::string_view control;
        for (TokenId id = 0; id < 20; ++id) {
          if (t.type(id) == TokenType::kControl && rest.starts_with(t.text(id))) control = t.text(id);
        }
        if (!control.empty()) {
          text += control;
          i += control.size();
        } else if (rest.starts_with(kMark)) {
          if (!behind_control) text += ' ';
          i += kMark.size();
        } else if (rest.starts_with("<0x0A>")) {
          text += '\n';
          i += 6;
        } else {
          text += shown[i++];
        }
        behind_control = !control.empty();
      }
      const std::vector<TokenId> ids = testing_vectors::encode(t, text, {.parse_special = true});
      const auto differ = std::mismatch(ids.begin(), ids.end(), expected.begin(), expected.end());
      EXPECT_EQ(ids, expected) << entry.path() << " " << version << ": ours goes on with \""
                               << t.decode(std::span(ids).subspan(static_cast<size_t>(differ.first - ids.begin())), true) << "\", recorded is \""
                               << t.decode(std::span(expected).subspan(static_cast<size_t>(differ.second - expected.begin())), true) << "\"";
      ++n_samples;
    }
  }
  EXPECT_EQ(n_samples, 7);
}

}  // namespace
}  // namespace firesteel
