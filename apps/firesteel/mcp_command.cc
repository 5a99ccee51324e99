// firesteel mcp: which tools servers of a configuration have, and pinning them.
#include "mcp_command.h"

#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "base/mapped_file.h"
#include "commands.h"
#include "tools/mcp_tools.h"

namespace firesteel {
namespace {

constexpr uint64_t kFileBytesMax = 1u << 20;

struct McpOptions {
  std::string file, server;
  bool json = false;
};

Status write_whole(const std::string& path, const std::string& text) {
  const std::string beside = path + ".new";
  std::FILE* const out = std::fopen(beside.c_str(), "w");
  const bool written = out != nullptr && std::fwrite(text.data(), 1, text.size(), out) == text.size();
  if (out != nullptr && std::fclose(out) == 0 && written && std::rename(beside.c_str(), path.c_str()) == 0) return {};
  return Error{ErrorCode::kIo, path + ": could not be written"};
}

Result<std::vector<McpTool>> tools_of(const McpServerConfig& server) {
  FS_TRY(const std::unique_ptr<McpClient> client, McpClient::connect(server));
  return client->list_tools();
}

// Asks every server (or the one), and shows or pins what it has.
Status run(const McpOptions& options, bool pins) {
  FS_TRY(std::string text, read_file(options.file, kFileBytesMax));
  FS_TRY(const std::vector<McpServerConfig> servers, parse_mcp_config(text));
  Json::Array shown;
  bool any = false;
  Status trouble;  // of the first server that does not answer; the others are told and pinned all the same
  for (const McpServerConfig& server : servers) {
    if (!options.server.empty() && server.name != options.server) continue;
    any = true;
    const Result<std::vector<McpTool>> listed = tools_of(server);
    if (!listed.ok()) {
      if (!trouble.ok()) fmt::print(stderr, "firesteel: {}\n", listed.error().message);
      else trouble = listed.error();
      continue;
    }
    const std::vector<McpTool>& tools = *listed;
    for (const McpTool& tool : tools) {
      const auto pin = server.pins.find(tool.name);
      const char* const state = pin == server.pins.end() ? "new" : pin->second == tool.fingerprint ? "pinned" : "changed";
      if (options.json) {
        shown.push_back(Json::Object{{"server", server.name}, {"tool", tool.name}, {"state", pins ? "pinned" : state}, {"fingerprint", tool.fingerprint}, {"description", tool.description}});
      } else {
        std::printf("%s\n", fmt::format("{}.{}  {}{}  {}\n    {}", server.name, tool.name, state, pins && std::string_view(state) != "pinned" ? ", pinned now" : "", tool.fingerprint.substr(0, 16), tool.description).c_str());
      }
    }
    if (pins) {
      FS_TRY(text, with_pins(text, server.name, tools));
    }
  }
  if (!any) return Error{ErrorCode::kNotFound, options.file + ": there is no server " + options.server};
  if (options.json) std::printf("%s\n", Json(std::move(shown)).dump().c_str());
  if (pins) FS_TRY_VOID(write_whole(options.file, text));
  return trouble;
}

void add_action(Command* parent, const char* name, const char* help, bool pins, const char* examples) {
  const auto options = std::make_shared<McpOptions>();
  Command command = parent->subcommand(name, help);
  command.text("file", &options->file, "The configuration (docs/tools.md)");
  command.required("file");
  command.text("--server", &options->server, "Only this server");
  command.flag("--json", &options->json, "Print one JSON array");
  command.examples(examples);
  command.run([options, pins] {
    const Status status = run(*options, pins);
    return status.ok() ? int{kExitOk} : fail(status.error(), options->json);
  });
}

}  // namespace

void add_mcp(Command root) {
  Command command = root.subcommand("mcp", "Tools of MCP servers: list them, and pin what they are");
  add_action(&command, "list", "Ask the servers for their tools: pinned, new, or changed since they were pinned", false, "  firesteel mcp list mcp.json");
  add_action(&command, "pin", "Read their descriptions, then accept them: only pinned tools are offered to a model", true, "  firesteel mcp pin mcp.json --server files");
}

}  // namespace firesteel
