// Defined as in toml_table.cc, the other file that sees toml++: its inline functions must be the same in both.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
// Its assertions are about the input, too: "[[[[" meets one before it is refused (version 3.3).
#define TOML_ASSERT(expr) static_cast<void>(0)
#include <toml++/toml.h>

#include "base/toml_json.h"

#include <cmath>
#include <string>

#include "base/toml_text.h"

namespace firesteel {
namespace {

constexpr size_t kBytesMax = 1u << 20;
constexpr int kDepthMax = 64;

Error error_at(std::string_view where, uint32_t line, const std::string& message) {
  return Error{ErrorCode::kInvalidArgument, std::string(where) + ":" + std::to_string(line) + ": " + message};
}

Result<Json> convert(const toml::node& node, std::string_view where, int depth) {
  const uint32_t line = node.source().begin.line;
  if (depth > kDepthMax) return error_at(where, line, "more than " + std::to_string(kDepthMax) + " levels");
  if (const auto* text = node.as_string()) return Json(text->get());
  if (const auto* integer = node.as_integer()) return Json(integer->get());
  if (const auto* boolean = node.as_boolean()) return Json(boolean->get());
  if (const auto* number = node.as_floating_point()) {
    if (!std::isfinite(number->get())) return error_at(where, line, "expected a finite number");
    return Json(number->get());
  }
  if (const auto* array = node.as_array()) {
    Json::Array list;
    for (const toml::node& element : *array) {
      FS_TRY(Json value, convert(element, where, depth + 1));
      list.push_back(std::move(value));
    }
    return Json(std::move(list));
  }
  if (const auto* table = node.as_table()) {
    Json::Object object;
    for (const auto& [key, element] : *table) {
      FS_TRY(Json value, convert(element, where, depth + 1));
      object.emplace_back(std::string(key.str()), std::move(value));
    }
    return Json(std::move(object));
  }
  return error_at(where, line, "dates and times are not understood here; write a text");
}

}  // namespace

Result<Json> parse_toml(std::string_view text, std::string_view where) {
  if (text.size() > kBytesMax) return Error{ErrorCode::kInvalidArgument, std::string(where) + ": more than 1 MiB"};
  if (const size_t line = foreign_toml_character(text); line > 0) {
    return error_at(where, static_cast<uint32_t>(line), "a character beyond ASCII outside of a text");
  }
  const toml::parse_result parsed = toml::parse(text, where);
  if (!parsed) return error_at(where, parsed.error().source().begin.line, std::string(parsed.error().description()));
  return convert(parsed.table(), where, 0);
}

}  // namespace firesteel
