// Ingest, versions, steps and erasure, on real files in a folder of their own.
#include <gtest/gtest.h>

#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "base/mapped_file.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "dataset/adapter_files.h"
#include "dataset/csv.h"
#include "digest/digest.h"
#include "dataset/ingest.h"
#include "dataset/language.h"
#include "dataset/near_duplicates.h"
#include "dataset/steps.h"
#include "dataset/versions.h"

namespace firesteel {
namespace {

class DatasetTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "firesteel-dataset-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::string write(const std::string& name, std::string_view text) {
    const std::string path = folder_ + "/" + name;
    EXPECT_TRUE(write_file_atomic(path, text).ok());
    return path;
  }
  DatasetStore store() const { return DatasetStore(folder_ + "/store"); }
  Result<IngestReport> take(const std::vector<std::string>& files, const std::string& name = "set") {
    IngestOptions options;
    options.name = name;
    options.files = files;
    options.rows_per_checkpoint = 200;
    return ingest(store(), options, 1, [](uint64_t, uint64_t) { return true; });
  }
  std::string folder_;
};

std::string chat(const std::string& question, const std::string& answer, const std::string& user = "") {
  Json json = Json::Object{{"messages", Json::Array{Json::Object{{"role", "user"}, {"content", question}}, Json::Object{{"role", "assistant"}, {"content", answer}}}}};
  if (!user.empty()) json.set("user", user);
  return json.dump() + "\n";
}

TEST_F(DatasetTest, BadRowsAreNamedAndTheRestIsTaken) {
  std::string text = "\xef\xbb\xbf" + chat("What is 2 + 2?", "4", "ann");
  text += "{\"messages\": [{\"role\": \"user\"}]}\n";                                      // 2
  text += "not json\n\n";                                                                  // 3, and an empty line
  text += "{\"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"a\"}\n";                  // 5
  text += "{\"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"b\", \"consent\": false}\n";  // 6
  text += "{\"text\": \"caf\xe9\"}\n";                                                      // 7
  text += "{\"text\": \"" + std::string(2 << 20, 'x') + "\"}\n";                            // 8
  text += std::string(100, '[') + "\n";                                                    // 9
  text += "{\"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"b\", \"tenant\": \"t1\", \"at\": 1700000000}\r\n";
  text += "{\"instruction\": \"Say\", \"input\": \"it\", \"output\": \"it\"}";              // no line break at the end
  const auto report = take({write("rows.jsonl", text)});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->n_rows, 3u);
  ASSERT_EQ(report->first_rejected.size(), 7u);
  const int64_t rows[] = {2, 3, 5, 6, 7, 8, 9};
  const char* const reasons[] = {"no content", "", "same text", "no consent", "byte 13 (0xe9) is not UTF-8", "the limit of a row", ""};
  for (size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(report->first_rejected[i].file, "rows.jsonl");
    EXPECT_EQ(report->first_rejected[i].row, rows[i]);
    EXPECT_NE(report->first_rejected[i].reason.find(reasons[i]), std::string::npos) << report->first_rejected[i].reason;
  }
  const auto dataset = store().read(report->version);
  ASSERT_TRUE(dataset.ok()) << dataset.error().message;
  ASSERT_EQ(dataset->rows.size(), 3u);
  EXPECT_EQ(dataset->rows[0].lineage.user, "ann");
  EXPECT_EQ(dataset->rows[1].row.kind, DatasetRow::Kind::kPair);
  EXPECT_EQ(dataset->rows[1].lineage.line, 10);
  EXPECT_EQ(dataset->rows[1].lineage.at_us, 1'700'000'000'000'000);
  EXPECT_EQ(dataset->rows[2].row.messages[0].content, "Say\n\nit");
  const auto rejects = read_file(store().path_of(report->version) + "/rejects.jsonl", 1 << 20);
  ASSERT_TRUE(rejects.ok());
  EXPECT_EQ(std::count(rejects->begin(), rejects->end(), '\n'), 7);
}

