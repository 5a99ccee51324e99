#include "sampling/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/rng.h"
#include "kernels/dispatch.h"

namespace firesteel {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<float> random_logits(Rng& rng, int64_t n, double spread) {
  std::vector<float> logits(static_cast<size_t>(n));
  for (float& x : logits) x = static_cast<float>(rng.normal() * spread);
  return logits;
}

// The definition, with one sort and no shortcuts. Returns each surviving token with its interval of the cumulative distribution.
struct Interval {
  double low, high;
};
std::map<TokenId, Interval> naive_distribution(std::vector<float> logits, const SamplingParams& params, const SeenTokens& counts) {
  if (uses_counts(params)) {
    for (const auto& entry : counts.entries()) {
      float& x = logits[static_cast<size_t>(entry.id)];
      const auto repetition = static_cast<float>(params.repetition_penalty);
      x = x > 0 ? x / repetition : x * repetition;
      if (entry.n_generated > 0) x -= static_cast<float>(params.presence_penalty + params.frequency_penalty * entry.n_generated);
    }
  }
  for (const auto& [id, bias] : params.logit_bias) logits[static_cast<size_t>(id)] += bias;
  std::vector<TokenId> order;
  for (size_t i = 0; i < logits.size(); ++i) order.push_back(static_cast<TokenId>(i));
  const bool truncated = (params.top_k > 0 && params.top_k < static_cast<int>(logits.size())) || params.top_p < 1 || params.min_p > 0;
  const auto logit = [&](TokenId id) { return logits[static_cast<size_t>(id)]; };
  const float max = *std::max_element(logits.begin(), logits.end());
  if (truncated) std::stable_sort(order.begin(), order.end(), [&](TokenId a, TokenId b) { return logit(a) > logit(b); });
  if (params.top_k > 0 && order.size() > static_cast<size_t>(params.top_k)) order.resize(static_cast<size_t>(params.top_k));
  const auto weight = [&](TokenId id) { return std::exp((static_cast<double>(logit(id)) - static_cast<double>(max)) / params.temperature); };
  double total = 0;
  for (TokenId id : order) total += weight(id);
  if (params.top_p < 1) {
    double reached = 0;
    size_t n = 0;
    while (n < order.size() && (n == 0 || reached < params.top_p * total)) reached += weight(order[n++]);
    order.resize(n);
  }
  if (params.min_p > 0) std::erase_if(order, [&](TokenId id) { return weight(id) < params.min_p; });
  std::sort(order.begin(), order.end());
  total = 0;
  for (TokenId id : order) total += weight(id);
  std::map<TokenId, Interval> result;
  double reached = 0;
  for (TokenId id : order) {
    const double w = weight(id) / total;
    if (w > 0) result[id] = {reached, reached + w};
    reached += w;
  }
  return result;
}

class SamplerTest : public ::testing::Test {
 protected:
  const KernelTable& table_ = *kernel_table("").value();
  const KernelTable& generic_ = *kernel_table("generic").value();
};

TEST_F(SamplerTest, EqualsTheDefinition) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    const int64_t n = rng.between(1, 3000);
    const auto logits = random_logits(rng, n, rng.uniform() * 6);
    SamplingParams params;
    params.temperature = 0.05 + rng.uniform() * 2;
    if (rng.below(2) == 0) params.top_k = static_cast<int>(rng.between(1, 100));
    if (rng.below(2) == 0) params.top_p = rng.uniform();
    if (rng.below(2) == 0) params.min_p = rng.uniform() * 0.3;
    if (rng.below(2) == 0) params.repetition_penalty = 0.5 + rng.uniform() * 2;
    if (rng.below(2) == 0) params.presence_penalty = rng.uniform() * 4 - 2;
    if (rng.below(2) == 0) params.frequency_penalty = rng.uniform() * 4 - 2;
    if (rng.below(2) == 0) params.logit_bias.emplace_back(static_cast<TokenId>(rng.below(static_cast<uint64_t>(n))), 3.5f);
    params.seed = rng.next_u64();
    SeenTokens counts;
    for (int i = 0; i < 50; ++i) {
      const auto id = static_cast<TokenId>(rng.below(static_cast<uint64_t>(n)));
      i < 25 ? counts.add_prompt(id) : counts.add_generated(id);
    }
    const auto expected = naive_distribution(logits, params, counts);
    Sampler sampler(seed % 2 == 0 ? table_ : generic_, n);
    for (uint64_t position = 0; position < 20; ++position) {
      auto row = logits;
      const auto sampled = sampler.sample(row, params, counts, position);
      ASSERT_TRUE(sampled.ok()) << sampled.error().message;
      const auto it = expected.find(sampled->id);
      ASSERT_NE(it, expected.end()) << sampled->id << " was cut off";
      if (params.top_k == 1) continue;
      // The table's exp is exact to about 1e-7, so an interval's ends may move by that.
      const double u = uniform_at(params.seed, 0, position);
      EXPECT_GE(u, it->second.low - 1e-6);
      EXPECT_LT(u, it->second.high + 1e-6);
    }
  }
}

