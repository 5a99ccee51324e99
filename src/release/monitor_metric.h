// What monitoring measures, from sums of an hour or more: names, how sums become a figure, and how far two times differ.
//
// Sums are rows of variant_hours: a metric's name and a number. Lengths, times, topics and embeddings are kept as counts of buckets, so that
// percentiles and drift can be had for any span of time. Drift is the population stability index of the buckets of one time and of the time
// before it: sum over buckets of (now - before) ln(now / before), on shares. Below 0.1 nothing, above 0.25 much has changed, by custom.
// Source: Siddiqi 2006, "Credit Risk Scorecards".
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace firesteel {

// Counts per bucket of the same length. Twenty answers, spread as both together are, are added to each side, so that an empty bucket is
// finite and few answers are not taken for a change. 0 when either side is empty.
double population_stability_index(std::span<const int64_t> before, std::span<const int64_t> now);

enum class MonitorMetric : uint8_t {
  kErrorRate, kRefusalRate, kCutRate, kThumbsDownRate, kFeedbackRate, kFirstTokenMs, kAnswerTokens, kAnswers,
  kFirstTokenP50Ms, kFirstTokenP95Ms, kTotalP50Ms, kTotalP95Ms, kPromptTokens, kAgreement, kJudgeScore,
  kInputDrift, kOutputDrift, kTopicDrift, kEmbeddingDrift,   // these compare with a time before
};
inline constexpr size_t kMonitorMetrics = 19;
const char* monitor_metric_name(MonitorMetric metric);  // "error_rate", ..., "embedding_drift"
std::optional<MonitorMetric> find_monitor_metric(std::string_view name);
constexpr bool is_drift(MonitorMetric metric) { return metric >= MonitorMetric::kInputDrift; }

using MetricSums = std::map<std::string, int64_t, std::less<>>;

struct MetricValue {
  double value = 0;
  int64_t n = 0;              // what it rests on: answers, ratings, votes, judged answers, embedded questions; 0: the value says nothing
  int64_t n_before = 0;       // the same of the time before, for drift
};
// `before` counts for drift only.
MetricValue metric_value(MonitorMetric metric, const MetricSums& now, const MetricSums& before);

// Quarters of an octave of milliseconds: bucket i ends at 2^((i + 1) / 4) ms, the last one (17 minutes) takes the rest.
inline constexpr int kTimeBuckets = 80;
int time_bucket(int64_t us);
// Powers of two of tokens: bucket 7 has 64 to 127.
inline constexpr int kLengthBuckets = 21;
int length_bucket(int64_t n_tokens);

// A rough place of an embedding, from which neither it nor the text can be had back: its projections onto eight fixed directions of random
// signs, each as one of 32 bins of a quarter between -4 and 4. An embedding has length 1, so that a projection spreads by about 1, and
// texts that are alike fall into the same or the next bin. Source: Achlioptas 2003, "Database-friendly random projections".
inline constexpr int kEmbeddingDirections = 8, kEmbeddingBins = 32;
std::array<int, kEmbeddingDirections> embedding_bins(std::span<const float> embedding);

}  // namespace firesteel
