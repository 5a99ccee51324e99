// A model whose embeddings find answers is used for documents, one whose embeddings do not is left alone.
#include "server/passage_meaning.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <span>

#include "api/generator.h"
#include "store/sqlite_store.h"
#include "store/test_folder.h"

namespace firesteel {
namespace {

// Embeds by subject where it understands, by the text's length where it does not; and with a large part that all texts share.
class Embedder final : public Generator {
 public:
  Result<std::unique_ptr<TokenStream>> submit(GenerateRequest) override { return no(); }
  Result<std::shared_ptr<Context>> prefill(GenerateRequest) override { return no(); }
  Result<std::vector<std::unique_ptr<TokenStream>>> fork(const std::shared_ptr<Context>&, std::vector<BranchRequest>) override { return no(); }
  Result<std::shared_ptr<Context>> context_of(const TokenStream&, int64_t) override { return no(); }
  Result<int64_t> count_tokens(const Prompt&, std::span<const ImagePtr>) override { return no(); }
  Result<std::vector<TokenId>> tokenize(const Prompt&, std::span<const ImagePtr>) override { return no(); }
  Result<std::string> detokenize(std::span<const TokenId>) override { return no(); }
  std::string token_text(TokenId) const override { return {}; }
  ModelInfo info() const override {
    ModelInfo info;
    info.digest = "d1";
    return info;
  }
  GeneratorStats stats() const override { return {}; }
  explicit Embedder(bool understands) : understands_(understands) {}
  Result<std::vector<float>> embed(const Prompt& prompt) override {
    ++n_embedded;
    const std::string& text = std::get<RawPrompt>(prompt).text;
    static const std::vector<std::vector<const char*>> kSubjects = {
        {"landlord", "tenant"}, {"dogs", "Animals"}, {"weigh", "mass"}, {"windows", "glass"}, {"closed", "open"}, {"hot", "temperature"}, {"late", "overdue"}, {"filter", "sieve"},
        {"plants", "Cacti"}, {"sky", "sunlight"}, {"work", "employees"}, {"form", "applications"}, {"doctor", "physicians"}, {"car", "vehicle"}, {"contract", "Assignment"}, {"triangle", "three-sided"}};
    std::vector<float> out(kSubjects.size() + 1, 0.0f);
    out.back() = 5;
    for (size_t i = 0; i < kSubjects.size() && understands_; ++i) {
      for (const char* const word : kSubjects[i]) out[i] += text.find(word) != std::string::npos ? 1.0f : 0.0f;
    }
    if (!understands_) out[text.size() % kSubjects.size()] = 1;
    return out;
  }
  std::atomic<int> n_embedded = 0;

 private:
  static Error no() { return {ErrorCode::kUnsupported, "it only embeds"}; }
  const bool understands_;
};

class PassageMeaningTest : public ::testing::Test {
 protected:
  void SetUp() override { store_ = open_sqlite_store({.path = folder_.file("store.db")}).value(); }
  void add(const std::string& name, const std::vector<StoredPassage>& passages) { ASSERT_TRUE(DocumentIndex(*store_).add(tenant_, name, "", 1, passages, ++now_us_).ok()); }
  // Until the first document is whole, or not in a while.
  bool embedded() {
    for (int i = 0; i < 500; ++i) {
      if (!DocumentIndex(*store_).list(tenant_)->front().embedded_by.empty()) return true;
      pause();
    }
    return false;
  }
  void pause() {
    MutexLock lock(mutex_);
    static_cast<void>(said_.wait_for(mutex_, std::chrono::milliseconds(10)));  // there is no word for "a write is done"
  }
  TestFolder folder_;
  std::unique_ptr<Store> store_;
  std::string lines() {
    MutexLock lock(mutex_);
    return lines_;
  }
  Mutex mutex_;
  CondVar said_;
  std::string lines_;
  Log log_{[this](const std::string& line) {
    MutexLock lock(mutex_);
    lines_ += line;
    said_.notify_all();
  }};
  const TenantId tenant_ = TenantId::fresh();
  int64_t now_us_ = 0;
};

TEST_F(PassageMeaningTest, AModelThatUnderstandsFindsWhatSharesNoWord) {
  Embedder model(true);
  std::vector<StoredPassage> passages = {{"", "Animals only with consent."}, {"", "The vehicle is red."}};
  for (int i = 0; i < 40; ++i) passages.push_back({"", "Filler number " + std::to_string(i)});
  add("house.txt", passages);
  PassageMeaning meaning(&model, store_.get(), &log_);
  EXPECT_FALSE(meaning.of("May I have dogs?").has_value());
  meaning.start();
  ASSERT_TRUE(embedded()) << lines();
  const auto query = meaning.of("May I have dogs?");
  ASSERT_TRUE(query.has_value());
  const auto hits = DocumentIndex(*store_).search(tenant_, "May I have dogs?", 3, &*query).value();
  ASSERT_FALSE(hits.empty());
  EXPECT_EQ(hits[0].text, "Animals only with consent.");
  // A later document is embedded when somebody says that it is there.
  add("car.txt", {{"", "The vehicle is fast."}});
  meaning.wake();
  EXPECT_TRUE(embedded());
}

TEST_F(PassageMeaningTest, AModelThatDoesNotIsLeftAlone) {
  Embedder model(false);
  const auto trial = try_embeddings(&model);
  ASSERT_TRUE(trial.ok());
  EXPECT_FALSE(trial->useful()) << trial->n_found;
  const int n_before = model.n_embedded;
  add("house.txt", {{"", "Animals only with consent."}});
  {
    PassageMeaning meaning(&model, store_.get(), &log_);
    meaning.start();
    while (lines().find("embeddings") == std::string::npos) pause();
    EXPECT_FALSE(meaning.of("dogs").has_value());
  }
  EXPECT_EQ(model.n_embedded, 2 * n_before);  // the trial once more, and no passage
  EXPECT_EQ(DocumentIndex(*store_).list(tenant_)->front().embedded_by, "");
}

TEST_F(PassageMeaningTest, WithoutDocumentsNothingIsTried) {
  Embedder model(true);
  {
    PassageMeaning meaning(&model, store_.get(), &log_);
    meaning.start();
  }
  EXPECT_EQ(model.n_embedded, 0);
}

}  // namespace
}  // namespace firesteel
