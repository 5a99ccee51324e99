// Every family and special case of the forward pass on small random models made in memory: against a float64 pass, against logits
// that llama.cpp computed for the same bytes (tests/data/family_goldens.txt), and the same bytes in whatever company.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "base/rng.h"
#include "forward_runner.h"
#include "reference_forward.h"
#include "tiny_model.h"

namespace firesteel {
namespace {

std::vector<TokenId> random_tokens(Rng* rng, int n, int n_vocab) {
  std::vector<TokenId> tokens(static_cast<size_t>(n));
  for (TokenId& token : tokens) token = static_cast<TokenId>(rng->below(static_cast<uint64_t>(n_vocab)));
  return tokens;
}

std::string test_name(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

// The same family with rows long enough for K-quants.
TinySpec widened(TinySpec spec, DType dtype) {
  spec.name += std::string("-") + dtype_info(dtype).name;
  spec.dim = 256;
  spec.ffn_dim = 256;
  spec.n_heads = spec.n_heads * 64 / spec.head_dim;
  spec.n_kv_heads = spec.n_kv_heads * 64 / spec.head_dim;
  spec.n_layers = std::min(spec.n_layers, 6);  // Gemma's sixth layer is its first global one
  spec.dtype = dtype;
  return spec;
}

class Family : public testing::TestWithParam<TinySpec> {};

TEST_P(Family, AgreesWithFloat64InF32) {
  const TinyModelFile file(GetParam());
  const auto model = load_model(file.path());
  Rng rng(7);
  const std::vector<TokenId> tokens = random_tokens(&rng, 80, GetParam().n_vocab);  // beyond one block and the windows
  const std::vector<double> exact = reference_forward(model->checkpoint(), tokens);
  ForwardRunner runner(model, {});
  const LogitsDistance d = compare_logits(exact, runner.run(0, tokens), GetParam().n_vocab, 1e-3);
  std::printf("%-20s max abs %.2e  mean KL %.2e\n", GetParam().name.c_str(), d.max_abs, d.mean_kl);
  // f32 sums of at most 256 terms through 3 to 7 layers; logits are about +-8.
  EXPECT_LE(d.max_abs, 2e-4);
  EXPECT_EQ(d.n_wrong_top, 0);
}

TEST_P(Family, FastAndHighPrecisionAgreeWithFloat64WhenQuantised) {
  Rng rng(8);
  const std::vector<TokenId> tokens = random_tokens(&rng, 72, GetParam().n_vocab);
  for (const DType dtype : {DType::kBF16, DType::kQ8_0, DType::kQ4_K}) {
    const TinyModelFile file(widened(GetParam(), dtype));
    const auto fast = load_model(file.path());
    const std::vector<double> exact = reference_forward(fast->checkpoint(), tokens);
    ForwardRunner high_runner(load_model(file.path(), Precision::kHigh), {});
    const LogitsDistance high = compare_logits(exact, high_runner.run(0, tokens), GetParam().n_vocab, 1e-3);
    EXPECT_LE(high.max_abs, 1e-3) << dtype_info(dtype).name;
    ForwardRunner fast_runner(fast, {.kv_type = fast->default_kv_type()});
    const LogitsDistance d = compare_logits(exact, fast_runner.run(0, tokens), GetParam().n_vocab, 0);
    std::printf("%-20s %-5s fast: mean KL %.2e top-1 %lld/%lld   high: max abs %.2e\n", GetParam().name.c_str(), dtype_info(dtype).name,
                d.mean_kl, static_cast<long long>(d.n_same_top), static_cast<long long>(d.n_rows), high.max_abs);
    // A flipped expert is a large error for one token, and no mistake.
    EXPECT_LE(d.mean_kl, GetParam().n_experts > 0 ? 2e-2 : 3e-3) << dtype_info(dtype).name;
  }
}

TEST_P(Family, ARowHasTheSameBytesInAnyCompany) {
  const TinyModelFile file(widened(GetParam(), DType::kQ4_K));
  const auto model = load_model(file.path());
  const size_t n_vocab = static_cast<size_t>(model->config().n_vocab);
  Rng rng(9);
  const std::vector<TokenId> tokens = random_tokens(&rng, 70, GetParam().n_vocab);
  const KvType kv_type = model->default_kv_type();
  ForwardRunner alone(model, {.kv_type = kv_type});
  const std::vector<float> expected = alone.run(0, tokens);

  for (int round = 0; round < 3; ++round) {
    // Fifteen random neighbours; everybody advances by random chunks in random order.
    ForwardRunner crowd(model, {.n_threads = 1 + round % 2, .max_rows = 256, .kv_type = kv_type});
    std::vector<std::vector<TokenId>> texts(16);
    for (std::vector<TokenId>& text : texts) text = random_tokens(&rng, 70, GetParam().n_vocab);
    const size_t subject = rng.below(16);
    texts[subject] = tokens;
    std::vector<size_t> done(16, 0);
    while (done[subject] < tokens.size()) {
      std::vector<Piece> pieces;
      size_t n_rows = 0;
      size_t first_row = 0;
      const size_t start = rng.below(16);
      for (size_t i = 0; i < 16; ++i) {
        const size_t seq = (start + i) % 16;
        if (seq != subject && rng.below(2) == 0) continue;
        const size_t n = std::min<size_t>(1 + rng.below(round == 2 ? 2 : 16), texts[seq].size() - done[seq]);
        if (n == 0) continue;
        if (seq == subject) first_row = n_rows;
        pieces.push_back({.seq = static_cast<int>(seq), .tokens = std::span(texts[seq]).subspan(done[seq], n)});
        n_rows += n;
      }
      const size_t before = done[subject];
      const std::span<const float> logits = crowd.step(pieces);
      for (const Piece& piece : pieces) done[static_cast<size_t>(piece.seq)] += piece.tokens.size();
      const size_t n = done[subject] - before;
      ASSERT_EQ(std::memcmp(logits.data() + first_row * n_vocab, expected.data() + before * n_vocab, n * n_vocab * sizeof(float)), 0)
          << "round " << round << ", positions " << before << ".." << done[subject];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Specs, Family, testing::ValuesIn(tiny_specs()), [](const auto& param) { return test_name(param.param.name); });

class ElementType : public testing::TestWithParam<int> {};

TEST_P(ElementType, ChunksAndThreadsDoNotChangeABit) {
  const TinyModelFile file(widened(tiny_spec("llama"), static_cast<DType>(GetParam())));
  Rng rng(10);
  const std::vector<TokenId> tokens = random_tokens(&rng, 66, 288);
  const auto model = load_model(file.path());
  for (const KvType kv_type : {KvType::kF32, KvType::kBF16, KvType::kInt8}) {
    ForwardRunner alone(model, {.kv_type = kv_type});
    const std::vector<float> expected = alone.run(0, tokens);
    for (const int64_t chunk : {1, 3, 64}) {
      ForwardRunner chunked(model, {.n_threads = 2, .kv_type = kv_type});
      const std::vector<float> logits = chunked.run(0, tokens, chunk);
      EXPECT_EQ(std::memcmp(logits.data(), expected.data(), expected.size() * sizeof(float)), 0)
          << kv_type_name(kv_type) << " keys and values, chunks of " << chunk;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, ElementType, testing::Range(0, kNDTypes),
                         [](const auto& param) { return std::string(dtype_info(static_cast<DType>(param.param)).name); });

// ---- Goldens --------------------------------------------------------------------------------------------------------------------
// family_goldens.txt, by tests/data/make_family_goldens.py:  model NAME HASH / tokens ID... / row INDEX ARGMAX LOGIT SECOND L0 L1 L2
// where L0..L2 are the logits of ids 10, 100 and 200.

uint64_t fnv1a(const std::string& bytes) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return hash;
}

TEST(FamilyGoldens, LogitsAreThoseOfLlamaCpp) {
  std::ifstream file(FS_TEST_DATA "/family_goldens.txt");
  ASSERT_TRUE(file.is_open());
  std::string line;
  std::vector<TokenId> tokens;
  std::vector<float> logits;
  int n_models = 0;
  int n_rows = 0;
  double worst = 0;
  std::string name;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "tokens") {
      tokens.assign(std::istream_iterator<TokenId>(words), {});
    } else if (word == "model") {
      std::string hash;
      words >> name >> hash;
      const std::string bytes = tiny_gguf(tiny_spec(name));
      ASSERT_EQ(hash, std::to_string(fnv1a(bytes))) << name << ": the tiny model changed; make the goldens again";
      const TinyModelFile model_file(tiny_spec(name));
      ForwardRunner runner(load_model(model_file.path()), {});
      logits = runner.run(0, tokens);
      ++n_models;
    } else if (word == "row") {
      size_t row = 0, top = 0;
      float value = 0, second = 0;
      words >> row >> top >> value >> second;
      const float* ours = logits.data() + row * 288;
      // Both engines sum in f32, in different orders, and llama.cpp's rope angles are f32.
      constexpr float kTolerance = 3e-3f;
      EXPECT_NEAR(ours[top], value, kTolerance) << name << " row " << row;
      if (value - second > kTolerance) {
        EXPECT_EQ(static_cast<size_t>(std::max_element(ours, ours + 288) - ours), top) << name << " row " << row;
      }
      for (const size_t id : {size_t{10}, size_t{100}, size_t{200}}) {
        float expected = 0;
        words >> expected;
        EXPECT_NEAR(ours[id], expected, kTolerance) << name << " row " << row << " id " << id;
        worst = std::max(worst, static_cast<double>(std::abs(ours[id] - expected)));
      }
      ++n_rows;
    }
  }
  std::printf("%d models, %d rows, off by at most %.2e\n", n_models, n_rows, worst);
  EXPECT_EQ(n_models, static_cast<int>(tiny_specs().size()) - 1);  // all but mistral-window
}

// Writes NAME.gguf of every family into the working directory, for make_family_goldens.py.
TEST(FamilyGoldens, DISABLED_WriteModels) {
  for (const TinySpec& spec : tiny_specs()) {
    const std::string bytes = tiny_gguf(spec);
    std::ofstream(spec.name + ".gguf", std::ios::binary) << bytes;
    std::ofstream("models.txt", std::ios::app) << spec.name << " " << fnv1a(bytes) << "\n";
  }
}

}  // namespace
}  // namespace firesteel
