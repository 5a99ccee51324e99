// Which tools a command offers to its model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "command_line.h"
#include "generation.h"
#include "load_model.h"
#include "store/store.h"
#include "tools/tool.h"

namespace firesteel {

struct ToolOptions {
  std::string tools = "auto";  // or "none", or names with commas between
  std::string mcp_file;        // configuration of MCP servers; empty: none
};
void add_tool_options(Command* command, ToolOptions* options);   // --tools, --mcp
void add_mcp_option(Command* command, std::string* file);        // --mcp only

// auto: what the model was trained to use, the calculator for Kindling when it may think. kInvalidArgument: a name that is not known;
// kUnavailable: a tool that cannot run on this machine, with the reason. Tools of MCP servers that are not pinned are named on stderr.
Result<AgentTools> tools_to_offer(const ToolOptions& options, const GenerationOptions& generation, const LoadedModel& loaded);

// What a server has for requests that name it: dates, look, documents (of the store), python and shell where they can run and are wanted,
// tools of MCP servers. `notes` says what is missing and why.
Result<AgentTools> server_tools(Store* store, bool with_sandbox, const std::string& mcp_file, std::vector<std::string>* notes);

// Tools of all servers of a configuration file.
Result<AgentTools> mcp_tools_of(const std::string& file, std::vector<std::string>* notes);

}  // namespace firesteel
