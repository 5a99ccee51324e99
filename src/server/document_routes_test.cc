// Documents over HTTP: upload, list, search, removal; what is refused; tenants apart.
#include "server/app_fixture.h"

namespace firesteel {
namespace {

class DocumentRoutesTest : public AppTest {
 protected:
  void SetUp() override {
    AppTest::SetUp();
    start();
    key_ = key(Scope::kInference | Scope::kFiles);
  }
  std::string key_;
};

TEST_F(DocumentRoutesTest, UploadSearchAndRemove) {
  const HttpResponse added = ask("POST", "/firesteel/v1/documents?name=lease.md", key_, "# Lease\n\n## Rent\n\nThe rent is 900 a month.\n\n## Notice\n\nNotice must be given three months before.\n");
  ASSERT_EQ(added.status, 201) << added.body;
  const std::string id = text(json(added), "id");
  EXPECT_EQ(ask("POST", "/firesteel/v1/documents?name=page.html", key_, "<title>Flint</title><p>Strike <b>flint</b> with steel.</p><script>evil()</script>").status, 201);
  const HttpResponse found = ask("GET", "/firesteel/v1/documents/search?q=when+must+notice+be+given", key_);
  ASSERT_EQ(found.status, 200) << found.body;
  const Json hits = json(found);
  const Json& best = hits.find("data")->as_array().at(0);
  EXPECT_EQ(text(best, "name"), "lease.md");
  EXPECT_EQ(text(best, "heading"), "Notice");
  EXPECT_NE(text(best, "text").find("three months"), std::string::npos);
  EXPECT_EQ(json(ask("GET", "/firesteel/v1/documents/search?q=evil", key_)).find("data")->as_array().size(), 0u);
  EXPECT_EQ(json(ask("GET", "/firesteel/v1/documents", key_)).find("data")->as_array().size(), 2u);
  EXPECT_EQ(ask("DELETE", "/firesteel/v1/documents/" + id, key_).status, 204);
  EXPECT_EQ(ask("DELETE", "/firesteel/v1/documents/" + id, key_).status, 404);
  EXPECT_EQ(json(ask("GET", "/firesteel/v1/documents", key_)).find("data")->as_array().size(), 1u);
}

TEST_F(DocumentRoutesTest, TenantsAndScopesAreApart) {
  const std::string other = key(Scope::kInference | Scope::kFiles, {}, other_tenant_);
  const std::string id = text(json(ask("POST", "/firesteel/v1/documents?name=a.txt", other, "a secret word")), "id");
  EXPECT_FALSE(id.empty());
  EXPECT_EQ(json(ask("GET", "/firesteel/v1/documents/search?q=secret", key_)).find("data")->as_array().size(), 0u);
  EXPECT_EQ(json(ask("GET", "/firesteel/v1/documents", key_)).find("data")->as_array().size(), 0u);
  EXPECT_EQ(ask("DELETE", "/firesteel/v1/documents/" + id, key_).status, 404);
  EXPECT_EQ(ask("GET", "/firesteel/v1/documents", key(Scope::kInference)).status, 403);
}

TEST_F(DocumentRoutesTest, RefusalsSayWhy) {
  for (const char* const name : {"", "a", "a.exe", "..%2Fa.txt", "a%2Fb.md"}) EXPECT_EQ(ask("POST", std::string("/firesteel/v1/documents?name=") + name, key_, "x").status, 400) << name;
  EXPECT_EQ(ask("POST", "/firesteel/v1/documents?name=a.txt", key_, "   ").status, 400);
  const HttpResponse pdf = ask("POST", "/firesteel/v1/documents?name=a.pdf", key_, "this is no PDF");
  EXPECT_EQ(pdf.status, 400);
  EXPECT_EQ(text(*json(pdf).find("error"), "code"), "document_not_read") << pdf.body;
  EXPECT_EQ(pdf.body.find("firesteel-"), std::string::npos) << pdf.body;  // no path of ours
  EXPECT_EQ(ask("DELETE", "/firesteel/v1/documents/doc_x", key_).status, 404);
  EXPECT_EQ(ask("GET", "/firesteel/v1/documents/search?q=x&limit=1000", key_).status, 400);
}

// The route and the tool go the same way: by words and, where a query's meaning is known, by meaning.
TEST_F(AppTest, DocumentsAreSearchedByMeaningWhereItIsKnown) {
  const PassageVector vector = passage_vector(std::vector<float>{1, 0});
  meaning_ = [vector](std::string_view query) {
    return query == "hounds" ? std::optional<QueryMeaning>({.model = "model-a", .vector = vector, .floor = 0.5}) : std::nullopt;
  };
  start();
  const std::string own = key(Scope::kFiles);
  ASSERT_EQ(ask("POST", "/firesteel/v1/documents?name=pets.md", own, "# Pets\n\nDogs are allowed.\n").status, 201);
  const auto n_found = [&](const char* query, const std::string& secret) { return json(ask("GET", std::string("/firesteel/v1/documents/search?q=") + query, secret)).find("data")->as_array().size(); };
  EXPECT_EQ(n_found("hounds", own), 0u);  // no word of it, and no vector yet
  DocumentIndex index(*store_);
  const auto passages = index.without_vector("model-a", 10).value();
  ASSERT_EQ(passages.size(), 1u);
  ASSERT_TRUE(index.put_vectors("model-a", {{passages.front().id, vector}}).ok());
  EXPECT_EQ(n_found("hounds", own), 1u);
  EXPECT_EQ(n_found("cats", own), 0u);
  EXPECT_EQ(n_found("hounds", key(Scope::kFiles, {}, other_tenant_)), 0u);
}

}  // namespace
}  // namespace firesteel