// 5 % of such tests would fail by chance at the 5 % quantile: the seed is fixed, and the bound is the 0.1 % one.
TEST_F(SamplerTest, FrequenciesFollowTheDistribution) {
  Rng rng(7);
  const auto logits = random_logits(rng, 50, 1.5);
  SamplingParams params;
  params.temperature = 0.9;
  params.seed = 99;
  const auto expected = naive_distribution(logits, params, {});
  std::vector<int> hits(50);
  const int n = 20000;
  Sampler sampler(table_, 50);
  for (int i = 0; i < n; ++i) {
    auto row = logits;
    ++hits[static_cast<size_t>(sampler.sample(row, params, {}, static_cast<uint64_t>(i))->id)];
  }
  double chi2 = 0;
  for (const auto& [id, interval] : expected) {
    const double e = (interval.high - interval.low) * n;
    const double d = hits[static_cast<size_t>(id)] - e;
    chi2 += d * d / e;
  }
  EXPECT_LT(chi2, 85.4) << "49 degrees of freedom";
}

TEST_F(SamplerTest, GreedyTakesTheLowerIdOfATie) {
  std::vector<float> logits(1000, -1.f);
  logits[700] = logits[300] = logits[999] = 2.f;
  SamplingParams params;
  params.temperature = 0;
  Sampler sampler(table_, 1000);
  auto row = logits;
  EXPECT_EQ(sampler.sample(row, params, {}, 0)->id, 300);
  params.temperature = 1;
  params.top_k = 1;
  row = logits;
  EXPECT_EQ(sampler.sample(row, params, {}, 0)->id, 300);
  params.top_k = 2;  // of three equal ones the two lower stay
  for (uint64_t position = 0; position < 50; ++position) {
    row = logits;
    EXPECT_NE(sampler.sample(row, params, {}, position)->id, 999);
  }
  params.top_k = 0;
  params.top_p = 1e-12;
  row = logits;
  EXPECT_EQ(sampler.sample(row, params, {}, 3)->id, 300);
}

TEST_F(SamplerTest, ForbiddenTokensAreNeverDrawn) {
  Rng rng(5);
  for (int variant = 0; variant < 5; ++variant) {
    std::vector<float> logits(2000, -kInf);
    logits[77] = -50;
    logits[1999] = -51;
    SamplingParams params;
    params.temperature = variant == 0 ? 0 : 100;
    if (variant == 2) params.top_k = 40;
    if (variant == 3) params.top_p = 0.9999;
    if (variant == 4) params.min_p = 1e-9;
    Sampler sampler(table_, 2000);
    for (uint64_t position = 0; position < 30; ++position) {
      auto row = logits;
      const TokenId id = sampler.sample(row, params, {}, position)->id;
      EXPECT_TRUE(id == 77 || id == 1999) << id;
    }
  }
}

