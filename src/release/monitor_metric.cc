#include "release/monitor_metric.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "release/topic.h"

namespace firesteel {
namespace {

constexpr std::array<const char*, kMonitorMetrics> kNames = {
    "error_rate", "refusal_rate", "cut_rate", "thumbs_down_rate", "feedback_rate", "first_token_ms", "answer_tokens", "answers",
    "first_token_p50_ms", "first_token_p95_ms", "total_p50_ms", "total_p95_ms", "prompt_tokens", "agreement", "judge_score",
    "input_drift", "output_drift", "topic_drift", "embedding_drift"};

int64_t sum_of(const MetricSums& sums, std::string_view metric) {
  const auto found = sums.find(metric);
  return found == sums.end() ? 0 : found->second;
}

std::vector<int64_t> buckets_of(const MetricSums& sums, const std::string& prefix, int n_buckets) {
  std::vector<int64_t> counts(static_cast<size_t>(n_buckets));
  for (int i = 0; i < n_buckets; ++i) counts[static_cast<size_t>(i)] = sum_of(sums, prefix + std::to_string(i));
  return counts;
}

int64_t total(const std::vector<int64_t>& counts) {
  int64_t n = 0;
  for (const int64_t count : counts) n += count;
  return n;
}

MetricValue ratio(int64_t part, int64_t of, double scale = 1) { return {of == 0 ? 0 : scale * static_cast<double>(part) / static_cast<double>(of), of, 0}; }

// Milliseconds; between the ends of the bucket as if its answers were spread evenly on the logarithm.
MetricValue time_quantile(const MetricSums& sums, const char* prefix, double q) {
  const std::vector<int64_t> counts = buckets_of(sums, prefix, kTimeBuckets);
  const int64_t n = total(counts);
  if (n == 0) return {};
  double left = q * static_cast<double>(n);
  for (size_t i = 0; i < counts.size(); ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (left <= here && counts[i] > 0) return {std::exp2((static_cast<double>(i) + left / here) / 4), n, 0};
    left -= here;
  }
  return {std::exp2(kTimeBuckets / 4.0), n, 0};
}

MetricValue drift(const MetricSums& now, const MetricSums& before, const char* prefix, int n_buckets) {
  const std::vector<int64_t> a = buckets_of(before, prefix, n_buckets), b = buckets_of(now, prefix, n_buckets);
  return {population_stability_index(a, b), total(b), total(a)};
}

// The mean over the directions: a change of what is asked moves most of them, chance moves each by itself.
MetricValue embedding_drift(const MetricSums& now, const MetricSums& before) {
  MetricValue out;
  for (int direction = 0; direction < kEmbeddingDirections; ++direction) {
    const MetricValue one = drift(now, before, ("emb" + std::to_string(direction) + "_").c_str(), kEmbeddingBins);
    out.value += one.value / kEmbeddingDirections;
    out.n = one.n;
    out.n_before = one.n_before;
  }
  return out;
}

}  // namespace

const char* monitor_metric_name(MonitorMetric metric) { return kNames[static_cast<size_t>(metric)]; }

std::optional<MonitorMetric> find_monitor_metric(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<MonitorMetric>(found - kNames.begin());
}

double population_stability_index(std::span<const int64_t> before, std::span<const int64_t> now) {
  CHECK(before.size() == now.size());
  double n_before = 0, n_now = 0;
  for (const int64_t count : before) n_before += static_cast<double>(count);
  for (const int64_t count : now) n_now += static_cast<double>(count);
  if (n_before == 0 || n_now == 0) return 0;
  constexpr double kAdded = 20;
  double psi = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    const double a = static_cast<double>(before[i]), b = static_cast<double>(now[i]);
    if (a + b == 0) continue;
    const double added = kAdded * (a + b) / (n_before + n_now);
    const double p = (a + added) / (n_before + kAdded), q = (b + added) / (n_now + kAdded);
    psi += (q - p) * std::log(q / p);
  }
  return psi;
}