// The first `data ingest` of a fresh account: nothing of ~/.local/state is there.
TEST_F(DatasetTest, AStoreInFoldersThatAreMissingIsMade) {
  const DatasetStore deep(store().folder() + "/not/there/datasets");
  EXPECT_TRUE(make_folders(deep.folder() + "/name").ok());
  struct stat info = {};
  ASSERT_EQ(::stat((store().folder() + "/not").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0700u);
  const Status refused = make_folders("/proc/no/such");
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("/proc/no"), std::string::npos);
}

TEST_F(DatasetTest, CsvDamageCostsItsRowOnly) {
  const auto report = take({write("rows.csv", "Question;Answer;User\r\n\"a \"\"b\"\"\nc\";d;ann\n\"x\" y;z;bob\nonly two;fields\n;empty;e\nq;a;u\n\"never closed;1;2\nq2;a2;u2\n")});
  ASSERT_TRUE(report.ok()) << report.error().message;
  const auto dataset = store().read(report->version);
  ASSERT_TRUE(dataset.ok());
  ASSERT_EQ(dataset->rows.size(), 3u);
  EXPECT_EQ(dataset->rows[0].row.messages[0].content, "a \"b\"\nc");
  EXPECT_EQ(dataset->rows[0].lineage.user, "ann");
  EXPECT_EQ(dataset->rows[2].row.messages[1].content, "a2");
  ASSERT_EQ(report->first_rejected.size(), 4u);
  EXPECT_EQ(report->first_rejected[0].row, 4);
  EXPECT_EQ(report->first_rejected[3].row, 8);
  EXPECT_NE(report->first_rejected[3].reason.find("never closed"), std::string::npos);
}

TEST_F(DatasetTest, DocumentsAndOtherEncodingsBecomeRows) {
  const auto report = take({write("page.html", "<title>T</title><h1>Fees</h1><p>Two euros."), write("notes.md", "# Notes\n*Some* text."), write("bad.html", "caf\xe9"),
                            write("wide.jsonl", std::string("\xff\xfe{\0\"\0t\0e\0x\0t\0\"\0:\0\"\0z\0\"\0}\0", 26))});
  ASSERT_TRUE(report.ok()) << report.error().message;
  const auto dataset = store().read(report->version);
  ASSERT_TRUE(dataset.ok());
  ASSERT_EQ(dataset->rows.size(), 3u);
  EXPECT_EQ(dataset->rows[0].row.text, "Fees\n\nTwo euros.");
  EXPECT_EQ(dataset->rows[1].row.text, "Notes\n\nSome text.");
  EXPECT_EQ(dataset->rows[2].row.text, "z");
  ASSERT_EQ(report->first_rejected.size(), 1u);
  EXPECT_EQ(report->first_rejected[0].file, "bad.html");
}

std::string many_rows(int n) {
  std::string text;
  for (int i = 0; i < n; ++i) text += i % 100 == 99 ? std::string("broken\n") : chat("Question number " + std::to_string(i), "Answer " + std::to_string(i * 7), "u" + std::to_string(i % 10));
  return text;
}

TEST_F(DatasetTest, AnInterruptedIngestGoesOnAndGivesTheSameVersion) {
  const std::string a = write("a.jsonl", many_rows(900)), b = write("b.jsonl", many_rows(700) + "{\"text\": \"end\"}\n");
  const auto whole = take({a, b}, "whole");
  ASSERT_TRUE(whole.ok());
  IngestOptions options;
  options.name = "parts";
  options.files = {a, b};
  options.rows_per_checkpoint = 200;
  int n_calls = 0;
  for (;;) {
    int calls = 0;
    const auto part = ingest(store(), options, 1, [&](uint64_t, uint64_t) { return ++calls < 2; });  // two checkpoints a run
    ++n_calls;
    if (part.ok()) {
      EXPECT_EQ(part->version.digest, whole->version.digest);
      EXPECT_EQ(part->n_rejected, whole->n_rejected);
      break;
    }
    ASSERT_EQ(part.error().code, ErrorCode::kCancelled);
    ASSERT_LT(n_calls, 20);
    EXPECT_FALSE(store().resolve("parts").ok());
  }
  EXPECT_GT(n_calls, 2);
}

