// By the first byte: any bytes as a suite file, as an item's line, or as a model's answer for each grader. Errors are short and name the
// place; a grader always comes to an end.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "eval/grader.h"
#include "eval/program.h"
#include "eval/report.h"
#include "eval/suite.h"
#include "eval/twins.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace firesteel;
  if (size < 2 || size > 4096) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: {
      const auto suite = parse_suite(text, "suite.toml");
      CHECK(suite.ok() || suite.error().message.find("suite.toml") != std::string::npos);
      return 0;
    }
    case 1: {
      const auto item = parse_item(text, "items.jsonl:1", ".", {});
      CHECK(item.ok() || item.error().message.find("items.jsonl:1") != std::string::npos);
      if (!item.ok()) return 0;
      grade(item->grading, text);
      CHECK(program_source(item->grading.given, text).size() <= item->grading.given.size() + text.size());
      const std::vector<EvalItem> both = with_twins({*item}, size);
      CHECK(both.size() == 2 && both[1].messages.size() == item->messages.size());
      return 0;
    }
    case 2: {
      const auto json = Json::parse(text, {.depth = 32, .values = 1000});
      if (!json.ok()) return 0;
      const auto report = parse_report(*json);
      if (report.ok()) report_html(*report, 10);
      return 0;
    }
    default:
      for (const char* name : {"exact", "number", "choice", "regex", "json", "math", "contains", "refusal", "reply", "any"}) {
        Grading grading;
        grading.kind = *grading_kind(name);
        grading.answers = {grading.kind == Grading::Kind::kChoice ? "A" : "7"};
        grading.choices = {"seven", "eight"};
        grade(grading, text);
      }
      return 0;
  }
}
