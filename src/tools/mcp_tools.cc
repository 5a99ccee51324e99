#include "tools/mcp_tools.h"

#include <algorithm>
#include <utility>

#include "tools/taint_gate.h"

namespace firesteel {
namespace {

constexpr size_t kServersMax = 32, kConfigBytesMax = 1u << 20;

Error wrong(std::string what) { return {ErrorCode::kInvalidArgument, "MCP configuration: " + std::move(what)}; }

bool is_server_name(const std::string& name) {
  return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; });
}

Result<std::vector<std::string>> texts(const Json& object, const char* name, const std::string& place) {
  std::vector<std::string> out;
  const Json* found = object.find(name);
  if (found == nullptr) return out;
  if (!found->is_array()) return wrong(place + name + ": expected a list of texts");
  for (const Json& one : found->as_array()) {
    if (!one.is_string()) return wrong(place + name + ": expected a list of texts");
    out.push_back(one.as_string());
  }
  return out;
}

Result<std::vector<std::pair<std::string, std::string>>> pairs(const Json& object, const char* name, const std::string& place) {
  std::vector<std::pair<std::string, std::string>> out;
  const Json* found = object.find(name);
  if (found == nullptr) return out;
  if (!found->is_object()) return wrong(place + name + ": expected an object of texts");
  for (const auto& [key, value] : found->as_object()) {
    if (!value.is_string()) return wrong(place + name + "." + key + ": expected a text");
    out.emplace_back(key, value.as_string());
  }
  return out;
}

Result<ToolResult> call(McpClient* client, const std::string& tool, const Json& arguments, const ToolContext& context) {
  FS_TRY(McpCallResult result, client->call(tool, arguments, context.cancelled));
  if (result.is_error) return Error{ErrorCode::kInvalidArgument, result.text.empty() ? "the tool failed" : result.text};
  return ToolResult(std::move(result.text));
}

// What both kinds share.
struct Described {
  std::shared_ptr<McpClient> client;
  McpTool tool;
  std::string name, scope;
  bool asks_always = false;
};

class McpReader final : public AgentTool {
 public:
  explicit McpReader(Described described) : described_(std::move(described)) {}
  const std::string& name() const override { return described_.name; }
  const std::string& description() const override { return described_.tool.description; }
  Json parameters() const override { return described_.tool.schema; }
  ToolTaint taint() const override { return ToolTaint::kTainted; }
  std::string_view scope() const override { return described_.scope; }
  Result<ToolResult> run(const Json& arguments, const ToolContext& context) const override {
    return call(described_.client.get(), described_.tool.name, arguments, context);
  }

 private:
  const Described described_;
};

class McpActor final : public ActingTool {
 public:
  explicit McpActor(Described described) : described_(std::move(described)) {}
  const std::string& name() const override { return described_.name; }
  const std::string& description() const override { return described_.tool.description; }
  Json parameters() const override { return described_.tool.schema; }
  ToolTaint taint() const override { return ToolTaint::kTainted; }
  std::string_view scope() const override { return described_.scope; }
  bool asks_always() const override { return described_.asks_always; }
  Result<ToolResult> act(const Json& arguments, const ToolContext& context, const ActPermit&) const override {
    return call(described_.client.get(), described_.tool.name, arguments, context);
  }

 private:
  const Described described_;
};

}  // namespace