// Runs `work` in a child that dies by SIGKILL after so many milliseconds, if it is not done.
template <typename Work>
void killed_child(int64_t after_ms, const Work& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(0);
  }
  ::poll(nullptr, 0, static_cast<int>(after_ms));
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
}

TEST_F(DatasetTest, KillAtAnyMomentLeavesNoHalfVersion) {
  const std::string file = write("a.jsonl", many_rows(3000));
  const auto whole = take({file}, "whole");
  ASSERT_TRUE(whole.ok());
  Rng rng(3);
  for (int round = 0; round < 6; ++round) {
    killed_child(rng.between(1, 40), [&] { (void)take({file}, "killed"); });
    const auto versions = store().list();
    ASSERT_TRUE(versions.ok()) << versions.error().message;
    for (const VersionInfo& info : *versions) EXPECT_TRUE(store().read(info.ref).ok());
  }
  const auto after = take({file}, "killed");
  ASSERT_TRUE(after.ok()) << after.error().message;
  EXPECT_EQ(after->version.digest, whole->version.digest);
}

TEST_F(DatasetTest, AFullDiskIsAnErrorAndTheNextRunSucceeds) {  // RLIMIT_FSIZE: writes beyond it fail as on a full disk
  const std::string file = write("a.jsonl", many_rows(4000));
  const auto whole = take({file}, "whole");
  ASSERT_TRUE(whole.ok());
  for (const rlim_t limit : {rlim_t{100}, rlim_t{70'000}, rlim_t{300'000}, rlim_t{600'000}}) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::signal(SIGXFSZ, SIG_IGN);
      const rlimit size{limit, limit};
      ::setrlimit(RLIMIT_FSIZE, &size);
      const auto full = take({file}, "full");
      ::_exit(!full.ok() && full.error().code == ErrorCode::kIo ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0) << limit;
    EXPECT_FALSE(store().resolve("full").ok());
  }
  const auto after = take({file}, "full");
  ASSERT_TRUE(after.ok()) << after.error().message;
  EXPECT_EQ(after->version.digest, whole->version.digest);
}

TEST_F(DatasetTest, StepsThatAreKilledOrFindNoRoomLeaveTheVersionBefore) {
  const std::string file = write("a.jsonl", many_rows(1500));
  const auto first = take({file});
  ASSERT_TRUE(first.ok());
  const Dataset dataset = store().read(first->version).value();
  const auto step = [&](const std::string& name) {
    StepResult result = scrub_rows(dataset.rows, {});
    return store().publish(name, result.rows, dataset.card, result.step, 2);
  };
  const auto whole = step("whole");
  ASSERT_TRUE(whole.ok());
  Rng rng(8);
  for (int round = 0; round < 5; ++round) killed_child(rng.between(1, 60), [&] { (void)step("set"); });
  for (const rlim_t limit : {rlim_t{50}, rlim_t{40'000}}) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::signal(SIGXFSZ, SIG_IGN);
      const rlimit size{limit, limit};
      ::setrlimit(RLIMIT_FSIZE, &size);
      ::_exit(step("full").ok() ? 1 : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0) << limit;
    EXPECT_FALSE(store().resolve("full").ok());
  }
  const auto head = store().resolve("set");
  ASSERT_TRUE(head.ok());
  EXPECT_TRUE(head->digest == first->version.digest || head->digest == whole->digest);
  EXPECT_TRUE(store().read(*head).ok());
  EXPECT_EQ(step("set")->digest, whole->digest);
}

TEST_F(DatasetTest, AnErasureThatIsKilledGoesOnUntilNothingIsLeft) {
  std::string rows = many_rows(1200);
  for (int i = 0; i < 200; ++i) rows += chat("mine " + std::to_string(i), "an answer of my own " + std::to_string(i * 7), "ann");
  const std::string file = write("a.jsonl", rows);
  ASSERT_TRUE(take({file}, "one").ok());
  ASSERT_TRUE(take({file}, "two").ok());
  Rng rng(9);
  for (int round = 0; round < 8; ++round) killed_child(rng.between(1, 50), [&] { (void)erase_user(store(), "ann", "", false, 3); });
  ASSERT_TRUE(erase_user(store(), "ann", "", false, 4).ok());
  EXPECT_TRUE(erase_user(store(), "ann", "", true, 5)->empty());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ + "/store")) {
    if (!entry.is_regular_file()) continue;
    const auto text = read_file(entry.path().string(), 64u << 20);
    ASSERT_TRUE(text.ok());
    EXPECT_EQ(text->find("an answer of my own"), std::string::npos) << entry.path();
  }
  for (const char* name : {"one", "two"}) EXPECT_TRUE(store().read(store().resolve(name).value()).ok());
}

TEST_F(DatasetTest, VersionsAreTheirContentAndDamageIsFound) {
  const auto first = take({write("a.jsonl", chat("q", "a") + chat("q2", "a2"))});
  ASSERT_TRUE(first.ok());
  const std::string path = store().path_of(first->version);
  const std::string rows = *read_file(path + "/rows.jsonl", 1 << 20), lineage = *read_file(path + "/lineage.jsonl", 1 << 20);
  EXPECT_EQ(first->version.digest, sha256_hex("firesteel dataset 1\n" + sha256_hex(rows) + "\n" + sha256_hex(lineage) + "\n"));
  EXPECT_TRUE(store().resolve("set@" + first->version.digest.substr(0, 8)).ok());
  EXPECT_FALSE(store().resolve("set@0000000").ok());
  EXPECT_FALSE(store().resolve("../set").ok());
  ASSERT_TRUE(write_file_atomic(path + "/rows.jsonl", chat("q", "b") + chat("q2", "a2")).ok());
  const auto damaged = store().read(first->version);
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().code, ErrorCode::kDataLoss);
}

TEST_F(DatasetTest, ErasureRetiresEveryVersionAndAdapterWithTheUsersRows) {
  const auto first = take({write("a.jsonl", chat("What is your number, Ann?", "mail ann@example.org", "ann") + chat("Which way is north?", "Up.", "bob"))});
  ASSERT_TRUE(first.ok());
  auto dataset = store().read(first->version);
  ASSERT_TRUE(dataset.ok());
  const StepResult scrubbed = scrub_rows(dataset->rows, {});
  const auto second = store().publish("set", scrubbed.rows, dataset->card, scrubbed.step, 2);
  ASSERT_TRUE(second.ok());
  const auto other = take({write("b.jsonl", chat("Unrelated?", "Yes.", "bob"))}, "other");
  ASSERT_TRUE(other.ok());
  std::filesystem::create_directories(folder_ + "/adapters/peft");
  write("adapters/one.gguf", "GGUF...." + second->digest);
  write("adapters/two.gguf", "GGUF...." + other->version.digest);
  write("adapters/peft/adapter_config.json", "{\"dataset\": \"" + first->version.digest + "\"}");

  const auto dry = erase_user(store(), "ann", "", true, 3);
  ASSERT_TRUE(dry.ok());
  EXPECT_EQ(dry->size(), 2u);
  EXPECT_TRUE(store().resolve("set").ok());
  const auto erased = erase_user(store(), "ann", "", false, 3);
  ASSERT_TRUE(erased.ok()) << erased.error().message;
  ASSERT_EQ(erased->size(), 2u);
  EXPECT_FALSE(store().resolve("set@" + second->digest).ok());
  const auto rest = store().resolve("set");
  ASSERT_TRUE(rest.ok()) << rest.error().message;
  const auto left = store().read(*rest);
  ASSERT_TRUE(left.ok());
  ASSERT_EQ(left->rows.size(), 1u);
  EXPECT_EQ(left->rows[0].lineage.user, "bob");
  EXPECT_TRUE(store().resolve("other").ok());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ + "/store")) {  // not a byte of it is left
    if (!entry.is_regular_file()) continue;
    const auto text = read_file(entry.path().string(), 1 << 20);
    ASSERT_TRUE(text.ok());
    EXPECT_EQ(text->find("ann@example.org"), std::string::npos) << entry.path();
    EXPECT_EQ(text->find("\"ann\""), std::string::npos) << entry.path();
  }
  const auto uses = find_adapters_of({folder_ + "/adapters"}, {first->version.digest, second->digest});
  ASSERT_TRUE(uses.ok());
  ASSERT_EQ(uses->size(), 2u);
  for (const AdapterUse& use : *uses) EXPECT_TRUE(retire_adapter(use, "erasure").ok());
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/adapters/one.gguf"));
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/adapters/two.gguf"));
  EXPECT_TRUE(find_adapters_of({folder_ + "/adapters"}, {second->digest})->empty());
  EXPECT_TRUE(erase_user(store(), "ann", "", false, 4)->empty());
}

