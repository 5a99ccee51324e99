// Who may do what: every route, keys, sessions, hosts, origins, limits.
#include <set>

#include "server/app_fixture.h"

namespace firesteel {
namespace {

constexpr Scope kAllButAdmin = Scope::kInference | Scope::kFiles | Scope::kFeedback | Scope::kUsageRead | Scope::kAuditRead |
                               Scope::kTenantAdmin | Scope::kMetrics;

std::string sample_path(std::string pattern) {
  for (const char* const braces : {"{*}", "{}"}) {
    for (size_t at; (at = pattern.find(braces)) != std::string::npos;) pattern.replace(at, std::string_view(braces).size(), "x");
  }
  return pattern;
}

TEST_F(AppTest, NoRouteAnswersWithoutItsScope) {
  start();
  // What needs no key, by name: a new route without one must be added here on purpose.
  const std::set<std::string> open = {"livez", "readyz", "health", "session.open", "web"};
  for (const auto& route : app_->router().routes()) {
    SCOPED_TRACE(std::string(method_name(route->method())) + " " + route->pattern());
    const std::string path = sample_path(route->pattern());
    const char* const method = method_name(route->method());
    if (route->access().is_open()) {
      EXPECT_EQ(open.count(route->name()), 1u) << route->name();
      continue;
    }
    EXPECT_EQ(ask(method, path).status, 401);
    EXPECT_EQ(ask(method, path, "fs-wrong").status, 401);
    if (route->access().scope() == Scope::kNone) continue;  // any key
    const Scope rest = static_cast<Scope>(static_cast<uint32_t>(kAllButAdmin) & ~static_cast<uint32_t>(route->access().scope()));
    EXPECT_EQ(ask(method, path, key(rest)).status, 403);
  }
}

TEST_F(AppTest, ErrorsAreInTheDialectOfTheAddress) {
  start();
  EXPECT_EQ(text(*json(ask("POST", "/v1/chat/completions")).find("error"), "code"), "invalid_api_key");
  const Json anthropic = json(ask("POST", "/v1/messages"));
  EXPECT_EQ(text(anthropic, "type"), "error");
  EXPECT_EQ(text(*anthropic.find("error"), "type"), "authentication_error");
  EXPECT_FALSE(text(json(ask("POST", "/api/chat")), "error").empty());
  EXPECT_EQ(ask("GET", "/nothing").status, 404);
  const HttpResponse wrong_method = ask("GET", "/v1/chat/completions");
  EXPECT_EQ(wrong_method.status, 405);
  EXPECT_EQ(header(wrong_method, "allow"), "POST");
}

TEST_F(AppTest, TheKeyInXApiKeyWins) {
  start();
  const std::string good = key();
  EXPECT_EQ(ask("GET", "/v1/models", "fs-wrong", {}, "x-api-key: " + good + "\r\n").status, 200);
  EXPECT_EQ(ask("GET", "/v1/models", good, {}, "x-api-key: fs-wrong\r\n").status, 401);
  EXPECT_EQ(ask("GET", "/v1/models", {}, {}, "Authorization: Basic " + good + "\r\n").status, 401);
  EXPECT_EQ(ask("GET", "/v1/models", {}, {}, "Authorization: bearer " + good + "\r\n").status, 200);
}

TEST_F(AppTest, SessionsNeedTheirTokenForChanges) {
  start();
  const std::string secret = key();
  EXPECT_EQ(ask("POST", "/firesteel/v1/session", {}, "{\"key\": \"fs-wrong\"}").status, 401);
  EXPECT_EQ(ask("POST", "/firesteel/v1/session", {}, "{\"key\": 1}").status, 400);
  EXPECT_EQ(ask("POST", "/firesteel/v1/session", {}, "{").status, 400);
  const HttpResponse opened = ask("POST", "/firesteel/v1/session", {}, "{\"key\": \"" + secret + "\"}");
  ASSERT_EQ(opened.status, 200) << opened.body;
  const std::string set = header(opened, "set-cookie");
  EXPECT_NE(set.find("; HttpOnly; SameSite=Strict"), std::string::npos) << set;
  const std::string cookie = "Cookie: other=1; " + set.substr(0, set.find(';')) + "\r\n";
  const std::string csrf = text(json(opened), "csrf");

  EXPECT_EQ(text(json(ask("GET", "/firesteel/v1/session", {}, {}, cookie)), "csrf"), csrf);
  EXPECT_EQ(ask("GET", "/v1/models", {}, {}, cookie).status, 200);
  const HttpResponse without = ask("POST", "/firesteel/v1/conversations", {}, "{}", cookie);
  EXPECT_EQ(without.status, 403);
  EXPECT_EQ(text(*json(without).find("error"), "code"), "csrf");
  EXPECT_EQ(ask("POST", "/firesteel/v1/conversations", {}, "{}", cookie + "x-firesteel-csrf: " + std::string(32, '0') + "\r\n").status, 403);
  EXPECT_EQ(ask("POST", "/firesteel/v1/conversations", {}, "{}", cookie + "x-firesteel-csrf: " + csrf + "\r\n").status, 201);
  EXPECT_EQ(ask("DELETE", "/firesteel/v1/session", {}, {}, cookie + "x-firesteel-csrf: " + csrf + "\r\n").status, 204);
  EXPECT_EQ(ask("GET", "/firesteel/v1/session", {}, {}, cookie).status, 401);
}

TEST_F(AppTest, OtherHostNamesAndOriginsAreRefused) {
  options_.hosts.more_origins = {"https://app.example.org"};
  start();
  const std::string secret = key();
  const auto status = [&](const std::string& headers) {
    TestClient client(server_->port());
    client.send("GET /v1/models HTTP/1.1\r\nx-api-key: " + secret + "\r\n" + headers + "\r\n");
    return client.receive()->status;
  };
  EXPECT_EQ(status("Host: localhost:80\r\n"), 200);
  EXPECT_EQ(status("Host: 127.0.0.1\r\n"), 200);
  EXPECT_EQ(status("Host: [::1]:80\r\n"), 200);
  EXPECT_EQ(status("Host: LOCALHOST\r\n"), 200);
  EXPECT_EQ(status("Host: evil.example\r\n"), 403);
  EXPECT_EQ(status("Host: localhost.evil.example\r\n"), 403);
  EXPECT_EQ(status("Host: localhost:80\r\nOrigin: http://localhost:80\r\n"), 200);
  EXPECT_EQ(status("Host: localhost:80\r\nOrigin: http://localhost:81\r\n"), 403);
  EXPECT_EQ(status("Host: localhost:80\r\nOrigin: null\r\n"), 403);
  const HttpResponse listed = ask("GET", "/v1/models", secret, {}, "Origin: https://app.example.org\r\n");
  EXPECT_EQ(header(listed, "access-control-allow-origin"), "https://app.example.org");
  EXPECT_EQ(header(ask("OPTIONS", "/v1/models", {}, {}, "Origin: https://app.example.org\r\n"), "access-control-allow-methods"), "GET, POST, PUT, PATCH, DELETE");
  // The official clients say in a dozen headers what they run on; a page's browser asks for each before it sends any.
  EXPECT_EQ(header(ask("OPTIONS", "/v1/models", {}, {}, "Origin: https://app.example.org\r\nAccess-Control-Request-Headers: authorization,X-Stainless-OS, x-stainless-lang,b@d\r\n"), "access-control-allow-headers"),
            "authorization, content-type, x-api-key, anthropic-version, anthropic-beta, authorization, x-stainless-os, x-stainless-lang");
  EXPECT_NE(header(listed, "access-control-expose-headers").find("x-should-retry"), std::string::npos);
  EXPECT_EQ(header(ask("GET", "/v1/models", secret), "access-control-allow-origin"), "");
}

TEST_F(AppTest, WithoutKeysEverybodyIsTheAnonymousCaller) {
  options_.anonymous = tenants_->authenticate(key(Scope::kInference)).value();
  start();
  EXPECT_EQ(ask("GET", "/v1/models").status, 200);
  EXPECT_EQ(ask("GET", "/v1/models", "anything").status, 200);
  EXPECT_EQ(ask("GET", "/firesteel/v1/session").status, 200);
  EXPECT_EQ(ask("GET", "/metrics").status, 403);
}

TEST_F(AppTest, HealthSaysWhetherWorkIsTaken) {
  start();
  EXPECT_EQ(ask("GET", "/livez").status, 200);
  EXPECT_EQ(ask("GET", "/readyz").status, 200);
  EXPECT_EQ(ask("HEAD", "/health").status, 200);
  context_->draining = true;
  EXPECT_EQ(ask("GET", "/livez").status, 200);
  EXPECT_EQ(ask("GET", "/readyz").status, 503);
  EXPECT_EQ(ask("POST", "/v1/chat/completions", key(), R"({"messages":[{"role":"user","content":"hi"}]})").status, 503);
}

TEST_F(AppTest, MetricsHaveBothNames) {
  options_.with_vllm_names = true;
  start();
  ask("POST", "/v1/chat/completions", key(), R"({"messages":[{"role":"user","content":"hi"}]})");
  const HttpResponse metrics = ask("GET", "/metrics", key(Scope::kMetrics));
  EXPECT_EQ(metrics.status, 200);
  for (const char* const line : {"\nfiresteel_request_success_total{model_name=\"fake\",finished_reason=\"stop\"} 1\n",
                                 "\nvllm:request_success_total{model_name=\"fake\",finished_reason=\"stop\"} 1\n",
                                 "\nvllm:time_to_first_token_seconds_count{model_name=\"fake\"} 1\n",
                                 "\nfiresteel_http_requests_total{route=\"openai.chat\",method=\"POST\",status=\"200\"} 1\n"}) {
    EXPECT_NE(metrics.body.find(line), std::string::npos) << line << metrics.body;
  }
}

TEST_F(AppTest, PagesAreStrictAndCached) {
  start();
  const HttpResponse page = ask("GET", "/");
  if (page.status == 404) GTEST_SKIP() << "built without web/dist";
  EXPECT_EQ(header(page, "content-type"), "text/html; charset=utf-8");
  EXPECT_NE(header(page, "content-security-policy").find("default-src 'none'; script-src 'self'"), std::string::npos);
  EXPECT_NE(header(page, "content-security-policy").find("require-trusted-types-for 'script'"), std::string::npos);
  EXPECT_EQ(header(page, "x-content-type-options"), "nosniff");
  EXPECT_EQ(header(page, "cross-origin-opener-policy"), "same-origin");
  EXPECT_EQ(header(page, "cache-control"), "no-cache");
  EXPECT_EQ(ask("GET", "/", {}, {}, "If-None-Match: " + header(page, "etag") + "\r\n").status, 304);
  const HttpResponse small = ask("GET", "/", {}, {}, "Accept-Encoding: gzip, br\r\n");
  EXPECT_EQ(header(small, "content-encoding"), "br");
  EXPECT_LT(small.body.size(), page.body.size());
  EXPECT_EQ(ask("GET", "/admin/tenants/anything").body, ask("GET", "/admin/").body);
  // Every file that the page names is there.
  for (size_t at = 0; (at = page.body.find("/assets/", at)) != std::string::npos;) {
    const size_t end = page.body.find_first_of("\"' >", at);
    const HttpResponse asset = ask("GET", page.body.substr(at, end - at));
    EXPECT_EQ(asset.status, 200) << page.body.substr(at, end - at);
    EXPECT_EQ(header(asset, "cache-control"), "public, max-age=31536000, immutable");
    at = end;
  }
}

}  // namespace
}  // namespace firesteel
