#include "server/dialects/parameters.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/edit_distance.h"

namespace firesteel {
namespace {

constexpr uint32_t kDepthMax = 64;
constexpr uint64_t kValuesMax = 1u << 20;
constexpr size_t kNameShownMax = 64;
constexpr double kExactIntegerMax = 9007199254740992.0;  // 2^53: above it a double no longer names one integer

std::string shorten(std::string_view text, size_t n_max = kNameShownMax) {
  if (text.size() <= n_max) return std::string(text);
  size_t end = n_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

std::string number_text(double value) { return Json(value).dump(); }

}  // namespace

void ReadState::fail(std::string param, const std::string& message, std::string code) {
  if (error) return;
  std::string text = param.empty() ? message : param + ": " + message;
  error = ApiError{.kind = ApiErrorKind::kInvalidRequest, .message = std::move(text), .param = std::move(param), .code = std::move(code)};
}

std::string describe(const Json& json) {
  if (json.is_null()) return "null";
  if (json.is_bool()) return json.as_bool() ? "true" : "false";
  if (json.is_number()) return json.dump();
  if (json.is_string()) return Json(shorten(json.as_string())).dump();
  return json.is_array() ? "an array" : "an object";
}

std::optional<int64_t> as_integer(const Json& json) {
  if (json.is_int()) return json.as_int();
  if (!json.is_double()) return std::nullopt;
  const double value = json.as_double();
  if (std::fabs(value) > kExactIntegerMax || std::nearbyint(value) != value) return std::nullopt;
  return static_cast<int64_t>(value);
}

std::string_view nearest_name(std::string_view name, std::span<const Parameter> names) {
  if (name.size() > kNameShownMax) return {};
  std::string_view best;
  size_t best_distance = std::max<size_t>(1, name.size() / 3) + 1;
  for (const Parameter& candidate : names) {
    if (candidate.support == Support::kRefused) continue;
    const size_t distance = edit_distance(name, candidate.name);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate.name;
    }
  }
  return best;
}

void BodyReader::fail(std::string_view name, const std::string& message, std::string code) const {
  state_->fail(path(name), message, std::move(code));
}

void BodyReader::check(const ParameterTable& table) const {
  if (!object_->is_object()) return;
  for (const auto& [key, value] : object_->as_object()) {
    if (!ok()) return;
    const std::string& name = key;
    const auto row = std::find_if(table.parameters.begin(), table.parameters.end(), [&](const Parameter& p) { return p.name == name; });
    if (row == table.parameters.end()) {
      const std::string_view near = nearest_name(name, table.parameters);
      state_->fail(path(shorten(name)), near.empty() ? std::string("unknown parameter") : "unknown parameter; did you mean \"" + std::string(near) + "\"?",
                   "unknown_parameter");
    } else if (row->support == Support::kRefused && !value.is_null()) {
      fail(name, "not supported" + (row->note.empty() ? std::string() : ": " + std::string(row->note)), "unsupported_parameter");
    } else if (row->support == Support::kIgnored && !value.is_null()) {
      note_ignored(name);
    }
  }
}

void BodyReader::note_ignored(std::string_view name) const {
  // One entry for all messages: "messages[3].name" is reported as "messages[].name".
  std::string shown;
  for (const char c : path(name)) {
    if (c < '0' || c > '9' || shown.empty() || shown.back() != '[') shown.push_back(c);
  }
  auto& ignored = state_->ignored;
  if (std::find(ignored.begin(), ignored.end(), shown) == ignored.end()) ignored.push_back(std::move(shown));
}

const Json* BodyReader::get(std::string_view name) const {
  if (!ok()) return nullptr;
  const Json* value = object_->find(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::optional<bool> BodyReader::boolean(std::string_view name) const {
  const Json* value = get(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_bool()) return value->as_bool();
  fail(name, "expected true or false, found " + describe(*value));
  return std::nullopt;
}

std::optional<int64_t> BodyReader::integer(std::string_view name, int64_t low, int64_t high) const {
  const Json* value = get(name);
  if (value == nullptr) return std::nullopt;
  const auto number = as_integer(*value);
  if (number && *number >= low && *number <= high) return number;
  std::string range = high == INT64_MAX ? (low == INT64_MIN ? "" : " of at least " + std::to_string(low))
                                        : " from " + std::to_string(low) + " to " + std::to_string(high);
  fail(name, "expected an integer" + range + ", found " + describe(*value));
  return std::nullopt;
}

std::optional<double> BodyReader::number(std::string_view name, double low, double high) const {
  const Json* value = get(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_number() && value->as_double() >= low && value->as_double() <= high) return value->as_double();
  fail(name, "expected a number from " + number_text(low) + " to " + number_text(high) + ", found " + describe(*value));
  return std::nullopt;
}

std::optional<std::string> BodyReader::string(std::string_view name) const {
  const Json* value = get(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->as_string();
  fail(name, "expected a string, found " + describe(*value));
  return std::nullopt;
}

std::optional<std::string> BodyReader::choice(std::string_view name, std::initializer_list<std::string_view> values) const {
  const Json* value = get(name);
  if (value == nullptr) return std::nullopt;
  std::string names;
  for (const std::string_view one : values) {
    if (value->is_string() && value->as_string() == one) return value->as_string();
    names += (names.empty() ? "\"" : ", \"") + std::string(one) + "\"";
  }
  fail(name, (values.size() == 1 ? "expected " : "expected one of ") + names + ", found " + describe(*value));
  return std::nullopt;
}

const Json::Array* BodyReader::array(std::string_view name, size_t max_size) const {
  const Json* value = get(name);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) {
    fail(name, "expected an array, found " + describe(*value));
    return nullptr;
  }
  if (value->as_array().size() <= max_size) return &value->as_array();
  fail(name, "expected at most " + std::to_string(max_size) + " items, found " + std::to_string(value->as_array().size()));
  return nullptr;
}

std::optional<BodyReader> BodyReader::object(std::string_view name) const {
  const Json* value = get(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_object()) return BodyReader(*value, path(name), state_);
  fail(name, "expected an object, found " + describe(*value));
  return std::nullopt;
}

namespace {

// For a number that overflowed, the name before it.
void fail_syntax(const std::string& body, const std::string& text, ReadState* state) {
  if (text.find("number overflow parsing '") != std::string::npos) {
    const size_t from = text.find("parsing '");
    const size_t to = from == std::string::npos ? from : text.find('\'', from + 9);
    if (to != std::string::npos) {
      const std::string number = text.substr(from + 9, to - from - 9);
      const size_t at = body.find(number);
      const size_t colon = at == std::string::npos ? at : body.find_last_not_of(" \t\r\n", at == 0 ? 0 : at - 1);
      if (colon != std::string::npos && body[colon] == ':') {
        const size_t end = body.rfind('"', colon);
        const size_t begin = end == std::string::npos || end == 0 ? std::string::npos : body.rfind('"', end - 1);
        if (begin != std::string::npos) {
          state->fail(shorten(body.substr(begin + 1, end - begin - 1)), "expected a number that a double can hold, found " + shorten(number));
          return;
        }
      }
    }
  }
  state->fail("", "the body is not valid: " + shorten(text, 256), "invalid_json");
}

}  // namespace

std::optional<Json> parse_body(const std::string& body, ReadState* state) {
  auto json = Json::parse(body, {.depth = kDepthMax, .values = kValuesMax});
  if (!json.ok()) {
    fail_syntax(body, json.error().message, state);
    return std::nullopt;
  }
  if (!json->is_object()) {
    state->fail("", "the body: expected a JSON object, found " + describe(*json), "invalid_json");
    return std::nullopt;
  }
  return std::move(*json);
}

void add_ignored_header(const std::vector<std::string>& ignored, HttpHeaders* headers) {
  if (ignored.empty()) return;
  std::string names;
  for (const std::string& name : ignored) names += (names.empty() ? "" : ", ") + name;
  headers->emplace_back("x-firesteel-ignored", std::move(names));
}

}  // namespace firesteel