std::vector<LineageRow> rows_of_users(std::initializer_list<std::pair<const char*, int>> users) {
  std::vector<LineageRow> rows;
  for (const auto& [user, n] : users) {
    for (int i = 0; i < n; ++i) {
      LineageRow item;
      item.row.kind = DatasetRow::Kind::kMessages;
      item.row.messages = {{"user", std::string(user) + " asks " + std::to_string(i)}, {"assistant", "yes"}};
      item.lineage.id = row_id(item.row);
      item.lineage.user = user;
      rows.push_back(std::move(item));
    }
  }
  return rows;
}

TEST(Steps, CapsHoldForTheResult) {
  CapOptions options;
  options.user_share_max = 0.25;
  const auto capped = cap_rows(rows_of_users({{"a", 1000}, {"b", 30}, {"c", 40}, {"d", 50}, {"e", 5}, {"", 7}}), options);
  ASSERT_TRUE(capped.ok());
  std::map<std::string, size_t> counts;
  for (const LineageRow& item : capped->rows) ++counts[item.lineage.user];
  for (const auto& [user, n] : counts) {
    EXPECT_TRUE(user.empty() || static_cast<double>(n) <= 0.25 * static_cast<double>(capped->rows.size())) << user;
  }
  EXPECT_EQ(counts["b"], 30u);
  EXPECT_EQ(counts[""], 7u);
  EXPECT_GE(counts["a"], 41u);  // as many as the share allows: 44 of 176 and so on
  options.user_share_max = 0.01;
  const auto impossible = cap_rows(rows_of_users({{"a", 10}, {"b", 10}}), options);
  ASSERT_FALSE(impossible.ok());
  EXPECT_NE(impossible.error().message.find("least share is 50 %"), std::string::npos) << impossible.error().message;
}

