// Tools of MCP servers as tools for models: "SERVER.TOOL". What a server answers is a stranger's text; what its tools do is an act, unless
// the operator has said that one only reads. A tool is offered only while its description is the one that the operator has pinned.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "tools/mcp_client.h"
#include "tools/tool.h"

namespace firesteel {

// {"servers": {"NAME": {"command": [...], "environment"?: {...}} or {"url", "headers"?: {...}}, "read_only"?: [tools], "confirm"?: [tools],
//   "scopes"?: {tool or "*": scopes}, "pins"?: {tool: fingerprint}}}
Result<std::vector<McpServerConfig>> parse_mcp_config(std::string_view text);

struct McpOffer {
  AgentTools tools;
  std::vector<std::string> notes;  // for the operator: tools that are not pinned, or whose description has changed
};
// Tools of the server that are pinned as they are now.
Result<McpOffer> mcp_tools(std::shared_ptr<McpClient> client);

// The configuration with pins for all tools as the servers describe them now: what `firesteel mcp pin` writes.
Result<std::string> with_pins(std::string_view config, const std::string& server, const std::vector<McpTool>& tools);

}  // namespace firesteel
