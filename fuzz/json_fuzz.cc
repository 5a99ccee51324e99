// Any bytes as JSON: a value that prints and reads back as itself, or an error; any bytes as a string's content.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"

namespace {

using namespace firesteel;

// Doubles without a fraction print as integers, so numbers are compared as numbers.
bool same(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return a.as_double() == b.as_double();
  if (a.is_array() && b.is_array()) {
    if (a.as_array().size() != b.as_array().size()) return false;
    for (size_t i = 0; i < a.as_array().size(); ++i) {
      if (!same(a.as_array()[i], b.as_array()[i])) return false;
    }
    return true;
  }
  if (a.is_object() && b.is_object()) {
    if (a.as_object().size() != b.as_object().size()) return false;
    for (size_t i = 0; i < a.as_object().size(); ++i) {
      if (a.as_object()[i].first != b.as_object()[i].first || !same(a.as_object()[i].second, b.as_object()[i].second)) return false;
    }
    return true;
  }
  return a == b;
}

struct Size {
  uint32_t depth = 0;
  uint64_t n_values = 0;
};

void measure(const Json& json, uint32_t depth, Size* size) {
  ++size->n_values;
  if (json.is_string()) CHECK(is_valid_utf8(json.as_string()));
  if (!json.is_array() && !json.is_object()) return;
  size->depth = std::max(size->depth, depth + 1);
  if (json.is_array()) {
    for (const Json& item : json.as_array()) measure(item, depth + 1, size);
    return;
  }
  for (const auto& [key, value] : json.as_object()) {
    CHECK(is_valid_utf8(key) && json.find(key) == &value);  // keys are unique
    measure(value, depth + 1, size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string literal;
  append_json_string(&literal, text);
  const auto string = Json::parse(literal);
  CHECK(string.ok() && string->is_string());
  if (is_valid_utf8(text)) CHECK(string->as_string() == text);

  const Json::Limits limits{.depth = 20, .values = 200};
  const auto json = Json::parse(text, limits);
  if (!json.ok()) {
    CHECK(is_valid_utf8(json.error().message) || !is_valid_utf8(text));
    return 0;
  }
  Size found;
  measure(*json, 0, &found);
  CHECK(found.depth <= limits.depth && found.n_values <= limits.values);
  for (const int indent : {0, 2}) {
    const auto again = Json::parse(json->dump(indent), limits);
    CHECK(again.ok() && same(*again, *json));
    CHECK(again->dump(indent) == json->dump(indent));
  }
  return 0;
}
