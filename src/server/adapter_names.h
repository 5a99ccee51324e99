// What clients call the loaded adapters: "MODEL:NAME" as a model, or NAME (or the digest) as "adapter" of the object "firesteel".
// A name points to a digest and may be pointed elsewhere at any time: requests under way keep the adapter they began with.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "tenants/tenants.h"

namespace firesteel {

// Thread-safe.
class AdapterNames {
 public:
  struct Entry {
    std::string name, digest;
    std::optional<TenantId> tenant = {};  // whose it is alone; absent: everybody's
  };

  // 1 to 64 letters, digits, '.', '_', '-'; not "latest".
  static bool is_name(std::string_view name);

  // Adds or points elsewhere.
  void set(Entry entry) FS_EXCLUDES(mutex_);
  bool erase(const std::string& name) FS_EXCLUDES(mutex_);  // false: not there
  std::vector<Entry> list() const FS_EXCLUDES(mutex_);

  // The digest behind a name, or a digest that a name points to; nullopt where there is none that this caller may use. `model_id` is the
  // base's: keys that are limited to some models need "MODEL:NAME" or MODEL among them.
  std::optional<std::string> find(std::string_view name, const std::string& model_id, const Principal& caller) const FS_EXCLUDES(mutex_);
  // "MODEL:NAME" of all that the caller may use.
  std::vector<std::string> model_names(const std::string& model_id, const Principal& caller) const FS_EXCLUDES(mutex_);

 private:
  static bool may_use(const Entry& entry, const std::string& model_id, const Principal& caller);

  mutable Mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_ FS_GUARDED_BY(mutex_);
};

// What a model name stands for: the served model itself or an alias (""), or one of its adapters (the digest). nullopt: unknown to this
// caller, or not for it.
std::optional<std::string> adapter_of_model(std::string_view asked, const std::string& model_id, const std::vector<std::string>& aliases, const AdapterNames& names,
                                            const Principal& caller);

}  // namespace firesteel