Result<std::vector<McpServerConfig>> parse_mcp_config(std::string_view text) {
  if (text.size() > kConfigBytesMax) return wrong("it is larger than 1 MiB");
  FS_TRY(const Json json, Json::parse(text));
  const Json* servers = json.find("servers");
  if (servers == nullptr || !servers->is_object()) return wrong("expected {\"servers\": {...}}");
  if (servers->as_object().size() > kServersMax) return wrong("at most 32 servers");
  std::vector<McpServerConfig> out;
  for (const auto& [name, server] : servers->as_object()) {
    const std::string place = "servers." + name + ".";
    if (!is_server_name(name)) return wrong("servers: expected names of 1 to 32 small letters, digits, '_' or '-', found \"" + name.substr(0, 40) + "\"");
    if (!server.is_object()) return wrong("servers." + name + ": expected an object");
    for (const auto& member : server.as_object()) {
      const std::string& key = member.first;
      static constexpr const char* kKnown[] = {"command", "url", "environment", "headers", "read_only", "confirm", "scopes", "pins"};
      if (std::none_of(std::begin(kKnown), std::end(kKnown), [&](const char* known) { return key == known; })) return wrong(place + key + ": unknown");
    }
    McpServerConfig config;
    config.name = name;
    FS_TRY(config.command, texts(server, "command", place));
    FS_TRY(config.read_only, texts(server, "read_only", place));
    FS_TRY(config.environment, pairs(server, "environment", place));
    FS_TRY(config.headers, pairs(server, "headers", place));
    FS_TRY(config.confirm, texts(server, "confirm", place));
    for (const std::string& tool : config.confirm) {
      if (std::find(config.read_only.begin(), config.read_only.end(), tool) != config.read_only.end()) return wrong(place + "confirm: \"" + tool + "\" is in read_only, too: a tool that acts on nothing is not confirmed");
    }
    FS_TRY(const auto scopes, pairs(server, "scopes", place));
    config.scopes.insert(scopes.begin(), scopes.end());
    FS_TRY(const auto pins, pairs(server, "pins", place));
    config.pins.insert(pins.begin(), pins.end());
    if (const Json* url = server.find("url"); url != nullptr) {
      if (!url->is_string()) return wrong(place + "url: expected a text");
      FS_TRY_VOID([&]() -> Status { const auto parsed = parse_http_url(url->as_string()); return parsed.ok() ? Status() : wrong(place + "url: " + parsed.error().message); }());
      config.url = url->as_string();
    }
    if (config.command.empty() == config.url.empty()) return wrong("servers." + name + ": expected a command or a url");
    if (!config.command.empty() && config.command.front().substr(0, 1) != "/") return wrong(place + "command: expected a program with its whole path, found \"" + config.command.front().substr(0, 80) + "\"");
    out.push_back(std::move(config));
  }
  return out;
}

Result<McpOffer> mcp_tools(std::shared_ptr<McpClient> client) {
  FS_TRY(std::vector<McpTool> tools, client->list_tools());
  const McpServerConfig& config = client->config();
  McpOffer offer;
  for (McpTool& tool : tools) {
    Described described{.client = client, .tool = std::move(tool), .name = {}, .scope = {}};
    described.name = config.name + "." + described.tool.name;
    const auto own_scope = config.scopes.find(described.tool.name), any_scope = config.scopes.find("*");
    if (own_scope != config.scopes.end()) described.scope = own_scope->second;
    else if (any_scope != config.scopes.end()) described.scope = any_scope->second;
    described.asks_always = std::find(config.confirm.begin(), config.confirm.end(), described.tool.name) != config.confirm.end();
    const auto pin = config.pins.find(described.tool.name);
    if (pin == config.pins.end() || pin->second != described.tool.fingerprint) {
      offer.notes.push_back(described.name + (pin == config.pins.end() ? " is not pinned" : ": its description has changed since it was pinned") + ", so it is not offered (now " +
                            described.tool.fingerprint + ")");
      continue;
    }
    const bool reads = std::find(config.read_only.begin(), config.read_only.end(), described.tool.name) != config.read_only.end();
    if (reads) offer.tools.push_back(std::make_shared<McpReader>(std::move(described)));
    else offer.tools.push_back(std::make_shared<McpActor>(std::move(described)));
  }
  return offer;
}

Result<std::string> with_pins(std::string_view config, const std::string& server, const std::vector<McpTool>& tools) {
  FS_TRY_VOID([&]() -> Status { const auto parsed = parse_mcp_config(config); return parsed.ok() ? Status() : parsed.error(); }());
  FS_TRY(Json json, Json::parse(config));
  Json pins = Json::Object{};
  for (const McpTool& tool : tools) pins.set(tool.name, tool.fingerprint);
  Json servers = *json.find("servers");
  const Json* known = servers.find(server);
  if (known == nullptr) return wrong("there is no server " + server);
  Json one = *known;
  one.set("pins", std::move(pins));
  servers.set(server, std::move(one));
  json.set("servers", std::move(servers));
  return json.dump(2) + "\n";
}

}  // namespace firesteel