TEST(Steps, TheSplitIsStableAndNeverPartsAPrompt) {
  std::vector<LineageRow> rows = rows_of_users({{"a", 2000}, {"a", 2000}});
  const SplitResult split = split_rows(rows, 0.1, 1);
  EXPECT_EQ(split.train.rows.size() + split.test.rows.size(), 4000u);
  EXPECT_NEAR(static_cast<double>(split.test.rows.size()), 400, 90);
  std::set<std::string> test_prompts;
  for (const LineageRow& item : split.test.rows) test_prompts.insert(prompt_text(item.row));
  for (const LineageRow& item : split.train.rows) EXPECT_FALSE(test_prompts.contains(prompt_text(item.row)));
  std::reverse(rows.begin(), rows.end());
  EXPECT_EQ(split_rows(rows, 0.1, 1).test.rows.size(), split.test.rows.size());
}

TEST(Steps, ItemsOfTestsAreTakenOutAndOthersStay) {
  ContaminationIndex tests;
  tests.add("A farmer has 17 sheep and buys 5 more at the market on Monday. How many sheep has he now?");
  tests.finish();
  std::vector<LineageRow> rows = rows_of_users({{"a", 3}});
  rows[0].row.messages[0].content = "A farmer has 17 sheep and buys 5 more at the market on Monday. How many sheep has he now?";
  rows[1].row.messages[0].content = "Tell me: a farmer has 99 sheep and buys 5 more at the market on Monday, how many sheep has he now?";
  rows[2].row.messages[0].content = "How many sheep are there in the whole of New Zealand, according to the last census?";
  const StepResult clean = decontaminate_rows(rows, tests, 0.5);
  ASSERT_EQ(clean.rows.size(), 1u);
  EXPECT_EQ(clean.rows[0].row.messages[0].content, rows[2].row.messages[0].content);
}

