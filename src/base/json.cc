#include "base/json.h"

#include <charconv>
#include <cmath>
#include <exception>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/utf8.h"

namespace firesteel {
namespace {

// Builds our value from nlohmann's events, so its exceptions and its map never leave this file.
class Builder {
 public:
  explicit Builder(Json::Limits limits) : limits_(limits) {}

  bool null() { return put(Json()); }
  bool boolean(bool value) { return put(Json(value)); }
  bool number_integer(int64_t value) { return put(Json(value)); }
  bool number_unsigned(uint64_t value) {
    return value <= static_cast<uint64_t>(INT64_MAX) ? put(Json(static_cast<int64_t>(value))) : put(Json(static_cast<double>(value)));
  }
  bool number_float(double value, const std::string&) { return put(Json(value)); }
  bool string(std::string& value) { return put(Json(std::move(value))); }
  bool binary(nlohmann::json::binary_t&) { return false; }
  bool start_object(size_t) { return open(Json(Json::Object{})); }
  bool end_object() {
    // Duplicate keys mean that two readers may disagree about the same bytes.
    const auto& members = stack_.back().as_object();
    std::unordered_set<std::string_view> keys;
    for (const auto& [key, value] : members) {
      if (!keys.insert(key).second) return fail("duplicate key \"" + key + "\"");
    }
    return close();
  }
  bool start_array(size_t) { return open(Json(Json::Array{})); }
  bool end_array() { return close(); }
  bool key(std::string& value) {
    keys_.back() = std::move(value);
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& e) {
    position_ = position;
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error ...": whose exception it is and its count of columns
    // are nobody's business.
    std::string_view reason = e.what();
    if (const size_t end = reason.find("] "); end != std::string_view::npos) reason.remove_prefix(end + 2);
    if (reason.substr(0, 14) == "parse error at") reason.remove_prefix(std::min(reason.find(": "), reason.size() - 2) + 2);
    error_ = reason;
    return false;
  }

  Json take() { return std::move(root_); }
  size_t position() const { return position_; }
  const std::string& error() const { return error_; }

 private:
  bool fail(std::string reason) {
    error_ = std::move(reason);
    return false;
  }
  bool open(Json container) {
    if (stack_.size() >= limits_.depth) return fail("nested deeper than " + std::to_string(limits_.depth));
    stack_.push_back(std::move(container));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    Json done = std::move(stack_.back());
    stack_.pop_back();
    keys_.pop_back();
    return put(std::move(done));
  }
  bool put(Json value) {
    if (++n_values_ > limits_.values) return fail("more than " + std::to_string(limits_.values) + " values");
    if (stack_.empty()) {
      root_ = std::move(value);
    } else if (stack_.back().is_array()) {
      stack_.back().as_array().push_back(std::move(value));
    } else {
      stack_.back().as_object().emplace_back(std::move(keys_.back()), std::move(value));
    }
    return true;
  }

