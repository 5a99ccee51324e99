// JSON values with members in file order, parsed within limits. For configuration, tokenizer files and templates; request bodies
// and streams have their own paths.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace firesteel {

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;  // in source order; duplicate keys are refused by parse

  Json() = default;                                       // null
  Json(std::nullptr_t) {}                                 // NOLINT: implicit on purpose, literals read as JSON
  Json(bool value) : value_(value) {}                     // NOLINT
  Json(int value) : value_(int64_t{value}) {}             // NOLINT
  Json(int64_t value) : value_(value) {}                  // NOLINT
  Json(double value) : value_(value) {}                   // NOLINT
  Json(std::string value) : value_(std::move(value)) {}   // NOLINT
  Json(std::string_view value) : value_(std::string(value)) {}  // NOLINT
  Json(const char* value) : value_(std::string(value)) {}  // NOLINT
  Json(Array value) : value_(std::move(value)) {}         // NOLINT
  Json(Object value) : value_(std::move(value)) {}        // NOLINT

  struct Limits {
    uint32_t depth = 128;
    uint64_t values = 64u << 20;
  };
  // kInvalidArgument with line, column and reason. Integers beyond int64 become doubles.
  static Result<Json> parse(std::string_view text, Limits limits);
  static Result<Json> parse(std::string_view text) { return parse(text, Limits{}); }

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_int() const { return std::holds_alternative<int64_t>(value_); }
  bool is_double() const { return std::holds_alternative<double>(value_); }
  bool is_number() const { return is_int() || is_double(); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  // Each CHECKs the type: test first.
  bool as_bool() const;
  int64_t as_int() const;
  double as_double() const;  // any number
  const std::string& as_string() const;
  const Array& as_array() const;
  Array& as_array();
  const Object& as_object() const;
  Object& as_object();

  // Member of an object, nullptr when absent or when this is not an object.
  const Json* find(std::string_view key) const;
  // Adds or replaces; this must be an object (or null, which becomes one).
  void set(std::string_view key, Json value);

  // Compact unless indent > 0. Doubles print the shortest text that reads back the same.
  std::string dump(int indent = 0) const;

  bool operator==(const Json&) const = default;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> value_;
};

// Appends `text` as a JSON string literal with quotes. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string* out, std::string_view text);

}  // namespace firesteel
