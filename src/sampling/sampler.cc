#include "sampling/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "base/check.h"
#include "base/rng.h"

namespace firesteel {
namespace {

// Rows are looked at in blocks: their maxima tell which blocks can hold a candidate, so that a 128k vocabulary is read once at the
// speed of memory and only the few promising blocks again.
constexpr size_t kBlock = 128;
constexpr uint32_t kSecondDraw = uint32_t{1} << 31;  // the choice that its random numbers are keyed by
constexpr double kGreedyBelow = 1e-4;
constexpr double kWidthMax = 800;  // exp(-800) is 0: nothing behind it can be drawn
constexpr float kInf = std::numeric_limits<float>::infinity();

size_t n_blocks_of(size_t n) { return (n + kBlock - 1) / kBlock; }

// NaN or +inf: neither has a place in a distribution. Integers, so that compilers vectorise it.
uint32_t is_bad(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  return static_cast<uint32_t>((bits & 0x7FFFFFFFu) > 0x7F800000u) | static_cast<uint32_t>(bits == 0x7F800000u);
}

bool any_bad(std::span<const float> logits) {
  uint32_t bad = 0;
  size_t i = 0;
  for (; i + kBlock <= logits.size(); i += kBlock) {
    const float* x = logits.data() + i;
    for (size_t j = 0; j < kBlock; ++j) bad |= is_bad(x[j]);
  }
  for (; i < logits.size(); ++i) bad |= is_bad(logits[i]);
  return bad != 0;
}

Status in_range(const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return {};  // NaN is not
  const auto text = [](double x) {
    std::string s = std::to_string(x);
    while (s.back() == '0') s.pop_back();
    if (s.back() == '.') s.pop_back();
    return s;
  };
  return Error{ErrorCode::kInvalidArgument,
               std::string(name) + ": expected " + text(low) + " to " + text(high) + ", found " + text(value)};
}

}  // namespace

Status validate_sampling(const SamplingParams& params, int64_t n_vocab) {
  FS_TRY_VOID(in_range("temperature", params.temperature, 0, 100));
  FS_TRY_VOID(in_range("top_k", params.top_k, 0, std::numeric_limits<int>::max()));
  FS_TRY_VOID(in_range("top_p", params.top_p, 0, 1));
  FS_TRY_VOID(in_range("min_p", params.min_p, 0, 1));
  FS_TRY_VOID(in_range("repetition_penalty", params.repetition_penalty, 0.01, 100));
  FS_TRY_VOID(in_range("presence_penalty", params.presence_penalty, -2, 2));
  FS_TRY_VOID(in_range("frequency_penalty", params.frequency_penalty, -2, 2));
  FS_TRY_VOID(in_range("n_top_logprobs", params.n_top_logprobs, -1, kTopLogprobsMax));
  FS_TRY_VOID(in_range("logit_bias entries", static_cast<double>(params.logit_bias.size()), 0, kLogitBiasMax));
  for (const auto& [id, bias] : params.logit_bias) {
    FS_TRY_VOID(in_range("logit_bias token", id, 0, static_cast<double>(n_vocab - 1)));
    FS_TRY_VOID(in_range("logit_bias", static_cast<double>(bias), -100, 100));
  }
  return {};
}

bool uses_counts(const SamplingParams& params) {
  return params.repetition_penalty != 1.0 || params.presence_penalty != 0.0 || params.frequency_penalty != 0.0;
}

Sampler::Sampler(const KernelTable& table, int64_t n_vocab) : table_(&table), n_vocab_(n_vocab) {
  CHECK(n_vocab > 0);
  const size_t n_blocks = n_blocks_of(static_cast<size_t>(n_vocab));
  block_max_.resize(n_blocks);
  block_sum_.resize(n_blocks);
  order_.reserve(n_blocks);
  top_.reserve(kTopLogprobsMax);
}

void Sampler::find_block_maxima(std::span<const float> logits) {
  max_ = -kInf;
  for (size_t b = 0; b < block_max_.size(); ++b) {
    const auto block = logits.subspan(b * kBlock, std::min(kBlock, logits.size() - b * kBlock));
    block_max_[b] = table_->max_value(block.data(), static_cast<int64_t>(block.size()));
    max_ = std::max(max_, block_max_[b]);
  }
}

Status Sampler::look_at(std::span<const float> logits) {
  CHECK(static_cast<int64_t>(logits.size()) == n_vocab_);
  if (any_bad(logits)) return Error{ErrorCode::kInternal, "the model's logits are not finite"};
  find_block_maxima(logits);
  if (max_ == -kInf) return Error{ErrorCode::kInternal, "no token is left to sample: all logits are -inf"};
  raw_max_ = max_;
  return {};
}

double Sampler::sum_blocks(std::span<const float> logits, double temperature) {
  double sum = 0;
  for (size_t b = 0; b < block_sum_.size(); ++b) {
    if (block_max_[b] == -kInf) {  // nothing of it may be drawn; and after keep_only() its logits are still there
      block_sum_[b] = 0;
      continue;
    }
    const auto block = logits.subspan(b * kBlock, std::min(kBlock, logits.size() - b * kBlock));
    block_sum_[b] = table_->sum_exp(block.data(), static_cast<int64_t>(block.size()), max_, static_cast<float>(1.0 / temperature));
    sum += block_sum_[b];
  }
  return sum;
}

void Sampler::gather(std::span<const float> logits, float at_least) {
  candidates_.clear();
  for (size_t b = 0; b < block_max_.size(); ++b) {
    if (block_max_[b] < at_least || block_max_[b] == -kInf) continue;
    const size_t end = std::min(logits.size(), (b + 1) * kBlock);
    for (size_t i = b * kBlock; i < end; ++i) {
      if (logits[i] >= at_least && logits[i] > -kInf) candidates_.push_back({static_cast<TokenId>(i), logits[i], 0});
    }
  }
}

// The k largest, sorted. If k blocks have a maximum of at least t, then k logits are at least t.
void Sampler::gather_top(std::span<const float> logits, size_t k) {
  float threshold = -kInf;
  if (k <= block_max_.size()) {
    order_.assign(block_max_.begin(), block_max_.end());
    const auto kth = order_.begin() + static_cast<ptrdiff_t>(k - 1);
    std::nth_element(order_.begin(), kth, order_.end(), std::greater<>());
    threshold = *kth;
  }
  gather(logits, threshold);
  if (candidates_.size() > k) {
    std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<ptrdiff_t>(k), candidates_.end(), is_better);
    candidates_.resize(k);
  }
  std::sort(candidates_.begin(), candidates_.end(), is_better);
}

