#include "release/rollout.h"

#include <gtest/gtest.h>

#include "release/rollout_sim.h"
#include "release/share.h"

namespace firesteel {
namespace {

constexpr auto kErrorsIdx = static_cast<size_t>(LiveMetric::kErrors);

const char* const kPlan = R"(
name = "kindling"
promote = "auto"
[[surface]]
name = "web"
shadow = 10
steps = [5, 50]
min_answers = 100
[[surface]]
name = "terminal"
steps = [50]
min_answers = 100
[[gate]]
kind = "suite"
suite = "kindling/*"
margin = 0.03
[[gate]]
kind = "live"
metric = "errors"
margin = 0.05
min = 100
)";

class RolloutTest : public ::testing::Test {
 protected:
  RolloutTest() { evidence_.surfaces.resize(2); }
  void advance_it() { advance(plan_, evidence_, now_us_ += 1'000'000, &state_, &events_); }
  void suite(double low, double high, int64_t champion = 800, int64_t candidate = 810) {
    evidence_.suites = {{.suite = "kindling/math", .n = 1000, .champion_right = champion, .candidate_right = candidate, .low = low, .high = high}};
  }
  void answers(size_t surface, int64_t n, int64_t n_bad) {
    SurfaceEvidence& e = evidence_.surfaces[surface];
    e.n_candidate += n;
    e.candidate[kErrorsIdx].n += n;
    e.candidate[kErrorsIdx].n_bad += n_bad;
    e.champion[kErrorsIdx].n += 4 * n;
    e.champion[kErrorsIdx].n_bad += 4 * n / 100;
  }

