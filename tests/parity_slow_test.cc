// The accuracy limits per tensor type on 8,192 teacher-forced tokens, against the reference path (f32 activations, keys and values,
// dequantised weights; parity_test.cc holds that path to float64). The trained model speaks for text; the random models, which have
// every type, for the arithmetic.
//
// Limits: bf16 KL <= 5e-4, Q8_0 <= 1.5e-3, Q4..Q6 <= 3e-3, int8 keys and values add at most 1e-3; top-1 >= 99.2, 98.8, 98.3 %.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/rng.h"
#include "forward_runner.h"

namespace firesteel {
namespace {

constexpr int kSequences = 32;
constexpr int kTokens = 256;

struct Summary {
  double kl = 0;
  double top = 0;
};

Summary compare(const std::shared_ptr<const Model>& reference, const std::shared_ptr<const Model>& model, KvType kv_type,
                const std::vector<std::vector<TokenId>>& texts) {
  Summary summary;
  for (const std::vector<TokenId>& text : texts) {
    ForwardRunner exact(reference, {.n_threads = 2});
    ForwardRunner fast(model, {.n_threads = 2, .kv_type = kv_type});
    const std::vector<float> a = exact.run(0, text);
    const LogitsDistance d =
        compare_logits(std::vector<double>(a.begin(), a.end()), fast.run(0, text), model->config().n_vocab, 0);
    summary.kl += d.mean_kl / static_cast<double>(texts.size());
    summary.top += static_cast<double>(d.n_same_top) / static_cast<double>(d.n_rows) / static_cast<double>(texts.size());
  }
  return summary;
}

// What the model itself says at temperature 1 after BOS.
std::vector<std::vector<TokenId>> sampled_texts(const std::shared_ptr<const Model>& model) {
  const size_t n_vocab = static_cast<size_t>(model->config().n_vocab);
  ForwardRunner runner(model, {.n_threads = 2});
  std::vector<std::vector<TokenId>> texts(kSequences, {1});
  std::vector<double> p(n_vocab);
  for (int t = 1; t < kTokens; ++t) {
    std::vector<Piece> pieces;
    for (int s = 0; s < kSequences; ++s) pieces.push_back({.seq = s, .tokens = std::span(texts[static_cast<size_t>(s)]).last(1)});
    const std::span<const float> logits = runner.step(pieces);
    for (size_t s = 0; s < kSequences; ++s) {
      const float* row = logits.data() + s * n_vocab;
      const float max = *std::max_element(row, row + n_vocab);
      double sum = 0;
      for (size_t i = 0; i < n_vocab; ++i) sum += p[i] = std::exp(static_cast<double>(row[i] - max));
      double left = uniform_at(1, static_cast<uint32_t>(s), static_cast<uint64_t>(t)) * sum;
      size_t token = 0;
      while (token + 1 < n_vocab && left >= p[token]) left -= p[token++];
      texts[s].push_back(static_cast<TokenId>(token));
    }
  }
  return texts;
}

TEST(ParitySlow, ATrainedModelMeetsTheLimits) {
  const std::string shared = shared_folder();
  if (shared.empty()) GTEST_SKIP() << "no shared test data (set FS_SHARED): the trained model is not in this checkout";
  const std::string stem = shared + "/data/models/tinystories-656k/tinystories-656k-";
  const auto texts = sampled_texts(load_model(stem + "f32.gguf", Precision::kHigh));
  struct Case {
    const char* type;
    double kl, top;
  };
  for (const Case& c : {Case{"f16", 1e-9, 0.9995}, Case{"q8_0", 1.5e-3, 0.988}, Case{"q4_0", 3e-3, 0.983}}) {
    const auto model = load_model(stem + c.type + ".gguf");
    const auto reference = load_model(stem + c.type + ".gguf", Precision::kHigh);
    const Summary plain = compare(reference, model, model->default_kv_type(), texts);
    const Summary int8 = compare(reference, model, KvType::kInt8, texts);
    std::printf("%-5s KL %.2e top-1 %.2f %%   int8 keys and values: KL %.2e top-1 %.2f %%\n", c.type, plain.kl, 100 * plain.top, int8.kl,
                100 * int8.top);
    EXPECT_LE(plain.kl, c.kl) << c.type;
    EXPECT_GE(plain.top, c.top) << c.type;
    EXPECT_LE(int8.kl, plain.kl + 1e-3) << c.type;
  }
}

TEST(ParitySlow, RandomModelsOfEveryTypeMeetTheLimits) {
  const std::string shared = shared_folder();
  if (shared.empty()) GTEST_SKIP() << "no shared test data (set FS_SHARED): parity fixtures are not in this checkout";
  std::vector<std::vector<TokenId>> texts(kSequences);
  Rng rng(5);
  for (std::vector<TokenId>& text : texts) {
    for (int t = 0; t < kTokens; ++t) text.push_back(static_cast<TokenId>(rng.below(1024)));
  }
  for (const char* type : {"f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k_m", "q4_k_m", "q5_k_m", "q6_k", "iq4_nl", "iq4_xs"}) {
    const std::string path = shared + "/fixtures/parity/tiny-llama-" + type + ".gguf";
    const auto model = load_model(path);
    const auto reference = load_model(path, Precision::kHigh);
    const Summary plain = compare(reference, model, model->default_kv_type(), texts);
    const Summary int8 = compare(reference, model, KvType::kInt8, texts);
    std::printf("%-7s KL %.2e top-1 %.2f %%   int8 keys and values: KL %.2e top-1 %.2f %%\n", type, plain.kl, 100 * plain.top, int8.kl,
                100 * int8.top);
    const std::string name = type;
    EXPECT_LE(plain.kl, name == "f16" ? 1e-9 : name == "bf16" ? 5e-4 : 3e-3) << type;
    EXPECT_GE(plain.top, name == "f16" ? 0.999 : name == "bf16" ? 0.985 : 0.95) << type;  // nothing learned: rows full of near-ties
    EXPECT_LE(int8.kl, plain.kl + 1e-3) << type;
  }
}

}  // namespace
}  // namespace firesteel
