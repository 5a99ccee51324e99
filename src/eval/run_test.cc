#include "eval/run.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <mutex>
#include <set>

#include <gtest/gtest.h>

#include "api/fake_generator.h"
#include "base/mapped_file.h"
#include "eval/choice_logprob.h"
#include "eval/compare.h"
#include "eval/report.h"

namespace firesteel {
namespace {

class TestFolder {
 public:
  TestFolder() {
    path_ = testing::TempDir() + "firesteel_eval_" + std::to_string(getpid()) + "_" + std::to_string(n_made_++);
    std::filesystem::create_directories(path_);
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  static inline int n_made_ = 0;
  std::string path_;
};

Suite counting_suite(int n) {
  Suite suite;
  suite.name = "test/counting";
  suite.title = "Counting <b>";
  for (int i = 0; i < n; ++i) {
    EvalItem item;
    item.id = std::to_string(i);
    item.messages.push_back({"user", "What is " + std::to_string(i) + " + 1?", {}});
    item.grading.kind = Grading::Kind::kNumber;
    item.grading.answers = {std::to_string(i + 1)};
    item.slices.emplace_back("parity", i % 2 == 0 ? "even" : "odd");
    suite.items.push_back(std::move(item));
  }
  suite.digest = items_digest(suite.items);
  return suite;
}

// Right but for multiples of 5.
Attempt answer_of(size_t index) {
  Attempt out;
  out.thinking = "counting";
  out.text = "Answer: " + std::to_string(index % 5 == 0 ? 0 : index + 1);
  out.calls.push_back({"calculator", R"({"expression":"1+1"})", "2", false});
  out.prompt_tokens = 7;
  out.generated_tokens = 3 + static_cast<int64_t>(index % 3);
  out.time_us = 1000;
  out.finish = "stop";
  return out;
}

Report report_of(const Suite& suite, const SuiteRun& run) {
  Report report;
  report.model = "test";
  report.model_digest = "0123";
  report.version = "firesteel test";
  report.settings = Json::Object{{"seed", 0}};
  report.suites.push_back(make_suite_report(suite, EvalMode::kThinking, run));
  return report;
}

TEST(RunSuite, ResultsStandInTheOrderOfTheItems) {
  const Suite suite = counting_suite(100);
  const auto solve = [](const Suite&, const EvalItem&, size_t index) { return answer_of(index); };
  std::string first;
  for (const int n_parallel : {1, 7, 200}) {
    const auto run = run_suite(suite, solve, {.n_parallel = n_parallel});
    ASSERT_TRUE(run.ok());
    ASSERT_EQ(run->results.size(), 100u);
    for (size_t i = 0; i < 100; ++i) {
      EXPECT_EQ(run->results[i].id, std::to_string(i));
      EXPECT_EQ(run->results[i].right, i % 5 != 0);
    }
    Report report = report_of(suite, *run);
    report.suites[0].wall_us = 0;
    const std::string text = report_json(report).dump();
    if (first.empty()) first = text;
    EXPECT_EQ(text, first);
  }
}

TEST(RunSuite, GoesOnAfterAnInterruption) {
  const TestFolder folder;
  const Suite suite = counting_suite(60);
  std::atomic<bool> stop = false;
  std::atomic<int> n_asked = 0;
  const auto solve = [&](const Suite&, const EvalItem&, size_t index) {
    if (++n_asked >= 25) stop = true;
    return answer_of(index);
  };
  RunOptions options{.n_parallel = 4, .journal = folder / "j.jsonl", .settings = Json::Object{{"mode", "thinking"}, {"temperature", 0.0}}, .stop = &stop};
  const auto first = run_suite(suite, solve, options);
  ASSERT_FALSE(first.ok());
  EXPECT_EQ(first.error().code, ErrorCode::kCancelled);
  const int n_first = n_asked;
  EXPECT_LT(n_first, 60);
  // A crash in the middle of a line.
  {
    std::FILE* file = std::fopen(options.journal.c_str(), "ab");
    std::fputs("{\"id\":\"59\",\"rig", file);
    std::fclose(file);
  }
  stop = false;
  options.stop = nullptr;
  const auto solve_rest = [&](const Suite&, const EvalItem&, size_t index) {
    ++n_asked;
    return answer_of(index);
  };
  const auto second = run_suite(suite, solve_rest, options);
  ASSERT_TRUE(second.ok()) << second.error().message;
  EXPECT_EQ(n_asked, 60);
  EXPECT_EQ(second->n_resumed, static_cast<size_t>(n_first));
  const auto whole = run_suite(suite, solve_rest, {.n_parallel = 1});
  Report a = report_of(suite, *second), b = report_of(suite, *whole);
  a.suites[0].wall_us = b.suites[0].wall_us = 0;
  EXPECT_EQ(report_json(a).dump(), report_json(b).dump());
  // Once more: nothing is asked.
  const auto third = run_suite(suite, solve_rest, options);
  ASSERT_TRUE(third.ok());
  EXPECT_EQ(third->n_resumed, 60u);
}

// The command in a child of its own, killed after so many milliseconds or with so much room on its disk.
int child_run(const Suite& suite, const RunOptions& options, int kill_after_ms, rlim_t room) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit size{room, room};
    if (room != RLIM_INFINITY) ::setrlimit(RLIMIT_FSIZE, &size);
    const auto run = run_suite(suite, [](const Suite&, const EvalItem&, size_t index) {
      ::poll(nullptr, 0, 1);
      return answer_of(index);
    }, options);
    ::_exit(run.ok() ? 0 : run.error().code == ErrorCode::kIo ? 3 : 1);
  }
  if (kill_after_ms > 0) {
    ::poll(nullptr, 0, kill_after_ms);
    ::kill(child, SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(RunSuite, KilledAndWithoutRoomOnTheDiskItEndsInTheSameReport) {
  const TestFolder folder;
  const Suite suite = counting_suite(80);
  const RunOptions options{.n_parallel = 2, .journal = folder / "j.jsonl", .settings = Json::Object{{"mode", "thinking"}}};
  for (const rlim_t room : {rlim_t{20}, rlim_t{900}, rlim_t{2500}}) EXPECT_EQ(child_run(suite, options, 0, room), 3) << "an error, not a report with holes";
  for (const int ms : {3, 11, 17}) static_cast<void>(child_run(suite, options, ms, RLIM_INFINITY));
  const auto solve = [](const Suite&, const EvalItem&, size_t index) { return answer_of(index); };
  const auto last = run_suite(suite, solve, options), whole = run_suite(suite, solve, {.n_parallel = 1});
  ASSERT_TRUE(last.ok()) << last.error().message;
  EXPECT_GT(last->n_resumed, 5u);
  Report a = report_of(suite, *last), b = report_of(suite, *whole);
  a.suites[0].wall_us = b.suites[0].wall_us = 0;
  EXPECT_EQ(report_json(a).dump(), report_json(b).dump());
}

TEST(RunSuite, RefusesTheJournalOfAnotherRun) {
  const TestFolder folder;
  const auto solve = [](const Suite&, const EvalItem&, size_t index) { return answer_of(index); };
  RunOptions options{.n_parallel = 2, .journal = folder / "j.jsonl", .settings = Json::Object{{"mode", "thinking"}}};
  ASSERT_TRUE(run_suite(counting_suite(5), solve, options).ok());
  EXPECT_EQ(run_suite(counting_suite(6), solve, options).error().code, ErrorCode::kFailedPrecondition);
  options.settings = Json::Object{{"mode", "instant"}};
  EXPECT_EQ(run_suite(counting_suite(5), solve, options).error().code, ErrorCode::kFailedPrecondition);
  ASSERT_TRUE(write_file_atomic(options.journal, "no journal\n").ok());
  EXPECT_EQ(run_suite(counting_suite(5), solve, options).error().code, ErrorCode::kDataLoss);
  options.journal = folder / "absent/j.jsonl";
  EXPECT_FALSE(run_suite(counting_suite(5), solve, options).ok());
}

TEST(RunSuite, AFailedAttemptIsAWrongAnswer) {
  const auto solve = [](const Suite&, const EvalItem&, size_t index) {
    Attempt out = answer_of(index);
    if (index == 1) out.error = "prompt too long";
    return out;
  };
  const Suite suite = counting_suite(5);
  const auto run = run_suite(suite, solve, {.n_parallel = 2});
  ASSERT_TRUE(run.ok());
  EXPECT_FALSE(run->results[1].right);
  EXPECT_EQ(report_of(suite, *run).suites[0].n_errors, 1);
}

TEST(Report, JsonReadsBackAndIsChecked) {
  const Suite suite = counting_suite(23);
  const auto run = run_suite(suite, [](const Suite&, const EvalItem&, size_t index) { return answer_of(index); }, {.n_parallel = 3});
  const Report report = report_of(suite, *run);
  const Json json = report_json(report);
  const auto again = parse_report(json);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(report_json(*again).dump(), json.dump());
  EXPECT_FALSE(parse_report(*Json::parse("{}")).ok());
  EXPECT_FALSE(parse_report(*Json::parse("[]")).ok());
  Json lying = json;
  std::string text = json.dump();
  const size_t at = text.find("\"right\":18");
  ASSERT_NE(at, std::string::npos) << text.substr(0, 400);
  text.replace(at, 10, "\"right\":23");
  EXPECT_FALSE(parse_report(*Json::parse(text)).ok());
}

TEST(Report, TableAndPage) {
  Suite suite = counting_suite(20);
  suite.floor = 0.9;
  suite.goal = 0.99;
  suite.items[0].messages[0].text = "<script>alert(1)</script> & \"x\"";
  suite.items[0].images.push_back({2, 1, {255, 0, 0, 0, 0, 255}});
  const auto run = run_suite(suite, [](const Suite&, const EvalItem&, size_t index) { return answer_of(index); }, {.n_parallel = 3});
  const Report report = report_of(suite, *run);
  const std::string table = report_table(report, true);
  EXPECT_NE(table.find("16/20    80.0     58.4 - 91.9"), std::string::npos) << table;
  EXPECT_NE(table.find("below the floor of 90.0"), std::string::npos) << table;
  EXPECT_NE(table.find("parity even"), std::string::npos) << table;
  const std::string page = report_html(report, 3);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;alert(1)"), std::string::npos);
  EXPECT_NE(page.find("data:image/png;base64,iVBORw0KGgo"), std::string::npos);
  EXPECT_EQ(page.find("http"), std::string::npos);  // nothing is fetched
  EXPECT_NE(page.find("4 wrong answers, 3 of them here"), std::string::npos);
}

TEST(Compare, SaysWhatTheItemsCanTell) {
  const Suite suite = counting_suite(200);
  const auto better = run_suite(suite, [](const Suite&, const EvalItem&, size_t index) { return answer_of(index); }, {.n_parallel = 3});
  const auto worse = run_suite(suite, [](const Suite&, const EvalItem&, size_t index) { return answer_of(index % 3 == 0 ? 0 : index); }, {.n_parallel = 3});
  const Report a = report_of(suite, *better), b = report_of(suite, *worse);
  const auto same = compare_reports(a, a);
  ASSERT_TRUE(same.ok());
  EXPECT_EQ(same->front().verdict, SuiteComparison::Verdict::kNoDifference);
  EXPECT_EQ(same->front().p, 1);
  EXPECT_NE(comparison_table(*same, "x", "x").find("no difference seen"), std::string::npos);
  const auto seen = compare_reports(a, b);
  ASSERT_TRUE(seen.ok());
  EXPECT_EQ(seen->front().verdict, SuiteComparison::Verdict::kFirst);
  EXPECT_EQ(compare_reports(b, a)->front().verdict, SuiteComparison::Verdict::kSecond);
  EXPECT_EQ(seen->front().n_only_a + seen->front().n_only_b + seen->front().n_both + seen->front().n_neither, 200);
  EXPECT_LT(seen->front().difference.high, 0);
  // Other questions under the same ids are no pair.
  Suite other = suite;
  other.items[3].messages[0].text = "What is 99 + 1?";
  const Report c = report_of(other, *better);
  EXPECT_EQ(compare_reports(a, c).error().code, ErrorCode::kFailedPrecondition);
  Report renamed = a;
  renamed.suites[0].name = "else";
  EXPECT_EQ(compare_reports(a, renamed).error().code, ErrorCode::kFailedPrecondition);
}

TEST(ChooseByLogprob, TakesTheLikeliestLetter) {
  // The fake's alternatives are the answer's token and those after it, each less likely.
  FakeGenerator fake([](const FakeGenerator::Question& question) -> Result<std::string> {
    EXPECT_EQ(question.stop.max_tokens, 1);
    EXPECT_EQ(question.sampling.temperature, 0);
    return std::string("B");
  });
  GenerateRequest request;
  request.prompt = RawPrompt{"which one?"};
  const Attempt attempt = choose_by_logprob(&fake, request, 4);
  EXPECT_EQ(attempt.choice, 1);
  FakeGenerator rambles([](const FakeGenerator::Question&) -> Result<std::string> { return std::string("well"); });
  EXPECT_EQ(choose_by_logprob(&rambles, request, 4).choice, -1);
  FakeGenerator refuses([](const FakeGenerator::Question&) -> Result<std::string> { return Error{ErrorCode::kInvalidArgument, "too long"}; });
  EXPECT_EQ(choose_by_logprob(&refuses, request, 4).error, "too long");
}

}  // namespace
}  // namespace firesteel
