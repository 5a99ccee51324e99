#include "store/document_index.h"

#include <gtest/gtest.h>

#include "store/sqlite_store.h"
#include "store/test_folder.h"

namespace firesteel {
namespace {

class DocumentIndexTest : public ::testing::Test {
 protected:
  void SetUp() override { store_ = open_sqlite_store({.path = folder_.file("store.db")}).value(); }
  StoredDocument add(const TenantId& tenant, const std::string& name, std::vector<std::string> texts) {
    std::vector<StoredPassage> passages;
    for (std::string& text : texts) passages.push_back({"Heading of " + name, std::move(text)});
    return DocumentIndex(*store_).add(tenant, name, "", 10, passages, ++now_us_).value();
  }
  std::vector<PassageHit> search(const TenantId& tenant, const std::string& query) { return DocumentIndex(*store_).search(tenant, query, 5).value(); }

  TestFolder folder_;
  std::unique_ptr<Store> store_;
  TenantId one_ = TenantId::fresh(), other_ = TenantId::fresh();
  int64_t now_us_ = 0;
};

TEST_F(DocumentIndexTest, FindsThePassageAndNamesIt) {
  add(one_, "lease.pdf", {"The rent is 900 a month.", "Notice must be given three months before.", "Pets are allowed."});
  add(one_, "notes.md", {"Buy flint and steel."});
  const auto hits = search(one_, "When must NOTICE be given?");
  ASSERT_FALSE(hits.empty());
  EXPECT_EQ(hits[0].name, "lease.pdf");
  EXPECT_EQ(hits[0].number, 2);
  EXPECT_EQ(hits[0].text, "Notice must be given three months before.");
  EXPECT_TRUE(search(one_, "elephants").empty());
  EXPECT_TRUE(search(one_, "?!").empty());
}

TEST_F(DocumentIndexTest, QueriesAreWordsAndNothingElse) {
  add(one_, "a.txt", {"alpha beta", "gamma"});
  for (const char* const query : {"\"", "alpha\" OR \"gamma", "alpha NOT beta", "content:alpha", "alpha*", "NEAR(alpha beta)", "(((", "-alpha", "alpha AND", "^alpha", "'; DROP TABLE passages;--"}) {
    EXPECT_TRUE(DocumentIndex(*store_).search(one_, query, 5).ok()) << query;
  }
  EXPECT_EQ(search(one_, "alpha").size(), 1u);
}

// Neither text nor order of one tenant depends on another's documents.
TEST_F(DocumentIndexTest, TenantsAreApart) {
  const StoredDocument mine = add(one_, "mine.txt", {"alpha beta", "alpha alpha gamma", "beta"});
  const auto before = search(one_, "alpha beta gamma");
  const StoredDocument theirs = add(other_, "theirs.txt", {"alpha secret", "gamma", "gamma gamma", "gamma beta"});
  const auto after = search(one_, "alpha beta gamma");
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i].text, after[i].text);
    EXPECT_EQ(before[i].score, after[i].score);
    EXPECT_EQ(after[i].document, mine.id);
  }
  EXPECT_TRUE(search(one_, "secret").empty());
  DocumentIndex index(*store_);
  EXPECT_EQ(index.erase(one_, theirs.id).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(index.list(one_)->size(), 1u);
  EXPECT_EQ(index.list(other_)->size(), 1u);
}

TEST_F(DocumentIndexTest, WhatIsErasedIsNotFound) {
  const StoredDocument document = add(one_, "a.txt", {"alpha"});
  add(one_, "b.txt", {"alpha beta"});
  DocumentIndex index(*store_);
  ASSERT_TRUE(index.erase(one_, document.id).ok());
  EXPECT_EQ(index.erase(one_, document.id).error().code, ErrorCode::kNotFound);
  ASSERT_EQ(search(one_, "alpha").size(), 1u);
  EXPECT_EQ(search(one_, "alpha")[0].name, "b.txt");
}

TEST_F(DocumentIndexTest, LimitsAreSaid) {
  DocumentIndex index(*store_);
  EXPECT_EQ(index.add(one_, "a", "", 0, {}, 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(index.add(one_, "", "", 0, {{"", "x"}}, 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(index.add(one_, "a", "", 0, {{"", std::string(5000, 'x')}}, 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(index.add(one_, "a", "", 0, {{"", "\xFF"}}, 1).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace firesteel