  RolloutPlan plan_ = parse_plan(kPlan, "plan").value();
  RolloutState state_ = new_rollout(plan_);
  Evidence evidence_;
  std::vector<RolloutEvent> events_;
  int64_t now_us_ = 0;
};

TEST_F(RolloutTest, GoesFromGateToPromotion) {
  suite(-0.01, 0.03);
  advance_it();
  ASSERT_EQ(state_.status, RolloutStatus::kRunning);
  EXPECT_EQ(state_.surfaces[0].phase, SurfacePhase::kShadow);
  EXPECT_EQ(candidate_share(plan_, state_, 0), 0);
  EXPECT_EQ(candidate_share(plan_, state_, 1), 0.5);
  evidence_.surfaces[0].n_shadow = 10;
  advance_it();
  EXPECT_EQ(candidate_share(plan_, state_, 0), 0.05);
  answers(0, 100, 1);
  advance_it();
  EXPECT_EQ(candidate_share(plan_, state_, 0), 0.5);
  answers(0, 1000, 10);
  advance_it();
  EXPECT_EQ(state_.surfaces[0].phase, SurfacePhase::kPassed);
  EXPECT_EQ(state_.status, RolloutStatus::kRunning);
  answers(1, 1000, 10);
  advance_it();
  EXPECT_EQ(state_.status, RolloutStatus::kPromoted);
  EXPECT_EQ(events_.back().kind, "promoted");
  const size_t n_events = events_.size();
  advance_it();
  EXPECT_EQ(events_.size(), n_events);
}

TEST_F(RolloutTest, AnOpenSuiteGateHoldsAndALostOneBlocks) {
  suite(-0.05, 0.03);
  advance_it();
  EXPECT_EQ(state_.status, RolloutStatus::kGate);
  EXPECT_NE(state_.reason.find("not enough evidence"), std::string::npos);
  EXPECT_NE(state_.reason.find("more items"), std::string::npos) << state_.reason;
  advance_it();
  EXPECT_EQ(events_.size(), 1u) << "the same hold is told once";
  suite(-0.09, -0.04, 800, 735);
  advance_it();
  EXPECT_EQ(state_.status, RolloutStatus::kBlocked);
  EXPECT_EQ(candidate_share(plan_, state_, 1), 0);
}

TEST_F(RolloutTest, WithoutAReportTheGateStaysShut) {
  advance_it();
  EXPECT_EQ(state_.status, RolloutStatus::kGate);
}

TEST_F(RolloutTest, ASliceThatIsShownToBeWorseBlocks) {
  suite(-0.01, 0.03);
  evidence_.suites.push_back({.suite = "kindling/math", .slice = "topic=ages", .n = 50, .champion_right = 45, .candidate_right = 30, .low = -0.4, .high = -0.1, .p_worse = 1e-4});
  advance_it();
  EXPECT_EQ(state_.status, RolloutStatus::kBlocked);
  EXPECT_NE(state_.reason.find("topic=ages"), std::string::npos);
}

TEST_F(RolloutTest, AFailedLiveGateEndsItEverywhereOrHereOnly) {
  for (const bool everywhere : {true, false}) {
    plan_.one_for_all = everywhere;
    state_ = new_rollout(plan_);
    evidence_ = {};
    evidence_.surfaces.resize(2);
    suite(-0.01, 0.03);
    advance_it();
    answers(1, 200, 80);
    advance_it();
    EXPECT_EQ(state_.surfaces[1].phase, SurfacePhase::kBack);
    EXPECT_EQ(candidate_share(plan_, state_, 1), 0);
    EXPECT_EQ(state_.status, everywhere ? RolloutStatus::kRolledBack : RolloutStatus::kRunning);
  }
}

TEST_F(RolloutTest, UndecidedIsAnEndOfItsOwn) {
  plan_.max_answers = 300;
  plan_.live[0].margin = 0.001;
  suite(-0.01, 0.03);
  evidence_.surfaces[0].n_shadow = 10;
  advance_it();
  for (int i = 0; i < 4; ++i) {
    answers(0, 150, 2);
    answers(1, 150, 2);
    advance_it();
  }
  EXPECT_EQ(state_.status, RolloutStatus::kUndecided);
}

TEST_F(RolloutTest, StateAndPlanSurviveTheirRecords) {
  suite(-0.01, 0.03);
  advance_it();
  state_.surfaces[1].reason = "because";
  EXPECT_EQ(state_from_json(state_json(state_)).value(), state_);
  EXPECT_EQ(suite_results_from_json(suite_results_json(evidence_.suites)).value(), evidence_.suites);
  EXPECT_EQ(plan_json(plan_from_json(plan_json(plan_), "again").value()).dump(), plan_json(plan_).dump());
}

TEST(Plan, RefusesWhatItDoesNotUnderstand) {
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"name = \"a\"", "surface"},
           {"name = \"a\"\nshadow = 3\n[[surface]]\nname = \"web\"", "unknown key 'shadow'"},
           {"name = \"a\"\n[[surface]]\nname = \"web\"\nstep = [1]", "did you mean 'steps'"},
           {"name = \"a\"\n[[surface]]\nname = \"web\"\nsteps = [5, 1]", "rise"},
           {"name = \"a\"\n[[surface]]\nname = \"web\"\nsteps = [50, 100]", "99.99"},
           {"name = \"a\"\n[[surface]]\nname = \"web\"\n[[surface]]\nname = \"web\"", "once"},
           {"name = \"a\"\n[[surface]]\nname = \"web\"\n[[gate]]\nkind = \"live\"", "metric"},
           {"name = \"a\"\n[[surface]]\nname = \"web\"\n[[gate]]\nkind = \"live\"\nmetric = \"errors\"\nsurface = \"tty\"", "tty"},
           {"name = ", "plan:1"},
           {"name = 1979-05-27", "dates"}}) {
    const auto plan = parse_plan(text, "plan");
    ASSERT_FALSE(plan.ok()) << text;
    EXPECT_NE(plan.error().message.find(part), std::string::npos) << plan.error().message;
  }
}

TEST(Share, IsStickyMonotoneAndAsLargeAsAsked) {
  ServerSecret::DerivedKey key{};
  key[3] = 9;
  int n_in = 0, n_both = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string user = "user" + std::to_string(i);
    const bool small = in_canary(key, "r1", user, 0.05), large = in_canary(key, "r1", user, 0.25);
    EXPECT_TRUE(!small || large);
    n_in += large ? 1 : 0;
    n_both += large && in_canary(key, "r2", user, 0.25) ? 1 : 0;
  }
  EXPECT_NEAR(n_in / 20'000.0, 0.25, 0.01);
  EXPECT_NEAR(n_both / 20'000.0, 0.0625, 0.01) << "rollouts draw independently";
}

TEST(RolloutSim, FewSeedsKeepBothErrorRates) {
  const SimSummary summary = simulate_rollouts(1, 2, 8'000);
  EXPECT_LE(summary.n_false_promoted, 2);   // of 8; the slow test has the rates
  EXPECT_LE(summary.n_false_rolled_back, 2);
}

}  // namespace
}  // namespace firesteel
