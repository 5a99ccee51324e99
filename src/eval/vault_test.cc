#include "eval/vault.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/mapped_file.h"
#include "base/rng.h"
#include "eval/report.h"
#include "eval/run.h"

namespace firesteel {
namespace {

class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "firesteel-vault-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~TestFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

class VaultTest : public ::testing::Test {
 protected:
  VaultTest() {
    suite_.name = "company/prices";
    suite_.title = "Secret title";
    suite_.system = "Answer shortly.";
    for (int i = 0; i < 5; ++i) {
      EvalItem item;
      item.id = "p" + std::to_string(i);
      item.messages = {{"user", "What do the WIDGETS cost, number " + std::to_string(i) + "?", {}}};
      item.grading.kind = Grading::Kind::kNumber;
      item.grading.answers = {std::to_string(17 + i)};
      item.grading.tolerance = Decimal::parse("0.5");
      item.slices = {{"topic", i < 2 ? "a" : "b"}};
      suite_.items.push_back(item);
    }
    suite_.digest = items_digest(suite_.items);
    EXPECT_TRUE(make_vault_key(key_).value());
    EXPECT_TRUE(seal_vault(suite_, key_, file_).ok());
  }

  TestFolder folder_;
  const std::string key_ = folder_.file("owner.key"), file_ = folder_.file("prices.sealed");
  Suite suite_;
};

TEST_F(VaultTest, OpensToWhatWasSealed) {
  EXPECT_FALSE(make_vault_key(key_).value()) << "an existing key is kept";
  const Suite opened = open_vault(file_, key_, -1).value();
  ASSERT_EQ(opened.items.size(), 5u);
  EXPECT_TRUE(opened.sealed);
  EXPECT_EQ(opened.system, suite_.system);
  EXPECT_EQ(opened.items[3].messages[0].text, suite_.items[3].messages[0].text);
  EXPECT_EQ(opened.items[3].grading.answers, suite_.items[3].grading.answers);
  EXPECT_TRUE(grade(opened.items[0].grading, "17.4").right);
  EXPECT_NE(opened.items[3].id, suite_.items[3].id) << "ids are keyed hashes";
  EXPECT_EQ(opened.items[3].id, open_vault(file_, key_, 4).value().items[3].id);
  EXPECT_EQ(open_vault(file_, key_, 2).value().items.size(), 2u);
}

TEST_F(VaultTest, NothingIsReadableWithoutTheKey) {
  const std::string text = read_file(file_, 1 << 20).value();
  for (const char* secret : {"WIDGETS", "Secret title", "Answer shortly", "topic"}) EXPECT_EQ(text.find(secret), std::string::npos) << secret;
  ASSERT_TRUE(make_vault_key(folder_.file("other.key")).ok());
  EXPECT_EQ(open_vault(file_, folder_.file("other.key"), -1).error().code, ErrorCode::kUnauthenticated);
  ::chmod(key_.c_str(), 0644);
  EXPECT_EQ(open_vault(file_, key_, -1).error().code, ErrorCode::kFailedPrecondition);
}

TEST_F(VaultTest, TouchedFilesAreFound) {
  const std::string good = read_file(file_, 1 << 20).value();
  Rng rng(3);
  for (int i = 0; i < 300; ++i) {
    std::string bad = good;
    bad[rng.below(bad.size())] ^= static_cast<char>(1 << rng.below(7));
    ASSERT_TRUE(write_file_atomic(file_, bad).ok());
    const auto opened = open_vault(file_, key_, -1);
    if (!opened.ok()) continue;
    EXPECT_EQ(opened->items[4].messages[0].text, suite_.items[4].messages[0].text) << "name and line ends are not secret, all else is checked";
  }
  // Two items change places.
  const size_t first = good.find('\n', good.find('\n') + 1) + 1, second = good.find('\n', first) + 1, third = good.find('\n', second) + 1;
  ASSERT_TRUE(write_file_atomic(file_, good.substr(0, first) + good.substr(second, third - second) + good.substr(first, second - first) + good.substr(third)).ok());
  EXPECT_EQ(open_vault(file_, key_, -1).error().code, ErrorCode::kDataLoss);
  ASSERT_TRUE(write_file_atomic(file_, good.substr(0, third)).ok());
  EXPECT_EQ(open_vault(file_, key_, -1).error().code, ErrorCode::kDataLoss);
}

TEST_F(VaultTest, ReportsHoldNoContentAndExposuresAreCounted) {
  const Suite opened = open_vault(file_, key_, -1).value();
  const SuiteRun run = run_suite(opened, [](const Suite&, const EvalItem& item, size_t) {
    Attempt attempt;
    attempt.text = "The WIDGETS cost 17";
    attempt.thinking = item.messages[0].text;
    attempt.finish = "stop";
    return attempt;
  }, {.n_parallel = 2}).value();
  ASSERT_TRUE(count_exposure(opened, "model-1").ok());
  ASSERT_TRUE(count_exposure(open_vault(file_, key_, 2).value(), "model-1").ok());
  Report report;
  report.suites = {make_suite_report(opened, opened.mode, run)};
  EXPECT_EQ(report.suites[0].n_right, 1);
  const std::string text = report_json(report).dump() + report_html(report, 10) + read_file(file_ + ".exposures.json", 1 << 20).value();
  for (const char* secret : {"WIDGETS", "Answer shortly"}) EXPECT_EQ(text.find(secret), std::string::npos) << secret;
  EXPECT_EQ(parse_report(report_json(report)).value().suites[0].items[0].slices, opened.items[0].slices);
  const VaultInfo info = read_vault_info(file_).value();
  EXPECT_EQ(info.name, "company/prices");
  ASSERT_EQ(info.exposures.size(), 1u);
  EXPECT_EQ(info.exposures[0].n_runs, 2);
  EXPECT_EQ(info.exposures[0].n_items, 5);
  EXPECT_EQ(info.exposures[0].n_max, 2);
}

}  // namespace
}  // namespace firesteel
