// HumanEval in the sandbox: its authors' solutions pass, others do not.
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/mapped_file.h"
#include "eval/program.h"
#include "eval/readers.h"
#include "eval/suite.h"
#include "tools/code_tools.h"

namespace firesteel {
namespace {

constexpr size_t kTried = 8;

TEST(HumanEval, SolutionsOfItsAuthorsPassAndOthersDoNot) {
  const char* shared = std::getenv("FS_SHARED");
  const std::string folder = (shared != nullptr ? std::string(shared) : "../shared") + "/data/evals";
  SuiteSource source;
  source.reader = "human_eval";
  source.path = "general/human_eval.jsonl";
  const auto items = read_external(source, folder);
  if (!items.ok() && items.error().code == ErrorCode::kNotFound) GTEST_SKIP() << "no " << folder << "/" << source.path << ": set FS_SHARED";
  ASSERT_TRUE(items.ok()) << items.error().message;
  const auto sandbox = Sandbox::open({.wall_ms = 60'000});
  if (!sandbox.ok()) GTEST_SKIP() << sandbox.error().message;
  if (access("/usr/bin/python3", X_OK) != 0) GTEST_SKIP() << "no /usr/bin/python3";
  const auto run = [&](const std::string& code) -> Result<ProgramEnd> {
    FS_TRY(const ProcessEnd end, run_python(**sandbox, code));
    return ProgramEnd{end.code, end.out, end.err, cut_short(end, (*sandbox)->limits())};
  };
  const std::string text = *read_file(folder + "/" + source.path, uint64_t{1} << 24);
  size_t at = 0;
  for (size_t i = 0; i < kTried && i < items->size(); ++i) {
    const size_t end = text.find('\n', at);
    const auto line = Json::parse(text.substr(at, end - at));
    at = end + 1;
    const std::string solution = line->find("canonical_solution")->as_string();
    const Grading& grading = (*items)[i].grading;
    EXPECT_EQ(*try_program(grading, solution, run), kProgramPasses) << i;
    EXPECT_EQ(*try_program(grading, "Of course:\n```python\n" + grading.given + solution + "```\n", run), kProgramPasses) << i;
    EXPECT_NE(*try_program(grading, "    return None\n", run), kProgramPasses) << i;
    EXPECT_EQ(*try_program(grading, "    import sys\n    sys.exit(0)\n", run), "left before its checks") << i;
  }
}

}  // namespace
}  // namespace firesteel
