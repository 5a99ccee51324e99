#include "server/release_routing.h"

#include "server/app_fixture.h"

namespace firesteel {
namespace {

class ReleaseRoutingTest : public AppTest {
 protected:
  void SetUp() override {
    AppTest::SetUp();
    registry_ = std::make_unique<Registry>(*store_, *tenants_);
    VariantSpec first, second;
    first.system = "You are the first.";
    second.system = "You are the second.";
    second.settings = Json(Json::Object{{"max_tokens", 3}});
    ASSERT_TRUE(registry_->create("fake", first, {}, kActor).ok());
    ASSERT_TRUE(registry_->create("fake", second, {}, kActor).ok());
    desk_ = std::make_unique<ReleaseDesk>(&generator_, std::make_unique<ReleaseController>(*store_, *tenants_, ServerSecret::fresh()));
  }
  void begin() {
    start();
    context_->releases = desk_.get();
    ASSERT_TRUE(desk_->controller->tick(false).ok());
  }
  std::string variant_of(const HttpResponse& response) { return header(response, "x-firesteel-variant"); }
  HttpResponse chat(const std::string& secret, const std::string& model, const std::string& user = "u") {
    return ask("POST", "/v1/chat/completions", secret, R"({"model":")" + model + R"(","user":")" + user + R"(","messages":[{"role":"user","content":"hi there"}]})");
  }
  int64_t count(const std::string& metric, int64_t arm) {
    int64_t n = 0;
    EXPECT_TRUE(store_->read([&](Reader& reader) {
      return reader.each("SELECT n FROM rollout_counts WHERE metric = $1 AND arm = $2", {metric, arm}, [&](const Row& row) { n += row.integer(0); return true; });
    }).ok());
    return n;
  }
  void start_rollout(const std::string& steps, int64_t shadow = 0) {
    const std::string plan = "name = \"fake\"\n[[surface]]\nname = \"api\"\nsteps = " + steps + "\nshadow = " + std::to_string(shadow) +
                             "\nmin_answers = 5\n[[gate]]\nkind = \"live\"\nmetric = \"errors\"\nmargin = 0.2\nmin = 5\n";
    const auto started = registry_->start(parse_plan(plan, "plan").value(), {}, kActor);
    ASSERT_TRUE(started.ok()) << started.error().message;
    ASSERT_TRUE(desk_->controller->tick(false).ok());
  }
  const Actor kActor{"test"};
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<ReleaseDesk> desk_;
};

TEST_F(ReleaseRoutingTest, NamesResolveToVariants) {
  ASSERT_TRUE(registry_->create("other", VariantSpec{}, {}, kActor).ok());
  begin();
  const std::string secret = key();
  EXPECT_EQ(variant_of(chat(secret, "fake")).substr(0, 7), "fake@1 ");
  EXPECT_EQ(variant_of(chat(secret, "fake@champion")).substr(0, 7), "fake@1 ");
  EXPECT_EQ(variant_of(chat(secret, "fake@candidate")).substr(0, 7), "fake@2 ");
  EXPECT_EQ(chat(secret, "fake@nothing").status, 404);
  // A version by its number or digest is asked for as it is told in the answer's header, though no list names it.
  EXPECT_EQ(variant_of(chat(secret, "fake@2")).substr(0, 7), "fake@2 ");
  EXPECT_EQ(variant_of(chat(secret, "fake@" + registry_->find("fake", "2").value().digest)).substr(0, 7), "fake@2 ");
  EXPECT_EQ(ask("POST", "/v1/embeddings", secret, R"({"model":"fake@99","input":"x"})").status, 404);
  for (const char* list : {"/v1/models", "/api/tags"}) EXPECT_EQ(ask("GET", list, secret).body.find("fake@\""), std::string::npos) << list;
  for (const char* none : {"fake@3", "fake@", "@2", "fake@1234567"}) EXPECT_EQ(chat(secret, none).status, 404) << none;
  EXPECT_EQ(chat(secret, "other@1").status, 200);
  EXPECT_EQ(chat(key(kDefaultScopes, {}, {}, {"fake"}), "other@1").status, 404) << "not among the key's models";
  EXPECT_NE(ask("GET", "/v1/models", secret).body.find("fake@candidate"), std::string::npos);
  ASSERT_TRUE(desk_->controller->flush().ok());
  EXPECT_EQ(count("answers", 0), 0) << "without a rollout nothing counts for one";
}

TEST_F(ReleaseRoutingTest, TheCanaryIsStickyAndCounted) {
  begin();
  start_rollout("[50]");
  const std::string secret = key();
  std::map<std::string, std::string> first;
  int n_second = 0;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 24; ++i) {
      const std::string user = "u" + std::to_string(i), variant = variant_of(chat(secret, "fake", user));
      if (round == 0) n_second += variant.starts_with("fake@2") ? 1 : 0;
      if (round == 0) first[user] = variant;
      else EXPECT_EQ(first[user], variant) << user;
    }
  }
  EXPECT_GT(n_second, 3);
  EXPECT_LT(n_second, 21);
  ASSERT_TRUE(desk_->controller->flush().ok());
  EXPECT_EQ(count("answers", 1), 2 * n_second);
  EXPECT_EQ(count("answers", 0), 48 - 2 * n_second);
  EXPECT_EQ(count("errors", 1), 2 * n_second);
  const std::string metrics = ask("GET", "/metrics", key(Scope::kMetrics)).body;
  EXPECT_NE(metrics.find("firesteel_variant_answers_total{variant=\"fake@2\",surface=\"api\"}"), std::string::npos);
}

