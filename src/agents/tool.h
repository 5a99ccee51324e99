// A function that a model may call in its answer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace firesteel {

// Stateless, thread-safe.
class AgentTool {
 public:
  virtual ~AgentTool() = default;
  virtual const std::string& name() const = 0;
  virtual const std::string& description() const = 0;
  virtual Json parameters() const = 0;  // a JSON Schema of the arguments
  // The text that the model reads; an error's message is for the model, too. `arguments` came from a model: any JSON object.
  virtual Result<std::string> run(const Json& arguments) const = 0;
};

using AgentTools = std::vector<std::shared_ptr<const AgentTool>>;

// As chat templates take them: [{"type": "function", "function": {"name", "description", "parameters"}}], null without tools.
Json tools_json(const AgentTools& tools);

}  // namespace firesteel
