#include "eval/program.h"

#include <algorithm>

#include "base/check.h"
#include "eval/answer_text.h"

namespace firesteel {
namespace {

constexpr std::string_view kFence = "```";
constexpr size_t kSaidMax = 200;
// Printed behind the last check. Answers do not know it; one that guesses it passes, as would one that redefines the checks.
constexpr std::string_view kReached = "firesteel: all checks were reached";

// What is inside of the last closed fences whose head is a word of `python` or nothing; empty where there are none.
std::string_view last_block(std::string_view text) {
  std::string_view found;
  for (size_t at = text.find(kFence); at != std::string_view::npos;) {
    const size_t line_end = text.find('\n', at);
    if (line_end == std::string_view::npos) break;
    const std::string_view head = trim(text.substr(at + kFence.size(), line_end - at - kFence.size()));
    const size_t end = text.find(kFence, line_end);
    const bool is_python = head.empty() || head == "python" || head == "python3" || head == "py";
    if (is_python) found = text.substr(line_end + 1, (end == std::string_view::npos ? text.size() : end) - line_end - 1);
    if (end == std::string_view::npos) break;
    at = text.find(kFence, end + kFence.size());
  }
  return found;
}

// Where the last "def NAME(" of a head begins, at the start of a line.
size_t last_definition(std::string_view given) {
  const size_t at = given.rfind("\ndef ");
  if (at != std::string_view::npos) return at + 1;
  return given.starts_with("def ") ? 0 : std::string_view::npos;
}

std::string last_line(std::string_view text) {
  text = trim(text);
  const size_t at = text.rfind('\n');
  return std::string(text.substr(at == std::string_view::npos ? 0 : at + 1).substr(0, kSaidMax));
}

}  // namespace

std::string program_source(std::string_view given, std::string_view answer) {
  std::string_view code = last_block(answer);
  if (code.empty()) code = answer;
  const size_t at = last_definition(given);
  if (at != std::string_view::npos) {
    const std::string_view signature = given.substr(at, std::min(given.find('(', at), given.size()) - at);  // "def name"
    const std::string head = std::string(signature) + "(";
    if (code.starts_with(head) || code.find("\n" + head) != std::string_view::npos) return std::string(given.substr(0, at)) + std::string(code);
  }
  return std::string(given) + std::string(code);
}

Result<std::string> try_program(const Grading& grading, std::string_view answer, const RunProgram& run) {
  CHECK(grading.kind == Grading::Kind::kProgram && !grading.answers.empty());
  const std::string source = program_source(grading.given, answer) + "\n" + grading.answers[0] + "\nprint(\"" + std::string(kReached) + "\")\n";
  FS_TRY(const ProgramEnd end, run(source));
  if (end.how.empty() && end.code == 0 && last_line(end.out) == kReached) return std::string(kProgramPasses);
  if (!end.how.empty()) return end.how;
  if (end.code == 0) return std::string("left before its checks");
  const std::string said = last_line(end.err);
  return "exit code " + std::to_string(end.code) + (said.empty() ? "" : ": " + said);
}

}  // namespace firesteel
