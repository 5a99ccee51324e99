#include "tool_options.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/mapped_file.h"
#include "schema/identity.h"
#include "tools/calculator.h"
#include "tools/code_tools.h"
#include "tools/dates.h"
#include "tools/documents_tool.h"
#include "tools/look.h"
#include "tools/mcp_tools.h"
#include "tools/sandbox.h"

namespace firesteel {
namespace {

constexpr uint64_t kMcpFileBytesMax = 1u << 20;

std::vector<std::string> names_in(const std::string& list) {
  std::vector<std::string> out;
  for (size_t at = 0; at <= list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    if (end > at) out.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

Result<std::shared_ptr<const Sandbox>> open_sandbox() {
  FS_TRY(std::unique_ptr<Sandbox> sandbox, Sandbox::open());
  return std::shared_ptr<const Sandbox>(std::move(sandbox));
}

}  // namespace

void add_mcp_option(Command* command, std::string* file) {
  command->text("--mcp", file, "Configuration of MCP servers, whose pinned tools are offered (docs/tools.md)");
}

void add_tool_options(Command* command, ToolOptions* options) {
  command->text("--tools", &options->tools, "What the model may call: auto (the calculator, for models trained with it), none, or names with commas: calculator,dates,look,python,shell");
  add_mcp_option(command, &options->mcp_file);
}

Result<AgentTools> mcp_tools_of(const std::string& file, std::vector<std::string>* notes) {
  AgentTools out;
  FS_TRY(const std::string text, read_file(file, kMcpFileBytesMax));
  FS_TRY(std::vector<McpServerConfig> servers, parse_mcp_config(text));
  for (McpServerConfig& server : servers) {
    const std::string name = server.name;
    Result<std::unique_ptr<McpClient>> client = McpClient::connect(std::move(server));
    if (!client.ok()) {
      notes->push_back(client.error().message);
      continue;
    }
    Result<McpOffer> offer = mcp_tools(std::shared_ptr<McpClient>(std::move(client).value()));
    if (!offer.ok()) {
      notes->push_back("MCP server " + name + ": " + offer.error().message);
      continue;
    }
    for (const auto& tool : offer->tools) {
      if (tool->scope().empty()) continue;
      const Result<Scope> scope = parse_scopes(tool->scope());
      if (!scope.ok()) return Error{ErrorCode::kInvalidArgument, file + ": scopes of " + tool->name() + ": " + scope.error().message};
    }
    out.insert(out.end(), offer->tools.begin(), offer->tools.end());
    for (std::string& note : offer->notes) notes->push_back("MCP: " + std::move(note));
  }
  return out;
}

Result<AgentTools> tools_to_offer(const ToolOptions& options, const GenerationOptions& generation, const LoadedModel& loaded) {
  AgentTools out;
  if (options.tools == "auto") {
    if (generation.mode != "instant" && is_kindling(*loaded.checkpoint)) out.push_back(make_calculator());
  } else if (options.tools != "none") {
    std::shared_ptr<const Sandbox> sandbox;
    for (const std::string& name : names_in(options.tools)) {
      if ((name == "python" || name == "shell") && sandbox == nullptr) {
        FS_TRY(sandbox, open_sandbox());
      }
      if (name == "calculator") out.push_back(make_calculator());
      else if (name == "dates") out.push_back(make_dates());
      else if (name == "look") out.push_back(make_look());
      else if (name == "python") out.push_back(make_python(sandbox));
      else if (name == "shell") out.push_back(make_shell(sandbox));
      else return Error{ErrorCode::kInvalidArgument, "--tools " + name + ": expected auto, none, or some of calculator, dates, look, python, shell"};
    }
  }
  if (options.mcp_file.empty() || options.tools == "none") return out;
  std::vector<std::string> notes;
  FS_TRY(const AgentTools more, mcp_tools_of(options.mcp_file, &notes));
  for (const std::string& note : notes) fmt::print(stderr, "firesteel: {}\n", note);
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

Result<AgentTools> server_tools(Store* store, bool with_sandbox, const std::string& mcp_file, std::vector<std::string>* notes) {
  AgentTools out = {make_dates(), make_look(), make_documents(store)};
  if (with_sandbox) {
    const Result<std::shared_ptr<const Sandbox>> sandbox = open_sandbox();
    if (sandbox.ok()) {
      out.push_back(make_python(*sandbox));
      out.push_back(make_shell(*sandbox));
    } else {
      notes->push_back(sandbox.error().message);
    }
  }
  if (mcp_file.empty()) return out;
  FS_TRY(const AgentTools more, mcp_tools_of(mcp_file, notes));
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

}  // namespace firesteel
