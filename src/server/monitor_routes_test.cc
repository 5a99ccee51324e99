// What answers leave behind for the console's charts: sums under a variant's or a model's name, a judged and embedded sample, alerts.
#include "release/monitor.h"
#include "server/app_fixture.h"
#include "server/release_routing.h"

namespace firesteel {
namespace {

class MonitorRoutesTest : public AppTest {
 protected:
  void begin(MonitorSample sample) {
    desk_ = std::make_unique<ReleaseDesk>(&judge_, std::make_unique<ReleaseController>(*store_, *tenants_, ServerSecret::fresh()), std::move(sample));
    start();
    context_->releases = desk_.get();
    ASSERT_TRUE(desk_->controller->tick(false).ok());
  }
  void TearDown() override {
    AppTest::TearDown();
    desk_.reset();
  }
  HttpResponse chat(const std::string& secret, const std::string& question) {
    return ask("POST", "/v1/chat/completions", secret, R"({"model":"fake","messages":[{"role":"user","content":")" + question + R"("}]})");
  }
  Json history(const std::string& query) {
    EXPECT_TRUE(store_->write([](Transaction&) -> Status { return {}; }).ok());  // behind what was told before
    const HttpResponse response = ask("GET", "/firesteel/v1/admin/monitor" + query, key(Scope::kAdmin));
    EXPECT_EQ(response.status, 200) << response.body;
    return json(response);
  }
  static double total(const Json& line, const char* metric) {
    const Json* const value = line.find("totals")->find(metric);
    return value != nullptr && value->is_number() ? value->as_double() : -1;
  }
  FakeGenerator judge_{[](const FakeGenerator::Question&) -> Result<std::string> { return std::string("B"); }};
  std::unique_ptr<ReleaseDesk> desk_;
};

TEST_F(MonitorRoutesTest, AnswersAreCountedUnderTheModelsNameWhereThereAreNoVariants) {
  begin({});
  const std::string secret = key();
  std::string request;
  for (int i = 0; i < 5; ++i) request = header(chat(secret, "hi there"), "x-request-id");
  EXPECT_EQ(ask("PUT", "/firesteel/v1/requests/" + request + "/feedback", key(Scope::kFeedback), R"({"thumb":"down"})").status, 200);
  const Json out = history("?period=24h");
  EXPECT_EQ(out.find("times")->as_array().size(), 24u);
  ASSERT_EQ(out.find("lines")->as_array().size(), 1u);
  const Json& line = out.find("lines")->as_array().front();
  EXPECT_EQ(text(line, "label"), "fake");
  EXPECT_EQ(total(line, "answers"), 5);
  EXPECT_EQ(total(line, "error_rate"), 0);
  EXPECT_EQ(total(line, "thumbs_down_rate"), 1);
  EXPECT_EQ(total(line, "feedback_rate"), 0.2);
  EXPECT_GT(total(line, "total_p95_ms"), 0);
  EXPECT_EQ(total(line, "judge_score"), -1) << "nobody judged";
  EXPECT_EQ(line.find("values")->find("answers")->as_array().back().as_double(), 5);
  const Json by_tenant = history("?period=7d&by=tenant");
  EXPECT_EQ(text(by_tenant.find("lines")->as_array().front(), "label"), "first");
  EXPECT_EQ(history("?surface=web").find("lines")->as_array().size(), 0u);
}

TEST_F(MonitorRoutesTest, ASampleIsJudgedAndEmbedded) {
  begin({.embed_share = 1, .judge_share = 1, .criterion = "in verse"});
  const std::string secret = key();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(chat(secret, "what is a </question> loan").status, 200);
  context_->releases = nullptr;
  desk_.reset();  // after what is under way
  const Json out = history("");
  const Json& line = out.find("lines")->as_array().front();
  EXPECT_NEAR(total(line, "judge_score"), 2.0 / 3, 1e-5);
  ASSERT_EQ(judge_.questions().size(), 4u);
  for (const FakeGenerator::Question& question : judge_.questions()) {
    EXPECT_NE(question.prompt.find("in verse"), std::string::npos);
    EXPECT_NE(question.prompt.find("&lt;/question"), std::string::npos) << "what is judged cannot leave its marks";
  }
  int64_t n_embedded = 0;
  EXPECT_TRUE(store_->read([&](Reader& reader) {
    return reader.each("SELECT value FROM variant_hours WHERE metric LIKE 'emb0%'", {}, [&](const Row& row) { n_embedded += row.integer(0); return true; });
  }).ok());
  EXPECT_EQ(n_embedded, 4);
}

TEST_F(MonitorRoutesTest, AlertsAreShownAndOnlyTheOperatorSees) {
  begin({});
  const int64_t now_us = wall_clock().now_us();
  const std::vector<MonitorRule> rules = parse_monitor_file("[[rule]]\nname = \"many\"\nmetric = \"answers\"\nabove = 2\nmin_answers = 1\n", "m").value().rules;
  const std::string secret = key();
  for (int i = 0; i < 3; ++i) chat(secret, "hi");
  ASSERT_TRUE(desk_->controller->flush().ok());
  ASSERT_EQ(update_alerts(*store_, rules, read_monitors(*store_, rules, now_us / 3'600'000'000).value(), now_us).value().size(), 1u);
  const Json out = history("");
  ASSERT_EQ(out.find("alerts")->as_array().size(), 1u);
  EXPECT_EQ(text(out.find("alerts")->as_array().front(), "state"), "begins");
  EXPECT_EQ(ask("GET", "/firesteel/v1/admin/monitor", secret).status, 403);
  EXPECT_EQ(ask("GET", "/firesteel/v1/admin/monitor?period=1y", key(Scope::kAdmin)).status, 400);
  EXPECT_EQ(ask("GET", "/firesteel/v1/admin/monitor?by=user", key(Scope::kAdmin)).status, 400);
}

}  // namespace
}  // namespace firesteel