TEST_F(SamplerTest, BrokenLogitsAreAnErrorNotACrash) {
  for (const float bad : {std::nanf(""), -std::nanf(""), kInf}) {
    for (const size_t at : {size_t{0}, size_t{127}, size_t{128}, size_t{299}}) {
      for (const double temperature : {0.0, 1.0}) {
        std::vector<float> logits(300, 0.f);
        logits[at] = bad;
        SamplingParams params;
        params.temperature = temperature;
        Sampler sampler(table_, 300);
        const auto sampled = sampler.sample(logits, params, {}, 0);
        ASSERT_FALSE(sampled.ok());
        EXPECT_EQ(sampled.error().code, ErrorCode::kInternal);
      }
    }
  }
  std::vector<float> none(300, -kInf);
  EXPECT_FALSE(Sampler(table_, 300).sample(none, {}, {}, 0).ok());
  // Finite, but not after its penalty.
  std::vector<float> huge(300, -3e38f);
  SamplingParams params;
  params.repetition_penalty = 100;
  SeenTokens counts;
  for (TokenId id = 0; id < 300; ++id) counts.add_prompt(id);
  EXPECT_FALSE(Sampler(table_, 300).sample(huge, params, counts, 0).ok());
}

TEST_F(SamplerTest, LogprobsAreOfTheModelsOwnDistribution) {
  Rng rng(21);
  const auto logits = random_logits(rng, 500, 3);
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x));
  SamplingParams params;
  params.temperature = 0.3;
  params.top_k = 5;
  params.repetition_penalty = 1.7;
  params.n_top_logprobs = 20;
  SeenTokens counts;
  for (TokenId id = 0; id < 500; ++id) counts.add_generated(id);
  Sampler sampler(table_, 500);
  auto row = logits;
  const auto sampled = sampler.sample(row, params, counts, 4).value();
  EXPECT_NEAR(static_cast<double>(sampled.logprob), static_cast<double>(logits[static_cast<size_t>(sampled.id)]) - std::log(sum), 1e-5);
  ASSERT_EQ(sampled.top.size(), 20u);
  auto sorted = logits;
  std::sort(sorted.rbegin(), sorted.rend());
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_NEAR(static_cast<double>(sampled.top[i].logprob), static_cast<double>(sorted[i]) - std::log(sum), 1e-5);
    EXPECT_EQ(logits[static_cast<size_t>(sampled.top[i].id)], sorted[i]);
  }
  // Scoring gives the same numbers for the same token.
  const auto top = std::vector<TokenLogprob>(sampled.top.begin(), sampled.top.end());
  const auto scored = sampler.score(logits, params, sampled.id).value();
  EXPECT_EQ(scored.logprob, sampled.logprob);
  EXPECT_EQ(scored.top[7].id, top[7].id);
}

TEST_F(SamplerTest, ResultDoesNotDependOnWhatWasSampledBefore) {
  Rng rng(8);
  Sampler used(table_, 777);
  for (int i = 0; i < 200; ++i) {
    const auto logits = random_logits(rng, 777, 2);
    SamplingParams params;
    params.seed = rng.next_u64();
    params.top_k = static_cast<int>(rng.below(60));
    params.top_p = 0.5 + rng.uniform() / 2;
    params.n_top_logprobs = static_cast<int>(rng.between(-1, 20));
    Sampler fresh(table_, 777);
    auto row1 = logits;
    auto row2 = logits;
    const auto a = used.sample(row1, params, {}, 5).value();
    const auto b = fresh.sample(row2, params, {}, 5).value();
    ASSERT_EQ(a.id, b.id);
    ASSERT_EQ(a.logprob, b.logprob);
  }
}

TEST(ValidateSampling, NamesTheParameter) {
  const auto refused = [](auto change, const std::string& name) {
    SamplingParams params;
    change(params);
    const auto status = validate_sampling(params, 100);
    ASSERT_FALSE(status.ok()) << name;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(status.error().message.rfind(name, 0), 0u) << status.error().message;
  };
  const double nan = std::nan("");
  EXPECT_TRUE(validate_sampling({}, 100).ok());
  refused([](auto& p) { p.temperature = -0.1; }, "temperature: expected 0 to 100, found -0.1");
  refused([&](auto& p) { p.temperature = nan; }, "temperature");
  refused([](auto& p) { p.top_k = -1; }, "top_k");
  refused([](auto& p) { p.top_p = 1.1; }, "top_p");
  refused([&](auto& p) { p.min_p = nan; }, "min_p");
  refused([](auto& p) { p.repetition_penalty = 0; }, "repetition_penalty");
  refused([](auto& p) { p.presence_penalty = 2.5; }, "presence_penalty");
  refused([](auto& p) { p.frequency_penalty = -2.5; }, "frequency_penalty");
  refused([](auto& p) { p.n_top_logprobs = 21; }, "n_top_logprobs");
  refused([](auto& p) { p.logit_bias.assign(2000, {0, 0.f}); }, "logit_bias entries");
  refused([](auto& p) { p.logit_bias.assign(1, {100, 0.f}); }, "logit_bias token");
  refused([](auto& p) { p.logit_bias.assign(1, {-1, 0.f}); }, "logit_bias token");
  refused([](auto& p) { p.logit_bias.assign(1, {5, 101.f}); }, "logit_bias");
}