  Json::Limits limits_;
  Json root_;
  std::vector<Json> stack_;
  std::vector<std::string> keys_;
  uint64_t n_values_ = 0;
  size_t position_ = 0;
  std::string error_;
};

void dump_number(std::string* out, double value) {
  if (!std::isfinite(value)) {  // JSON has no word for it
    *out += "null";
    return;
  }
  if (value == 0 && std::signbit(value)) {  // "-0" would be read as the integer 0
    *out += "-0.0";
    return;
  }
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  out->append(buffer, end);
}

void dump_to(const Json& json, int indent, int depth, std::string* out) {
  const auto newline = [&](int level) {
    if (indent > 0) {
      out->push_back('\n');
      out->append(static_cast<size_t>(indent * level), ' ');
    }
  };
  if (json.is_null()) {
    *out += "null";
  } else if (json.is_bool()) {
    *out += json.as_bool() ? "true" : "false";
  } else if (json.is_int()) {
    *out += std::to_string(json.as_int());
  } else if (json.is_double()) {
    dump_number(out, json.as_double());
  } else if (json.is_string()) {
    append_json_string(out, json.as_string());
  } else if (json.is_array()) {
    out->push_back('[');
    bool first = true;
    for (const Json& item : json.as_array()) {
      if (!first) out->push_back(',');
      first = false;
      newline(depth + 1);
      dump_to(item, indent, depth + 1, out);
    }
    if (!first) newline(depth);
    out->push_back(']');
  } else {
    out->push_back('{');
    bool first = true;
    for (const auto& [key, value] : json.as_object()) {
      if (!first) out->push_back(',');
      first = false;
      newline(depth + 1);
      append_json_string(out, key);
      *out += indent > 0 ? ": " : ":";
      dump_to(value, indent, depth + 1, out);
    }
    if (!first) newline(depth);
    out->push_back('}');
  }
}

// The parser quotes what it read last: of any length, and cut inside a character. Messages go into logs and responses.
std::string readable(const std::string& message) {
  constexpr size_t kMessageBytes = 256;
  std::string out;
  for (size_t i = 0; i < message.size();) {
    const Utf8Char c = decode_utf8(message, i);
    if (out.size() + 4 > kMessageBytes) return out + " ...";
    append_utf8(&out, c.code_point);
    i += c.n_bytes;
  }
  return out;
}

}  // namespace

Result<Json> Json::parse(std::string_view text, Limits limits) {
  Builder builder(limits);
  bool ok = false;
  try {
    ok = nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  } catch (const std::exception& e) {  // bad_alloc while parsing
    return Error{ErrorCode::kResourceExhausted, std::string("JSON: ") + e.what()};
  }
  if (ok) return builder.take();
  size_t line = 1;
  size_t column = 1;
  const size_t position = std::min(builder.position(), text.size());
  for (size_t i = 0; i < position; ++i) {
    if (text[i] == '\n') {
      ++line;
      column = 1;
    } else {
      ++column;
    }
  }
  std::string where = builder.position() > 0 ? " at line " + std::to_string(line) + ", column " + std::to_string(column) : "";
  return Error{ErrorCode::kInvalidArgument, "JSON" + where + ": " + readable(builder.error())};
}

bool Json::as_bool() const { CHECK(is_bool()); return *std::get_if<bool>(&value_); }
int64_t Json::as_int() const { CHECK(is_int()); return *std::get_if<int64_t>(&value_); }
double Json::as_double() const {
  CHECK(is_number());
  return is_int() ? static_cast<double>(*std::get_if<int64_t>(&value_)) : *std::get_if<double>(&value_);
}
const std::string& Json::as_string() const { CHECK(is_string()); return *std::get_if<std::string>(&value_); }
const Json::Array& Json::as_array() const { CHECK(is_array()); return *std::get_if<Array>(&value_); }
Json::Array& Json::as_array() { CHECK(is_array()); return *std::get_if<Array>(&value_); }
const Json::Object& Json::as_object() const { CHECK(is_object()); return *std::get_if<Object>(&value_); }
Json::Object& Json::as_object() { CHECK(is_object()); return *std::get_if<Object>(&value_); }

const Json* Json::find(std::string_view key) const {
  const Object* object = std::get_if<Object>(&value_);
  if (object == nullptr) return nullptr;
  for (const auto& [name, value] : *object) {
    if (name == key) return &value;
  }
  return nullptr;
}

void Json::set(std::string_view key, Json value) {
  if (is_null()) value_ = Object{};
  for (auto& [name, old] : as_object()) {
    if (name == key) {
      old = std::move(value);
      return;
    }
  }
  as_object().emplace_back(std::string(key), std::move(value));
}

std::string Json::dump(int indent) const {
  std::string out;
  dump_to(*this, indent, 0, &out);
  return out;
}

void append_json_string(std::string* out, std::string_view text) {
  static const char* const kHex = "0123456789abcdef";
  out->push_back('"');
  for (size_t i = 0; i < text.size();) {
    const uint8_t byte = static_cast<uint8_t>(text[i]);
    if (byte >= 0x20 && byte < 0x80) {
      if (byte == '"' || byte == '\\') out->push_back('\\');
      out->push_back(text[i++]);
      continue;
    }
    if (byte >= 0x80) {
      const Utf8Char c = decode_utf8(text, i);
      if (c.valid) {
        out->append(text.substr(i, c.n_bytes));
      } else {
        *out += "\xEF\xBF\xBD";
      }
      i += c.n_bytes;
      continue;
    }
    switch (byte) {
      case '\n': *out += "\\n"; break;
      case '\r': *out += "\\r"; break;
      case '\t': *out += "\\t"; break;
      case '\b': *out += "\\b"; break;
      case '\f': *out += "\\f"; break;
      default:
        *out += "\\u00";
        out->push_back(kHex[byte >> 4]);
        out->push_back(kHex[byte & 15]);
    }
    ++i;
  }
  out->push_back('"');
}

}  // namespace firesteel
