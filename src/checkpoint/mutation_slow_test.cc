// Tens of thousands of damaged files, and damaged copies of real ones opened from disk.
#include <filesystem>

#include "checkpoint/checkpoint.h"
#include "checkpoint/mutation_checks.h"

namespace firesteel::mutation {
namespace {

constexpr uint64_t kSeed = 21;

TEST(GgufMutationSlow, ThirtyThousandDamagedFilesAreTypedErrors) {
  Rng rng(kSeed);
  const std::string good = good_gguf();
  Tally tally;
  for (int i = 0; i < 30000 && !testing::Test::HasFailure(); ++i) check_gguf(mutate(good, gguf_header_bytes(), &rng), "seed 21, mutant " + std::to_string(i), &tally);
  std::printf("%d refused, %d still valid\n", tally.n_refused, tally.n_ok);
}

TEST(GgufMutationSlow, EveryOffsetEveryWidth) {
  const std::string good = good_gguf();
  Tally tally;
  for (size_t at = 0; at < gguf_header_bytes() && !testing::Test::HasFailure(); ++at) {
    for (const size_t width : {size_t{1}, size_t{2}, size_t{4}, size_t{8}}) {
      for (const uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{0x7F}, uint64_t{0xFF}, uint64_t{1} << 24, uint64_t{1} << 31, uint64_t{1} << 60, uint64_t{1} << 63, UINT64_MAX}) {
        std::string bytes = good;
        put(&bytes, at, value, width);
        check_gguf(bytes, "offset " + std::to_string(at), &tally);
      }
    }
  }
  for (size_t n = 0; n < good.size(); ++n) check_gguf(good.substr(0, n), "truncated at " + std::to_string(n), &tally);
}

TEST(GgufMutationSlow, DamagedFixturesOpenedFromDisk) {
  const std::string folder = shared_folder() + "/fixtures/parity";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no shared test data";
  Rng rng(kSeed);
  const TestFolder files;
  int n_refused = 0, n = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") continue;
    std::ifstream stream(entry.path(), std::ios::binary);
    const std::string good(std::istreambuf_iterator<char>(stream), {});
    for (int i = 0; i < 40; ++i, ++n) {
      const std::string path = files.write("the-file.gguf", mutate(good, 60000, &rng));
      const Cost cost = measure([&] {
        const auto checkpoint = Checkpoint::open(path);
        if (checkpoint.ok()) return;
        ++n_refused;
        EXPECT_NE(checkpoint.error().message.find("the-file.gguf"), std::string::npos) << checkpoint.error().message;
      });
      check_cost(cost, good.size(), entry.path().filename().string() + " mutant " + std::to_string(i));
      ASSERT_FALSE(testing::Test::HasFailure());
    }
  }
  std::printf("%d of %d refused\n", n_refused, n);
}

TEST(SafetensorsMutationSlow, ThirtyThousandDamagedFilesAreTypedErrors) {
  Rng rng(kSeed);
  const std::string good = good_safetensors();
  Tally tally;
  for (int i = 0; i < 30000 && !testing::Test::HasFailure(); ++i) check_safetensors(mutate(good, good.size(), &rng), "seed 21, mutant " + std::to_string(i), &tally);
  for (size_t n = 0; n < good.size(); ++n) check_safetensors(good.substr(0, n), "truncated at " + std::to_string(n), &tally);
  std::printf("%d refused, %d still valid\n", tally.n_refused, tally.n_ok);
}

TEST(HfFolderMutationSlow, DamagedFoldersAreTypedErrors) {
  Rng rng(kSeed);
  const TestFolder files;
  const std::string config = R"({"model_type":"llama","num_hidden_layers":1,"hidden_size":8,"intermediate_size":16,"num_attention_heads":1,"tie_word_embeddings":true})";
  const std::string weights = good_safetensors().substr(0, 0) + RawSafetensors().f32("model.embed_tokens.weight", {4, 8}).f32("model.norm.weight", {8}).f32("model.layers.0.input_layernorm.weight", {8}).bytes();
  const std::string tokens = R"({"eos_token":"<e>","added_tokens_decoder":{"3":{"content":"<e>"}},"chat_template":[{"name":"default","template":"x"}]})";
  int n_refused = 0;
  for (int i = 0; i < 10000 && !testing::Test::HasFailure(); ++i) {
    const uint64_t what = rng.below(3);
    files.write("config.json", what == 0 ? mutate_json(config, &rng) : config);
    files.write("model.safetensors", what == 1 ? mutate(weights, weights.size(), &rng) : weights);
    files.write("tokenizer_config.json", what == 2 ? mutate_json(tokens, &rng) : tokens);
    const Cost cost = measure([&] {
      const auto checkpoint = Checkpoint::open(files.path());
      if (!checkpoint.ok()) ++n_refused;
    });
    check_cost(cost, config.size() + weights.size() + tokens.size(), "mutant " + std::to_string(i));
  }
  EXPECT_GT(n_refused, 2000);
  std::printf("%d refused\n", n_refused);
}

TEST(HfConfigMutationSlow, TwentyThousandDamagedConfigurations) {
  Rng rng(kSeed);
  Tally tally;
  for (const std::string& good : good_configs()) {
    for (int i = 0; i < 5000 && !testing::Test::HasFailure(); ++i) {
      const std::string text = mutate_json(good, &rng);
      check_config(text, text, &tally);
    }
  }
  std::printf("%d refused, %d still valid\n", tally.n_refused, tally.n_ok);
}

}  // namespace
}  // namespace firesteel::mutation
