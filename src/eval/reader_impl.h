// What the readers share. Internal to this folder.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "eval/readers.h"
#include "eval/suite.h"

namespace firesteel {

using ItemsResult = Result<std::vector<EvalItem>>;

// One entry of a set: fields by name, and where it stands for messages.
class Entry {
 public:
  Entry(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}
  const std::string& where() const { return where_; }
  const Json* find(std::string_view key) const { return json_.find(key); }
  Result<std::string> text(std::string_view key) const;               // a text, or a number's
  Result<std::vector<std::string>> texts(std::string_view key) const;
  Result<int64_t> index(std::string_view key, size_t n) const;        // a whole number in [0, n)
  Error fail(const std::string& what) const { return {ErrorCode::kDataLoss, where_ + ": " + what}; }

 private:
  const Json& json_;
  std::string where_;
};

// Each line that is not blank, as JSON, to `make`; ids are line numbers.
ItemsResult read_lines(const std::string& path, const std::function<Result<EvalItem>(const Entry&)>& make);
Result<std::string> read_set(const std::string& path);

EvalItem number_item(std::string question, std::string answer);
// kDataLoss where there are too few choices or the index is none of them.
Result<EvalItem> choice_item(const Entry& entry, const std::string& question, std::vector<std::string> choices, int64_t right);

// Single blanks, none before . , ? !
std::string tidy_text(std::string_view text);

ItemsResult read_shapes_set(const SuiteSource& source, const std::string& path);
ItemsResult read_mnist(const SuiteSource& source, const std::string& path);

ItemsResult read_choices(const SuiteSource& source, const std::string& path);
ItemsResult read_mmlu_jsonl(const SuiteSource& source, const std::string& path);
ItemsResult read_mmlu_csv(const SuiteSource& source, const std::string& path);
ItemsResult read_medqa(const SuiteSource& source, const std::string& path);
ItemsResult read_medmcqa(const SuiteSource& source, const std::string& path);
ItemsResult read_pubmedqa(const SuiteSource& source, const std::string& path);
ItemsResult read_aqua(const SuiteSource& source, const std::string& path);
ItemsResult read_bbh(const SuiteSource& source, const std::string& path);

// The next record of a CSV text with quotes (RFC 4180) from *at on, which moves behind it; nullopt at the end. kDataLoss: an open quote.
Result<std::optional<std::vector<std::string>>> next_csv_record(std::string_view text, size_t* at);

}  // namespace firesteel