TEST_F(ReleaseRoutingTest, RollbackTakesLessThanASecond) {
  begin();
  start_rollout("[99]");
  const std::string secret = key(), admin = key(Scope::kAdmin);
  std::string user;
  for (int i = 0; user.empty() && i < 50; ++i) {
    if (variant_of(chat(secret, "fake", "u" + std::to_string(i))).starts_with("fake@2")) user = "u" + std::to_string(i);
  }
  const int64_t begin_us = system_clock().now_us();
  EXPECT_EQ(ask("POST", "/firesteel/v1/admin/releases/fake/rollback", admin, R"({"reason":"test"})").status, 200);
  EXPECT_TRUE(variant_of(chat(secret, "fake", user)).starts_with("fake@1"));
  EXPECT_LT(system_clock().now_us() - begin_us, 1'000'000);
  const Json list = json(ask("GET", "/firesteel/v1/admin/releases", admin));
  EXPECT_EQ(text(list.find("rollouts")->as_array().front(), "status"), "rolled_back");
  EXPECT_EQ(ask("POST", "/firesteel/v1/admin/releases/fake/promote", admin, "{}").status, 400) << "needs a reason";
  EXPECT_EQ(ask("POST", "/firesteel/v1/admin/releases/fake/promote", admin, R"({"reason":"seen by hand"})").status, 200);
  EXPECT_TRUE(variant_of(chat(secret, "fake", user)).starts_with("fake@2"));
  EXPECT_EQ(ask("POST", "/firesteel/v1/admin/releases/fake/rollback", secret, "{}").status, 403);
}

TEST_F(ReleaseRoutingTest, TheShadowAnswersUnseen) {
  begin();
  start_rollout("[50]", 3);
  const std::string secret = key();
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(variant_of(chat(secret, "fake", "u" + std::to_string(i))).starts_with("fake@1"));
  desk_.reset();   // waits for the answer under way; what was queued is left out
  context_->releases = nullptr;
  EXPECT_EQ(count("answers", 2), 8);
  EXPECT_GE(count("answers", 3), 1);
}

TEST_F(ReleaseRoutingTest, RatingsCountOncePerPerson) {
  begin();
  start_rollout("[50]");
  const std::string secret = key();
  for (int i = 0; i < 3; ++i) {
    const HttpResponse answer = chat(secret, "fake", "one person");
    desk_->controller->rate(tenant_.str(), header(answer, "x-request-id"), "", -1);
    desk_->controller->rate(tenant_.str(), header(answer, "x-request-id"), "", 1);
  }
  ASSERT_TRUE(desk_->controller->flush().ok());
  EXPECT_EQ(count("thumbs_down", 0) + count("thumbs_down", 1), 1);
}

TEST(ApplyVariant, FillsWhatTheRequestLeavesOpen) {
  VariantSpec spec;
  spec.system = "Be short.";
  spec.settings = Json(Json::Object{{"temperature", 0.1}, {"max_tokens", 9}, {"thinking", false}});
  GenerateRequest request;
  request.prompt = ChatPrompt{.messages = Json::Array{Json::Object{{"role", "system"}, {"content", "Speak German."}}, Json::Object{{"role", "user"}, {"content", "hi"}}}, .tools = {}, .template_variables = {}};
  request.sampling.temperature = 0.9;
  apply_variant(spec, Json(Json::Object{{"temperature", 0.9}}), &request);
  EXPECT_EQ(request.sampling.temperature, 0.9);
  EXPECT_EQ(request.stop.max_tokens, 9);
  EXPECT_EQ(request.stop.thinking_budget, 0);
  const Json::Array& messages = std::get<ChatPrompt>(request.prompt).messages.as_array();
  EXPECT_EQ(*messages[0].find("content"), Json("Be short.\n\nSpeak German."));
}

}  // namespace
}  // namespace firesteel
