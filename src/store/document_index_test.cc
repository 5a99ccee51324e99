#include "store/document_index.h"

#include <gtest/gtest.h>

#include <cmath>

#include "store/document_checks.h"
#include "store/sqlite_store.h"
#include "store/test_folder.h"

namespace firesteel {
namespace {

class DocumentIndexTest : public ::testing::Test {
 protected:
  void SetUp() override { store_ = open_sqlite_store({.path = folder_.file("store.db")}).value(); }
  TestFolder folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(DocumentIndexTest, FindsThePassageAndNamesIt) { documents_are_found(*store_); }
TEST_F(DocumentIndexTest, QueriesAreWordsAndNothingElse) { queries_are_words(*store_); }
TEST_F(DocumentIndexTest, TenantsAreApart) { documents_keep_tenants_apart(*store_); }
TEST_F(DocumentIndexTest, WhatIsErasedIsNotFound) { erased_documents_are_gone(*store_); }
TEST_F(DocumentIndexTest, LimitsAreSaid) { limits_of_documents_are_said(*store_); }
TEST_F(DocumentIndexTest, MeaningJoinsWords) { meaning_joins_words(*store_); }

TEST(PassageVector, CosinesComeOutWithinAHundredth) {
  const std::vector<float> a = {0.3f, -0.7f, 0.1f, 0.02f}, b = {0.1f, -0.2f, 0.9f, -0.4f};
  const auto dot = [](const std::vector<float>& x, const std::vector<float>& y) {
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += static_cast<double>(x[i]) * static_cast<double>(y[i]);
    return sum;
  };
  EXPECT_NEAR(cosine(passage_vector(a), passage_vector(b)), dot(a, b) / std::sqrt(dot(a, a) * dot(b, b)), 0.01);
  EXPECT_EQ(cosine(passage_vector(a), passage_vector(std::vector<float>{1, 2})), 0);
  EXPECT_TRUE(passage_vector(std::vector<float>{0, 0}).values.empty());
  EXPECT_EQ(passage_vector(std::vector<float>{NAN, 1}).values, (std::vector<int8_t>{0, 127}));
}

}  // namespace
}  // namespace firesteel
