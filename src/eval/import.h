// Suites of other programs as items of ours.
//
//   openai     samples of OpenAI Evals, JSONL: {"input": "text" or [messages], "ideal": "text" or [texts]}; also {"item": {...}} rows of its
//              exports with "input"/"question"/"prompt" and "ideal"/"answer"/"reference".
//   promptfoo  a configuration as JSON: {"prompts": ["... {{name}} ..."], "tests": [{"vars": {...}, "assert": [{"type", "value"}]}]}; types equals,
//              contains, icontains, contains-any, regex, is-json, starts-with. YAML files are to be converted to JSON first.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace firesteel {

struct ImportedSuite {
  std::vector<std::string> lines;     // of items.jsonl, each parses with parse_item
  std::vector<std::string> left_out;  // what could not be taken over, with place and reason
};

// kInvalidArgument when it is not the format at all; single rows that cannot be taken are left out by name. At most 100,000 rows.
Result<ImportedSuite> import_openai_evals(std::string_view text, const std::string& where);
Result<ImportedSuite> import_promptfoo(std::string_view text, const std::string& where);

}  // namespace firesteel
