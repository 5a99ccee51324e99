#include "server/adapter_names.h"

#include <algorithm>

namespace firesteel {
namespace {

constexpr std::string_view kLatest = ":latest";  // Ollama's clients add it to every name

}  // namespace

bool AdapterNames::is_name(std::string_view name) {
  return name != kLatest.substr(1) && !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
}

void AdapterNames::set(Entry entry) {
  MutexLock lock(mutex_);
  const std::string name = entry.name;
  entries_.insert_or_assign(name, std::move(entry));
}

bool AdapterNames::erase(const std::string& name) {
  MutexLock lock(mutex_);
  return entries_.erase(name) > 0;
}

std::vector<AdapterNames::Entry> AdapterNames::list() const {
  std::vector<Entry> all;
  MutexLock lock(mutex_);
  for (const auto& [name, entry] : entries_) all.push_back(entry);
  return all;
}

bool AdapterNames::may_use(const Entry& entry, const std::string& model_id, const Principal& caller) {
  if (entry.tenant && *entry.tenant != caller.tenant) return false;
  return caller.may_use_model(model_id) || caller.may_use_model(model_id + ":" + entry.name);
}

std::optional<std::string> AdapterNames::find(std::string_view name, const std::string& model_id, const Principal& caller) const {
  MutexLock lock(mutex_);
  const auto it = entries_.find(name);
  if (it != entries_.end() && may_use(it->second, model_id, caller)) return it->second.digest;
  for (const auto& [unused, entry] : entries_) {
    if (entry.digest == name && may_use(entry, model_id, caller)) return entry.digest;
  }
  return std::nullopt;
}

std::vector<std::string> AdapterNames::model_names(const std::string& model_id, const Principal& caller) const {
  std::vector<std::string> all;
  MutexLock lock(mutex_);
  for (const auto& [name, entry] : entries_) {
    if (may_use(entry, model_id, caller)) all.push_back(model_id + ":" + name);
  }
  return all;
}

std::optional<std::string> adapter_of_model(std::string_view asked, const std::string& model_id, const std::vector<std::string>& aliases, const AdapterNames& names,
                                            const Principal& caller) {
  const auto is_base = [&](std::string_view name) { return name == model_id || std::find(aliases.begin(), aliases.end(), name) != aliases.end(); };
  if (asked.ends_with(kLatest)) asked.remove_suffix(kLatest.size());
  if (asked.empty() || is_base(asked)) {
    bool may = caller.may_use_model(model_id);
    for (const std::string& alias : aliases) may = may || caller.may_use_model(alias);
    if (!may) return std::nullopt;
    return std::string();
  }
  if (!asked.starts_with(model_id + ":")) return std::nullopt;
  return names.find(asked.substr(model_id.size() + 1), model_id, caller);
}

}  // namespace firesteel
