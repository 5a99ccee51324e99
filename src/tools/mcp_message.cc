#include "tools/mcp_message.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "digest/digest.h"

namespace firesteel {
namespace {

constexpr size_t kToolsMax = 256, kNameMax = 64, kDescriptionMax = 8192, kSchemaMax = 64u << 10, kCursorMax = 4096, kPartsMax = 256, kErrorTextMax = 1024;
constexpr Json::Limits kLimits{.depth = 64, .values = 1u << 18};

Error wrong(std::string what) { return {ErrorCode::kInvalidArgument, "MCP: " + std::move(what)}; }

const std::string* text_of(const Json& json, std::string_view name) {
  const Json* found = json.find(name);
  return found != nullptr && found->is_string() ? &found->as_string() : nullptr;
}

std::string cut(const std::string& text, size_t bytes_max) { return text.substr(0, complete_utf8_prefix(std::string_view(text).substr(0, bytes_max))); }

bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= kNameMax && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
}

// Everything of a tool that a model or a person is told.
std::string fingerprint_of(const Json& tool) {
  Json all = Json::Object{};
  for (const char* const name : {"name", "title", "description", "inputSchema", "outputSchema", "annotations"}) {
    const Json* found = tool.find(name);
    all.set(name, found == nullptr ? Json() : *found);
  }
  return sha256_hex(all.dump());
}

}  // namespace

Result<McpMessage> parse_mcp_message(std::string_view text) {
  if (text.size() > kMcpMessageBytesMax) return Error{ErrorCode::kResourceExhausted, "MCP: a message has " + std::to_string(text.size()) + " bytes, which is above the limit"};
  Result<Json> parsed = Json::parse(text, kLimits);
  if (!parsed.ok()) return wrong("expected a JSON-RPC message: " + parsed.error().message);
  Json& json = parsed.value();
  const std::string* version = text_of(json, "jsonrpc");
  if (version == nullptr || *version != "2.0") return wrong("expected one message with jsonrpc 2.0");
  McpMessage out;
  const Json* id = json.find("id");
  if (id != nullptr && !id->is_null() && !id->is_int() && !id->is_string()) return wrong("id: expected a number or a text");
  if (id != nullptr) out.id = *id;
  if (const Json* method = json.find("method"); method != nullptr) {
    if (!method->is_string() || method->as_string().size() > 256) return wrong("method: expected a short text");
    out.kind = id == nullptr ? McpMessage::Kind::kNotification : McpMessage::Kind::kRequest;
    out.method = method->as_string();
    if (const Json* params = json.find("params"); params != nullptr) out.payload = *params;
    return out;
  }
  const Json* result = json.find("result");
  const Json* error = json.find("error");
  if ((result == nullptr) == (error == nullptr)) return wrong("expected a result or an error");
  if (result != nullptr) {
    if (id == nullptr || !result->is_object()) return wrong("result: expected an object, and an id");
    out.kind = McpMessage::Kind::kResult;
    out.payload = *result;
    return out;
  }
  const Json* code = error->find("code");
  const std::string* message = text_of(*error, "message");
  if (code == nullptr || !code->is_int() || message == nullptr) return wrong("error: expected code and message");
  out.kind = McpMessage::Kind::kError;
  out.code = code->as_int();
  out.message = cut(*message, kErrorTextMax);
  return out;
}

std::string mcp_request(int64_t id, std::string_view method, Json params, bool stateless) {
  if (params.is_null()) params = Json::Object{};
  if (stateless) {
    params.set("_meta", Json::Object{{"io.modelcontextprotocol/protocolVersion", kMcpStateless},
                                     {"io.modelcontextprotocol/clientInfo", Json::Object{{"name", "firesteel"}, {"version", "1"}}},
                                     {"io.modelcontextprotocol/clientCapabilities", Json::Object{}}});
  }
  Json out = Json::Object{{"jsonrpc", "2.0"}};
  if (id >= 0) out.set("id", id);
  out.set("method", std::string(method));
  out.set("params", std::move(params));
  return out.dump();
}

