// Sets of questions with choices.
#include <algorithm>
#include <filesystem>

#include "eval/answer_text.h"
#include "eval/reader_impl.h"

namespace firesteel {
namespace {

int64_t index_of_letter(std::string_view letter) {
  letter = trim(letter);
  if (letter.size() == 3 && letter[0] == '(' && letter[2] == ')') letter = letter.substr(1, 1);
  if (letter.size() != 1) return -1;
  const char c = letter[0];
  return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' : -1;
}

// "Question: ..." of some copies: the prompt says it anyway.
std::string without_label(std::string question) {
  if (question.starts_with("Question: ")) question.erase(0, 10);
  return std::string(trim(question));
}

}  // namespace

// {"query", "choices", "gold"}: ARC, OpenBookQA, BoolQ, PIQA.
ItemsResult read_choices(const SuiteSource&, const std::string& path) {
  return read_lines(path, [](const Entry& entry) -> Result<EvalItem> {
    FS_TRY(const std::string question, entry.text("query"));
    FS_TRY(std::vector<std::string> choices, entry.texts("choices"));
    FS_TRY(const int64_t right, entry.index("gold", choices.size()));
    return choice_item(entry, without_label(question), std::move(choices), right);
  });
}

ItemsResult read_mmlu_jsonl(const SuiteSource&, const std::string& path) {
  return read_lines(path, [](const Entry& entry) -> Result<EvalItem> {
    FS_TRY(const std::string question, entry.text("question"));
    FS_TRY(std::vector<std::string> choices, entry.texts("choices"));
    FS_TRY(const int64_t right, entry.index("answer", choices.size()));
    FS_TRY(EvalItem item, choice_item(entry, question, std::move(choices), right));
    FS_TRY(std::string type, entry.text("type"));
    item.slices.emplace_back("subject", std::move(type));
    return item;
  });
}

Result<std::optional<std::vector<std::string>>> next_csv_record(std::string_view text, size_t* at) {
  while (*at < text.size() && (text[*at] == '\n' || text[*at] == '\r')) ++*at;
  if (*at >= text.size()) return std::optional<std::vector<std::string>>();
  std::vector<std::string> fields(1);
  bool quoted = false, was_quoted = false;
  for (; *at < text.size(); ++*at) {
    const char c = text[*at];
    if (quoted) {
      if (c != '"') {
        fields.back() += c;
      } else if (*at + 1 < text.size() && text[*at + 1] == '"') {
        fields.back() += '"';
        ++*at;
      } else {
        quoted = false;
      }
    } else if (c == '"' && fields.back().empty() && !was_quoted) {
      quoted = was_quoted = true;
    } else if (c == ',') {
      fields.emplace_back();
      was_quoted = false;
    } else if (c == '\n') {
      ++*at;
      return std::optional(std::move(fields));
    } else if (c != '\r') {
      fields.back() += c;
    }
  }
  if (quoted) return Error{ErrorCode::kDataLoss, "a quoted field has no end"};
  return std::optional(std::move(fields));
}

// question, four choices, letter; without a header.
ItemsResult read_mmlu_csv(const SuiteSource&, const std::string& path) {
  FS_TRY(const std::string text, read_set(path));
  std::vector<EvalItem> items;
  for (size_t at = 0;;) {
    const std::string where = path + ": record " + std::to_string(items.size() + 1);
    auto record = next_csv_record(text, &at);
    if (!record.ok()) return Error{ErrorCode::kDataLoss, where + ": " + record.error().message};
    if (!record->has_value()) return items;
    std::vector<std::string>& fields = **record;
    const Json none;
    const Entry entry(none, where);
    if (fields.size() < 4) return entry.fail("expected a question, choices and a letter, found " + std::to_string(fields.size()) + " fields");
    const std::string question = fields.front();
    const int64_t right = index_of_letter(fields.back());
    FS_TRY(EvalItem item, choice_item(entry, question, {fields.begin() + 1, fields.end() - 1}, right));
    item.id = std::to_string(items.size() + 1);
    items.push_back(std::move(item));
  }
}

ItemsResult read_medqa(const SuiteSource&, const std::string& path) {
  return read_lines(path, [](const Entry& entry) -> Result<EvalItem> {
    FS_TRY(const std::string question, entry.text("question"));
    FS_TRY(const std::string letter, entry.text("answer_idx"));
    const Json* options = entry.find("options");
    if (options == nullptr || !options->is_object()) return entry.fail("options: expected an object");
    std::vector<std::string> choices;
    for (const auto& [name, value] : options->as_object()) {
      if (!value.is_string() || index_of_letter(name) != static_cast<int64_t>(choices.size())) return entry.fail("options: expected A, B ... in order");
      choices.push_back(value.as_string());
    }
    FS_TRY(EvalItem item, choice_item(entry, question, std::move(choices), index_of_letter(letter)));
    if (entry.find("meta_info") != nullptr) {
      FS_TRY(std::string step, entry.text("meta_info"));
      item.slices.emplace_back("step", std::move(step));
    }
    return item;
  });
}

ItemsResult read_medmcqa(const SuiteSource&, const std::string& path) {
  return read_lines(path, [](const Entry& entry) -> Result<EvalItem> {
    FS_TRY(const std::string question, entry.text("question"));
    std::vector<std::string> choices;
    for (const char* key : {"opa", "opb", "opc", "opd"}) {
      FS_TRY(std::string choice, entry.text(key));
      choices.push_back(std::move(choice));
    }
    FS_TRY(const int64_t right, entry.index("cop", 5));  // from 1
    FS_TRY(EvalItem item, choice_item(entry, question, std::move(choices), right - 1));
    if (const Json* subject = entry.find("subject_name"); subject != nullptr && subject->is_string()) item.slices.emplace_back("subject", subject->as_string());
    return item;
  });
}

// {"PMID": {"QUESTION", "CONTEXTS", "final_decision"}}
ItemsResult read_pubmedqa(const SuiteSource&, const std::string& path) {
  FS_TRY(const std::string text, read_set(path));
  const auto json = Json::parse(text);
  if (!json.ok() || !json->is_object()) return Error{ErrorCode::kDataLoss, path + ": " + (json.ok() ? "expected an object" : json.error().message)};
  std::vector<EvalItem> items;
  for (const auto& [id, value] : json->as_object()) {
    const Entry entry(value, path + ": " + id);
    FS_TRY(const std::string question, entry.text("QUESTION"));
    FS_TRY(const std::vector<std::string> contexts, entry.texts("CONTEXTS"));
    FS_TRY(const std::string decision, entry.text("final_decision"));
    std::string prompt;
    for (const std::string& context : contexts) prompt += context + "\n";
    const std::vector<std::string> choices = {"yes", "no", "maybe"};
    const auto right = std::find(choices.begin(), choices.end(), decision) - choices.begin();
    FS_TRY(EvalItem item, choice_item(entry, prompt + question, choices, right));
    item.id = id;
    items.push_back(std::move(item));
  }
  return items;
}

ItemsResult read_aqua(const SuiteSource&, const std::string& path) {
  return read_lines(path, [](const Entry& entry) -> Result<EvalItem> {
    FS_TRY(const std::string question, entry.text("question"));
    FS_TRY(std::vector<std::string> choices, entry.texts("options"));
    FS_TRY(const std::string letter, entry.text("correct"));
    for (std::string& choice : choices) {  // "A)36"
      if (choice.size() > 1 && choice[1] == ')') choice.erase(0, 2);
    }
    return choice_item(entry, question, std::move(choices), index_of_letter(letter));
  });
}

// BIG-Bench Hard: a folder of tasks, or one of them. Options stand in the text, so a letter is compared as text.
ItemsResult read_bbh(const SuiteSource&, const std::string& path) {
  std::vector<std::string> files;
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    for (const auto& file : std::filesystem::directory_iterator(path, error)) {
      if (file.path().extension() == ".json") files.push_back(file.path().string());
    }
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(path);
  }
  std::vector<EvalItem> items;
  for (const std::string& file : files) {
    FS_TRY(const std::string text, read_set(file));
    const auto json = Json::parse(text);
    if (!json.ok()) return Error{ErrorCode::kDataLoss, file + ": " + json.error().message};
    const Json* examples = json->find("examples");
    if (examples == nullptr || !examples->is_array()) return Error{ErrorCode::kDataLoss, file + ": expected a list \"examples\""};
    const std::string task = std::filesystem::path(file).stem().string();
    size_t n = 0;
    for (const Json& example : examples->as_array()) {
      const Entry entry(example, file + ": example " + std::to_string(++n));
      FS_TRY(std::string input, entry.text("input"));
      FS_TRY(std::string target, entry.text("target"));
      EvalItem item;
      item.id = task + "/" + std::to_string(n);
      const int64_t letter = target.size() == 3 ? index_of_letter(target) : -1;
      if (letter >= 0) {  // any number of options, their texts in the prompt
        item.grading.kind = Grading::Kind::kChoice;
        item.grading.choices.resize(26);
        item.grading.answers.push_back(choice_letter(static_cast<size_t>(letter)));
      } else {
        item.grading.kind = !find_numbers(target).empty() ? Grading::Kind::kNumber : Grading::Kind::kExact;
        item.grading.answers.push_back(std::move(target));
      }
      item.messages.push_back({"user", std::move(input), {}});
      item.slices.emplace_back("task", task);
      items.push_back(std::move(item));
    }
  }
  return items;
}

}  // namespace firesteel