MetricValue metric_value(MonitorMetric metric, const MetricSums& now, const MetricSums& before) {
  const int64_t answers = sum_of(now, "answers"), good = answers - sum_of(now, "errors");
  const int64_t up = sum_of(now, "thumbs_up"), down = sum_of(now, "thumbs_down");
  switch (metric) {
    case MonitorMetric::kErrorRate: return ratio(sum_of(now, "errors"), answers);
    case MonitorMetric::kRefusalRate: return ratio(sum_of(now, "refusals"), good);
    case MonitorMetric::kCutRate: return ratio(sum_of(now, "cut"), good);
    case MonitorMetric::kThumbsDownRate: return ratio(down, up + down);
    case MonitorMetric::kFeedbackRate: return ratio(up + down, answers);
    case MonitorMetric::kFirstTokenMs: return ratio(sum_of(now, "first_token_us"), good, 1e-3);
    case MonitorMetric::kAnswerTokens: return ratio(sum_of(now, "generated_tokens"), good);
    case MonitorMetric::kAnswers: return {static_cast<double>(answers), answers, 0};
    case MonitorMetric::kFirstTokenP50Ms: return time_quantile(now, "ft_", 0.5);
    case MonitorMetric::kFirstTokenP95Ms: return time_quantile(now, "ft_", 0.95);
    case MonitorMetric::kTotalP50Ms: return time_quantile(now, "tt_", 0.5);
    case MonitorMetric::kTotalP95Ms: return time_quantile(now, "tt_", 0.95);
    case MonitorMetric::kPromptTokens: return ratio(sum_of(now, "prompt_tokens"), answers);
    case MonitorMetric::kAgreement: return ratio(sum_of(now, "agreement_ppm"), sum_of(now, "votes"), 1e-6);
    case MonitorMetric::kJudgeScore: return ratio(sum_of(now, "judge_ppm"), sum_of(now, "judged"), 1e-6);
    case MonitorMetric::kInputDrift: return drift(now, before, "in_", kLengthBuckets);
    case MonitorMetric::kOutputDrift: return drift(now, before, "out_", kLengthBuckets);
    case MonitorMetric::kTopicDrift: return drift(now, before, "topic_", kTopicBuckets);
    case MonitorMetric::kEmbeddingDrift: return embedding_drift(now, before);
  }
  return {};
}

int time_bucket(int64_t us) {
  if (us <= 1000) return 0;
  return std::min(kTimeBuckets - 1, static_cast<int>(std::floor(4 * std::log2(static_cast<double>(us) / 1000))));
}

int length_bucket(int64_t n_tokens) {
  int bucket = 0;
  while (n_tokens > 0 && bucket < kLengthBuckets - 1) {
    n_tokens >>= 1;
    ++bucket;
  }
  return bucket;
}

std::array<int, kEmbeddingDirections> embedding_bins(std::span<const float> embedding) {
  std::array<double, kEmbeddingDirections> sums{};
  for (size_t i = 0; i < embedding.size(); ++i) {
    // Splitmix64 of the place gives the signs of all directions at once.
    uint64_t bits = (uint64_t{i} + 1) * 0x9e3779b97f4a7c15u;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    bits ^= bits >> 31;
    for (size_t direction = 0; direction < sums.size(); ++direction) sums[direction] += (bits >> direction) & 1 ? static_cast<double>(embedding[i]) : -static_cast<double>(embedding[i]);
  }
  std::array<int, kEmbeddingDirections> bins{};
  for (size_t direction = 0; direction < sums.size(); ++direction) {
    const double place = (sums[direction] + 4) * (kEmbeddingBins / 8.0);
    bins[direction] = std::isfinite(place) ? static_cast<int>(std::clamp(place, 0.0, kEmbeddingBins - 1.0)) : 0;
  }
  return bins;
}

}  // namespace firesteel
