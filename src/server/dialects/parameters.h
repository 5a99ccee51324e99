// Reading a request's body: every parameter is supported, reported as ignored, or refused by name; the first problem wins.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/exchange.h"

namespace firesteel {

enum class Support : uint8_t { kSupported, kIgnored, kRefused };

struct Parameter {
  std::string_view name;
  Support support = Support::kSupported;
  std::string_view note = {};   // what of it is supported, why it is ignored or refused; for docs/api.md and messages
};

// What a route (or an object inside its body) may have. The parsers read it, and a test compares docs/api.md with it.
struct ParameterTable {
  std::string_view title;       // "POST /v1/chat/completions"
  std::span<const Parameter> parameters;
};

// Every table, for the documentation.
std::span<const ParameterTable* const> all_parameter_tables();

// What became of a body so far.
struct ReadState {
  std::optional<ApiError> error = {};
  std::vector<std::string> ignored = {};   // names, in order of the body

  bool ok() const { return !error.has_value(); }
  // Keeps the first one.
  void fail(std::string param, const std::string& message, std::string code = {});
};

// One JSON object of a body and its place. Getters give nullopt when the member is absent or null, and after a failure; values of the
// wrong type or out of range fail with the member's path. Both arguments are borrowed.
class BodyReader {
 public:
  BodyReader(const Json& object, std::string path, ReadState* state) : object_(&object), path_(std::move(path)), state_(state) {}

  bool ok() const { return state_->ok(); }
  ReadState* state() const { return state_; }
  const Json& json() const { return *object_; }
  const std::string& place() const { return path_; }
  std::string path(std::string_view name) const { return path_.empty() ? std::string(name) : path_ + "." + std::string(name); }
  // message goes after the path: "expected ...".
  void fail(std::string_view name, const std::string& message, std::string code = {}) const;

  // Every member is in the table; refused ones that are not null fail, ignored ones are noted.
  void check(const ParameterTable& table) const;

  // Reports the member as ignored.
  void note_ignored(std::string_view name) const;

  const Json* get(std::string_view name) const;  // nullptr when absent, null, or after a failure
  std::optional<bool> boolean(std::string_view name) const;
  std::optional<int64_t> integer(std::string_view name, int64_t low, int64_t high) const;
  std::optional<double> number(std::string_view name, double low, double high) const;
  std::optional<std::string> string(std::string_view name) const;
  // One of the values.
  std::optional<std::string> choice(std::string_view name, std::initializer_list<std::string_view> values) const;
  const Json::Array* array(std::string_view name, size_t max_size) const;
  std::optional<BodyReader> object(std::string_view name) const;

 private:
  const Json* object_;
  std::string path_;
  ReadState* state_;
};

// An integer, also written as 5.0.
std::optional<int64_t> as_integer(const Json& json);
// "an array", "the number -1", a string with its beginning ...: for messages.
std::string describe(const Json& json);
// The name among `names` that is most like `name`, or empty when none is close.
std::string_view nearest_name(std::string_view name, std::span<const Parameter> names);

// The body as a JSON object, within limits of depth and size.
std::optional<Json> parse_body(const std::string& body, ReadState* state);

// x-firesteel-ignored: a, b; nothing when the list is empty.
void add_ignored_header(const std::vector<std::string>& ignored, HttpHeaders* headers);

}  // namespace firesteel
