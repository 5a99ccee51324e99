// Adapters over HTTP: who may ask for which, by which name, and how they come and go.
#include <gtest/gtest.h>

#include "server/app_fixture.h"

namespace firesteel {
namespace {

class AdapterRoutes : public AppTest {
 protected:
  void SetUp() override {
    AppTest::SetUp();
    options_.aliases = {"other"};
    options_.adapter_folder = "/adapters";
  }
  HttpResponse chat(const std::string& secret, const std::string& model, const std::string& more = "") {
    return ask("POST", "/v1/chat/completions", secret, R"({"model": ")" + model + R"(", "messages": [{"role": "user", "content": "hello"}])" + more + "}");
  }
  std::string last_adapter() { return generator_.questions().back().adapter; }
};

TEST_F(AdapterRoutes, AreLoadedNamedUsedAndUnloaded) {
  start();
  const std::string admin = key(Scope::kAdmin | kDefaultScopes), user = key();
  EXPECT_EQ(ask("GET", "/firesteel/v1/admin/adapters", user).status, 403);
  EXPECT_EQ(chat(user, "fake:legal").status, 404);
  const HttpResponse loaded = ask("POST", "/firesteel/v1/admin/adapters", admin, R"({"name": "legal", "file": "legal.gguf"})");
  ASSERT_EQ(loaded.status, 200) << loaded.body;
  const std::string digest = text(json(loaded), "digest");
  EXPECT_EQ(text(json(loaded), "model"), "fake:legal");

  ASSERT_EQ(chat(user, "fake").status, 200);
  EXPECT_EQ(last_adapter(), "");
  const HttpResponse answer = chat(user, "fake:legal");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(last_adapter(), digest);
  EXPECT_EQ(text(json(answer), "model"), "fake:legal");
  EXPECT_EQ(ask("POST", "/api/chat", user, R"({"model": "fake:legal", "stream": false, "messages": [{"role": "user", "content": "hello"}]})").status, 200);
  EXPECT_EQ(last_adapter(), digest);
  for (const std::string& name : {std::string("legal"), digest}) {
    ASSERT_EQ(chat(user, "fake", R"(, "firesteel": {"adapter": ")" + name + "\"}").status, 200);
    EXPECT_EQ(last_adapter(), digest);
  }
  EXPECT_EQ(chat(user, "fake", R"(, "firesteel": {"adapter": "nobody"})").status, 404);
  EXPECT_NE(ask("GET", "/v1/models", user).body.find("fake:legal"), std::string::npos);

  // A second name for another file; both at once in one request is a contradiction.
  ASSERT_EQ(ask("POST", "/firesteel/v1/admin/adapters", admin, R"({"name": "school", "file": "school.gguf"})").status, 200);
  EXPECT_EQ(chat(user, "fake:legal", R"(, "firesteel": {"adapter": "school"})").status, 400);
  EXPECT_EQ(ask("DELETE", "/firesteel/v1/admin/adapters/legal", admin).status, 200);
  EXPECT_EQ(ask("DELETE", "/firesteel/v1/admin/adapters/legal", admin).status, 404);
  EXPECT_EQ(chat(user, "fake:legal").status, 404);
  EXPECT_EQ(chat(user, "fake:school").status, 200);
}

TEST_F(AdapterRoutes, AreOfOneTenantOrOfSomeKeysWhereThatIsSaid) {
  start();
  context_->adapters.set({.name = "private", .digest = "d1", .tenant = other_tenant_});
  context_->adapters.set({.name = "open", .digest = "d2"});
  const std::string here = key(), there = key(kDefaultScopes, {}, other_tenant_), limited = key(kDefaultScopes, {}, {}, {"fake:open"});
  EXPECT_EQ(chat(here, "fake:private").status, 404);
  EXPECT_EQ(chat(here, "fake", R"(, "firesteel": {"adapter": "d1"})").status, 404);  // nor by its digest
  EXPECT_EQ(ask("GET", "/v1/models", here).body.find("private"), std::string::npos);
  EXPECT_EQ(chat(there, "fake:private").status, 200);
  EXPECT_EQ(chat(limited, "fake:open").status, 200);
  EXPECT_EQ(chat(limited, "fake").status, 404);
}

TEST_F(AdapterRoutes, FilesLieInOneFolder) {
  start();
  const std::string admin = key(Scope::kAdmin);
  for (const char* file : {"../secret", "/etc/passwd", "a/b", ".hidden", ""}) {
    const HttpResponse refused = ask("POST", "/firesteel/v1/admin/adapters", admin, std::string(R"({"name": "x", "file": ")") + file + "\"}");
    EXPECT_EQ(refused.status, 400) << file << refused.body;
  }
  const HttpResponse bad = ask("POST", "/firesteel/v1/admin/adapters", admin, R"({"name": "x", "file": "bad"})");
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(bad.body.find("/adapters/"), std::string::npos) << bad.body;
  EXPECT_EQ(ask("POST", "/firesteel/v1/admin/adapters", admin, R"({"name": "a b", "file": "x"})").status, 400);
}

}  // namespace
}  // namespace firesteel
