#include <gtest/gtest.h>

#include <cmath>
#include <future>
#include <thread>

#include "base/json.h"
#include "telemetry/history.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace firesteel {
namespace {

TEST(Metrics, TextIsPrometheus) {
  MetricRegistry registry;
  registry.counter("a_total", "Things\nof all \\ kinds", {{"route", "/x \"y\"\n"}}).add(3);
  registry.gauge("b", "B").set(0.5);
  Histogram& histogram = registry.histogram("c_seconds", "C", {0.1, 1});
  histogram.observe(0.1);
  histogram.observe(0.5);
  histogram.observe(7);
  EXPECT_EQ(registry.prometheus_text(),
            "# HELP a_total Things\\nof all \\\\ kinds\n# TYPE a_total counter\na_total{route=\"/x \\\"y\\\"\\n\"} 3\n"
            "# HELP b B\n# TYPE b gauge\nb 0.5\n"
            "# HELP c_seconds C\n# TYPE c_seconds histogram\nc_seconds_bucket{le=\"0.1\"} 1\nc_seconds_bucket{le=\"1\"} 2\n"
            "c_seconds_bucket{le=\"+Inf\"} 3\nc_seconds_sum 7.6\nc_seconds_count 3\n");
}

TEST(Metrics, SameNameAndLabelsAreTheSameMetric) {
  MetricRegistry registry;
  registry.counter("a_total", "A", {{"k", "1"}}).add();
  registry.counter("a_total", "A", {{"k", "1"}}).add();
  EXPECT_EQ(registry.counter("a_total", "A", {{"k", "1"}}).value(), 2u);
  EXPECT_EQ(registry.counter("a_total", "A", {{"k", "2"}}).value(), 0u);
}

TEST(Metrics, SeriesAreBounded) {
  MetricRegistry registry;
  for (int i = 0; i < 1000; ++i) registry.counter("a_total", "A", {{"k", std::to_string(i)}}).add();
  EXPECT_EQ(registry.counter("a_total", "A", {{"k", "other"}}).value(), 1000 - MetricRegistry::kSeriesMax);
}

TEST(Metrics, AliasShowsTheSameNumbers) {
  MetricRegistry registry;
  registry.alias("firesteel_running", "vllm:num_requests_running");
  registry.add_collector([&registry] { registry.gauge("firesteel_running", "R").set(4); });
  const std::string text = registry.prometheus_text();
  EXPECT_NE(text.find("\nvllm:num_requests_running 4\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\nfiresteel_running 4\n"), std::string::npos);
}

TEST(Metrics, QuantilesLieInTheirBucket) {
  Histogram histogram({1, 2, 4});
  EXPECT_TRUE(std::isnan(histogram_quantile(histogram.bounds(), histogram.counts(), 0.5)));
  for (int i = 0; i < 100; ++i) histogram.observe(1.5);
  EXPECT_DOUBLE_EQ(histogram_quantile(histogram.bounds(), histogram.counts(), 0.5), 1.5);
  for (int i = 0; i < 10; ++i) histogram.observe(100);
  EXPECT_DOUBLE_EQ(histogram_quantile(histogram.bounds(), histogram.counts(), 0.99), 4);  // all that is known: above 4
}

TEST(Metrics, CountsFromManyThreadsAreComplete) {
  MetricRegistry registry;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&registry] {
      for (int i = 0; i < 1000; ++i) {
        registry.counter("a_total", "A").add();
        registry.histogram("h", "H", {1}).observe(0.5);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(registry.counter("a_total", "A").value(), 4000u);
  EXPECT_EQ(registry.histogram("h", "H", {1}).counts()[0], 4000u);
}

TEST(History, PointsAreMinutesOfADayAndHoursOfAMonth) {
  History history;
  const int64_t t0 = 1'800'000'000;
  history.add_request(t0, 10, 0.2);
  history.add_request(t0 + 1, 20, -1);
  history.add_request(t0 + 3600, 5, 0.3);
  history.add_error(t0, "overloaded");
  history.add_error(t0 + 3600, "overloaded");
  history.add_load(t0, 7, 100);
  const std::vector<HistoryPoint> day = history.points(t0 + 3600, 24 * 3600);
  ASSERT_EQ(day.size(), 2u);
  EXPECT_EQ(day[0].n_requests, 2);
  EXPECT_EQ(day[0].n_tokens, 30);
  EXPECT_EQ(day[0].n_waiting_max, 7);
  EXPECT_EQ(history.points(t0 + 3600, 1800).size(), 1u);
  EXPECT_EQ(history.sum(t0 + 3600, 30 * 24 * 3600).n_requests, 3);
  EXPECT_EQ(history.errors(t0 + 3600, 24 * 3600).at("overloaded"), 2);
  EXPECT_EQ(history.errors(t0 + 3600, 600).at("overloaded"), 1);
  // A day later the slot is used again, and the old minute is gone.
  history.add_request(t0 + 24 * 3600, 1, 0.1);
  EXPECT_EQ(history.sum(t0 + 24 * 3600, 60).n_requests, 1);
}

TEST(Log, LinesAreJsonAndNothingIsLostQuietly) {
  std::vector<std::string> lines;
  std::promise<void> go;
  std::shared_future<void> gone = go.get_future().share();
  {
    Log log([&lines, gone](const std::string& line) {
      gone.wait();
      lines.push_back(line);
    });
    log.write(LogLevel::kDebug, "hidden", {});
    log.write(LogLevel::kInfo, "request", {{"path", "a \"b\"\n"}, {"status", 200}});
    for (int i = 0; i < 5000; ++i) log.write(LogLevel::kWarning, "many", {{"i", i}});
    go.set_value();
  }
  ASSERT_GT(lines.size(), 4000u);
  ASSERT_LT(lines.size(), 5000u);
  const Result<Json> first = Json::parse(lines[0]);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(*first->find("event"), Json("request"));
  EXPECT_EQ(*first->find("path"), Json("a \"b\"\n"));
  EXPECT_EQ(first->find("time")->as_string().size(), 24u);
  EXPECT_EQ(lines[0].back(), '\n');
}

}  // namespace
}  // namespace firesteel
