// The console's API: every change is one that the API then shows, and secrets are shown once.
#include "server/admin_routes.h"

#include "server/app_fixture.h"

namespace firesteel {
namespace {

class AdminTest : public AppTest {
 protected:
  void SetUp() override {
    AppTest::SetUp();
    options_.config = {{"listen", "127.0.0.1:8080", "flag"}};
    start();
    admin_ = key(Scope::kAdmin);
  }
  Json get(const std::string& path) { return json(ask("GET", "/firesteel/v1/admin/" + path, admin_)); }
  HttpResponse send(std::string_view method, const std::string& path, std::string_view body = {}) {
    return ask(method, "/firesteel/v1/admin/" + path, admin_, body);
  }
  static int64_t number(const Json& object, std::string_view name) {
    const Json* found = object.find(name);
    return found != nullptr && found->is_int() ? found->as_int() : -1;
  }
  std::string admin_;
};

TEST_F(AdminTest, TenantsAreMadeChangedAndSuspended) {
  const HttpResponse made = send("POST", "tenants", R"({"name": "acme", "quota": {"requests_per_minute": 5, "tokens_per_day": null}})");
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string id = text(json(made), "id");
  const Json changed = json(send("PATCH", "tenants/" + id, R"({"name": "acme 2", "quota": {"concurrency": 3}, "state": "suspended"})"));
  EXPECT_EQ(text(changed, "name"), "acme 2");
  EXPECT_EQ(text(changed, "state"), "suspended");
  EXPECT_EQ(number(*changed.find("quota"), "concurrency"), 3);
  EXPECT_TRUE(changed.find("quota")->find("requests_per_minute")->is_null());  // replaced as a whole
  EXPECT_EQ(get("tenants").find("data")->as_array().size(), 3u);

  EXPECT_EQ(send("PATCH", "tenants/" + tenant_.str(), R"({"state": "suspended"})").status, 400);  // our own
  EXPECT_EQ(send("POST", "tenants", R"({"name": ""})").status, 400);
  EXPECT_EQ(send("POST", "tenants", R"({"name": "x", "quota": {"tea": 1}})").status, 400);
  EXPECT_EQ(send("POST", "tenants", R"({"name": "x", "quota": {"kv_share_percent": 101}})").status, 400);
  EXPECT_EQ(send("POST", "tenants", R"({"name": "x", "quota": {"concurrency": -1}})").status, 400);
  EXPECT_EQ(send("POST", "tenants", R"({"name": "x", "quota": {"concurrency": 1.5}})").status, 400);
  EXPECT_EQ(send("PATCH", "tenants/" + TenantId::fresh().str(), "{}").status, 404);
  EXPECT_EQ(send("PATCH", "tenants/first", "{}").status, 404);  // an id, not a name
}

TEST_F(AdminTest, KeysAreShownOnceRotatedAndRevoked) {
  const HttpResponse made = send("POST", "keys?tenant=" + other_tenant_.str(), R"({"name": "partner", "scopes": ["inference", "usage.read"], "models": ["fake"]})");
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string secret = text(json(made), "secret"), id = text(json(made), "id");
  EXPECT_EQ(ask("GET", "/v1/models", secret).status, 200);
  const HttpResponse listed = send("GET", "keys?tenant=" + other_tenant_.str());
  EXPECT_EQ(listed.body.find(secret), std::string::npos);
  EXPECT_EQ(text(json(listed).find("data")->as_array()[0], "id"), id);

  const HttpResponse rotated = send("POST", "keys/" + id + "/rotate", R"({"overlap_s": 0})");
  ASSERT_EQ(rotated.status, 201) << rotated.body;
  EXPECT_EQ(ask("GET", "/v1/models", secret).status, 401);
  const std::string fresh = text(json(rotated), "secret");
  EXPECT_EQ(ask("GET", "/v1/models", fresh).status, 200);
  EXPECT_EQ(send("DELETE", "keys/" + text(json(rotated), "id")).status, 204);
  EXPECT_EQ(ask("GET", "/v1/models", fresh).status, 401);

  EXPECT_EQ(send("POST", "keys", R"({"name": "x", "scopes": ["everything"]})").status, 400);
  EXPECT_EQ(send("POST", "keys", R"({"name": "x", "scopes": "inference"})").status, 400);
  EXPECT_EQ(send("POST", "keys", R"({"scopes": ["inference"]})").status, 400);
  EXPECT_EQ(send("POST", "keys?tenant=nobody", R"({"name": "x", "scopes": ["inference"]})").status, 404);
  EXPECT_EQ(send("DELETE", "keys/" + KeyId::fresh().str()).status, 404);
  EXPECT_EQ(send("DELETE", "keys/x").status, 404);
}

TEST_F(AdminTest, UsageIsGroupedAndExported) {
  ask("POST", "/v1/chat/completions", key(), R"({"messages":[{"role":"user","content":"hi"}]})");
  for (const char* const group : {"day", "model", "key", "tenant"}) {
    const Json usage = get(std::string("usage?group=") + group);
    ASSERT_EQ(usage.find("data")->as_array().size(), 1u) << group;
    EXPECT_EQ(number(usage.find("data")->as_array()[0], "requests"), 1);
    EXPECT_EQ(number(*usage.find("total"), "requests"), 1);
    EXPECT_GT(number(*usage.find("total"), "completion_tokens"), 0);
  }
  EXPECT_EQ(text(get("usage?group=tenant").find("data")->as_array()[0], "label"), "first");
  EXPECT_TRUE(get("usage?from=2001-01-01&to=2001-12-31").find("data")->as_array().empty());
  const std::string csv = send("GET", "usage.csv?group=model").body;
  EXPECT_NE(csv.find("fake"), std::string::npos);
  EXPECT_EQ(send("GET", "usage?group=weather").status, 400);
  EXPECT_EQ(send("GET", "usage?from=2001-13-01").status, 400);
  EXPECT_EQ(send("GET", "usage?from=-1").status, 400);
  EXPECT_EQ(send("GET", "usage?key=key_x").status, 404);
}

TEST_F(AdminTest, AuditShowsTheNewestFirstAndVerifies) {
  for (int i = 0; i < 5; ++i) send("POST", "keys?tenant=" + other_tenant_.str(), R"({"name": "k", "scopes": ["inference"]})");
  const Json page = get("audit?limit=2&tenant=" + other_tenant_.str());
  const Json::Array& entries = page.find("data")->as_array();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_TRUE(page.find("has_more")->as_bool());
  const int64_t last = number(entries[0], "seq");
  EXPECT_EQ(number(entries[1], "seq"), last - 1);
  EXPECT_EQ(text(entries[0], "hash").size(), 64u);
  const Json older = get("audit?limit=100&before=" + std::to_string(last - 1) + "&tenant=" + other_tenant_.str());
  EXPECT_EQ(number(older.find("data")->as_array()[0], "seq"), last - 2);
  EXPECT_EQ(static_cast<int64_t>(older.find("data")->as_array().size()), last - 2);
  EXPECT_FALSE(older.find("has_more")->as_bool());
  EXPECT_GE(get("audit?limit=1000").find("data")->as_array().size(), 6u);
  const Json verified = json(send("POST", "audit/verify", "{}"));
  EXPECT_TRUE(verified.find("ok")->as_bool());
  EXPECT_GT(number(verified, "checked"), 5);
}

TEST_F(AdminTest, OverviewModelsAndSystem) {
  ask("POST", "/v1/chat/completions", key(), R"({"messages":[{"role":"user","content":"hi there"}]})");
  for (const char* const period : {"1h", "24h", "7d", "30d"}) {
    const Json overview = get(std::string("overview?period=") + period);
    EXPECT_GT(overview.find("requests_per_s")->as_double(), 0);
    ASSERT_EQ(overview.find("series")->as_array().size(), 1u);
    EXPECT_EQ(number(overview.find("series")->as_array()[0], "requests"), 1);
    EXPECT_TRUE(overview.find("ready")->as_bool());
  }
  EXPECT_EQ(send("GET", "overview?period=2h").status, 400);
  EXPECT_EQ(text(get("models").find("data")->as_array()[0], "id"), "fake");
  const Json system = get("system");
  EXPECT_EQ(text(system.find("config")->as_array()[0], "origin"), "flag");
  EXPECT_GE(system.find("checks")->as_array().size(), 4u);
}

}  // namespace
}  // namespace firesteel
