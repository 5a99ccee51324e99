#include "eval_programs.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "eval/program.h"
#include "tools/code_tools.h"

namespace firesteel {
namespace {

bool is_program(const EvalItem& item) { return item.grading.kind == Grading::Kind::kProgram; }

Result<ProgramEnd> run_program(const Sandbox& sandbox, const std::string& source) {
  FS_TRY(ProcessEnd end, run_python(sandbox, source));
  return ProgramEnd{end.code, std::move(end.out), std::move(end.err), cut_short(end, sandbox.limits())};
}

}  // namespace

Result<Solve> with_programs(Solve solve, const std::vector<Suite>& suites) {
  const bool any = std::any_of(suites.begin(), suites.end(), [](const Suite& suite) { return std::any_of(suite.items.begin(), suite.items.end(), is_program); });
  if (!any) return solve;
  FS_TRY(std::unique_ptr<Sandbox> opened, Sandbox::open());
  const std::shared_ptr<const Sandbox> sandbox = std::move(opened);
  return Solve([solve = std::move(solve), sandbox](const Suite& suite, const EvalItem& item, size_t index) {
    Attempt attempt = solve(suite, item, index);
    if (!is_program(item) || attempt.cancelled || !attempt.error.empty()) return attempt;
    Result<std::string> ended = try_program(item.grading, attempt.text, [&](const std::string& source) { return run_program(*sandbox, source); });
    if (ended.ok()) attempt.program = std::move(ended).value();
    else attempt.error = "the program could not be run: " + ended.error().message;
    return attempt;
  });
}

}  // namespace firesteel
