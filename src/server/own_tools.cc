#include "server/own_tools.h"

#include <algorithm>
#include <utility>

namespace firesteel {
namespace {

Error wrong(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

const ToolInfo* find_tool(const ModelInfo& info, const std::string& name) {
  const auto found = std::find_if(info.tools.begin(), info.tools.end(), [&](const ToolInfo& tool) { return tool.name == name; });
  return found == info.tools.end() ? nullptr : &*found;
}

bool is_instant(const GenerateRequest& request, const ChatPrompt& chat) {
  const Json* thinks = chat.template_variables.is_object() ? chat.template_variables.find("enable_thinking") : nullptr;
  return request.stop.thinking_budget == 0 || (thinks != nullptr && *thinks == Json(false));
}

}  // namespace

Result<OwnTools> read_own_tools(const Json& value, const ModelInfo& info) {
  constexpr size_t kNamesMax = 32;
  if (value.is_string() && value.as_string() == "auto") return OwnTools();
  if (value.is_string() && value.as_string() == "none") return OwnTools(std::vector<std::string>());
  if (!value.is_array() || value.as_array().size() > kNamesMax) return wrong("expected \"auto\", \"none\", or a list of at most 32 names");
  std::vector<std::string> names;
  for (const Json& name : value.as_array()) {
    if (!name.is_string()) return wrong("expected \"auto\", \"none\", or a list of at most 32 names");
    if (find_tool(info, name.as_string()) == nullptr) {
      std::string known;
      for (const ToolInfo& tool : info.tools) known += (known.empty() ? "" : ", ") + tool.name;
      return wrong("expected names of this server's tools (" + (known.empty() ? "it has none" : known) + "), found \"" + name.as_string().substr(0, 64) + "\"");
    }
    if (std::find(names.begin(), names.end(), name.as_string()) == names.end()) names.push_back(name.as_string());
  }
  return OwnTools(std::move(names));
}

Status use_own_tools(const OwnTools& wanted, const ModelInfo& info, bool reports_calls, GenerateRequest* request) {
  ToolUse use;
  use.reports_calls = reports_calls;
  if (wanted) use.names = *wanted;
  if (request->agents) {  // lanes are offered them by the run
    if (wanted) request->tools = std::move(use);
    return {};
  }
  auto* chat = std::get_if<ChatPrompt>(&request->prompt);
  const char* const obstacle = chat == nullptr ? "a raw prompt" : !chat->tools.is_null() ? "tools of the request's own" : request->constraint ? "a form for the answer" :
                               request->sampling.n_top_logprobs >= 0 ? "logprobs" : nullptr;
  if (wanted && !wanted->empty() && obstacle != nullptr) return wrong(std::string("not together with ") + obstacle);
  if (obstacle != nullptr) return {};
  if (!wanted && !(info.can_think && is_instant(*request, *chat))) {
    for (const ToolInfo& tool : info.tools) {
      if (tool.automatic) use.names.push_back(tool.name);
    }
  }
  if (use.names.empty()) return {};
  Json::Array declarations;
  for (const std::string& name : use.names) declarations.push_back(find_tool(info, name)->declaration);
  chat->tools = std::move(declarations);
  request->tools = std::move(use);
  return {};
}

std::optional<ApiError> check_tool_scopes(const ToolUse& use, const ModelInfo& info, const Principal& principal) {
  for (const std::string& name : use.names) {
    const ToolInfo* const tool = find_tool(info, name);
    if (tool == nullptr || tool->scope.empty()) continue;
    const Result<Scope> needed = parse_scopes(tool->scope);  // an unknown word: for nobody
    if (needed.ok() && principal.may(*needed)) continue;
    return ApiError{.kind = ApiErrorKind::kForbidden, .message = "the tool " + name + " needs a key with the scope " + tool->scope, .code = "insufficient_permissions"};
  }
  return std::nullopt;
}

}  // namespace firesteel
