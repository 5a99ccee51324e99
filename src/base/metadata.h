// Typed key-value metadata of a model file. GGUF files have it natively; a Hugging Face folder is translated into the same keys
// (checkpoint/), so that model and tokenizer know one dialect. Keys: GGUF specification, e.g. "llama.block_count".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace firesteel {

// Views of strings point into the mapped file (or the owner of this Metadata) and live as long as it does.
using MetaValue = std::variant<bool, int64_t, uint64_t, double, std::string_view, std::vector<bool>, std::vector<int64_t>,
                               std::vector<float>, std::vector<std::string_view>>;

class Metadata {
 public:
  using Item = std::pair<std::string, MetaValue>;

  // Keys are unique: false when the key was there already (the first value stays).
  bool add(std::string_view key, MetaValue value);
  void set(std::string_view key, MetaValue value);  // adds or replaces
  // For readers that have seen to uniqueness themselves: add() in constant time.
  void append(std::string key, MetaValue value) { items_.emplace_back(std::move(key), std::move(value)); }
  void reserve(size_t n_keys) { items_.reserve(n_keys); }

  const MetaValue* find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }

  // Absent: nullopt. Present with another type or out of range: kDataLoss naming the key. Integers accept any integer type,
  // floats accept integers.
  Result<std::optional<int64_t>> get_int(std::string_view key) const;
  Result<std::optional<double>> get_float(std::string_view key) const;
  Result<std::optional<bool>> get_bool(std::string_view key) const;
  Result<std::optional<std::string_view>> get_string(std::string_view key) const;
  // Absent or of another type: nullptr.
  const std::vector<std::string_view>* strings(std::string_view key) const;
  const std::vector<int64_t>* ints(std::string_view key) const;
  const std::vector<float>* floats(std::string_view key) const;
  const std::vector<bool>* bools(std::string_view key) const;

  // In file order.
  const std::vector<Item>& items() const { return items_; }

 private:
  std::vector<Item> items_;
};

}  // namespace firesteel
