// Messages of the Model Context Protocol, from servers that are not trusted: JSON-RPC 2.0, revisions 2026-07-28 (each request describes
// itself) and 2025-11-25 (a session begins with initialize). Everything that is read has a cap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace firesteel {

inline constexpr const char* kMcpStateless = "2026-07-28";
inline constexpr const char* kMcpSession = "2025-11-25";
inline constexpr size_t kMcpMessageBytesMax = 4u << 20;

struct McpMessage {
  enum class Kind : uint8_t { kResult, kError, kRequest, kNotification };
  Kind kind = Kind::kNotification;
  Json id = {};               // of kResult, kError and kRequest; null in errors about nothing in particular
  std::string method = {};    // of kRequest and kNotification
  Json payload = {};          // the result, or params
  int64_t code = 0;           // of kError
  std::string message = {};   // of kError, at most 1 KiB of it
};
// kInvalidArgument: not one JSON-RPC 2.0 message.
Result<McpMessage> parse_mcp_message(std::string_view text);

// A request, or with id < 0 a notification. `stateless`: params get the _meta of revision 2026-07-28.
std::string mcp_request(int64_t id, std::string_view method, Json params, bool stateless);
// An answer to a server's request: an empty result to "ping", else that the method is not known.
std::string mcp_answer_to(const McpMessage& request);

struct McpTool {
  std::string name, description;
  Json schema;                // of its arguments: an object
  std::string fingerprint;    // SHA-256 of name, title, description, schemas and annotations: what a pin holds
};
struct McpToolPage {
  std::vector<McpTool> tools;
  std::optional<std::string> next_cursor = {};
};
// A page of tools/list. Tools with a name that no API would take are refused as a whole: kInvalidArgument.
Result<McpToolPage> parse_mcp_tools(const Json& result);

struct McpCallResult {
  std::string text;           // text parts, other parts named in brackets; or the structured content as JSON
  bool is_error = false;
};
Result<McpCallResult> parse_mcp_call_result(const Json& result);

// Data of a text/event-stream, event by event.
class SseReader {
 public:
  // kResourceExhausted: an event above kMcpMessageBytesMax.
  Status push(std::string_view bytes, std::vector<std::string>* data);

 private:
  std::string line_, data_;
  bool has_data_ = false, after_cr_ = false;
};

}  // namespace firesteel