TEST(SeenTokens, CountsLikeAMap) {
  Rng rng(4);
  SeenTokens counts;
  std::map<TokenId, int> naive;
  for (int i = 0; i < 3000; ++i) {
    const auto id = static_cast<TokenId>(rng.below(700) * 1024);
    if (rng.below(3) == 0) {
      counts.add_prompt(id);
      naive[id] += 0;
    } else {
      counts.add_generated(id);
      ++naive[id];
    }
  }
  ASSERT_EQ(counts.entries().size(), naive.size());
  for (const auto& entry : counts.entries()) EXPECT_EQ(entry.n_generated, naive[entry.id]);
}

// Allowing by bits is the same as logits of -inf for all others, but for the log-probabilities, which stay the model's.
TEST(Sampler, OnlyAllowedTokensAreDrawn) {
  const KernelTable& table = *default_kernel_table().value();
  Rng rng(77);
  for (const int64_t n : {1, 63, 64, 127, 128, 129, 1000, 5000}) {
    Sampler masked(table, n);
    Sampler plain(table, n);
    for (int round = 0; round < 40; ++round) {
      const std::vector<float> logits = random_logits(rng, n, 4);
      SamplingParams params;
      params.temperature = round % 4 == 0 ? 0 : 0.9;
      if (round % 3 == 0) params.top_k = static_cast<int>(rng.between(1, 50));
      if (round % 3 == 1) params.top_p = 0.8;
      if (round % 5 == 0) params.min_p = 0.05;
      if (round % 2 == 0) params.logit_bias = {{static_cast<TokenId>(rng.below(static_cast<uint64_t>(n))), 5.f}};
      params.n_top_logprobs = 3;
      params.seed = rng.next_u64();
      std::vector<uint64_t> words(static_cast<size_t>((n + 63) / 64));
      // Sparse, dense, whole blocks either way, and a mask that ends early.
      for (uint64_t& word : words) {
        const uint64_t kind = rng.below(4);
        word = kind == 0 ? 0 : kind == 1 ? ~uint64_t{0} : kind == 2 ? rng.next_u64() & rng.next_u64() & rng.next_u64() : rng.next_u64();
      }
      words[0] |= 1;
      if (round % 7 == 0) words.resize(1 + words.size() / 2);
      std::vector<float> a = logits;
      std::vector<float> b = logits;
      for (size_t i = 0; i < b.size(); ++i) {
        if (i / 64 >= words.size() || (words[i / 64] >> (i % 64) & 1) == 0) b[i] = -kInf;
      }
      const auto found = masked.sample(a, params, SeenTokens{}, 3, words).value();
      const std::vector<TokenLogprob> top(found.top.begin(), found.top.end());
      const auto expected = plain.sample(b, params, SeenTokens{}, 3, std::vector<uint64_t>(b.size() / 64 + 1, ~uint64_t{0})).value();
      EXPECT_EQ(found.id, expected.id) << "n " << n << " round " << round;
      std::vector<float> c = logits;
      const auto model = plain.sample(c, params, SeenTokens{}, 3).value();
      ASSERT_EQ(top.size(), model.top.size());
      for (size_t i = 0; i < top.size(); ++i) EXPECT_EQ(top[i].logprob, model.top[i].logprob);
      EXPECT_EQ(c, logits);  // penalties are taken back, for a second draw
      EXPECT_EQ(found.logprob, plain.score(c, params, found.id).value().logprob);
    }
  }
}

}  // namespace
}  // namespace firesteel
