#include "base/metadata.h"

namespace firesteel {
namespace {

Error wrong_type(std::string_view key, const char* expected) {
  return Error{ErrorCode::kDataLoss, "metadata \"" + std::string(key) + "\": expected " + expected + ", found another type"};
}

}  // namespace

bool Metadata::add(std::string_view key, MetaValue value) {
  if (has(key)) return false;
  items_.emplace_back(std::string(key), std::move(value));
  return true;
}

void Metadata::set(std::string_view key, MetaValue value) {
  for (auto& [name, old] : items_) {
    if (name == key) {
      old = std::move(value);
      return;
    }
  }
  items_.emplace_back(std::string(key), std::move(value));
}

// Files have tens of keys; a scan is faster than building an index at every start.
const MetaValue* Metadata::find(std::string_view key) const {
  for (const auto& [name, value] : items_) {
    if (name == key) return &value;
  }
  return nullptr;
}

Result<std::optional<int64_t>> Metadata::get_int(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::optional<int64_t>();
  if (const auto* i = std::get_if<int64_t>(value)) return std::optional(*i);
  if (const auto* u = std::get_if<uint64_t>(value)) {
    if (*u <= static_cast<uint64_t>(INT64_MAX)) return std::optional(static_cast<int64_t>(*u));
    return Error{ErrorCode::kDataLoss, "metadata \"" + std::string(key) + "\": " + std::to_string(*u) + " is out of range"};
  }
  return wrong_type(key, "an integer");
}

Result<std::optional<double>> Metadata::get_float(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::optional<double>();
  if (const auto* d = std::get_if<double>(value)) return std::optional(*d);
  if (const auto* i = std::get_if<int64_t>(value)) return std::optional(static_cast<double>(*i));
  if (const auto* u = std::get_if<uint64_t>(value)) return std::optional(static_cast<double>(*u));
  return wrong_type(key, "a number");
}

Result<std::optional<bool>> Metadata::get_bool(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::optional<bool>();
  if (const auto* b = std::get_if<bool>(value)) return std::optional(*b);
  return wrong_type(key, "a bool");
}

Result<std::optional<std::string_view>> Metadata::get_string(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::optional<std::string_view>();
  if (const auto* s = std::get_if<std::string_view>(value)) return std::optional(*s);
  return wrong_type(key, "a string");
}

const std::vector<std::string_view>* Metadata::strings(std::string_view key) const {
  const MetaValue* value = find(key);
  return value == nullptr ? nullptr : std::get_if<std::vector<std::string_view>>(value);
}

const std::vector<int64_t>* Metadata::ints(std::string_view key) const {
  const MetaValue* value = find(key);
  return value == nullptr ? nullptr : std::get_if<std::vector<int64_t>>(value);
}

const std::vector<float>* Metadata::floats(std::string_view key) const {
  const MetaValue* value = find(key);
  return value == nullptr ? nullptr : std::get_if<std::vector<float>>(value);
}

const std::vector<bool>* Metadata::bools(std::string_view key) const {
  const MetaValue* value = find(key);
  return value == nullptr ? nullptr : std::get_if<std::vector<bool>>(value);
}

}  // namespace firesteel
