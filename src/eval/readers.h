// Readers of published evaluation sets, as their authors' files have them. Nothing is copied into this repository: the files lie below a
// data folder, and suites/external/*.toml say which reader takes which.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "eval/item.h"

namespace firesteel {

struct SuiteSource;

// "gsm8k", "svamp" ...
std::vector<std::string> reader_names();

// All items of source.path below `data_folder` by source.reader. kNotFound: the file; kDataLoss: file and line or entry.
Result<std::vector<EvalItem>> read_external(const SuiteSource& source, const std::string& data_folder);

// The question, then "A. ...", "B. ..." line by line, then what to answer with.
std::string choice_prompt(const std::string& question, const std::vector<std::string>& choices);

}  // namespace firesteel
