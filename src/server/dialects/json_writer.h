// Appends JSON to a string as it is said, without building values: for streams, where every token is an event.
#pragma once

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"

namespace firesteel {

// Commas are put where they belong. Balanced begin and end are the caller's duty.
class JsonWriter {
 public:
  explicit JsonWriter(std::string* out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name) {
    comma();
    append_json_string(out_, name);
    out_->push_back(':');
    return *this;
  }

  JsonWriter& value(std::string_view text) { comma(); append_json_string(out_, text); return *this; }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(std::nullptr_t) { return raw("null"); }
  JsonWriter& value(const Json& json) { return raw(json.dump()); }
  template <std::integral T>
  JsonWriter& value(T number) {
    if constexpr (std::same_as<T, bool>) return raw(number ? "true" : "false");
    else return raw(std::to_string(number));
  }
  // The shortest text that reads back the same.
  template <std::floating_point T>
  JsonWriter& value(T number) {
    if (!std::isfinite(number)) return raw("null");
    char text[32];
    return raw(std::string_view(text, static_cast<size_t>(std::to_chars(text, text + sizeof text, number).ptr - text)));
  }

  // JSON text as it is.
  JsonWriter& raw(std::string_view json) { comma(); out_->append(json); return *this; }

  template <typename T>
  JsonWriter& member(std::string_view name, const T& content) { key(name); return value(content); }

 private:
  void comma() {
    if (depth_ > 0 && out_->back() != '{' && out_->back() != '[' && out_->back() != ':') out_->push_back(',');
  }
  JsonWriter& open(char c) { comma(); out_->push_back(c); ++depth_; return *this; }
  JsonWriter& close(char c) { out_->push_back(c); --depth_; return *this; }

  std::string* out_;
  int depth_ = 0;
};

}  // namespace firesteel
