#include "eval/import.h"

#include <algorithm>

#include "base/json.h"

namespace firesteel {
namespace {

constexpr size_t kRowsMax = 100'000, kPromptsMax = 64;

const Json* first_of(const Json& json, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const Json* found = json.find(name); found != nullptr && !found->is_null()) return found;
  }
  return nullptr;
}

// A text, a number, or a list of them.
bool read_texts(const Json& json, Json::Array* out) {
  if (json.is_string()) out->push_back(json);
  else if (json.is_number()) out->emplace_back(json.dump());
  else if (!json.is_array()) return false;
  else {
    for (const Json& one : json.as_array()) {
      if (one.is_array() || !read_texts(one, out)) return false;
    }
  }
  return !out->empty();
}

bool read_messages(const Json& json, Json::Array* out) {
  if (json.is_string()) {
    out->push_back(Json::Object{{"role", "user"}, {"content", json}});
    return true;
  }
  if (!json.is_array() || json.as_array().empty()) return false;
  for (const Json& message : json.as_array()) {
    const Json *role = message.find("role"), *content = message.find("content");
    if (role == nullptr || !role->is_string() || content == nullptr || !content->is_string()) return false;
    out->push_back(Json::Object{{"role", *role}, {"content", *content}});
  }
  // Evals write the question as a system message at times; an item ends with the user's.
  if (out->back().find("role")->as_string() != "user") out->back().set("role", "user");
  return true;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// Nunjucks as prompts use it: {{ name }}.
std::string fill(const std::string& text, const Json& vars) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t open = text.find("{{", at), close = open == std::string::npos ? open : text.find("}}", open);
    if (close == std::string::npos) return out + text.substr(at);
    std::string name = text.substr(open + 2, close - open - 2);
    name.erase(0, std::min(name.find_first_not_of(' '), name.size()));
    name.erase(name.find_last_not_of(' ') + 1);
    const Json* value = vars.find(name);
    out += text.substr(at, open - at);
    out += value == nullptr ? text.substr(open, close + 2 - open) : value->is_string() ? value->as_string() : value->dump();
    at = close + 2;
  }
  return out;
}

// The grader of one assertion; false when we have none.
bool read_assert(const Json& assertion, Json* item) {
  const Json *type = assertion.find("type"), *value = assertion.find("value");
  if (type == nullptr || !type->is_string()) return false;
  const std::string& name = type->as_string();
  Json::Array values;
  if (name == "is-json") return false;  // any JSON would be right: no grader of ours says that
  if (value == nullptr || !read_texts(*value, &values)) return false;
  if (name == "equals") item->set("grader", "exact");
  else if (name == "contains" || name == "icontains" || name == "contains-any" || name == "icontains-any") item->set("grader", "contains");
  else if (name == "regex") item->set("grader", "regex");
  else if (name == "starts-with") {
    item->set("grader", "regex");
    values.front() = Json(escaped(values.front().as_string()) + "(.|\\n)*");
  } else return false;
  item->set("answer", std::move(values));
  return true;
}

}  // namespace

Result<ImportedSuite> import_openai_evals(std::string_view text, const std::string& where) {
  ImportedSuite suite;
  size_t n_lines = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    ++n_lines;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (n_lines > kRowsMax) return Error{ErrorCode::kInvalidArgument, where + ": more than 100,000 lines"};
    const std::string place = where + ":" + std::to_string(n_lines) + ": ";
    const auto json = Json::parse(line, {.depth = 32, .values = 1u << 16});
    if (!json.ok() || !json->is_object()) {
      if (n_lines == 1) return Error{ErrorCode::kInvalidArgument, place + "expected a JSON object a line"};
      suite.left_out.push_back(place + "not a JSON object");
      continue;
    }
    const Json* row = json->find("item");
    if (row == nullptr || !row->is_object()) row = &*json;
    const Json *input = first_of(*row, {"input", "question", "prompt"}), *ideal = first_of(*row, {"ideal", "answer", "reference"});
    Json::Array messages, answers;
    if (input == nullptr || !read_messages(*input, &messages)) {
      suite.left_out.push_back(place + "input: expected a text or messages with texts");
    } else if (ideal == nullptr || !read_texts(*ideal, &answers)) {
      suite.left_out.push_back(place + "ideal: expected a text or a list of texts");
    } else {
      suite.lines.push_back(Json(Json::Object{{"id", std::to_string(n_lines)}, {"messages", std::move(messages)}, {"answer", std::move(answers)}}).dump());
    }
  }
  if (suite.lines.empty()) return Error{ErrorCode::kInvalidArgument, where + ": no row could be taken over" + (suite.left_out.empty() ? "" : "; " + suite.left_out.front())};
  return suite;
}

Result<ImportedSuite> import_promptfoo(std::string_view text, const std::string& where) {
  const auto json = Json::parse(text, {.depth = 32, .values = 4u << 20});
  if (!json.ok()) return Error{ErrorCode::kInvalidArgument, where + ": " + json.error().message + " (a YAML configuration is to be converted to JSON first)"};
  const Json* tests = json->find("tests");
  if (tests == nullptr || !tests->is_array() || tests->as_array().size() > kRowsMax) return Error{ErrorCode::kInvalidArgument, where + ": tests: expected a list of at most 100,000"};
  std::vector<std::string> prompts;
  if (const Json* list = json->find("prompts"); list != nullptr && list->is_array()) {
    for (const Json& prompt : list->as_array()) {
      const Json* raw = prompt.is_object() ? prompt.find("raw") : &prompt;
      if (raw != nullptr && raw->is_string() && !raw->as_string().starts_with("file://")) prompts.push_back(raw->as_string());
    }
  }
  if (prompts.empty() || prompts.size() > kPromptsMax) return Error{ErrorCode::kInvalidArgument, where + ": prompts: expected 1 to 64 texts (file:// is not followed)"};
  ImportedSuite suite;
  for (size_t i = 0; i < tests->as_array().size(); ++i) {
    const Json& test = tests->as_array()[i];
    const std::string place = where + ": tests[" + std::to_string(i) + "]: ";
    const Json* asserts = test.find("assert");
    Json graded(Json::Object{});
    bool found = false;
    if (asserts != nullptr && asserts->is_array()) {
      for (const Json& one : asserts->as_array()) found = found || read_assert(one, &graded);
    }
    if (!found) {
      suite.left_out.push_back(place + "no assertion that a grader of ours says (equals, contains, icontains, contains-any, regex, starts-with)");
      continue;
    }
    if (asserts->as_array().size() > 1) suite.left_out.push_back(place + "only the first assertion that is understood counts");
    const Json* vars = test.find("vars");
    for (size_t p = 0; p < prompts.size(); ++p) {
      Json item(Json::Object{{"id", std::to_string(i + 1) + (prompts.size() > 1 ? "." + std::to_string(p + 1) : "")},
                             {"prompt", fill(prompts[p], vars == nullptr ? Json(Json::Object{}) : *vars)}});
      for (const auto& [key, value] : graded.as_object()) item.set(key, value);
      suite.lines.push_back(item.dump());
    }
  }
  if (suite.lines.empty()) return Error{ErrorCode::kInvalidArgument, where + ": no test could be taken over" + (suite.left_out.empty() ? "" : "; " + suite.left_out.front())};
  return suite;
}

}  // namespace firesteel