std::string mcp_answer_to(const McpMessage& request) {
  Json out = Json::Object{{"jsonrpc", "2.0"}, {"id", request.id}};
  if (request.method == "ping") out.set("result", Json::Object{});
  else out.set("error", Json::Object{{"code", -32601}, {"message", "this client answers no such requests"}});
  return out.dump();
}

Result<McpToolPage> parse_mcp_tools(const Json& result) {
  const Json* tools = result.find("tools");
  if (tools == nullptr || !tools->is_array() || tools->as_array().size() > kToolsMax) return wrong("tools: expected a list of at most 256");
  McpToolPage page;
  for (const Json& one : tools->as_array()) {
    const std::string* name = text_of(one, "name");
    if (name == nullptr || !is_name(*name)) return wrong("tools: expected names of 1 to 64 letters, digits, '_', '-' or '.'");
    McpTool tool;
    tool.name = *name;
    if (const std::string* description = text_of(one, "description"); description != nullptr) tool.description = *description;
    if (tool.description.size() > kDescriptionMax) return wrong("tools: the description of " + *name + " is longer than 8 KiB");
    const Json* schema = one.find("inputSchema");
    if (schema == nullptr || !schema->is_object() || schema->dump().size() > kSchemaMax) return wrong("tools: expected a schema of at most 64 KiB for " + *name);
    tool.schema = *schema;
    tool.fingerprint = fingerprint_of(one);
    page.tools.push_back(std::move(tool));
  }
  if (const Json* next = result.find("nextCursor"); next != nullptr && !next->is_null()) {
    if (!next->is_string() || next->as_string().size() > kCursorMax) return wrong("nextCursor: expected a short text");
    page.next_cursor = next->as_string();
  }
  return page;
}

Result<McpCallResult> parse_mcp_call_result(const Json& result) {
  if (const std::string* type = text_of(result, "resultType"); type != nullptr && *type != "complete") return wrong("the server asks for more than arguments (" + cut(*type, 40) + "), which is not supported");
  McpCallResult out;
  const Json* is_error = result.find("isError");
  if (is_error != nullptr && !is_error->is_bool()) return wrong("isError: expected true or false");
  out.is_error = is_error != nullptr && is_error->as_bool();
  const Json* content = result.find("content");
  if (content != nullptr && (!content->is_array() || content->as_array().size() > kPartsMax)) return wrong("content: expected a list of at most 256 parts");
  if (content != nullptr) {
    for (const Json& part : content->as_array()) {
      const std::string* type = text_of(part, "type");
      if (type == nullptr) return wrong("content: a part has no type");
      const std::string* text = text_of(part, "text");
      if (*type == "text" && text == nullptr) return wrong("content: a text part has no text");
      if (!out.text.empty()) out.text += "\n";
      out.text += *type == "text" ? *text : "[" + cut(*type, 40) + "]";
    }
  }
  if (const Json* structured = result.find("structuredContent"); out.text.empty() && structured != nullptr) out.text = structured->dump();
  return out;
}

Status SseReader::push(std::string_view bytes, std::vector<std::string>* data) {
  for (const char c : bytes) {
    if (c == '\n' && after_cr_) {  // the second half of a line end
      after_cr_ = false;
      continue;
    }
    after_cr_ = c == '\r';
    if (c != '\n' && c != '\r') {
      line_.push_back(c);
      if (line_.size() + data_.size() > kMcpMessageBytesMax) return Error{ErrorCode::kResourceExhausted, "MCP: an event is above the limit of bytes"};
      continue;
    }
    if (line_.empty()) {
      if (has_data_) data->push_back(std::exchange(data_, {}));
      has_data_ = false;
      continue;
    }
    const std::string_view line = line_;
    if (line.substr(0, 5) == "data:") {
      std::string_view value = line.substr(5);
      if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
      if (has_data_) data_.push_back('\n');
      data_.append(value);
      has_data_ = true;
    }
    line_.clear();
  }
  return {};
}

}  // namespace firesteel
