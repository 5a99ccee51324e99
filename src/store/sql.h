// SQL texts and values as every backend of the store understands them. A text is a literal known at compile time with parameters
// $1, $2 ...: SQL built from strings does not compile, so nothing that a caller sends can become SQL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"

namespace firesteel {

class Sql {
 public:
  template <size_t n>
  consteval Sql(const char (&text)[n]) : text_(text) {}  // NOLINT: implicit on purpose, a literal is SQL
  constexpr const char* text() const { return text_; }

 private:
  const char* text_;
};

struct Blob {
  std::string bytes;
  bool operator==(const Blob&) const = default;
};

// null, integer, real, text (UTF-8), bytes.
using Value = std::variant<std::monostate, int64_t, double, std::string, Blob>;

inline Value value_or_null(const std::string& text) { return text.empty() ? Value{} : Value{text}; }

// One row of an answer. Null, and what somebody who edited the file made of another type, reads as 0 or "".
class Row {
 public:
  explicit Row(std::vector<Value> values) : values_(std::move(values)) {}
  size_t size() const { return values_.size(); }
  bool is_null(size_t column) const { return std::holds_alternative<std::monostate>(values_[column]); }
  int64_t integer(size_t column) const { return get<int64_t>(column); }
  double real(size_t column) const { return get<double>(column); }
  std::string text(size_t column) const { return get<std::string>(column); }
  std::string blob(size_t column) const { return get<Blob>(column).bytes; }

 private:
  template <typename T>
  T get(size_t column) const {
    CHECK(column < values_.size());
    const T* value = std::get_if<T>(&values_[column]);
    return value != nullptr ? *value : T{};
  }
  std::vector<Value> values_;
};

}  // namespace firesteel
