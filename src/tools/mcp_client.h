// A client of one MCP server, over stdio or streamable HTTP, in both generations of the protocol: it asks server/discover first, and begins
// a session with initialize where that is not known.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "net/http_client.h"
#include "tools/mcp_message.h"
#include "tools/process.h"

namespace firesteel {

struct McpServerConfig {
  std::string name;
  std::vector<std::string> command = {};                             // stdio: an absolute path and its arguments; or
  std::string url = {};                                              // streamable HTTP
  std::vector<std::pair<std::string, std::string>> environment = {};  // of the command: all that it gets
  std::vector<std::pair<std::string, std::string>> headers = {};      // of HTTP: all but the protocol's own; never a caller's key
  std::vector<std::string> read_only = {};                            // tools that change nothing, by the operator's word
  std::vector<std::string> confirm = {};                              // tools of which every call is put to a person
  std::map<std::string, std::string> scopes = {};                     // tool to what a key must be allowed beside inference; "*": of all others
  std::map<std::string, std::string> pins = {};                       // tool to fingerprint; a tool without its pin is not offered
};

struct McpLimits {
  int64_t call_ms = 30'000;
  int64_t connect_ms = 10'000;
  int n_stray_messages_max = 1000;  // notifications and requests of the server during one call
};

// Thread-safe: one request at a time.
class McpClient {
 public:
  using Cancelled = std::function<bool()>;
  static Result<std::unique_ptr<McpClient>> connect(McpServerConfig config, McpLimits limits = {});

  // Every tool of the server, all pages (at most 16).
  Result<std::vector<McpTool>> list_tools() FS_EXCLUDES(mutex_);
  Result<McpCallResult> call(const std::string& tool, const Json& arguments, const Cancelled& cancelled = {}) FS_EXCLUDES(mutex_);

  const McpServerConfig& config() const { return config_; }
  std::string revision() FS_EXCLUDES(mutex_);  // of the protocol, as it was agreed on

 private:
  McpClient(McpServerConfig config, McpLimits limits) : config_(std::move(config)), limits_(limits) {}
  Status begin() FS_REQUIRES(mutex_);
  Status begin_session() FS_REQUIRES(mutex_);
  Status start_process() FS_REQUIRES(mutex_);
  Result<Json> request(std::string_view method, Json params, std::string_view name, int64_t timeout_ms, const Cancelled& cancelled) FS_REQUIRES(mutex_);
  Result<Json> request_stdio(const std::string& text, int64_t id, int64_t timeout_ms, const Cancelled& cancelled) FS_REQUIRES(mutex_);
  Result<Json> request_http(const std::string& text, int64_t id, std::string_view method, std::string_view name, int64_t timeout_ms, const Cancelled& cancelled)
      FS_REQUIRES(mutex_);
  Status notify(std::string_view method) FS_REQUIRES(mutex_);

  const McpServerConfig config_;
  const McpLimits limits_;
  HttpUrl url_;
  Mutex mutex_;
  std::unique_ptr<TalkingProcess> process_ FS_GUARDED_BY(mutex_);
  bool stateless_ FS_GUARDED_BY(mutex_) = true;
  std::string revision_ FS_GUARDED_BY(mutex_) = kMcpStateless;
  std::string session_ FS_GUARDED_BY(mutex_);  // of HTTP
  int64_t next_id_ FS_GUARDED_BY(mutex_) = 1;
};

}  // namespace firesteel
