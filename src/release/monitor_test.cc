#include "release/monitor.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

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
  const std::vector<MonitorRule> rules = parse_monitor_rules(kRules, "rules").value();
  add("v1", "web", 100, "answers", 200);
  add("v1", "web", 100, "errors", 30);
  add("v1", "api", 100, "answers", 20);
  add("v1", "api", 100, "errors", 20);
  add("v1", "web", 101, "answers", 200);
  MonitorState state;
  const auto first = state.update(rules, read_monitors(*store_, rules, 100).value());
  ASSERT_EQ(first.size(), 1u) << "20 answers of the api say nothing";
  EXPECT_TRUE(first[0].begins);
  EXPECT_EQ(first[0].reading.surface, "web");
  EXPECT_NEAR(first[0].reading.value, 0.15, 1e-12);
  EXPECT_TRUE(state.update(rules, read_monitors(*store_, rules, 100).value()).empty());
  const auto second = state.update(rules, read_monitors(*store_, rules, 101).value());
  ASSERT_EQ(second.size(), 1u);
  EXPECT_FALSE(second[0].begins);
}

TEST_F(MonitorTest, LengthsThatMoveAreDrift) {
  const std::vector<MonitorRule> rules = parse_monitor_rules(kRules, "rules").value();
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

TEST(MonitorRules, RefuseWhatTheyDoNotUnderstand) {
  EXPECT_FALSE(parse_monitor_rules("[[rule]]\nname = \"a\"\nmetric = \"errors\"\nabove = 1", "r").ok());
  EXPECT_FALSE(parse_monitor_rules("[[rule]]\nname = \"a\"\nmetric = \"error_rate\"", "r").ok());
  EXPECT_FALSE(parse_monitor_rules("[[rule]]\nname = \"a\"\nmetric = \"error_rate\"\nabove = 1\nwebhook = \"ftp://x\"", "r").ok());
  EXPECT_TRUE(parse_monitor_rules("", "r").value().empty());
}

TEST_F(MonitorTest, OtherTopicsAreDrift) {
  const std::vector<MonitorRule> rules = parse_monitor_rules("[[rule]]\nname = \"topics\"\nmetric = \"topic_drift\"\nabove = 0.25\nmin_answers = 50\n", "rules").value();
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
  const auto rules = parse_monitor_rules("[[rule]]\nname = \"x\"\nmetric = \"answers\"\nabvoe = 1\n", "rules");
  ASSERT_FALSE(rules.ok());
  EXPECT_NE(rules.error().message.find("'abvoe' (did you mean 'above'?)"), std::string::npos) << rules.error().message;
}

}  // namespace
}  // namespace firesteel
