#include "release/monitor.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "release/monitor_history.h"
#include "release/topic.h"
#include "store/sqlite_store.h"
#include "store/test_folder.h"

namespace firesteel {
namespace {

TEST(Psi, IsTheSumOverShares) {
  const std::array<int64_t, 2> before = {50, 50}, now = {90, 10};
  const double p0 = 64.0 / 120, p1 = 56.0 / 120, q0 = 104.0 / 120, q1 = 16.0 / 120;
  EXPECT_NEAR(population_stability_index(before, now), (q0 - p0) * std::log(q0 / p0) + (q1 - p1) * std::log(q1 / p1), 1e-12);
  EXPECT_EQ(population_stability_index(before, before), 0);
  EXPECT_EQ(population_stability_index(before, std::array<int64_t, 2>{}), 0);
}

TEST(Topic, TextsWithTheSameWordsShareABucket) {
  const int bucket = topic_bucket("What is the interest on my loan of the bank?");
  EXPECT_EQ(topic_bucket("what is THE interest, on my loan... of the bank"), bucket);
  EXPECT_NE(topic_bucket("Which animals sleep through winter in the forest?"), bucket);
  for (const char* text : {"", "a b c", "\xff\xfe\xff\xfe", "..."}) {
    EXPECT_GE(topic_bucket(text), 0);
    EXPECT_LT(topic_bucket(text), kTopicBuckets);
  }
}

class MonitorTest : public ::testing::Test {
 protected:
  void add(const std::string& variant, const std::string& surface, int64_t hour, const std::string& metric, int64_t value) {
    ASSERT_TRUE(store_->write([&](Transaction& t) -> Status {
      FS_TRY_VOID(t.execute("INSERT INTO variant_hours(variant, surface, tenant, hour, metric, value) VALUES($1, $2, 'ten_a', $3, $4, $5)", {variant, surface, hour, metric, value}));
      return {};
    }).ok());
  }
  TestFolder folder_;
  std::unique_ptr<Store> store_ = open_sqlite_store({.path = folder_.file("store.db")}).value();
};

const char* const kRules = R"(
[[rule]]
name = "errors"
metric = "error_rate"
above = 0.05
min_answers = 50
by = ["surface"]
[[rule]]
name = "drift"
metric = "output_drift"
above = 0.25
min_answers = 50
window_hours = 2
)";

TEST_F(MonitorTest, AlertsBeginAndEndOnce) {
  const std::vector<MonitorRule> rules = parse_monitor_file(kRules, "rules").value().rules;
  add("v1", "web", 100, "answers", 200);
  add("v1", "web", 100, "errors", 30);
  add("v1", "api", 100, "answers", 20);
  add("v1", "api", 100, "errors", 20);
  add("v1", "web", 101, "answers", 200);
  const auto update = [&](int64_t hour) { return update_alerts(*store_, rules, read_monitors(*store_, rules, hour).value(), hour * 3'600'000'000).value(); };
  const auto first = update(100);
  ASSERT_EQ(first.size(), 1u) << "20 answers of the api say nothing";
  EXPECT_TRUE(first[0].begins);
  EXPECT_EQ(first[0].reading.surface, "web");
  EXPECT_NEAR(first[0].reading.value, 0.15, 1e-12);
  EXPECT_TRUE(update(100).empty()) << "told once, also by another process: what is stored decides";
  const auto second = update(101);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_FALSE(second[0].begins);
  EXPECT_TRUE(update(101).empty());
  const auto told = read_alerts(*store_, 0, 10).value();
  ASSERT_EQ(told.size(), 2u);
  EXPECT_FALSE(told[0].begins);
  EXPECT_NEAR(told[1].reading.value, 0.15, 1e-6);
  EXPECT_EQ(told[1].text, first[0].text);
}

TEST_F(MonitorTest, LengthsThatMoveAreDrift) {
  const std::vector<MonitorRule> rules = parse_monitor_file(kRules, "rules").value().rules;
  for (int64_t hour = 50; hour < 99; ++hour) {
    add("v1", "web", hour, "answers", 10);
    add("v1", "web", hour, "out_5", 10);
  }
  add("v1", "web", 100, "answers", 100);
  add("v1", "web", 100, "out_5", 95);
  add("v1", "web", 100, "out_6", 5);
  EXPECT_FALSE(read_monitors(*store_, rules, 100).value().back().alerting);
  add("v1", "web", 99, "out_9", 60);
  const MonitorReading reading = read_monitors(*store_, rules, 100).value().back();
  EXPECT_TRUE(reading.alerting) << reading.value;
}

TEST_F(MonitorTest, ForgetsByAgeAndByTenant) {
  add("v1", "web", 10, "answers", 1);
  add("v1", "web", 20, "answers", 1);
  EXPECT_EQ(forget_monitoring(*store_, 15, "").value(), 1);
  EXPECT_EQ(forget_monitoring(*store_, 0, "ten_b").value(), 0);
  EXPECT_EQ(forget_monitoring(*store_, 0, "ten_a").value(), 1);
}

TEST_F(MonitorTest, OldHoursBecomeDaysAndTheSumsStay) {
  for (int64_t hour = 0; hour < 80; ++hour) add("v1", "web", hour, "answers", hour);
  HistoryQuery query{.until_hour = 96, .step_hours = 24, .n_steps = 4};
  const MonitorHistory before = read_history(*store_, query).value();
  EXPECT_EQ(fold_monitoring(*store_, 50).value(), 46) << "of two days, all but their first hours";
  EXPECT_EQ(fold_monitoring(*store_, 50).value(), 0);
  const MonitorHistory after = read_history(*store_, query).value();
  ASSERT_EQ(after.lines.size(), 1u);
  const auto m = static_cast<size_t>(MonitorMetric::kAnswers);
  EXPECT_EQ(after.lines[0].values[m], before.lines[0].values[m]);
  EXPECT_EQ(after.lines[0].values[m][1], 24 * 24 + 276);
  EXPECT_EQ(after.lines[0].values[m][3], 72 + 73 + 74 + 75 + 76 + 77 + 78 + 79);
}

TEST_F(MonitorTest, HistoryHasALineForEachAndGapsWhereNothingWas) {
  add("v1", "web", 100, "answers", 10);
  add("v1", "web", 100, "errors", 1);
  add("v1", "api", 102, "answers", 30);
  add("v2", "web", 102, "answers", 5);
  add("v1", "web", 102, "ft_28", 50);   // 128 ms to 152 ms
  add("v1", "web", 102, "ft_40", 50);   // 1,024 ms to 1,218 ms
  add("v1", "web", 102, "votes", 4);
  add("v1", "web", 102, "agreement_ppm", 3'000'000);
  HistoryQuery query{.until_hour = 103, .step_hours = 1, .n_steps = 3};
  const MonitorHistory by_variant = read_history(*store_, query).value();
  ASSERT_EQ(by_variant.lines.size(), 2u);
  EXPECT_EQ(by_variant.lines[0].key, "v1");
  EXPECT_EQ(by_variant.lines[0].n_answers, 40);
  EXPECT_EQ(by_variant.hours, (std::vector<int64_t>{100, 101, 102}));
  const auto value = [&](MonitorMetric metric, size_t step) { return by_variant.lines[0].values[static_cast<size_t>(metric)][step]; };
  EXPECT_EQ(value(MonitorMetric::kErrorRate, 0), 0.1);
  EXPECT_EQ(value(MonitorMetric::kErrorRate, 1), std::nullopt) << "a gap, not zero";
  EXPECT_NEAR(value(MonitorMetric::kFirstTokenP50Ms, 2).value(), 152.2, 0.1);
  EXPECT_NEAR(value(MonitorMetric::kFirstTokenP95Ms, 2).value(), 1024 * std::exp2(0.9 / 4), 1);
  EXPECT_EQ(value(MonitorMetric::kAgreement, 2), 0.75);
  query.by = HistoryBy::kSurface;
  query.variant = "v1";
  const MonitorHistory by_surface = read_history(*store_, query).value();
  ASSERT_EQ(by_surface.lines.size(), 2u);
  EXPECT_EQ(by_surface.lines[0].key, "api");
  EXPECT_EQ(by_surface.variants, (std::vector<std::string>{"v1", "v2"}));
  query.n_series_max = 1;
  EXPECT_EQ(read_history(*store_, query).value().n_left_out, 1);
}

TEST(EmbeddingBins, OtherDirectionsAreDriftAndTheSameAreNot) {
  // Two clusters of unit vectors with a common part, as embeddings of language models have: questions of the first only, then of both.
  const auto vector_of = [](uint64_t cluster, uint64_t i) {
    std::vector<float> out(64);
    double length = 0;
    for (size_t k = 0; k < out.size(); ++k) {
      const auto noise = [&](uint64_t seed) { return std::sin(static_cast<double>(seed * 7919 + k * 104'729)); };
      out[k] = static_cast<float>(1.0 + 0.7 * noise(cluster + 3) + 0.3 * noise(cluster * 1000 + i + 50));
      length += static_cast<double>(out[k]) * static_cast<double>(out[k]);
    }
    for (float& x : out) x = static_cast<float>(static_cast<double>(x) / std::sqrt(length));
    return out;
  };
  const auto sums_of = [&](uint64_t first, uint64_t n, uint64_t n_other) {
    MetricSums sums;
    for (uint64_t i = 0; i < n; ++i) {
      const auto bins = embedding_bins(vector_of(i < n_other ? 2 : 1, first + i));
      for (size_t d = 0; d < bins.size(); ++d) ++sums["emb" + std::to_string(d) + "_" + std::to_string(bins[d])];
    }
    return sums;
  };
  const MetricSums before = sums_of(0, 400, 0);
  const MetricValue same = metric_value(MonitorMetric::kEmbeddingDrift, sums_of(500, 200, 0), before), other = metric_value(MonitorMetric::kEmbeddingDrift, sums_of(500, 200, 120), before);
  EXPECT_EQ(same.n, 200);
  EXPECT_EQ(same.n_before, 400);
  EXPECT_LT(same.value, 0.1);
  EXPECT_GT(other.value, 0.25);
  EXPECT_EQ(embedding_bins(std::vector<float>{NAN, 1e30f})[0], 0) << "no embedding is a place, too";
}

TEST(TimeBucket, CoversMillisecondsToMinutes) {
  EXPECT_EQ(time_bucket(0), 0);
  EXPECT_EQ(time_bucket(2'000), 4);
  EXPECT_EQ(time_bucket(1'000'000), 39);
  EXPECT_EQ(time_bucket(INT64_MAX), kTimeBuckets - 1);
}

TEST(MonitorRules, SampleAndKeepAreRead) {
  const auto file = parse_monitor_file("[sample]\nembed = 0.5\njudge = 0.1\ncriterion = \"polite\"\n[keep]\ndays = 30\n", "m").value();
  EXPECT_EQ(file.sample.embed_share, 0.5);
  EXPECT_EQ(file.sample.judge_share, 0.1);
  EXPECT_EQ(file.sample.criterion, "polite");
  EXPECT_EQ(file.keep_days, 30);
  EXPECT_EQ(file.hourly_days, 14);
  EXPECT_FALSE(parse_monitor_file("[sample]\nembed = 2\n", "m").ok());
}

TEST(MonitorRules, RefuseWhatTheyDoNotUnderstand) {
  EXPECT_FALSE(parse_monitor_file("[[rule]]\nname = \"a\"\nmetric = \"errors\"\nabove = 1", "r").ok());
  EXPECT_FALSE(parse_monitor_file("[[rule]]\nname = \"a\"\nmetric = \"error_rate\"", "r").ok());
  EXPECT_FALSE(parse_monitor_file("[[rule]]\nname = \"a\"\nmetric = \"error_rate\"\nabove = 1\nwebhook = \"ftp://x\"", "r").ok());
  EXPECT_TRUE(parse_monitor_file("", "r").value().rules.empty());
}

TEST_F(MonitorTest, OtherTopicsAreDrift) {
  const std::vector<MonitorRule> rules = parse_monitor_file("[[rule]]\nname = \"topics\"\nmetric = \"topic_drift\"\nabove = 0.25\nmin_answers = 50\n", "rules").value().rules;
  add("v1", "web", 100, "answers", 300);
  add("v1", "web", 100, "topic_3", 200);
  add("v1", "web", 100, "topic_60", 100);
  add("v1", "web", 101, "answers", 150);
  add("v1", "web", 101, "topic_3", 100);
  add("v1", "web", 101, "topic_60", 50);
  EXPECT_FALSE(read_monitors(*store_, rules, 101).value().front().alerting);
  add("v1", "web", 102, "answers", 300);
  add("v1", "web", 102, "topic_3", 20);
  add("v1", "web", 102, "topic_7", 280);
  EXPECT_TRUE(read_monitors(*store_, rules, 102).value().front().alerting);
}

TEST(MonitorRules, AMisspeltKeyIsNamedBeforeWhatItLeavesOut) {
  const auto rules = parse_monitor_file("[[rule]]\nname = \"x\"\nmetric = \"answers\"\nabvoe = 1\n", "rules");
  ASSERT_FALSE(rules.ok());
  EXPECT_NE(rules.error().message.find("'abvoe' (did you mean 'above'?)"), std::string::npos) << rules.error().message;
}

}  // namespace
}  // namespace firesteel
