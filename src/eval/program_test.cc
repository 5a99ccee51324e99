#include "eval/program.h"

#include <gtest/gtest.h>

#include <string>

#include "eval/run.h"

namespace firesteel {
namespace {

constexpr const char* kGiven = "from math import pi\n\ndef helper(x):\n    return x\n\ndef area(r: float) -> float:\n    \"\"\" Of a circle. \"\"\"\n";

TEST(ProgramSource, AWholeFunctionReplacesTheHeadAndKeepsWhatStandsBefore) {
  const std::string code = "def area(r: float) -> float:\n    return pi * r * r\n";
  const std::string expected = "from math import pi\n\ndef helper(x):\n    return x\n\n" + code;
  EXPECT_EQ(program_source(kGiven, code), expected);
  EXPECT_EQ(program_source(kGiven, "Here:\n```python\n" + code + "```\nIt works."), expected);
  EXPECT_EQ(program_source(kGiven, "First:\n```\nx = 1\n```\nbetter:\n```py\n" + code + "```"), expected);
  EXPECT_EQ(program_source(kGiven, "```python\n" + code + "```\nOutput:\n```text\n3.14\n```"), expected);
}

TEST(ProgramSource, AContinuationFollowsTheHead) {
  EXPECT_EQ(program_source(kGiven, "    return pi * r * r\n"), std::string(kGiven) + "    return pi * r * r\n");
  EXPECT_EQ(program_source(kGiven, "```python\n    return helper(r)"), std::string(kGiven) + "    return helper(r)");  // never closed
  EXPECT_EQ(program_source("", "print(1)"), "print(1)");
}

TEST(TryProgram, OnlyReachingTheEndPasses) {
  Grading grading;
  grading.kind = Grading::Kind::kProgram;
  grading.answers = {"assert area(0) == 0"};
  const auto ended = [&](const ProgramEnd& end) {
    const auto said = try_program(grading, "def area(r):\n    return 0\n", [&](const std::string&) -> Result<ProgramEnd> { return end; });
    return said.ok() ? *said : said.error().message;
  };
  std::string source;
  EXPECT_TRUE(try_program(grading, "x = 1", [&](const std::string& given) -> Result<ProgramEnd> {
                source = given;
                return ProgramEnd{};
              }).ok());
  ASSERT_TRUE(source.starts_with("x = 1\nassert area(0) == 0\nprint(\"")) << source;
  const std::string reached = source.substr(source.find("print(\"") + 7, source.rfind('"') - source.find("print(\"") - 7);
  EXPECT_EQ(ended({0, "noise\n" + reached + "\n", "", ""}), kProgramPasses);
  EXPECT_EQ(ended({0, "noise\n", "", ""}), "left before its checks");
  EXPECT_EQ(ended({1, reached, "Traceback\nAssertionError\n", ""}), "exit code 1: AssertionError");
  EXPECT_EQ(ended({0, reached, "", "ended after 10000 ms, the limit"}), "ended after 10000 ms, the limit");
}

TEST(TryProgram, ARunThatCouldNotBeMadeIsNoWrongAnswer) {
  Grading grading;
  grading.kind = Grading::Kind::kProgram;
  grading.answers = {"pass"};
  const auto said = try_program(grading, "", [](const std::string&) -> Result<ProgramEnd> { return Error{ErrorCode::kUnavailable, "no place"}; });
  EXPECT_EQ(said.error().code, ErrorCode::kUnavailable);
}

TEST(RunSuite, ProgramsAreRightWhereTheyPassed) {
  Suite suite;
  suite.name = "programs";
  for (const char* id : {"a", "b"}) {
    EvalItem item;
    item.id = id;
    item.messages.push_back({"user", "write", {}});
    item.grading.kind = Grading::Kind::kProgram;
    item.grading.answers = {"pass"};
    suite.items.push_back(item);
  }
  const auto run = run_suite(suite, [](const Suite&, const EvalItem& item, size_t) {
    Attempt attempt;
    attempt.text = "code";
    attempt.program = item.id == "a" ? std::string(kProgramPasses) : "exit code 1: NameError";
    return attempt;
  }, {});
  ASSERT_TRUE(run.ok());
  EXPECT_TRUE(run->results[0].right);
  EXPECT_FALSE(run->results[1].right);
  EXPECT_EQ(run->results[1].read, "exit code 1: NameError");
}

}  // namespace
}  // namespace firesteel
