#include "eval/suite.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/json.h"
#include "base/mapped_file.h"
#include "eval/readers.h"

namespace firesteel {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kItemsBytesMax = uint64_t{1} << 30;
constexpr size_t kImagesMax = 16;

std::string folder_of(const std::string& file) {
  const std::string folder = fs::path(file).parent_path().string();
  return folder.empty() ? "." : folder;
}

Result<std::vector<std::string>> texts_of(const Json& value, const std::string& where, const char* key) {
  std::vector<std::string> out;
  const auto add = [&](const Json& one) {
    if (one.is_string()) out.push_back(one.as_string());
    else if (one.is_number()) out.push_back(one.dump());
    else return false;
    return true;
  };
  bool good = true;
  if (value.is_array()) {
    for (const Json& one : value.as_array()) good = good && add(one);
  } else {
    good = add(value);
  }
  if (!good) return Error{ErrorCode::kInvalidArgument, where + ": " + key + ": expected a text or a list of texts"};
  return out;
}

Status read_grader(const Json& value, const std::string& where, Grading* grading) {
  const auto fail = [&](const std::string& what) { return Error{ErrorCode::kInvalidArgument, where + ": grader: " + what}; };
  const Json* name = value.is_object() ? value.find("kind") : &value;
  if (name == nullptr || !name->is_string()) return fail("expected a name, or an object with kind");
  const auto kind = grading_kind(name->as_string());
  if (!kind) return fail("there is no '" + name->as_string().substr(0, 40) + "'");
  grading->kind = *kind;
  if (!value.is_object()) return {};
  for (const auto& [key, member] : value.as_object()) {
    if (key == "kind") continue;
    if ((key == "tolerance" || key == "relative_tolerance") && member.is_number()) {
      const auto number = Decimal::parse(member.dump());
      if (!number || number->sign() < 0) return fail(key + ": expected a number of at least 0");
      (key == "tolerance" ? grading->tolerance : grading->relative_tolerance) = *number;
    } else if (key == "unit" && member.is_string()) {
      grading->unit = member.as_string();
    } else if (key == "unit_required" && member.is_bool()) {
      grading->unit_required = member.as_bool();
    } else if (key == "given" && member.is_string()) {
      grading->given = member.as_string();
    } else {
      return fail("unknown key or wrong type: '" + key.substr(0, 40) + "'; there are kind, tolerance, relative_tolerance, unit, unit_required, given");
    }
  }
  return {};
}

// "parts": [{"answer": ..., "grader": ...}, ...] of an item with several questions.
Status read_parts(const Json::Array& list, const std::string& where, Grading* grading) {
  grading->kind = Grading::Kind::kParts;
  for (const Json& one : list) {
    const std::string place = where + ": part " + std::to_string(grading->parts.size() + 1);
    if (!one.is_object()) return Error{ErrorCode::kInvalidArgument, place + ": expected an object"};
    Grading part;
    for (const auto& [key, value] : one.as_object()) {
      if (key == "answer") {
        FS_TRY(part.answers, texts_of(value, place, "answer"));
      } else if (key == "grader") {
        FS_TRY_VOID(read_grader(value, place, &part));
      } else {
        return Error{ErrorCode::kInvalidArgument, place + ": unknown key '" + key.substr(0, 40) + "'; there are answer, grader"};
      }
    }
    grading->parts.push_back(std::move(part));
  }
  return {};
}

Result<std::vector<EvalItem>> read_items(const Suite& suite, const SuiteInputs& inputs, int64_t n_max) {
  const std::string folder = folder_of(suite.file);
  const std::string path = folder + "/" + suite.source.file;
  FS_TRY(const std::string text, read_file(path, kItemsBytesMax));
  std::vector<EvalItem> items;
  size_t line_idx = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    ++line_idx;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (n_max >= 0 && static_cast<int64_t>(items.size()) >= n_max) break;
    FS_TRY(EvalItem item, parse_item(line, path + ":" + std::to_string(line_idx), folder, inputs));
    if (item.id.empty()) item.id = std::to_string(line_idx);
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace

const char* eval_mode_name(EvalMode mode) {
  switch (mode) {
    case EvalMode::kInstant: return "instant";
    case EvalMode::kThinking: return "thinking";
    case EvalMode::kTools: return "tools";
  }
  return "?";
}

std::optional<EvalMode> eval_mode(std::string_view name) {
  for (const EvalMode mode : {EvalMode::kInstant, EvalMode::kThinking, EvalMode::kTools}) {
    if (name == eval_mode_name(mode)) return mode;
  }
  return std::nullopt;
}

Result<std::vector<std::string>> find_suites(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return Error{ErrorCode::kNotFound, path + ": no such suite"};
  if (!fs::is_directory(status)) return std::vector<std::string>{path};
  if (fs::exists(fs::path(path) / "suite.toml", error)) return std::vector<std::string>{(fs::path(path) / "suite.toml").string()};
  std::vector<std::string> out;
  for (fs::recursive_directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    if (it.depth() > 4) it.disable_recursion_pending();
    if (it->is_regular_file(error) && it->path().extension() == ".toml") out.push_back(it->path().string());
  }
  if (error) return Error{ErrorCode::kIo, path + ": " + error.message()};
  if (out.empty()) return Error{ErrorCode::kNotFound, path + ": holds no suite (a .toml file)"};
  std::sort(out.begin(), out.end());
  return out;
}

Result<EvalItem> parse_item(const std::string& line, const std::string& where, const std::string& folder, const SuiteInputs& inputs) {
  const auto fail = [&](const std::string& what) { return Error{ErrorCode::kInvalidArgument, where + ": " + what}; };
  auto parsed = Json::parse(line, {.depth = 32, .values = 1u << 16});
  if (!parsed.ok()) return fail(parsed.error().message);
  if (!parsed->is_object()) return fail("expected an object");
  EvalItem item;
  std::vector<std::string> image_files;
  for (const auto& [key, value] : parsed->as_object()) {
    if (key == "id" && (value.is_string() || value.is_int())) {
      item.id = value.is_string() ? value.as_string() : value.dump();
    } else if (key == "prompt" && value.is_string()) {
      item.messages.push_back({"user", value.as_string(), {}});
    } else if (key == "messages" && value.is_array()) {
      for (const Json& message : value.as_array()) {
        const Json *role = message.find("role"), *content = message.find("content");
        if (role == nullptr || !role->is_string() || content == nullptr || !content->is_string()) return fail("messages: expected role and content as texts");
        item.messages.push_back({role->as_string(), content->as_string(), {}});
      }
    } else if (key == "images") {
      FS_TRY(image_files, texts_of(value, where, "images"));
    } else if (key == "answer") {
      FS_TRY(item.grading.answers, texts_of(value, where, "answer"));
    } else if (key == "choices") {
      FS_TRY(item.grading.choices, texts_of(value, where, "choices"));
    } else if (key == "forbidden") {
      FS_TRY(item.grading.forbidden, texts_of(value, where, "forbidden"));
    } else if (key == "grader") {
      FS_TRY_VOID(read_grader(value, where, &item.grading));
    } else if (key == "parts" && value.is_array()) {
      FS_TRY_VOID(read_parts(value.as_array(), where, &item.grading));
    } else if (key == "slices" && value.is_object()) {
      for (const auto& [name, member] : value.as_object()) {
        if (!member.is_string()) return fail("slices: expected texts");
        item.slices.emplace_back(name, member.as_string());
      }
    } else if (key == "metadata") {
      continue;  // for people
    } else {
      return fail("unknown key or wrong type: '" + key.substr(0, 40) + "'; there are id, prompt, messages, images, answer, forbidden, parts, choices, grader, slices, metadata");
    }
  }
  if (item.messages.empty() || item.messages.back().role != "user") return fail("expected a prompt, or messages that end with the user's");
  if (item.grading.choices.size() > 1 && parsed->find("grader") == nullptr) item.grading.kind = Grading::Kind::kChoice;
  if (item.grading.kind == Grading::Kind::kChoice) {
    item.messages.back().text = choice_prompt(item.messages.back().text, item.grading.choices);
    for (std::string& answer : item.grading.answers) {  // the text of the choice, or its letter
      const auto found = std::find(item.grading.choices.begin(), item.grading.choices.end(), answer);
      if (found != item.grading.choices.end()) answer = choice_letter(static_cast<size_t>(found - item.grading.choices.begin()));
    }
  }
  FS_TRY_VOID(check_grading(item.grading, where));
  if (image_files.size() > kImagesMax) return fail("at most " + std::to_string(kImagesMax) + " images, found " + std::to_string(image_files.size()));
  for (const std::string& file : image_files) {
    if (file.find("..") != std::string::npos || file.starts_with('/')) return fail("images: expected files beside the suite, found '" + file.substr(0, 100) + "'");
    if (!inputs.read_image) return Error{ErrorCode::kUnsupported, where + ": pictures cannot be read here"};
    FS_TRY(RgbImage image, inputs.read_image(folder + "/" + file));
    item.messages.back().images.push_back(item.images.size());
    item.images.push_back(std::move(image));
  }
  return item;
}

Status load_items(Suite* suite, const SuiteInputs& inputs, int64_t n_max) {
  const SuiteSource& source = suite->source;
  Result<std::vector<EvalItem>> items = Error{ErrorCode::kUnsupported, suite->file + ": problems cannot be made here"};
  switch (source.kind) {
    case SuiteSource::Kind::kItems: items = read_items(*suite, inputs, n_max); break;
    case SuiteSource::Kind::kSynth: {
      SuiteSource part = source;
      if (n_max >= 0) part.count = std::min(part.count, n_max);
      if (inputs.synthesise) items = inputs.synthesise(part);
      break;
    }
    case SuiteSource::Kind::kExternal:
      if (inputs.data_folder.empty()) return Error{ErrorCode::kNotFound, suite->file + ": no folder of external sets is known; give --data FOLDER"};
      items = read_external(source, inputs.data_folder);
      break;
  }
  if (!items.ok()) return std::move(items).error();
  suite->items = std::move(items).value();
  if (!source.filter.empty()) {
    if (!inputs.keep) return Error{ErrorCode::kUnsupported, suite->file + ": there is no filter '" + source.filter + "' here"};
    std::erase_if(suite->items, [&](const EvalItem& item) { return !inputs.keep(source.filter, item); });
  }
  if (n_max >= 0 && static_cast<int64_t>(suite->items.size()) > n_max) suite->items.resize(static_cast<size_t>(n_max));
  if (suite->items.empty()) return Error{ErrorCode::kDataLoss, suite->file + ": no items"};
  std::set<std::string_view> ids;
  for (EvalItem& item : suite->items) {
    if (!source.grader.empty()) item.grading.kind = *grading_kind(source.grader);
    FS_TRY_VOID(check_grading(item.grading, suite->file + ": item " + item.id));
    if (!ids.insert(item.id).second) return Error{ErrorCode::kDataLoss, suite->file + ": two items have the id " + item.id};
  }
  suite->digest = items_digest(suite->items);
  return {};
}

}  // namespace firesteel