TEST(Steps, FiltersNameTheirReasons) {
  std::vector<LineageRow> rows = rows_of_users({{"a", 5}});
  rows[0].row.messages[1].content = std::string("no no no no no no no no no no no no no no no no no no no no no no");
  rows[1].row.messages[1].content = "ignore <|im_start|>system";
  rows[2].row.messages[1].content = "Das ist eine Antwort, die nicht auf Englisch geschrieben ist.";
  rows[3].row.messages[1].content = "This is an answer that was written in English for the test.";
  FilterOptions options;
  options.languages = {"en"};
  const StepResult result = filter_rows(rows, options);
  EXPECT_EQ(result.rows.size(), 2u);
  EXPECT_EQ(result.step.report.find("reasons")->dump(), "{\"control tokens in text\":1,\"language\":1,\"repeats itself\":1}");
}

TEST(Language, SmallWordsAndScriptsTell) {
  const std::pair<const char*, const char*> samples[] = {
      {"en", "The price of the ticket is not included, but you can pay for it at the station."},
      {"de", "Der Preis ist nicht enthalten, aber Sie k\xc3\xb6nnen die Karte auch auf dem Bahnhof kaufen."},
      {"fr", "Le prix du billet n'est pas compris, mais vous pouvez le payer dans la gare avec une carte."},
      {"es", "El precio no est\xc3\xa1 incluido, pero se puede pagar en la estaci\xc3\xb3n con una tarjeta."},
      {"it", "Il prezzo non \xc3\xa8 incluso, ma si pu\xc3\xb2 pagare alla stazione con una carta."},
      {"pt", "O pre\xc3\xa7o n\xc3\xa3o est\xc3\xa1 inclu\xc3\xad" "do, mas voc\xc3\xaa pode pagar na esta\xc3\xa7\xc3\xa3o com um cart\xc3\xa3o."},
      {"nl", "De prijs is niet inbegrepen, maar je kan het op het station met een kaart betalen."},
      {"pl", "Ile to kosztuje i czy mo\xc5\xbcna zap\xc5\x82" "aci\xc4\x87 na dworcu? To nie jest w cenie."},
      {"ru", "\xd0\xa1\xd0\xba\xd0\xbe\xd0\xbb\xd1\x8c\xd0\xba\xd0\xbe \xd1\x81\xd1\x82\xd0\xbe\xd0\xb8\xd1\x82 \xd0\xb1\xd0\xb8\xd0\xbb\xd0\xb5\xd1\x82?"},
      {"ja", "\xe3\x81\x93\xe3\x82\x8c\xe3\x81\xaf\xe6\x9c\xac\xe3\x81\xa7\xe3\x81\x99\xe3\x80\x82"},
      {"zh", "\xe8\xbf\x99\xe6\x98\xaf\xe4\xb8\x80\xe6\x9c\xac\xe4\xb9\xa6\xe3\x80\x82"},
      {"und", "4"}, {"und", "x = 2400 * 1.035"}};
  for (const auto& [language, text] : samples) EXPECT_EQ(guess_language(text), language) << text;
}

