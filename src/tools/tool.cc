#include "tools/tool.h"

#include <utility>

namespace firesteel {

Json tools_json(const AgentTools& tools) {
  if (tools.empty()) return {};
  Json::Array out;
  for (const auto& tool : tools) {
    const Json function = Json::Object{{"name", tool->name()}, {"description", tool->description()}, {"parameters", tool->parameters()}};
    out.push_back(Json::Object{{"type", "function"}, {"function", function}});
  }
  return out;
}

}  // namespace firesteel
