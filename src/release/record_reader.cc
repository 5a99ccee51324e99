#include "release/record_reader.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/edit_distance.h"
#include "base/utf8.h"

namespace firesteel {

RecordReader::RecordReader(const Json& object, std::string where, Status* status) : object_(object), where_(std::move(where)), status_(status) {
  if (!object.is_object()) set("expected a table");
}

void RecordReader::set(std::string message) {
  if (status_->ok()) *status_ = Error{ErrorCode::kInvalidArgument, where_ + ": " + std::move(message)};
}

void RecordReader::fail(const char* key, const std::string& expected) {
  const Json* found = object_.find(key);
  std::string shown = found == nullptr ? "nothing" : found->dump();
  if (shown.size() > 60) shown = shown.substr(0, 60) + "...";
  set(fmt::format("{}: expected {}, found {}", key, expected, shown));
}

const Json* RecordReader::take(const char* key) {
  known_.emplace_back(key);
  return object_.find(key);
}

void RecordReader::text(const char* key, std::string* value, size_t bytes_max) {
  const Json* node = take(key);
  if (node == nullptr) return;
  if (node->is_string() && node->as_string().size() <= bytes_max && is_valid_utf8(node->as_string()) && node->as_string().find('\0') == std::string::npos) {
    *value = node->as_string();
  } else {
    fail(key, fmt::format("a text of at most {} bytes", bytes_max));
  }
}

void RecordReader::integer(const char* key, int64_t low, int64_t high, int64_t* value) {
  const Json* node = take(key);
  if (node == nullptr) return;
  if (node->is_int() && node->as_int() >= low && node->as_int() <= high) *value = node->as_int();
  else fail(key, fmt::format("a whole number from {} to {}", low, high));
}

void RecordReader::number(const char* key, double low, double high, double* value) {
  const Json* node = take(key);
  if (node == nullptr) return;
  if (node->is_number() && node->as_double() >= low && node->as_double() <= high) *value = node->as_double();
  else fail(key, fmt::format("a number from {:g} to {:g}", low, high));
}

void RecordReader::boolean(const char* key, bool* value) {
  const Json* node = take(key);
  if (node == nullptr) return;
  if (node->is_bool()) *value = node->as_bool();
  else fail(key, "true or false");
}

void RecordReader::choice(const char* key, const std::vector<std::string>& words, size_t* value) {
  const Json* node = take(key);
  if (node == nullptr) return;
  if (node->is_string()) {
    const auto found = std::find(words.begin(), words.end(), node->as_string());
    if (found != words.end()) {
      *value = static_cast<size_t>(found - words.begin());
      return;
    }
  }
  fail(key, fmt::format("one of {}", fmt::join(words, ", ")));
}

void RecordReader::numbers(const char* key, double low, double high, std::vector<double>* value) {
  const Json* node = take(key);
  if (node == nullptr) return;
  const std::string expected = fmt::format("at most 64 numbers from {:g} to {:g}", low, high);
  if (!node->is_array() || node->as_array().size() > 64) return fail(key, expected);
  value->clear();
  for (const Json& element : node->as_array()) {
    if (!element.is_number() || !(element.as_double() >= low && element.as_double() <= high)) return fail(key, expected);
    value->push_back(element.as_double());
  }
}

void RecordReader::texts(const char* key, std::vector<std::string>* value) {
  const Json* node = take(key);
  if (node == nullptr) return;
  if (!node->is_array() || node->as_array().size() > 64) return fail(key, "at most 64 texts");
  value->clear();
  for (const Json& element : node->as_array()) {
    if (!element.is_string() || element.as_string().size() > 512) return fail(key, "at most 64 texts of at most 512 bytes");
    value->push_back(element.as_string());
  }
}

const Json* RecordReader::object(const char* key) {
  const Json* node = take(key);
  if (node == nullptr) return nullptr;
  if (!node->is_object()) {
    fail(key, "a table");
    return nullptr;
  }
  return node;
}

std::vector<const Json*> RecordReader::objects(const char* key) {
  std::vector<const Json*> list;
  const Json* node = take(key);
  if (node == nullptr) return list;
  if (!node->is_array() || node->as_array().size() > 64) {
    fail(key, "at most 64 tables");
    return list;
  }
  for (const Json& element : node->as_array()) {
    if (!element.is_object()) {
      fail(key, "tables");
      return {};
    }
    list.push_back(&element);
  }
  return list;
}

void RecordReader::finish() {
  if (!object_.is_object()) return;
  for (const auto& [key, value] : object_.as_object()) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    std::string near;
    size_t best = 4;
    for (const std::string& name : known_) {
      if (const size_t distance = edit_distance(key, name); distance < best) {
        best = distance;
        near = name;
      }
    }
    set(fmt::format("unknown key '{}'{}; there are {}", key, near.empty() ? "" : " (did you mean '" + near + "'?)", fmt::join(known_, ", ")));
  }
}

}  // namespace firesteel