void Sampler::take_logprobs(std::span<const float> logits, int n_top) {
  log_sum_ = std::log(sum_blocks(logits, 1.0));
  top_.clear();
  if (n_top <= 0) return;
  gather_top(logits, static_cast<size_t>(n_top));
  for (const Candidate& candidate : candidates_) {
    top_.push_back({candidate.id, static_cast<float>(static_cast<double>(candidate.logit) - static_cast<double>(raw_max_) - log_sum_)});
  }
}

void Sampler::penalise(std::span<float> logits, const SamplingParams& params, const SeenTokens& counts) {
  untouched_.clear();
  const auto repetition = static_cast<float>(params.repetition_penalty);
  if (uses_counts(params)) {
    for (const SeenTokens::Entry& entry : counts.entries()) {
      if (static_cast<size_t>(entry.id) >= logits.size()) continue;
      float& logit = logits[static_cast<size_t>(entry.id)];
      untouched_.emplace_back(entry.id, logit);
      logit = logit > 0 ? logit / repetition : logit * repetition;
      if (entry.n_generated > 0) {
        logit -= static_cast<float>(params.presence_penalty + params.frequency_penalty * entry.n_generated);
      }
    }
  }
  for (const auto& [id, bias] : params.logit_bias) {
    float& logit = logits[static_cast<size_t>(id)];
    untouched_.emplace_back(id, logit);  // the first entry of an id is the true one
    logit += bias;
  }
  if (!untouched_.empty()) find_block_maxima(logits);
}

