// Checks of documents that every database must pass.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "store/document_index.h"

namespace firesteel {

class DocumentDesk {
 public:
  explicit DocumentDesk(Store& store) : index(store) {}
  StoredDocument add(const TenantId& tenant, const std::string& name, std::vector<std::string> texts) {
    std::vector<StoredPassage> passages;
    for (std::string& text : texts) passages.push_back({"Heading of " + name, std::move(text)});
    return index.add(tenant, name, "", 10, passages, ++now_us_).value();
  }
  std::vector<PassageHit> search(const TenantId& tenant, const std::string& query, const QueryMeaning* meaning = nullptr) {
    auto found = index.search(tenant, query, 5, meaning);
    EXPECT_TRUE(found.ok()) << found.error().message;
    return found.ok() ? *found : std::vector<PassageHit>();
  }
  DocumentIndex index;
  const TenantId one = TenantId::fresh(), other = TenantId::fresh();

 private:
  int64_t now_us_ = 0;
};

inline void documents_are_found(Store& store) {
  DocumentDesk desk(store);
  desk.add(desk.one, "lease.pdf", {"The rent is 900 a month.", "Notice must be given three months before.", "Pets are allowed."});
  desk.add(desk.one, "notes.md", {"Buy flint and steel."});
  const auto hits = desk.search(desk.one, "When must NOTICE be given?");
  ASSERT_FALSE(hits.empty());
  EXPECT_EQ(hits[0].name, "lease.pdf");
  EXPECT_EQ(hits[0].number, 2);
  EXPECT_EQ(hits[0].text, "Notice must be given three months before.");
  EXPECT_TRUE(desk.search(desk.one, "elephants").empty());
  EXPECT_TRUE(desk.search(desk.one, "?!").empty());
}

inline void queries_are_words(Store& store) {
  DocumentDesk desk(store);
  desk.add(desk.one, "a.txt", {"alpha beta", "gamma"});
  for (const char* const query : {"\"", "alpha\" OR \"gamma", "alpha NOT beta", "content:alpha", "alpha*", "NEAR(alpha beta)", "(((", "-alpha", "alpha AND", "^alpha", "'; DROP TABLE passages;--"}) {
    EXPECT_TRUE(desk.index.search(desk.one, query, 5).ok()) << query;
  }
  EXPECT_EQ(desk.search(desk.one, "alpha").size(), 1u);
}

// Neither text nor order of one tenant depends on another's documents.
inline void documents_keep_tenants_apart(Store& store) {
  DocumentDesk desk(store);
  const StoredDocument mine = desk.add(desk.one, "mine.txt", {"alpha beta", "alpha alpha gamma", "beta"});
  const auto before = desk.search(desk.one, "alpha beta gamma");
  const StoredDocument theirs = desk.add(desk.other, "theirs.txt", {"alpha secret", "gamma", "gamma gamma", "gamma beta"});
  const auto after = desk.search(desk.one, "alpha beta gamma");
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i].text, after[i].text);
    EXPECT_EQ(before[i].score, after[i].score);
    EXPECT_EQ(after[i].document, mine.id);
  }
  EXPECT_TRUE(desk.search(desk.one, "secret").empty());
  EXPECT_EQ(desk.index.erase(desk.one, theirs.id).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(desk.index.list(desk.one)->size(), 1u);
  EXPECT_EQ(desk.index.list(desk.other)->size(), 1u);
}

inline void erased_documents_are_gone(Store& store) {
  DocumentDesk desk(store);
  const StoredDocument document = desk.add(desk.one, "a.txt", {"alpha"});
  desk.add(desk.one, "b.txt", {"alpha beta"});
  ASSERT_TRUE(desk.index.erase(desk.one, document.id).ok());
  EXPECT_EQ(desk.index.erase(desk.one, document.id).error().code, ErrorCode::kNotFound);
  ASSERT_EQ(desk.search(desk.one, "alpha").size(), 1u);
  EXPECT_EQ(desk.search(desk.one, "alpha")[0].name, "b.txt");
}

inline void limits_of_documents_are_said(Store& store) {
  DocumentDesk desk(store);
  EXPECT_EQ(desk.index.add(desk.one, "a", "", 0, {}, 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(desk.index.add(desk.one, "", "", 0, {{"", "x"}}, 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(desk.index.add(desk.one, "a", "", 0, {{"", std::string(5000, 'x')}}, 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(desk.index.add(desk.one, "a", "", 0, {{"", "\xFF"}}, 1).error().code, ErrorCode::kInvalidArgument);
}

// Vectors join in: what has none of the query's words is found by its meaning, what has both comes first, and nothing of another tenant's,
// of another model's or below the floor does.
inline void meaning_joins_words(Store& store) {
  DocumentDesk desk(store);
  const StoredDocument mine = desk.add(desk.one, "pets.txt", {"Dogs are allowed.", "Cats are allowed.", "The rent is 900."});
  desk.add(desk.other, "theirs.txt", {"Dogs of others."});
  const auto vector_of = [](const std::string& text) {
    const float animal = text.find("ogs") != std::string::npos || text.find("ats") != std::string::npos ? 1.0f : 0.05f;
    return passage_vector(std::vector<float>{animal, 1 - animal, 0.1f});
  };
  EXPECT_EQ(desk.index.list(desk.one)->front().embedded_by, "");
  size_t n_embedded = 0;
  for (;;) {
    const auto left = desk.index.without_vector("model-a", 3).value();
    if (left.empty()) break;
    std::vector<std::pair<int64_t, PassageVector>> made;
    for (const PassageToEmbed& one : left) made.emplace_back(one.id, vector_of(one.text));
    made.emplace_back(int64_t{1} << 50, vector_of("gone meanwhile"));
    ASSERT_TRUE(desk.index.put_vectors("model-a", made).ok());
    n_embedded += left.size();
    ASSERT_LT(n_embedded, 1000u);
  }
  EXPECT_GE(n_embedded, 4u);
  EXPECT_EQ(desk.index.list(desk.one)->front().embedded_by, "model-a");
  QueryMeaning meaning{.model = "model-a", .vector = vector_of("dogs"), .floor = 0.5};
  const auto hits = desk.search(desk.one, "Which animals, dogs say?", &meaning);
  ASSERT_EQ(hits.size(), 2u);
  EXPECT_EQ(hits[0].text, "Dogs are allowed.");   // by word and by meaning
  EXPECT_EQ(hits[1].text, "Cats are allowed.");   // by meaning alone
  EXPECT_GT(hits[0].score, hits[1].score);
  EXPECT_EQ(hits[1].document, mine.id);
  EXPECT_EQ(desk.search(desk.one, "?!", &meaning).size(), 2u);  // no words at all
  meaning.floor = 1.01;
  EXPECT_EQ(desk.search(desk.one, "Which animals, dogs say?", &meaning).size(), 1u);
  meaning.floor = 0.5;
  meaning.model = "model-b";  // the served model has changed: until its vectors are there, words
  EXPECT_EQ(desk.search(desk.one, "dogs", &meaning).size(), 1u);
  EXPECT_EQ(desk.index.without_vector("model-b", 100)->size(), n_embedded);
  const auto again = desk.index.without_vector("model-b", 1).value();
  ASSERT_TRUE(desk.index.put_vectors("model-b", {{again[0].id, vector_of(again[0].text)}}).ok());
  ASSERT_TRUE(desk.index.erase(desk.one, mine.id).ok());
  meaning.model = "model-a";
  EXPECT_TRUE(desk.search(desk.one, "dogs", &meaning).empty());
}

}  // namespace firesteel
