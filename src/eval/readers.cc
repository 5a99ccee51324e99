#include "eval/readers.h"

#include <algorithm>
#include <array>

#include "base/mapped_file.h"
#include "eval/answer_text.h"
#include "eval/reader_impl.h"

namespace firesteel {
namespace {

constexpr uint64_t kSetBytesMax = uint64_t{256} << 20;

std::string lower_first(std::string text) {
  if (text.size() > 1 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

// A story and its question as one text. Some stories end without a stop; those that end in a condition go on with the question.
std::string join_question(const std::string& story, const std::string& question) {
  const std::string body = tidy_text(story), ask = tidy_text(question);
  if (body.empty()) return ask;
  if (std::string_view(".!?,").find(body.back()) != std::string_view::npos) return body + " " + (body.back() == ',' ? lower_first(ask) : ask);
  const size_t stop = body.find_last_of(".!?");
  const std::string last = body.substr(stop == std::string::npos ? 0 : std::min(stop + 2, body.size()));
  const bool condition = last.starts_with("If ") || last.starts_with("When ");
  return body + (condition ? ", " + lower_first(ask) : ". " + ask);
}

ItemsResult read_gsm8k(const SuiteSource&, const std::string& path) {
  return read_lines(path, [](const Entry& entry) -> Result<EvalItem> {
    FS_TRY(const std::string question, entry.text("question"));
    FS_TRY(const std::string answer, entry.text("answer"));
    const size_t mark = answer.rfind("####");
    if (mark == std::string::npos) return entry.fail("answer: expected '####' before the result");
    return number_item(tidy_text(question), std::string(trim(std::string_view(answer).substr(mark + 4))));
  });
}

ItemsResult read_math(const SuiteSource&, const std::string& path) {
  return read_lines(path, [](const Entry& entry) -> Result<EvalItem> {
    EvalItem item;
    FS_TRY(std::string question, entry.text("context"));
    FS_TRY(std::string answer, entry.text("answer"));
    item.messages.push_back({"user", std::move(question), {}});
    item.grading.kind = Grading::Kind::kMath;
    item.grading.answers.push_back(std::move(answer));
    if (entry.find("category") != nullptr) {
      FS_TRY(std::string category, entry.text("category"));
      item.slices.emplace_back("category", std::move(category));
    }
    return item;
  });
}

ItemsResult read_svamp(const SuiteSource&, const std::string& path) {
  return read_lines(path, [](const Entry& entry) -> Result<EvalItem> {
    FS_TRY(const std::string body, entry.text("Body"));
    FS_TRY(const std::string question, entry.text("Question"));
    FS_TRY(std::string answer, entry.text("Answer"));
    EvalItem item = number_item(join_question(body, question), std::move(answer));
    FS_TRY(std::string type, entry.text("Type"));
    item.slices.emplace_back("type", std::move(type));
    return item;
  });
}

ItemsResult read_mawps(const SuiteSource&, const std::string& path) {
  return read_lines(path, [](const Entry& entry) -> Result<EvalItem> {
    FS_TRY(const std::string question, entry.text("input"));
    FS_TRY(std::string answer, entry.text("target"));
    EvalItem item = number_item(tidy_text(question), std::move(answer));
    FS_TRY(std::string type, entry.text("type"));
    item.slices.emplace_back("type", std::move(type));
    return item;
  });
}

ItemsResult read_asdiv(const SuiteSource&, const std::string& path) {
  return read_lines(path, [](const Entry& entry) -> Result<EvalItem> {
    FS_TRY(const std::string body, entry.text("body"));
    FS_TRY(const std::string question, entry.text("question"));
    FS_TRY(const std::string answer, entry.text("answer"));
    const std::string value = tidy_text(answer.substr(0, answer.find('(')));
    EvalItem item = number_item(join_question(body, question), value);
    // A time of the day or several values are compared as texts.
    const std::vector<TextNumber> numbers = find_numbers(value);
    if (numbers.size() != 1 || numbers[0].begin != 0 || numbers[0].end != value.size()) item.grading.kind = Grading::Kind::kExact;
    FS_TRY(std::string type, entry.text("solution_type"));
    item.slices.emplace_back("type", std::move(type));
    return item;
  });
}

// Functions to be written from their head and description, with checks to run (Chen et al. 2021).
ItemsResult read_human_eval(const SuiteSource&, const std::string& path) {
  return read_lines(path, [](const Entry& entry) -> Result<EvalItem> {
    FS_TRY(const std::string head, entry.text("prompt"));
    FS_TRY(const std::string name, entry.text("entry_point"));
    FS_TRY(const std::string checks, entry.text("test"));
    EvalItem item;
    item.messages.push_back({"user", "Complete this Python function. Answer with all of it in one block of code.\n\n```python\n" + head + "```", {}});
    item.grading.kind = Grading::Kind::kProgram;
    item.grading.given = head;
    item.grading.answers.push_back(checks + "\ncheck(" + name + ")\n");
    return item;
  });
}

struct Reader {
  const char* name;
  ItemsResult (*read)(const SuiteSource& source, const std::string& path);
};
constexpr std::array<Reader, 16> kReaders = {{{"gsm8k", read_gsm8k}, {"math", read_math}, {"svamp", read_svamp}, {"mawps", read_mawps}, {"asdiv", read_asdiv},
                                              {"choices", read_choices}, {"mmlu_jsonl", read_mmlu_jsonl}, {"mmlu_csv", read_mmlu_csv}, {"medqa", read_medqa},
                                              {"medmcqa", read_medmcqa}, {"pubmedqa", read_pubmedqa}, {"aqua", read_aqua}, {"bbh", read_bbh},
                                              {"shapes", read_shapes_set}, {"mnist", read_mnist}, {"human_eval", read_human_eval}}};

}  // namespace

Result<std::string> Entry::text(std::string_view key) const {
  const Json* value = find(key);
  if (value != nullptr && value->is_string()) return value->as_string();
  if (value != nullptr && value->is_int()) return std::to_string(value->as_int());
  if (value != nullptr && value->is_double()) return Decimal::from_double(value->as_double()).to_string();
  return fail(std::string(key) + ": expected a text");
}

Result<std::vector<std::string>> Entry::texts(std::string_view key) const {
  const Json* value = find(key);
  std::vector<std::string> out;
  if (value == nullptr || !value->is_array()) return fail(std::string(key) + ": expected a list of texts");
  for (const Json& one : value->as_array()) {
    if (!one.is_string()) return fail(std::string(key) + ": expected a list of texts");
    out.push_back(one.as_string());
  }
  return out;
}

Result<int64_t> Entry::index(std::string_view key, size_t n) const {
  const Json* value = find(key);
  if (value != nullptr && value->is_int() && value->as_int() >= 0 && static_cast<size_t>(value->as_int()) < n) return value->as_int();
  return fail(std::string(key) + ": expected a number below " + std::to_string(n));
}

std::string tidy_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    if ((c == '.' || c == ',' || c == '?' || c == '!') && !out.empty() && out.back() == ' ') out.pop_back();
    out += blank ? ' ' : c;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

EvalItem number_item(std::string question, std::string answer) {
  EvalItem item;
  item.messages.push_back({"user", std::move(question), {}});
  item.grading.kind = Grading::Kind::kNumber;
  item.grading.answers.push_back(std::move(answer));
  return item;
}

std::string choice_prompt(const std::string& question, const std::vector<std::string>& choices) {
  std::string out = question;
  for (size_t i = 0; i < choices.size(); ++i) out += "\n" + choice_letter(i) + ". " + choices[i];
  return out + "\nAnswer with the letter.";
}

Result<EvalItem> choice_item(const Entry& entry, const std::string& question, std::vector<std::string> choices, int64_t right) {
  if (choices.size() < 2 || choices.size() > 26) return entry.fail("expected 2 to 26 choices, found " + std::to_string(choices.size()));
  if (right < 0 || static_cast<size_t>(right) >= choices.size()) return entry.fail("the right choice is none of them");
  EvalItem item;
  item.messages.push_back({"user", choice_prompt(question, choices), {}});
  item.grading.kind = Grading::Kind::kChoice;
  item.grading.answers.push_back(choice_letter(static_cast<size_t>(right)));
  item.grading.choices = std::move(choices);
  return item;
}

Result<std::string> read_set(const std::string& path) { return read_file(path, kSetBytesMax); }

ItemsResult read_lines(const std::string& path, const std::function<Result<EvalItem>(const Entry&)>& make) {
  FS_TRY(const std::string text, read_set(path));
  std::vector<EvalItem> items;
  size_t line_idx = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    ++line_idx;
    if (trim(line).empty()) continue;
    const std::string where = path + ":" + std::to_string(line_idx);
    const auto json = Json::parse(line, {.depth = 32, .values = 1u << 20});
    if (!json.ok()) return Error{ErrorCode::kDataLoss, where + ": " + json.error().message};
    FS_TRY(EvalItem item, make(Entry(*json, where)));
    item.id = std::to_string(line_idx);
    items.push_back(std::move(item));
  }
  return items;
}

std::vector<std::string> reader_names() {
  std::vector<std::string> out;
  for (const Reader& reader : kReaders) out.emplace_back(reader.name);
  return out;
}

Result<std::vector<EvalItem>> read_external(const SuiteSource& source, const std::string& data_folder) {
  for (const Reader& reader : kReaders) {
    if (source.reader == reader.name) return reader.read(source, data_folder + "/" + source.path);
  }
  return Error{ErrorCode::kInvalidArgument, "there is no reader '" + source.reader + "'"};
}

}  // namespace firesteel