// Blocks without an allowed token are left as they are and get a maximum of -inf: everything after this looks at the maxima first.
// Blocks with all tokens allowed stay untouched, too, so most masks cost little more than being read.
void Sampler::keep_only(std::span<float> logits, std::span<const uint64_t> allowed) {
  static_assert(kBlock == 128);
  const auto word = [&](size_t w) { return w < allowed.size() ? allowed[w] : 0; };
  max_ = -kInf;
  bool any = false;
  for (size_t b = 0; b < block_max_.size(); ++b) {
    const size_t begin = b * kBlock;
    const size_t n = std::min(kBlock, logits.size() - begin);
    const uint64_t words[2] = {word(2 * b), word(2 * b + 1)};
    if ((words[0] | words[1]) == 0) {
      block_max_[b] = -kInf;
      continue;
    }
    any = true;
    if ((words[0] & words[1]) != ~uint64_t{0}) {
      for (size_t i = 0; i < n; ++i) {
        if ((words[i / 64] >> (i % 64) & 1) == 0) logits[begin + i] = -kInf;
      }
      block_max_[b] = table_->max_value(logits.data() + begin, static_cast<int64_t>(n));
    }
    max_ = std::max(max_, block_max_[b]);
  }
  CHECK(any);
}

TokenId Sampler::argmax(std::span<const float> logits) const {
  for (size_t b = 0; b < block_max_.size(); ++b) {
    if (block_max_[b] != max_) continue;
    for (size_t i = b * kBlock; i < logits.size(); ++i) {
      if (logits[i] == max_) return static_cast<TokenId>(i);
    }
  }
  CHECK(false);
  return 0;
}

void Sampler::weigh(double temperature) {
  for (Candidate& candidate : candidates_) {
    candidate.weight = std::exp((static_cast<double>(candidate.logit) - static_cast<double>(max_)) / temperature);
  }
}

// Nothing is cut off, so nothing needs sorting: ids in order, first by block, then inside it.
TokenId Sampler::draw_any(std::span<const float> logits, double temperature, double u) {
  const double target = u * sum_blocks(logits, temperature);
  double sum = 0;
  size_t block = 0;
  for (size_t b = 0; b < block_sum_.size(); ++b) {
    if (block_sum_[b] <= 0) continue;
    block = b;  // stays at the last one with any weight, should rounding leave the target out of reach
    if (sum + block_sum_[b] > target) break;
    sum += block_sum_[b];
  }
  TokenId last = 0;
  const size_t end = std::min(logits.size(), (block + 1) * kBlock);
  for (size_t i = block * kBlock; i < end; ++i) {
    const double weight = std::exp((static_cast<double>(logits[i]) - static_cast<double>(max_)) / temperature);
    if (weight <= 0) continue;
    last = static_cast<TokenId>(i);
    sum += weight;
    if (sum > target) break;
  }
  return last;
}

// Candidates are in the order of their ids, like everything in draw_any: cutting off what u would not have hit changes nothing.
TokenId Sampler::draw_candidates(double u) const {
  double sum = 0;
  for (const Candidate& candidate : candidates_) sum += candidate.weight;
  const double target = u * sum;
  double reached = 0;
  TokenId last = candidates_.front().id;
  for (const Candidate& candidate : candidates_) {
    if (candidate.weight <= 0) continue;
    last = candidate.id;
    reached += candidate.weight;
    if (reached > target) break;
  }
  return last;
}

void Sampler::cut_min_p(double min_p) {
  if (min_p > 0) std::erase_if(candidates_, [min_p](const Candidate& c) { return c.weight < min_p; });  // the best weighs 1
}

TokenId Sampler::draw_top_k(std::span<const float> logits, const SamplingParams& params, double u) {
  gather_top(logits, static_cast<size_t>(params.top_k));
  weigh(params.temperature);
  if (params.top_p < 1) {
    double total = 0;
    for (const Candidate& candidate : candidates_) total += candidate.weight;
    double reached = 0;
    size_t n = 0;
    while (n < candidates_.size() && (n == 0 || reached < params.top_p * total)) reached += candidates_[n++].weight;
    candidates_.resize(n);
  }
  cut_min_p(params.min_p);
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
  return draw_candidates(u);
}

