// firesteel eval as a user meets it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "base/json.h"
#include "base/mapped_file.h"
#include "cli_runner.h"
#include "tiny_model.h"
#include "tools/sandbox.h"

namespace firesteel {
namespace {

constexpr const char* kTemplate =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
constexpr const char* kItems =
    "{\"id\": \"a\", \"prompt\": \"2 + 2?\", \"answer\": \"4\", \"grader\": \"number\", \"slices\": {\"topic\": \"sums\"}}\n"
    "{\"id\": \"b\", \"prompt\": \"Say something.\", \"grader\": \"reply\", \"slices\": {\"topic\": \"talk\"}}\n"
    "{\"id\": \"c\", \"prompt\": \"Which is red?\", \"choices\": [\"sky\", \"blood\"], \"answer\": \"blood\"}\n";

class CliEval : public testing::Test {
 protected:
  CliEval() : suite_("suite.toml", "name = \"own/three\"\nmax_tokens = 8\nfloor = 1.0\n"), template_("t.jinja", kTemplate) {
    EXPECT_TRUE(write_file_atomic(suite_.folder() + "/items.jsonl", kItems).ok());
  }
  std::vector<std::string> command(std::vector<std::string> more) const {
    static const TinyModelFile model(tiny_spec("llama"));
    std::vector<std::string> out = {"eval", "run", suite_.path(), "--model", model.path(), "--chat-template", template_.path()};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  TemporaryFile suite_, template_;
};

// Whatever the model says stands in a text of the program, so it is the checks that decide.
TEST_F(CliEval, AnswersThatAreProgramsAreRun) {
  const auto sandbox = Sandbox::open();
  if (!sandbox.ok()) GTEST_SKIP() << sandbox.error().message;
  std::string lines;
  for (const char* const x : {"1", "2"}) {
    const Json grader = Json::Object{{"kind", "program"}, {"given", "x = 1\ntext = r\"\"\""}};
    lines += Json(Json::Object{{"id", x}, {"prompt", "Go on."}, {"answer", std::string("\"\"\"\nassert x == ") + x}, {"grader", grader}}).dump() + "\n";
  }
  ASSERT_TRUE(write_file_atomic(suite_.folder() + "/items.jsonl", lines).ok());
  const std::string out = suite_.folder() + "/programs";
  const CliResult run = run_cli(command({"--out", out}));
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto report = Json::parse(*read_file(out + "/report.json", 1 << 20));
  ASSERT_TRUE(report.ok());
  const Json& items = *report->find("suites")->as_array().front().find("items");
  ASSERT_EQ(items.as_array().size(), 2u);
  EXPECT_EQ(items.as_array()[0].find("read")->as_string(), "passes") << items.dump();
  EXPECT_EQ(items.as_array()[1].find("read")->as_string(), "exit code 1: AssertionError") << items.dump();
}

TEST_F(CliEval, RunsResumesShowsAndCompares) {
  const std::string out = suite_.folder() + "/out";
  const CliResult run = run_cli(command({"--out", out, "--slices"}));
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find("own/three"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("topic sums"), std::string::npos) << run.out;
  const auto before = Json::parse(*read_file(out + "/report.json", 1 << 20));
  ASSERT_TRUE(before.ok());
  EXPECT_EQ(before->find("suites")->as_array().front().find("n")->as_int(), 3);
  EXPECT_TRUE(std::filesystem::exists(out + "/report.html"));
  // The journal has them all: the same again, without asking; and the same from one item in flight.
  ASSERT_EQ(run_cli(command({"--out", out})).exit_code, 0);
  const std::string again = suite_.folder() + "/again";
  ASSERT_EQ(run_cli(command({"--out", again, "--parallel", "1"})).exit_code, 0);
  for (const std::string& folder : {out, again}) {
    const auto after = Json::parse(*read_file(folder + "/report.json", 1 << 20));
    ASSERT_TRUE(after.ok());
    EXPECT_EQ(*after->find("suites"), *before->find("suites"));
  }
  // Another mode does not go on from there.
  const CliResult other = run_cli(command({"--out", out, "--temperature", "1"}));
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_NE(other.err.find("begun with another"), std::string::npos) << other.err;

  const CliResult show = run_cli({"eval", "show", out + "/report.json"});
  EXPECT_EQ(show.exit_code, 0) << show.err;
  EXPECT_NE(show.out.find("2 + 2?"), std::string::npos) << show.out;
  const CliResult compare = run_cli({"eval", "compare", out + "/report.json", again + "/report.json"});
  EXPECT_EQ(compare.exit_code, 0) << compare.err;
  EXPECT_NE(compare.out.find("no difference seen"), std::string::npos) << compare.out;
}

TEST_F(CliEval, PrintsItemsWithoutAModel) {
  const CliResult items = run_cli({"eval", "items", suite_.path(), "--limit", "2"});
  ASSERT_EQ(items.exit_code, 0) << items.err;
  EXPECT_EQ(std::count(items.out.begin(), items.out.end(), '\n'), 2);
  const auto first = Json::parse(items.out.substr(0, items.out.find('\n')));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->find("answer")->as_array().front(), Json("4"));
  const CliResult digest = run_cli({"eval", "items", suite_.path(), "--digest"});
  EXPECT_NE(digest.out.find(" own/three 3 items"), std::string::npos) << digest.out;
}

TEST_F(CliEval, CheckFailsBelowTheFloor) {
  const CliResult run = run_cli(command({"--check", "--json"}));
  EXPECT_EQ(run.exit_code, 1) << run.out;
  const auto json = Json::parse(run.out);
  ASSERT_TRUE(json.ok());
  EXPECT_NE(json->find("suites"), nullptr);
}

TEST_F(CliEval, WrongSuitesAreNamedWithTheirPlace) {
  const TemporaryFile bad("bad.toml", "name = \"x\"\nmodel = \"y\"\n");
  CliResult result = run_cli({"eval", "run", bad.path(), "--model", "none"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("bad.toml:2: unknown key 'model'"), std::string::npos) << result.err;
  result = run_cli({"eval", "run", suite_.folder() + "/absent"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("no such suite"), std::string::npos) << result.err;
  result = run_cli({"eval", "show", suite_.path()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(run_cli({"eval", "run"}).exit_code, 2);
  EXPECT_EQ(run_cli({"eval", "compare", "a"}).exit_code, 2);
}

}  // namespace
}  // namespace firesteel
