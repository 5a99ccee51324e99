// What an MCP server sends: messages, lists of tools, results, event streams, HTTP answers; and the operator's configuration and URLs.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "net/http_client.h"
#include "net/http_reply.h"
#include "tools/mcp_message.h"
#include "tools/mcp_tools.h"

namespace {

using namespace firesteel;

std::vector<std::string> events_of(std::string_view text, size_t piece) {
  SseReader reader;
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size(); at += piece) CHECK(reader.push(text.substr(at, piece), &out).ok());
  return out;
}

struct Reply {
  bool ok = true, done = false;
  int status = 0;
  std::string body;
  bool operator==(const Reply&) const = default;
};

Reply reply_of(std::string_view text, size_t piece) {
  HttpReplyReader reader(1000);
  Reply out;
  for (size_t at = 0; at < text.size() && out.ok; at += piece) out.ok = reader.push(text.substr(at, piece), &out.body).ok();
  if (!out.ok) return {.ok = false, .done = false, .status = 0, .body = {}};  // how much was read before the mistake depends on the pieces
  CHECK(out.body.size() <= 1000);
  out.done = reader.done();
  out.status = reader.status();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 8192) return 0;
  const size_t piece = 1 + data[0] % 32;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (const auto message = parse_mcp_message(text); message.ok()) {
    (void)parse_mcp_call_result(message->payload).ok();
    if (const auto page = parse_mcp_tools(message->payload); page.ok()) {
      for (const McpTool& tool : page->tools) CHECK(!tool.name.empty() && tool.name.size() <= 64 && tool.fingerprint.size() == 64 && tool.schema.is_object());
    }
    if (message->kind == McpMessage::Kind::kRequest) CHECK(parse_mcp_message(mcp_answer_to(*message)).ok());
  }
  CHECK(events_of(text, text.size()) == events_of(text, piece));
  CHECK(reply_of(text, text.size()) == reply_of(text, piece));
  (void)parse_mcp_config(text).ok();
  if (const auto url = parse_http_url(text); url.ok()) CHECK(!url->host.empty() && !url->path.empty() && url->port != 0);
  return 0;
}
