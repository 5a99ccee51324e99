// What a model writes that may be calls of tools, in all forms. What comes out does not depend on how the text was cut, and arguments are JSON.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/answer_parser.h"
#include "base/check.h"
#include "base/json.h"
#include "tools/dates.h"

namespace {

using namespace firesteel;

struct Read {
  std::string text, thinking;
  std::vector<std::pair<std::string, std::string>> calls;
  bool operator==(const Read&) const = default;
};

Read read(std::string_view text, size_t piece, bool parallel) {
  AnswerParser parser({.tools = true, .only_call = false, .parallel = parallel, .tool_names = {"calculator", "f"}});
  Read out;
  std::vector<AnswerDelta> deltas;
  for (size_t at = 0; at < text.size(); at += piece) parser.push(text.substr(at, piece), false, &deltas);
  parser.finish(&deltas);
  for (AnswerDelta& delta : deltas) {
    switch (delta.kind) {
      case AnswerDelta::Kind::kText: out.text += delta.text; break;
      case AnswerDelta::Kind::kReasoning: out.thinking += delta.text; break;
      case AnswerDelta::Kind::kCallBegin: out.calls.emplace_back(std::move(delta.text), ""); break;
      case AnswerDelta::Kind::kCallArguments:
        CHECK(!out.calls.empty());
        out.calls.back().second += delta.text;
        break;
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 4096) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool parallel = (data[0] & 1) != 0;
  const size_t piece = 1 + (data[0] >> 1) % 16;
  const Read whole = read(text, text.size() + 1, parallel);
  CHECK(whole == read(text, piece, parallel));
  CHECK(parallel || whole.calls.size() <= 1);
  for (const auto& [name, arguments] : whole.calls) {
    CHECK(!name.empty());
    const auto json = Json::parse(arguments);
    CHECK(json.ok() && json->is_object());
  }
  (void)parse_instant(text.substr(0, 64)).ok();
  if (const auto arguments = Json::parse(text, {.depth = 8, .values = 64}); arguments.ok()) (void)make_dates()->run(*arguments, {}).ok();
  return 0;
}
