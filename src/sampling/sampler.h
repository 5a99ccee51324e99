// One row of logits to one token.
//
// Order: repetition, frequency and presence penalties, logit bias; then temperature (a softmax of logits / temperature); then top_k,
// top_p of what top_k left, min_p relative to the most likely. The draw walks what is left in order of ids. Temperature 0 (below
// 0.0001) takes the largest penalised logit. Wherever values are equal the lower id goes first.
//   repetition_penalty  divides positive and multiplies negative logits of every token of the context (Keskar et al. 2019);
//   frequency, presence subtract n * frequency + presence of tokens generated n > 0 times (OpenAI API reference).
// Log-probabilities are of the model's own distribution: the row as it came, at temperature 1.
//
// A result depends on the row, the parameters, the counts and (seed, position) only. No allocation after the first tokens.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "api/generator.h"
#include "base/result.h"
#include "kernels/table.h"
#include "sampling/seen_tokens.h"

namespace firesteel {

inline constexpr int kTopLogprobsMax = 20;
inline constexpr int kLogitBiasMax = 1024;

// kInvalidArgument names the parameter, its range and what was found.
Status validate_sampling(const SamplingParams& params, int64_t n_vocab);

// Whether sample() looks at the counts: a caller need not keep them otherwise.
bool uses_counts(const SamplingParams& params);

struct SampledToken {
  TokenId id = 0;
  float logprob = 0;                  // 0 unless n_top_logprobs >= 0
  std::span<const TokenLogprob> top;  // n_top_logprobs, best first; valid until the next call
};

// One per thread.
class Sampler {
 public:
  Sampler(const KernelTable& table, int64_t n_vocab);

  // logits: [n_vocab] f32, used as scratch; as they were when `only` is not given. -inf forbids a token.
  // position: index of the new token in its sequence.
  // only: bit i of word i/64 says whether token i may be drawn (tokens without a bit may not). Some must be (CHECKed).
  // Log-probabilities know nothing of it. Meant for a second draw, after the first gave a token that may not be: it has a random
  // number of its own, so that without top_k, top_p and min_p both together draw from the allowed tokens' distribution.
  // Parameters were validated. kInternal when a logit is NaN or +inf, or all are -inf: the model is at fault, not the caller.
  Result<SampledToken> sample(std::span<float> logits, const SamplingParams& params, const SeenTokens& counts, uint64_t position,
                              std::optional<std::span<const uint64_t>> only = std::nullopt);

  // The token is decided already (an end marker is forced): only its log-probability is wanted.
  Result<SampledToken> score(std::span<const float> logits, const SamplingParams& params, TokenId id);

 private:
  struct Candidate {
    TokenId id;
    float logit;
    double weight;  // exp((logit - max) / temperature)
  };
  static bool is_better(const Candidate& a, const Candidate& b) { return a.logit != b.logit ? a.logit > b.logit : a.id < b.id; }
  Status look_at(std::span<const float> logits);
  void take_logprobs(std::span<const float> logits, int n_top);
  void penalise(std::span<float> logits, const SamplingParams& params, const SeenTokens& counts);
  void keep_only(std::span<float> logits, std::span<const uint64_t> allowed);
  TokenId argmax(std::span<const float> logits) const;
  double sum_blocks(std::span<const float> logits, double temperature);
  void gather(std::span<const float> logits, float at_least);
  void gather_top(std::span<const float> logits, size_t k);
  void weigh(double temperature);
  TokenId draw_any(std::span<const float> logits, double temperature, double u);
  TokenId draw_top_k(std::span<const float> logits, const SamplingParams& params, double u);
  TokenId draw_top_p(std::span<const float> logits, const SamplingParams& params, double u);
  TokenId draw_candidates(double u) const;
  void cut_top_p(double wanted, double window);
  void cut_min_p(double min_p);
  void find_block_maxima(std::span<const float> logits);

  const KernelTable* table_;
  int64_t n_vocab_;
  std::vector<float> block_max_;
  std::vector<float> order_;
  std::vector<double> block_sum_;
  std::vector<Candidate> candidates_;
  std::vector<Candidate> at_cut_;
  std::array<double, 1024> bins_{};
  std::vector<std::pair<TokenId, float>> untouched_;  // logits before penalties
  std::vector<TokenLogprob> top_;
  float max_ = 0;       // of the row as it is now
  float raw_max_ = 0;   // of the row as it came
  double log_sum_ = 0;  // log of the sum of exp(logit - raw_max_)
};

}  // namespace firesteel
