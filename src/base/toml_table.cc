// Defined as in toml_json.cc, the other file that sees toml++: its inline functions must be the same in both.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
// Its assertions are about the input, too: "[[[[" meets one before it is refused (version 3.3).
#define TOML_ASSERT(expr) static_cast<void>(0)
#include <toml++/toml.h>

#include "base/toml_table.h"

#include <algorithm>
#include <cstdio>

#include "base/edit_distance.h"
#include "base/toml_text.h"

namespace firesteel {
namespace {

const toml::node& node_of(const void* node) { return *static_cast<const toml::node*>(node); }
const toml::table& table_of(const void* table) { return *static_cast<const toml::table*>(table); }

std::string short_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

std::string list_of(const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& word : words) list += (list.empty() ? "" : ", ") + word;
  return list;
}

}  // namespace

struct TomlTable::File {
  std::string name;
  toml::table root;
  Status status;

  std::string place(uint32_t line) const { return name + ":" + std::to_string(line) + ": "; }
  void set(const std::string& message) {
    if (status.ok()) status = Error{ErrorCode::kInvalidArgument, message};
  }
};

Result<TomlTable> TomlTable::parse(std::string_view text, std::string_view name) {
  auto file = std::make_shared<File>();
  file->name = std::string(name);
  if (const size_t line = foreign_toml_character(text); line > 0) {
    return Error{ErrorCode::kInvalidArgument, file->place(static_cast<uint32_t>(line)) + "a character beyond ASCII outside of a text"};
  }
  toml::parse_result parsed = toml::parse(text, name);
  if (!parsed) return Error{ErrorCode::kInvalidArgument, file->place(parsed.error().source().begin.line) + std::string(parsed.error().description())};
  file->root = std::move(parsed).table();
  const void* root = &file->root;
  return TomlTable(std::move(file), root, "");
}

// A toml::node, or null.
const void* TomlTable::take(const char* key) {
  known_.emplace_back(key);
  return table_ != nullptr ? table_of(table_).get(key) : nullptr;
}

void TomlTable::fail(const char* key, const std::string& expected) {
  const toml::node* node = table_ != nullptr ? table_of(table_).get(key) : nullptr;
  file_->set((node != nullptr ? file_->place(node->source().begin.line) : file_->name + ": ") + (where_.empty() ? "" : where_ + ".") + key + ": expected " + expected);
}

void TomlTable::integer(const char* key, int64_t* value, int64_t min, int64_t max) {
  const void* node = take(key);
  if (node == nullptr) return;
  const auto found = node_of(node).value_exact<int64_t>();
  if (!found) return fail(key, "a whole number");
  if (*found < min || *found > max) return fail(key, std::to_string(min) + " to " + std::to_string(max));
  *value = *found;
}

void TomlTable::number(const char* key, std::optional<double>* value, double min, double max) {
  const void* node = take(key);
  if (node == nullptr) return;
  const auto found = node_of(node).is_number() ? node_of(node).value<double>() : std::optional<double>();
  if (!found) return fail(key, "a number");
  if (!(*found >= min && *found <= max)) return fail(key, "a number from " + short_text(min) + " to " + short_text(max));
  *value = *found;
}

void TomlTable::number(const char* key, double* value, double min, double max) {
  std::optional<double> found;
  number(key, &found, min, max);
  if (found) *value = *found;
}

void TomlTable::boolean(const char* key, bool* value) {
  const void* node = take(key);
  if (node == nullptr) return;
  const auto found = node_of(node).value_exact<bool>();
  if (!found) return fail(key, "true or false");
  *value = *found;
}

void TomlTable::text(const char* key, std::string* value, const std::vector<std::string>& allowed) {
  const void* node = take(key);
  if (node == nullptr) return;
  auto found = node_of(node).value_exact<std::string>();
  if (!found) return fail(key, "a text");
  if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), *found) == allowed.end()) return fail(key, "one of " + list_of(allowed));
  *value = std::move(*found);
}

void TomlTable::texts(const char* key, std::vector<std::string>* values) {
  const void* node = take(key);
  if (node == nullptr) return;
  const toml::array* list = node_of(node).as_array();
  if (list == nullptr) return fail(key, "a list of texts");
  for (const toml::node& element : *list) {
    auto found = element.value_exact<std::string>();
    if (!found) return fail(key, "a list of texts");
    values->push_back(std::move(*found));
  }
}

void TomlTable::weights(const char* key, std::vector<std::pair<std::string, double>>* values, bool above_zero) {
  const void* node = take(key);
  if (node == nullptr) return;
  const std::string expected = above_zero ? "a table of numbers above 0" : "a table of numbers, none negative";
  const toml::table* inner = node_of(node).as_table();
  if (inner == nullptr) return fail(key, expected);
  for (const auto& [name, weight] : *inner) {
    const auto found = weight.is_number() ? weight.value<double>() : std::optional<double>();
    if (!found || !(above_zero ? *found > 0 : *found >= 0)) return fail(key, expected);
    values->emplace_back(std::string(name.str()), *found);
  }
}

TomlTable TomlTable::table(const char* key) {
  const void* node = take(key);
  const toml::table* inner = node != nullptr ? node_of(node).as_table() : nullptr;
  if (node != nullptr && inner == nullptr) fail(key, "a table");
  return TomlTable(file_, inner, where_.empty() ? key : where_ + "." + key);
}

Status TomlTable::finish() {
  if (!file_->status.ok() || table_ == nullptr) return file_->status;
  for (const auto& [key, value] : table_of(table_)) {
    const std::string name(key.str());
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    const auto near = std::min_element(known_.begin(), known_.end(), [&](const std::string& a, const std::string& b) { return edit_distance(a, name) < edit_distance(b, name); });
    const bool is_near = near != known_.end() && edit_distance(*near, name) <= std::max<size_t>(2, name.size() / 3);
    file_->set(file_->place(value.source().begin.line) + "unknown key '" + name + "'" + (where_.empty() ? "" : " in [" + where_ + "]") +
               (is_near ? "; did you mean '" + *near + "'?" : "; there are " + list_of(known_)));
  }
  return file_->status;
}

}  // namespace firesteel