TEST(NearDuplicates, AgreeWithExactJaccardOfAllPairs) {
  Rng rng(11);
  const auto sentence = [&](int n) {
    std::string text;
    for (int i = 0; i < n; ++i) text += "w" + std::to_string(rng.below(400)) + " ";
    return text;
  };
  std::vector<std::string> texts;
  for (int i = 0; i < 500; ++i) {
    if (i > 50 && rng.below(3) == 0) {  // a copy with a few words changed
      std::string copy = texts[rng.below(texts.size())];
      for (uint64_t n = rng.below(4); n > 0; --n) copy[rng.below(copy.size())] = 'z';
      texts.push_back(copy);
    } else {
      texts.push_back(sentence(static_cast<int>(20 + rng.below(60))));
    }
  }
  std::vector<std::vector<uint64_t>> shingles;
  for (const std::string& text : texts) shingles.push_back(shingles_of(text));
  for (const double threshold : {0.6, 0.8, 1.0}) {
    std::vector<bool> dropped(texts.size(), false);
    size_t n_expected = 0, n_found = 0;
    for (size_t i = 0; i < texts.size(); ++i) {  // the oracle: every pair, exactly
      for (size_t k = 0; k < i && !dropped[i]; ++k) dropped[i] = !dropped[k] && jaccard(shingles[i], shingles[k]) >= threshold;
      n_expected += dropped[i] ? 1u : 0u;
    }
    for (const NearDuplicate& duplicate : find_near_duplicates(texts, threshold)) {
      EXPECT_TRUE(dropped[duplicate.row]);
      EXPECT_GE(duplicate.similarity, threshold);
      EXPECT_EQ(duplicate.similarity, jaccard(shingles[duplicate.row], shingles[duplicate.kept]));
      ++n_found;
    }
    EXPECT_GT(n_expected, 20u);
    EXPECT_GE(static_cast<double>(n_found), 0.98 * static_cast<double>(n_expected)) << threshold;
  }
}

TEST(Csv, RecordsReadBackWhatWasWritten) {
  Rng rng(5);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> fields(1 + rng.below(4));
    std::string text;
    for (std::string& field : fields) {
      for (uint64_t n = rng.below(8); n > 0; --n) field += "ab,\"\n "[rng.below(6)];
      text += &field == fields.data() ? "\"" : ",\"";
      for (const char c : field) text += c == '"' ? std::string("\"\"") : std::string(1, c);
      text += '"';
    }
    text += "\nnext\n";
    CsvRecord record;
    ASSERT_TRUE(read_csv_record(text, 0, ',', 1000, &record).ok()) << text;
    EXPECT_EQ(record.fields, fields);
    EXPECT_EQ(text.substr(record.end), "next\n");
  }
}

// Found by reading: such a row lost its user, and no erasure could find it.
TEST(Origin, WhatIsTooLongOrNoTextIsRefusedAndNotDropped) {
  Lineage lineage;
  EXPECT_TRUE(read_origin(Json::Object{{"user", std::string(256, 'u')}, {"tenant", nullptr}}, &lineage).ok());
  EXPECT_EQ(lineage.user.size(), 256U);
  EXPECT_TRUE(read_origin(Json::Object{{"user", int64_t{4711}}}, &lineage).ok());
  EXPECT_EQ(lineage.user, "4711");
  EXPECT_EQ(read_origin(Json::Object{{"user", std::string(257, 'u')}}, &lineage).error().message, "user: expected a text of at most 256 bytes or a whole number, found 257 bytes");
  EXPECT_EQ(read_origin(Json::Object{{"tenant", Json::Array{}}}, &lineage).error().message, "tenant: expected a text of at most 256 bytes or a whole number");
}

}  // namespace
}  // namespace firesteel
