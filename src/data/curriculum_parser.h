// Reads curriculum files in two passes: word lists and rules of all files first, then the stories, which may use any of them.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "data/curriculum.h"
#include "data/source_lines.h"

namespace firesteel {

using RuleMap = std::map<std::string, std::string, std::less<>>;  // name: alternatives, separated by '|'
using TableMap = std::map<std::string, const Table*, std::less<>>;

// One story or chat from its lines; lines[0] is the head.
Result<Story> parse_story(std::span<const SourceLine> lines, const TableMap& tables, const RuleMap& rules);

// `list`, `noun`, `people`: NAME = ENTRIES. `rest` is what follows the keyword, continuation lines joined.
Result<Table> parse_list(const SourceLine& line, std::string_view keyword, std::string_view rest);
// `table NAME = COLUMNS` and its rows.
Result<Table> parse_table(std::span<const SourceLine> lines);

}  // namespace firesteel