// Keeps the fewest candidates, best first, that weigh `wanted` together. Bins of equal width in the logit tell where the cut is, so
// that only one bin is sorted: a flat distribution has a hundred thousand candidates.
void Sampler::cut_top_p(double wanted, double window) {
  const double scale = static_cast<double>(bins_.size()) / window;
  const auto bin_of = [&](const Candidate& c) {
    const double bin = (static_cast<double>(max_) - static_cast<double>(c.logit)) * scale;
    return bin < static_cast<double>(bins_.size()) ? static_cast<size_t>(bin) : bins_.size() - 1;
  };
  bins_.fill(0);
  for (const Candidate& candidate : candidates_) bins_[bin_of(candidate)] += candidate.weight;
  double reached = 0;
  size_t cut = 0;
  while (cut + 1 < bins_.size() && reached + bins_[cut] < wanted) reached += bins_[cut++];
  at_cut_.clear();
  for (const Candidate& candidate : candidates_) {
    if (bin_of(candidate) == cut) at_cut_.push_back(candidate);
  }
  std::sort(at_cut_.begin(), at_cut_.end(), is_better);
  size_t n = 0;
  while (n < at_cut_.size() && ((cut == 0 && n == 0) || reached < wanted)) reached += at_cut_[n++].weight;
  const Candidate* first_out = n < at_cut_.size() ? &at_cut_[n] : nullptr;
  std::erase_if(candidates_, [&](const Candidate& c) {
    const size_t bin = bin_of(c);
    return bin > cut || (bin == cut && first_out != nullptr && !is_better(c, *first_out));
  });
}

// Only the head of the distribution is gathered: a window below the maximum, wider until it holds what is asked for.
TokenId Sampler::draw_top_p(std::span<const float> logits, const SamplingParams& params, double u) {
  const double wanted = params.top_p < 1 ? params.top_p * sum_blocks(logits, params.temperature) : 0;
  // Nothing below this survives min_p; a little wider, because weights are compared again in cut_min_p.
  const double width_max = params.min_p > 0 ? std::min(kWidthMax, -std::log(params.min_p) + 0.01) : kWidthMax;
  for (double width = params.top_p < 1 ? 4 : width_max;; width *= 4) {
    width = std::min(width, width_max);
    const double window = width * params.temperature;
    gather(logits, static_cast<float>(static_cast<double>(max_) - window));
    weigh(params.temperature);
    double sum = 0;
    for (const Candidate& candidate : candidates_) sum += candidate.weight;
    if (width < width_max && sum < wanted) continue;
    if (params.top_p < 1) cut_top_p(wanted, window);
    cut_min_p(params.min_p);
    return draw_candidates(u);
  }
}

Result<SampledToken> Sampler::sample(std::span<float> logits, const SamplingParams& params, const SeenTokens& counts,
                                     uint64_t position, std::optional<std::span<const uint64_t>> only) {
  FS_TRY_VOID(look_at(logits));
  const bool wants_logprobs = params.n_top_logprobs >= 0;
  if (wants_logprobs) take_logprobs(logits, params.n_top_logprobs);
  penalise(logits, params, counts);
  if (only) keep_only(logits, *only);
  if (!(max_ > -kInf) || is_bad(max_) != 0) return Error{ErrorCode::kInternal, "the penalised logits are not finite"};

  SampledToken sampled;
  if (params.temperature < kGreedyBelow || params.top_k == 1) {
    sampled.id = argmax(logits);
  } else {
    const double u = uniform_at(params.seed, only ? kSecondDraw : 0, position);
    if (params.top_k > 0 && params.top_k < n_vocab_) {
      sampled.id = draw_top_k(logits, params, u);
    } else if (params.top_p < 1 || params.min_p > 0) {
      sampled.id = draw_top_p(logits, params, u);
    } else {
      sampled.id = draw_any(logits, params.temperature, u);
    }
  }
  if (wants_logprobs) {
    float logit = logits[static_cast<size_t>(sampled.id)];
    for (const auto& [id, before] : untouched_) {
      if (id != sampled.id) continue;
      logit = before;
      break;
    }
    sampled.logprob = static_cast<float>(static_cast<double>(logit) - static_cast<double>(raw_max_) - log_sum_);
    sampled.top = top_;
  }
  for (auto it = untouched_.rbegin(); it != untouched_.rend(); ++it) logits[static_cast<size_t>(it->first)] = it->second;
  return sampled;
}

Result<SampledToken> Sampler::score(std::span<const float> logits, const SamplingParams& params, TokenId id) {
  FS_TRY_VOID(look_at(logits));
  SampledToken sampled;
  sampled.id = id;
  if (params.n_top_logprobs >= 0) {
    take_logprobs(logits, params.n_top_logprobs);
    sampled.logprob =
        static_cast<float>(static_cast<double>(logits[static_cast<size_t>(id)]) - static_cast<double>(raw_max_) - log_sum_);
    sampled.top = top_;
  }
  return sampled;
}

}  // namespace firesteel
